//! Figures of routes with more than one upstream: at most [`crate::limits::ROLLOUTS_MAX`] of them.

use serde::{Deserialize, Serialize};

use super::add_each;

/// What rollouts have counted since the worker started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutFigures {
    /// Requests by route and upstream.
    pub splits: Vec<SplitFigures>,
    /// How canaries stand.
    pub canaries: Vec<CanaryFigures>,
    /// Copies.
    pub mirrors: Vec<MirrorFigures>,
}

/// What one upstream got of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitFigures {
    /// The route.
    pub route: String,
    /// The upstream.
    pub upstream: String,
    /// Requests that it answered, or failed to; not those that a client or we ended.
    pub requests: u64,
    /// Those of them that it did not answer, or with a status of 500 or more.
    pub errors: u64,
}

/// How a canary stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryFigures {
    /// The route.
    pub route: String,
    /// The upstream that is tried out.
    pub upstream: String,
    /// What it gets now (a gauge); 0 once it went back.
    pub percent: u64,
    /// How often it went back.
    pub rollbacks: u64,
}

/// What became of the copies of a route's requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorFigures {
    /// The route.
    pub route: String,
    /// The upstream that got them.
    pub upstream: String,
    /// Answered with a status below 500.
    pub ok: u64,
    /// Not answered in time, or with a status of 500 or more.
    pub errors: u64,
    /// Not sent: too many in flight, a body too large or never whole, or the end of the worker.
    pub skipped: u64,
}

impl RolloutFigures {
    /// Adds another worker's.
    pub fn add(&mut self, other: &Self) {
        let same = |ours: &SplitFigures, theirs: &SplitFigures| ours.key() == theirs.key();
        add_each(&mut self.splits, &other.splits, same, |ours, theirs| {
            ours.requests = ours.requests.saturating_add(theirs.requests);
            ours.errors = ours.errors.saturating_add(theirs.errors);
        });
        let same = |ours: &CanaryFigures, theirs: &CanaryFigures| ours.key() == theirs.key();
        add_each(&mut self.canaries, &other.canaries, same, |ours, theirs| {
            // Of two workers at once one drains.
            ours.percent = ours.percent.max(theirs.percent);
            ours.rollbacks = ours.rollbacks.saturating_add(theirs.rollbacks);
        });
        let same = |ours: &MirrorFigures, theirs: &MirrorFigures| ours.key() == theirs.key();
        add_each(&mut self.mirrors, &other.mirrors, same, |ours, theirs| {
            ours.ok = ours.ok.saturating_add(theirs.ok);
            ours.errors = ours.errors.saturating_add(theirs.errors);
            ours.skipped = ours.skipped.saturating_add(theirs.skipped);
        });
    }

    /// The same with the gauges at zero.
    pub fn retire(&mut self) {
        for canary in &mut self.canaries {
            canary.percent = 0;
        }
    }
}

impl SplitFigures {
    fn key(&self) -> (&str, &str) {
        (&self.route, &self.upstream)
    }
}

impl CanaryFigures {
    fn key(&self) -> (&str, &str) {
        (&self.route, &self.upstream)
    }
}

impl MirrorFigures {
    fn key(&self) -> (&str, &str) {
        (&self.route, &self.upstream)
    }
}

#[cfg(test)]
mod tests {
    use super::{CanaryFigures, MirrorFigures, RolloutFigures, SplitFigures};

    #[test]
    fn workers_are_added_up() {
        let of = |upstream: &str, count: u64, percent: u64| {
            let (route, upstream) = ("r".to_owned(), upstream.to_owned());
            RolloutFigures {
                splits: vec![SplitFigures {
                    route: route.clone(),
                    upstream: upstream.clone(),
                    requests: count,
                    errors: 1,
                }],
                canaries: vec![CanaryFigures {
                    route: route.clone(),
                    upstream: upstream.clone(),
                    percent,
                    rollbacks: 1,
                }],
                mirrors: vec![MirrorFigures { route, upstream, ok: count, errors: 2, skipped: 3 }],
            }
        };
        let mut sum = of("a", 5, 10);
        sum.retire();
        sum.add(&of("a", 7, 20));
        sum.add(&of("b", 1, 5));
        assert_eq!(sum.splits.len(), 2);
        assert_eq!((sum.splits[0].requests, sum.splits[0].errors), (12, 2));
        assert_eq!((sum.canaries[0].percent, sum.canaries[0].rollbacks), (20, 2));
        let mirror = &sum.mirrors[0];
        assert_eq!((mirror.ok, mirror.errors, mirror.skipped), (12, 4, 6));
        assert_eq!((sum.splits[1].requests, sum.canaries[1].percent), (1, 5));
    }
}
