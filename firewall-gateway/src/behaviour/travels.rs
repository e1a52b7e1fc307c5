//! In which country each consumer was seen last, in a bounded table for all threads: nobody is in two at once.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use super::slots::{Owners, ROW_SLOTS, home};
use crate::countries::Code;

/// Where consumers were seen last.
pub struct Travels {
    within_ms: u64,
    rows: Box<[Row]>,
    // Keyed anew in each process: nobody can choose names that share a row.
    hasher: RandomState,
    displaced: AtomicU64,
}

#[derive(Default)]
struct Row {
    owners: Owners,
    /// The country, and when; 0 is nowhere yet.
    seen: [AtomicU64; ROW_SLOTS],
    /// When a travel was told of, and one; 0 is never.
    told: [AtomicU64; ROW_SLOTS],
}

impl Travels {
    /// Nobody was seen yet; so many have room.
    #[must_use]
    pub fn new(within_s: u32, slots: usize) -> Self {
        Self {
            within_ms: u64::from(within_s) * 1_000,
            rows: (0..slots / ROW_SLOTS).map(|_| Row::default()).collect(),
            hasher: RandomState::new(),
            displaced: AtomicU64::new(0),
        }
    }

    /// A consumer is seen in a country. Whether it was in another one too short a time ago: told of once in that
    /// time, as a customer with servers in two countries would otherwise offend with each request.
    pub fn arrives(&self, consumer: &str, country: Code, now_ms: u64) -> bool {
        self.arrived(consumer, country, now_ms).unwrap_or_default()
    }

    fn arrived(&self, consumer: &str, country: Code, now_ms: u64) -> Option<bool> {
        let hash = self.hasher.hash_one(consumer);
        let (row, owner) = home(hash, self.rows.len());
        let row = self.rows.get(row)?;
        let seen = now_ms << COUNTRY_BITS | u64::from(u16::from_be_bytes(country));
        let slot = self.enter(row, owner, now_ms)?;
        let before = row.seen.get(slot)?.swap(seen, Relaxed);
        let is_near = before != 0 && now_ms.saturating_sub(before >> COUNTRY_BITS) < self.within_ms;
        if !is_near || before & COUNTRY_MASK == seen & COUNTRY_MASK {
            return Some(false);
        }
        let next = |told: u64| {
            let over = told == 0 || now_ms.saturating_sub(told - 1) >= self.within_ms;
            over.then_some(now_ms + 1)
        };
        Some(row.told.get(slot)?.fetch_update(Relaxed, Relaxed, next).is_ok())
    }

    /// Its slot: one that is free, or else that of who was not seen for longest.
    fn enter(&self, row: &Row, owner: u64, now_ms: u64) -> Option<usize> {
        let last = |slot: usize| row.seen.get(slot).map_or(0, |seen| seen.load(Relaxed));
        let least = || (0..ROW_SLOTS).min_by_key(|slot| last(*slot));
        let clear = |slot: usize, before: u64| {
            let at_ms = last(slot) >> COUNTRY_BITS;
            if before != 0 && now_ms.saturating_sub(at_ms) < self.within_ms {
                self.displaced.fetch_add(1, Relaxed);
            }
            for word in [row.seen.get(slot), row.told.get(slot)].into_iter().flatten() {
                word.store(0, Relaxed);
            }
        };
        row.owners.enter(owner, least, clear)
    }

    /// Who was seen so short a time ago that it counted, and had to leave the table for others.
    #[must_use]
    pub fn displaced(&self) -> u64 {
        self.displaced.load(Relaxed)
    }
}

impl std::fmt::Debug for Travels {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Travels")
            .field("within_ms", &self.within_ms)
            .finish_non_exhaustive()
    }
}

/// Two letters; what is left is milliseconds, for 8,900 years.
const COUNTRY_BITS: u32 = 16;
const COUNTRY_MASK: u64 = (1 << COUNTRY_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    #[test]
    fn nobody_is_in_two_countries_within_the_time() {
        let travels = Travels::new(3_600, 64);
        for (name, consumer, country, at_ms, expected) in [
            ("seen first", "ada", b"DE", 5, false),
            ("again there", "ada", b"DE", HOUR_MS, false),
            ("somebody else elsewhere", "bob", b"FR", HOUR_MS, false),
            ("elsewhere within the hour", "ada", b"FR", HOUR_MS + 1, true),
            ("back at once: told of already", "ada", b"DE", HOUR_MS + 2, false),
            ("and so on", "ada", b"FR", 2 * HOUR_MS, false),
            ("an hour after it was told", "ada", b"DE", 2 * HOUR_MS + 1, true),
            ("elsewhere after a whole hour", "ada", b"US", 3 * HOUR_MS + 1, false),
            ("the other one stayed", "bob", b"FR", 3 * HOUR_MS + 1, false),
        ] {
            assert_eq!(travels.arrives(consumer, *country, at_ms), expected, "{name}");
        }
        assert_eq!(travels.displaced(), 0);
    }

    #[test]
    fn a_full_table_lets_go_of_who_was_not_seen_for_longest_and_counts_it() {
        // One row.
        let travels = Travels::new(3_600, ROW_SLOTS);
        for number in 0..ROW_SLOTS as u64 {
            assert!(!travels.arrives(&number.to_string(), *b"DE", number + 1));
        }
        assert!(!travels.arrives("one more", *b"DE", 100));
        assert_eq!(travels.displaced(), 1);
        assert!(travels.arrives("1", *b"FR", 100), "it is still there");
        assert!(!travels.arrives("0", *b"FR", 100), "it is not");
        assert_eq!(travels.displaced(), 2);
        // Who was not seen for an hour is nobody's loss.
        assert!(!travels.arrives("later", *b"FR", 2 * HOUR_MS));
        assert_eq!(travels.displaced(), 2);
    }
}
