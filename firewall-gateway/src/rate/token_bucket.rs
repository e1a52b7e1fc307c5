//! Token bucket: tokens come back evenly, up to so many; a request takes as many as it costs.
//!
//! Kept as the time at which the bucket is full again (GCRA): one number, and nothing to do while time passes.

use super::algorithm::{Algorithm, Fine, Quota};

/// See above.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    /// How fast tokens come back.
    pub quota: Quota,
    /// The most that lie in the bucket.
    pub burst: u64,
}

impl TokenBucket {
    fn room(&self) -> u128 {
        self.quota.takes(self.burst)
    }

    fn missing(&self, full: Fine, now_ns: u64) -> u128 {
        full.0.saturating_sub(self.quota.fine(now_ns).0)
    }
}

impl Algorithm for TokenBucket {
    /// When the bucket is full.
    type State = Fine;

    fn ask(&self, state: &mut Fine, now_ns: u64, cost: u64) -> Result<u64, u64> {
        let missing = self.missing(*state, now_ns) + self.quota.takes(cost);
        // What costs more than the bucket holds never passes; the configuration has none of it.
        match missing.checked_sub(self.room()) {
            None | Some(0) => Ok(0),
            Some(over) => Err(self.quota.nanoseconds(over)),
        }
    }

    fn charge(&self, state: &mut Fine, now_ns: u64, cost: u64) {
        let from = state.0.max(self.quota.fine(now_ns).0);
        *state = Fine(from.saturating_add(self.quota.takes(cost)));
    }

    fn left(&self, state: &mut Fine, now_ns: u64) -> u64 {
        self.quota.whole(self.room().saturating_sub(self.missing(*state, now_ns)))
    }

    fn fresh_at_ns(&self, state: &Fine) -> u64 {
        self.quota.nanoseconds(state.0)
    }
}
