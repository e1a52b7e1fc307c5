//! How upstreams and their backends stand: what all threads of a worker know of them together.

use serde::{Deserialize, Serialize};

use super::red::{OTHER, Row};

/// One upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamStanding {
    /// Its name.
    pub upstream: String,
    /// Requests in flight at this moment (a gauge).
    pub in_flight: u64,
    /// Requests that wait for room at this moment (a gauge).
    pub waiting: u64,
    /// Requests that had to wait.
    pub queued: u64,
    /// Requests refused as too many were waiting.
    pub queue_full: u64,
    /// Requests refused as they had waited too long.
    pub queue_timeouts: u64,
    /// Requests sent to a further backend.
    pub retries: u64,
    /// Requests that were not, as the budget was used up.
    pub retries_refused: u64,
    /// Copies of requests whose backend was slow, sent to another.
    pub hedges: u64,
    /// Copies whose answer the client got.
    pub hedges_won: u64,
    /// Copies that were not sent, as the budget was used up.
    pub hedges_refused: u64,
    /// Requests sent to a backend that is not well, as no other was left.
    pub unwell_tried: u64,
    /// Backends that stayed in although they failed, as too many were out already.
    pub ejections_refused: u64,
    /// 1 while the circuit breaker refuses requests (a gauge).
    pub breaker_open: u64,
    /// How often it opened.
    pub breaker_opened: u64,
    /// Requests that it refused.
    pub breaker_refused: u64,
}

/// One backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendStanding {
    /// The name of its upstream.
    pub upstream: String,
    /// Where it listens.
    pub backend: String,
    /// `up`, `trial`, `ejected`, `unwell` or `draining`; `gone` once it is none any more or its worker has ended.
    pub state: String,
    /// Its share of the requests.
    pub weight: u32,
    /// Requests in flight at this moment (a gauge).
    pub in_flight: u64,
    /// How long its answers took lately, until their head (a gauge).
    pub latency_us: u64,
    /// How often it was taken out.
    pub ejections: u64,
    /// Active checks that it passed.
    pub checks_ok: u64,
    /// Active checks that it did not.
    pub checks_failed: u64,
}

impl UpstreamStanding {
    /// What a worker that has ended leaves behind.
    pub fn retire(&mut self) {
        (self.in_flight, self.waiting, self.breaker_open) = (0, 0, 0);
    }
}

impl Row for UpstreamStanding {
    fn name(&self) -> (&str, &str) {
        (&self.upstream, "")
    }

    fn rename_other(&mut self) {
        self.upstream = OTHER.to_owned();
    }

    fn add(&mut self, other: &Self) {
        for (ours, theirs) in [
            (&mut self.in_flight, other.in_flight),
            (&mut self.waiting, other.waiting),
            (&mut self.queued, other.queued),
            (&mut self.queue_full, other.queue_full),
            (&mut self.queue_timeouts, other.queue_timeouts),
            (&mut self.retries, other.retries),
            (&mut self.retries_refused, other.retries_refused),
            (&mut self.hedges, other.hedges),
            (&mut self.hedges_won, other.hedges_won),
            (&mut self.hedges_refused, other.hedges_refused),
            (&mut self.unwell_tried, other.unwell_tried),
            (&mut self.ejections_refused, other.ejections_refused),
            (&mut self.breaker_opened, other.breaker_opened),
            (&mut self.breaker_refused, other.breaker_refused),
        ] {
            *ours = ours.saturating_add(theirs);
        }
        self.breaker_open = self.breaker_open.max(other.breaker_open);
    }
}

impl BackendStanding {
    /// The state of one that is no backend any more, or whose worker has ended.
    pub const GONE: &'static str = "gone";

    /// What one that goes leaves behind.
    pub fn retire(&mut self) {
        self.state = Self::GONE.to_owned();
        (self.in_flight, self.latency_us) = (0, 0);
    }
}

impl Row for BackendStanding {
    fn name(&self) -> (&str, &str) {
        (&self.upstream, &self.backend)
    }

    fn rename_other(&mut self) {
        self.upstream = OTHER.to_owned();
        self.backend = OTHER.to_owned();
        self.state = Self::GONE.to_owned();
    }

    /// The last one that is added, of the live worker, says how a backend stands.
    fn add(&mut self, other: &Self) {
        self.state.clone_from(&other.state);
        (self.weight, self.latency_us) = (other.weight, other.latency_us);
        for (ours, theirs) in [
            (&mut self.in_flight, other.in_flight),
            (&mut self.ejections, other.ejections),
            (&mut self.checks_ok, other.checks_ok),
            (&mut self.checks_failed, other.checks_failed),
        ] {
            *ours = ours.saturating_add(theirs);
        }
    }
}
