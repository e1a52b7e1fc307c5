//! One limit: its algorithm, its table, what it has decided.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    RateError,
    algorithm::Quota,
    concurrency::Concurrency,
    fixed_window::FixedWindow,
    key::Key,
    leaky_bucket::LeakyBucket,
    sliding_counter::SlidingCounter,
    sliding_log::SlidingLog,
    table::{Counts, Held, Place, Table},
    token_bucket::TokenBucket,
};
use crate::{
    figures::RateFigures,
    policy::{Counted, RateAlgorithm, RatePolicy},
};

/// See above.
pub struct Limit {
    /// Its name.
    pub name: Arc<str>,
    /// How it counts, over all hosts where it is shared.
    pub algorithm: RateAlgorithm,
    /// What it counts.
    pub counted: Counted,
    /// Whether it only says what it would refuse.
    pub shadow: bool,
    /// Whether hosts count together.
    pub shared: bool,
    /// What it tells requests apart by.
    pub key: Key,
    /// What became of requests.
    pub outcomes: Outcomes,
    tables: Tables,
    most: u64,
}

/// What became of requests, of all threads together.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "the fields of RateFigures say what each one is")]
pub struct Outcomes {
    pub allowed: AtomicU64,
    pub refused: AtomicU64,
    pub shadow_refused: AtomicU64,
    pub delayed: AtomicU64,
    pub local: AtomicU64,
}

enum Tables {
    TokenBucket(Table<TokenBucket>),
    LeakyBucket(Table<LeakyBucket>),
    FixedWindow(Table<FixedWindow>),
    SlidingLog(Table<SlidingLog>),
    SlidingCounter(Table<SlidingCounter>),
    Concurrency(Table<Concurrency>),
}

/// A key's slot in one of them.
pub enum Slot<'a> {
    /// See [`TokenBucket`].
    TokenBucket(Held<'a, TokenBucket>),
    /// See [`LeakyBucket`].
    LeakyBucket(Held<'a, LeakyBucket>),
    /// See [`FixedWindow`].
    FixedWindow(Held<'a, FixedWindow>),
    /// See [`SlidingLog`].
    SlidingLog(Held<'a, SlidingLog>),
    /// See [`SlidingCounter`].
    SlidingCounter(Held<'a, SlidingCounter>),
    /// See [`Concurrency`].
    Concurrency(Held<'a, Concurrency>),
}

impl Slot<'_> {
    /// Whatever its algorithm.
    pub fn place(&mut self) -> &mut dyn Place {
        match self {
            Self::TokenBucket(held) => held,
            Self::LeakyBucket(held) => held,
            Self::FixedWindow(held) => held,
            Self::SlidingLog(held) => held,
            Self::SlidingCounter(held) => held,
            Self::Concurrency(held) => held,
        }
    }

    /// One of what is in flight has ended.
    pub fn release(&mut self) {
        if let Self::Concurrency(held) = self
            && let Some(state) = held.state()
        {
            Concurrency::release(state);
        }
    }
}

impl Limit {
    /// As the policy says, on one of so many hosts.
    ///
    /// # Errors
    /// The part of its key that cannot be used.
    pub fn new(policy: &RatePolicy, hosts: u32) -> Result<Self, RateError> {
        let hosts = if policy.shared { hosts } else { 1 };
        let own = share(policy.algorithm, hosts);
        let one_by_one = matches!(policy.count, Counted::Requests | Counted::Cost);
        let concurrency = matches!(policy.algorithm, RateAlgorithm::Concurrency { .. });
        if policy.shared && (concurrency || !one_by_one) {
            return Err(RateError::Shared(policy.name.clone()));
        }
        Ok(Self {
            name: policy.name.as_str().into(),
            algorithm: policy.algorithm,
            counted: policy.count,
            shadow: policy.shadow,
            shared: policy.shared,
            key: Key::new(&policy.key)?,
            outcomes: Outcomes::default(),
            tables: Tables::new(own, policy.keys_max),
            most: own.most(),
        })
    }

    /// Holds the slot of a key.
    #[must_use]
    pub fn hold(&self, key: u64, now_ns: u64) -> Option<Slot<'_>> {
        match &self.tables {
            Tables::TokenBucket(table) => table.hold(key, now_ns).map(Slot::TokenBucket),
            Tables::LeakyBucket(table) => table.hold(key, now_ns).map(Slot::LeakyBucket),
            Tables::FixedWindow(table) => table.hold(key, now_ns).map(Slot::FixedWindow),
            Tables::SlidingLog(table) => table.hold(key, now_ns).map(Slot::SlidingLog),
            Tables::SlidingCounter(table) => table.hold(key, now_ns).map(Slot::SlidingCounter),
            Tables::Concurrency(table) => table.hold(key, now_ns).map(Slot::Concurrency),
        }
    }

    /// Whether something is left to be counted when a request is over.
    #[must_use]
    pub fn settles(&self) -> bool {
        self.is_concurrency() || matches!(self.counted, Counted::Bytes | Counted::Failures)
    }

    /// Whether it is about what is in flight.
    #[must_use]
    pub fn is_concurrency(&self) -> bool {
        matches!(self.algorithm, RateAlgorithm::Concurrency { .. })
    }

    /// What a request of a route of this cost has to find left.
    #[must_use]
    pub fn asks(&self, cost: u64) -> u64 {
        if self.counted == Counted::Cost { cost } else { 1 }
    }

    /// What it counts when it passes.
    #[must_use]
    pub fn charges(&self, cost: u64) -> u64 {
        match self.counted {
            Counted::Requests => 1,
            Counted::Cost => cost,
            Counted::Bytes | Counted::Failures => 0,
        }
    }

    /// What it counts when it is over.
    #[must_use]
    pub fn settled(&self, bytes: u64, failed: bool) -> u64 {
        match self.counted {
            Counted::Bytes => bytes,
            Counted::Failures => failed.into(),
            Counted::Requests | Counted::Cost => 0,
        }
    }

    /// The most that can pass at once, of what one host has.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.most
    }

    /// The time that it is about.
    #[must_use]
    pub fn window_ns(&self) -> u64 {
        let window_s = facts(self.algorithm).1.unwrap_or_default();
        nanoseconds(Duration::from_secs(window_s.into()))
    }

    /// How many, for the client.
    #[must_use]
    pub fn units(&self) -> u64 {
        facts(self.algorithm).0
    }

    /// An entry of `RateLimit-Policy`.
    #[must_use]
    pub fn item(&self) -> String {
        let (units, window_s) = facts(self.algorithm);
        let name = &self.name;
        let window = window_s.map(|window_s| format!(";w={window_s}")).unwrap_or_default();
        let unit = match self.counted {
            _ if self.is_concurrency() => ";qu=\"concurrent-requests\"",
            Counted::Bytes => ";qu=\"content-bytes\"",
            Counted::Requests | Counted::Cost | Counted::Failures => "",
        };
        format!("\"{name}\";q={units}{unit}{window}")
    }

    /// What it has decided, and how full its table is.
    #[must_use]
    pub fn figures(&self) -> RateFigures {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let (outcomes, counts) = (&self.outcomes, self.tables.counts());
        RateFigures {
            limit: self.name.to_string(),
            allowed: read(&outcomes.allowed),
            refused: read(&outcomes.refused),
            shadow_refused: read(&outcomes.shadow_refused),
            delayed: read(&outcomes.delayed),
            local: read(&outcomes.local),
            keys: read(&counts.keys),
            displaced: read(&counts.displaced),
            untracked: read(&counts.untracked),
        }
    }
}

impl Tables {
    fn new(algorithm: RateAlgorithm, keys_max: u32) -> Self {
        let quota = |units: u64, window_s: u32| Quota {
            units: units.max(1),
            window_ns: nanoseconds(Duration::from_secs(window_s.max(1).into())),
        };
        match algorithm {
            RateAlgorithm::TokenBucket { limit, window_s, burst } => {
                let quota = quota(limit, window_s);
                Self::TokenBucket(Table::new(TokenBucket { quota, burst }, keys_max))
            }
            RateAlgorithm::LeakyBucket { limit, window_s, wait_max_ms } => {
                let quota = quota(limit, window_s);
                let wait_max_ns = nanoseconds(Duration::from_millis(wait_max_ms.into()));
                Self::LeakyBucket(Table::new(LeakyBucket { quota, wait_max_ns }, keys_max))
            }
            RateAlgorithm::FixedWindow { limit, window_s } => {
                let quota = quota(limit, window_s);
                Self::FixedWindow(Table::new(FixedWindow { quota }, keys_max))
            }
            RateAlgorithm::SlidingLog { limit, window_s } => {
                let quota = quota(limit, window_s);
                Self::SlidingLog(Table::new(SlidingLog { quota }, keys_max))
            }
            RateAlgorithm::SlidingCounter { limit, window_s } => {
                let quota = quota(limit, window_s);
                Self::SlidingCounter(Table::new(SlidingCounter { quota }, keys_max))
            }
            RateAlgorithm::Concurrency { limit } => {
                Self::Concurrency(Table::new(Concurrency { units: limit }, keys_max))
            }
        }
    }

    fn counts(&self) -> &Counts {
        match self {
            Self::TokenBucket(table) => table.counts(),
            Self::LeakyBucket(table) => table.counts(),
            Self::FixedWindow(table) => table.counts(),
            Self::SlidingLog(table) => table.counts(),
            Self::SlidingCounter(table) => table.counts(),
            Self::Concurrency(table) => table.counts(),
        }
    }
}

/// One host's part of a limit: a rate is divided exactly, a number is rounded down and is one at least.
#[must_use]
pub fn share(algorithm: RateAlgorithm, hosts: u32) -> RateAlgorithm {
    let part = |number: u64| (number / u64::from(hosts.max(1))).max(1);
    let longer = |window_s: u32| window_s.saturating_mul(hosts.max(1));
    match algorithm {
        RateAlgorithm::TokenBucket { limit, window_s, burst } => {
            RateAlgorithm::TokenBucket { limit, window_s: longer(window_s), burst: part(burst) }
        }
        RateAlgorithm::LeakyBucket { limit, window_s, wait_max_ms } => {
            RateAlgorithm::LeakyBucket { limit, window_s: longer(window_s), wait_max_ms }
        }
        RateAlgorithm::FixedWindow { limit, window_s } => {
            RateAlgorithm::FixedWindow { limit: part(limit), window_s }
        }
        RateAlgorithm::SlidingLog { limit, window_s } => {
            RateAlgorithm::SlidingLog { limit: part(limit), window_s }
        }
        RateAlgorithm::SlidingCounter { limit, window_s } => {
            RateAlgorithm::SlidingCounter { limit: part(limit), window_s }
        }
        RateAlgorithm::Concurrency { limit } => RateAlgorithm::Concurrency { limit },
    }
}

fn facts(algorithm: RateAlgorithm) -> (u64, Option<u32>) {
    match algorithm {
        RateAlgorithm::TokenBucket { limit, window_s, .. }
        | RateAlgorithm::LeakyBucket { limit, window_s, .. }
        | RateAlgorithm::FixedWindow { limit, window_s }
        | RateAlgorithm::SlidingLog { limit, window_s }
        | RateAlgorithm::SlidingCounter { limit, window_s } => (limit, Some(window_s)),
        RateAlgorithm::Concurrency { limit } => (limit, None),
    }
}

/// A time as the algorithms have it.
#[must_use]
pub fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
