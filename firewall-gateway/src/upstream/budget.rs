//! How many retries an upstream may cost: without it a slow upstream gets three times the load just when
//! it can bear it least.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::{limits::RETRY_BUDGET_SAVED_MAX, policy::RetryPolicy};

/// Shared by all threads. Counted in hundredths of a retry.
#[derive(Debug)]
pub struct Budget {
    percent: u64,
    per_second: u64,
    saved: AtomicU64,
    granted_ms: AtomicU64,
}

impl Budget {
    /// With what one second grants.
    #[must_use]
    pub fn new(policy: &RetryPolicy) -> Self {
        let per_second = u64::from(policy.budget_per_second);
        Self {
            percent: u64::from(policy.budget_percent),
            per_second,
            saved: AtomicU64::new(per_second * RETRY),
            granted_ms: AtomicU64::new(0),
        }
    }

    /// A request came: it pays for its part of a retry.
    pub fn earn(&self) {
        self.add(self.percent);
    }

    /// Takes one retry, if there is one left.
    #[must_use]
    pub fn spend(&self, now_ms: u64) -> bool {
        self.grant(now_ms);
        let next = |saved: u64| saved.checked_sub(RETRY);
        self.saved.fetch_update(Relaxed, Relaxed, next).is_ok()
    }

    fn grant(&self, now_ms: u64) {
        let before_ms = self.granted_ms.load(Relaxed);
        let grown =
            now_ms.saturating_sub(before_ms).saturating_mul(self.per_second) * RETRY / 1_000;
        // Whoever moves the clock grants what it moved by; it is not moved for nothing.
        if grown > 0
            && self.granted_ms.compare_exchange(before_ms, now_ms, Relaxed, Relaxed).is_ok()
        {
            self.add_up_to(grown, self.per_second * RETRY);
        }
    }

    fn add(&self, hundredths: u64) {
        self.add_up_to(hundredths, RETRY_BUDGET_SAVED_MAX * RETRY);
    }

    fn add_up_to(&self, hundredths: u64, max: u64) {
        let next = |saved: u64| (saved < max).then(|| saved.saturating_add(hundredths).min(max));
        // Full: nothing is added.
        let _full = self.saved.fetch_update(Relaxed, Relaxed, next);
    }
}

const RETRY: u64 = 100;

#[cfg(test)]
mod tests {
    use super::Budget;
    use crate::policy::RetryPolicy;

    #[test]
    fn no_more_retries_than_the_budget() {
        for (percent, per_second, requests, at_ms, expected) in [
            (20, 0, 1_000, 0, 200),
            (20, 0, 4, 0, 0),
            (20, 0, 5, 0, 1),
            (0, 10, 1_000, 0, 10),
            (0, 10, 1_000, 60_000, 10),
            (20, 10, 1_000, 0, 210),
            (0, 0, 1_000, 60_000, 0),
            (100, 0, 100_000, 0, 1_000),
        ] {
            let policy = RetryPolicy {
                budget_percent: percent,
                budget_per_second: per_second,
                ..RetryPolicy::default()
            };
            let budget = Budget::new(&policy);
            for _ in 0..requests {
                budget.earn();
            }
            let spent = (0..2_000).filter(|_| budget.spend(at_ms)).count();
            assert_eq!(spent, expected, "{percent} %, {per_second}/s, {requests}, {at_ms} ms");
        }
    }

    #[test]
    fn a_second_grants_its_part() {
        let policy =
            RetryPolicy { budget_percent: 0, budget_per_second: 10, ..RetryPolicy::default() };
        let budget = Budget::new(&policy);
        let mut spent = Vec::new();
        for at_ms in [1_000, 1_500, 2_500, 10_000] {
            spent.push((0..100).filter(|_| budget.spend(at_ms)).count());
        }
        assert_eq!(spent, [10, 5, 10, 10]);
    }
}
