//! Figures of limits: at most [`crate::limits::RATE_LIMITS_MAX`] of them.

use serde::{Deserialize, Serialize};

use super::add_each;

/// What a limit has decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateFigures {
    /// Its name.
    pub limit: String,
    /// Requests that it let pass.
    pub allowed: u64,
    /// Requests that it refused.
    pub refused: u64,
    /// Requests that it would have refused, where it only says so.
    pub shadow_refused: u64,
    /// Of those that passed, the ones that had to wait for their turn.
    pub delayed: u64,
    /// Requests that were held against this host's part alone, as the store was away.
    pub local: u64,
    /// Keys that it remembers (a gauge).
    pub keys: u64,
    /// Keys that it forgot too early, as others took their place.
    pub displaced: u64,
    /// Requests that it did not count, as its table was in use.
    pub untracked: u64,
}

/// How a store is that hosts share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreFigures {
    /// 1 while it answers (a gauge).
    pub up: u64,
    /// Calls; in the store of limits, requests of one limit, key and cost that came together are one.
    pub calls: u64,
    /// Times that it was not there, failed, or did not answer in time.
    pub failures: u64,
    /// What it was not asked or told, as too much waited.
    pub unasked: u64,
}

/// Adds another worker's.
pub fn add_store(ours: &mut Option<StoreFigures>, theirs: Option<StoreFigures>) {
    let Some(theirs) = theirs else { return };
    let ours = ours.get_or_insert_default();
    ours.up = ours.up.max(theirs.up);
    ours.calls = ours.calls.saturating_add(theirs.calls);
    ours.failures = ours.failures.saturating_add(theirs.failures);
    ours.unasked = ours.unasked.saturating_add(theirs.unasked);
}

impl RateFigures {
    /// What a worker that has ended leaves behind.
    pub fn retire(&mut self) {
        self.keys = 0;
    }
}

/// Adds another worker's.
pub fn add(ours: &mut Vec<RateFigures>, theirs: &[RateFigures]) {
    let same = |ours: &RateFigures, theirs: &RateFigures| ours.limit == theirs.limit;
    add_each(ours, theirs, same, |ours, theirs| {
        for (ours, theirs) in [
            (&mut ours.allowed, theirs.allowed),
            (&mut ours.refused, theirs.refused),
            (&mut ours.shadow_refused, theirs.shadow_refused),
            (&mut ours.delayed, theirs.delayed),
            (&mut ours.local, theirs.local),
            (&mut ours.keys, theirs.keys),
            (&mut ours.displaced, theirs.displaced),
            (&mut ours.untracked, theirs.untracked),
        ] {
            *ours = ours.saturating_add(theirs);
        }
    });
}
