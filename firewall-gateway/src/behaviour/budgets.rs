//! Addresses that go on over a limit: who was told when to come again, and does not wait, is to be dropped until then.
//!
//! A client that keeps to its `Retry-After` is refused once in each wait. A slot is one word for that: until when the
//! wait is, and how often it was refused in it, so that one of many threads sees that it is too often.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::slots::{Owners, ROW_SLOTS, home};
use crate::{
    clients::addresses::host,
    limits::{BUDGET_SLOTS, OFFENCE_PAUSE_MS},
    policy::{BudgetLimitPolicy, BudgetPolicy},
};

/// How often each address was refused by each of these limits within the wait that it was told.
pub struct Budgets {
    policy: BudgetPolicy,
    rows: Box<[Row]>,
    // Keyed anew in each process: nobody can choose addresses that share a row.
    hasher: RandomState,
    displaced: AtomicU64,
}

#[derive(Default)]
struct Row {
    owners: Owners,
    /// The end of its wait, and how often it was refused before that.
    waits: [AtomicU64; ROW_SLOTS],
}

impl Budgets {
    /// Nobody was refused yet.
    #[must_use]
    pub fn new(policy: &BudgetPolicy) -> Self {
        Self::with_slots(policy, BUDGET_SLOTS)
    }

    fn with_slots(policy: &BudgetPolicy, slots: usize) -> Self {
        Self {
            policy: policy.clone(),
            rows: (0..slots / ROW_SLOTS).map(|_| Row::default()).collect(),
            hasher: RandomState::new(),
            displaced: AtomicU64::new(0),
        }
    }

    /// The limit of this name, where it is one of these.
    #[must_use]
    pub fn limit(&self, name: &str) -> Option<&BudgetLimitPolicy> {
        self.policy.limits.iter().find(|limit| limit.name == name)
    }

    /// After how many refusals in one wait an address is dropped.
    #[must_use]
    pub fn refusals(&self) -> u32 {
        self.policy.refusals
    }

    /// A limit refuses an address, which may come again `after` this time. Whether that is once too often: said once,
    /// and again where nothing comes of it.
    pub fn refuses(&self, limit: &str, address: IpAddr, after: Duration, now_ms: u64) -> bool {
        self.refused(limit, address, after, now_ms).unwrap_or_default()
    }

    fn refused(&self, limit: &str, address: IpAddr, after: Duration, now_ms: u64) -> Option<bool> {
        let hash = self.hasher.hash_one((host(address), limit));
        let (row, owner) = home(hash, self.rows.len());
        let row = self.rows.get(row)?;
        let slot = self.enter(row, owner, now_ms)?;
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        let next = |word: u64| {
            let (until_ms, count) = (word >> COUNT_BITS, word & COUNT_MASK);
            let (until_ms, count) = match count {
                _ if until_ms <= now_ms => (now_ms.saturating_add(after_ms), 1),
                TOLD => return None,
                _ => (until_ms, count + 1),
            };
            if count < u64::from(self.policy.refusals) {
                return Some(packed(until_ms, count));
            }
            // A ban that is over is no reason to bear the next flood.
            Some(packed(now_ms.saturating_add(after_ms.min(OFFENCE_PAUSE_MS)), TOLD))
        };
        let before = row.waits.get(slot)?.fetch_update(Relaxed, Relaxed, next).ok()?;
        next(before).map(|word| word & COUNT_MASK == TOLD)
    }

    /// Its slot: one that is free, or else that of who waits for the shortest time.
    fn enter(&self, row: &Row, owner: u64, now_ms: u64) -> Option<usize> {
        let wait = |slot: usize| row.waits.get(slot).map_or(0, |wait| wait.load(Relaxed));
        let least = || (0..ROW_SLOTS).min_by_key(|slot| wait(*slot));
        let clear = |slot: usize, before: u64| {
            if before != 0 && wait(slot) >> COUNT_BITS > now_ms {
                self.displaced.fetch_add(1, Relaxed);
            }
            if let Some(word) = row.waits.get(slot) {
                word.store(0, Relaxed);
            }
        };
        row.owners.enter(owner, least, clear)
    }

    /// Who was counted still, and had to leave the table for others.
    #[must_use]
    pub fn displaced(&self) -> u64 {
        self.displaced.load(Relaxed)
    }
}

impl std::fmt::Debug for Budgets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Budgets").field("policy", &self.policy).finish_non_exhaustive()
    }
}

fn packed(until_ms: u64, count: u64) -> u64 {
    until_ms.min(u64::MAX >> COUNT_BITS) << COUNT_BITS | count
}

/// More than there may be refusals; what is left is milliseconds, for 550 years.
const COUNT_BITS: u32 = 20;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
/// In place of a count: it was said.
const TOLD: u64 = COUNT_MASK;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn budgets(refusals: u32, slots: usize) -> Budgets {
        let limit = BudgetLimitPolicy { name: "hourly".to_owned(), known: false };
        Budgets::with_slots(&BudgetPolicy { limits: vec![limit], refusals }, slots)
    }

    #[test]
    fn it_is_too_often_within_one_wait_alone() {
        let budgets = budgets(3, 64);
        let [one, other] = ["2001:db8::7", "2001:db8:0:1::7"].map(|it| it.parse().unwrap());
        let near = "2001:db8::8".parse().unwrap();
        let short = Duration::from_millis(100);
        for (name, limit, address, after, now_ms, expected) in [
            ("once", "hourly", one, short, 1_000, false),
            ("twice in its wait", "hourly", one, short, 1_100, false),
            ("after it: anew", "hourly", one, short, 1_101, false),
            ("another /64", "hourly", other, short, 1_102, false),
            ("another limit", "daily", one, short, 1_103, false),
            ("twice", "hourly", near, short, 1_104, false),
            ("three times", "hourly", one, short, 1_105, true),
            ("said already", "hourly", one, short, 1_205, false),
            ("and once its wait is over", "hourly", one, HOUR, 1_206, false),
            ("twice within the hour", "hourly", one, HOUR, 2_000, false),
            ("three times", "hourly", one, HOUR, 3_601_000, true),
            ("the kernel should have it", "hourly", one, HOUR, 3_605_999, false),
            ("it has not: anew", "hourly", one, HOUR, 3_606_000, false),
        ] {
            assert_eq!(budgets.refuses(limit, address, after, now_ms), expected, "{name} {now_ms}");
        }
        assert_eq!(budgets.displaced(), 0);
    }

    #[test]
    fn once_and_a_wait_of_any_length() {
        let budgets = budgets(1, 64);
        let one = IpAddr::from([192, 0, 2, 1]);
        assert!(budgets.refuses("hourly", one, Duration::MAX, 1));
        assert!(!budgets.refuses("hourly", one, Duration::MAX, OFFENCE_PAUSE_MS));
        assert!(budgets.refuses("hourly", one, Duration::ZERO, OFFENCE_PAUSE_MS + 1));
        assert!(budgets.refuses("hourly", one, Duration::MAX, OFFENCE_PAUSE_MS + 2));
    }

    #[test]
    fn a_full_table_lets_go_of_who_waits_for_the_shortest_time_and_counts_it() {
        // One row.
        let budgets = budgets(2, ROW_SLOTS);
        let address = |number: u8| IpAddr::from([192, 0, 2, number]);
        let refuses = |number: u8, now_ms: u64| {
            let after = Duration::from_secs(u64::from(number) + 1);
            budgets.refuses("hourly", address(number), after, now_ms)
        };
        assert!((0..=8).all(|number| !refuses(number, 1)), "one more than there is room for");
        assert_eq!(budgets.displaced(), 1);
        assert!(refuses(2, 2), "it is still there");
        assert!(!refuses(0, 2), "it is not");
        assert_eq!(budgets.displaced(), 2);
        // Whose wait is over is nobody's loss.
        assert!(!refuses(9, 1_000_000));
        assert_eq!(budgets.displaced(), 2);
    }
}
