//! Figures of the request path: cumulative, bounded, mergeable; written without a lock.

mod meter;

mod standing;

use serde::{Deserialize, Serialize};

pub use meter::Meter;
pub(crate) use meter::one;
pub use standing::{BackendStanding, UpstreamStanding};

/// Everything a worker has counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Answers by exact status and protocol; at most 500 statuses times two protocols.
    pub requests: Vec<RequestCount>,
    /// From the end of the request's headers to the last byte of the answer.
    pub request_duration: DurationHistogram,
    /// Refusals by label; the labels are those of `Rejection`.
    pub rejections: Vec<LabelCount>,
    /// TLS handshakes that ended well.
    pub tls_handshakes_ok: u64,
    /// TLS handshakes that did not, for whatever reason.
    pub tls_handshakes_failed: u64,
    /// Connections taken from a listening socket.
    pub connections_accepted: u64,
    /// Connections closed at once because `connections_max` was reached.
    pub connections_refused: u64,
    /// Connections closed because they asked for nothing for too long.
    pub connections_idle_closed: u64,
    /// Connections open at this moment (a gauge).
    pub connections_active: u64,
    /// Connections opened to the upstream.
    pub upstream_connections_opened: u64,
    /// Requests that went over a connection opened earlier.
    pub upstream_connections_reused: u64,
    /// Connections to the upstream open at this moment (a gauge).
    pub upstream_connections_active: u64,
    /// Failures of the upstream by kind; the labels are those of `UpstreamFailure`.
    pub upstream_failures: Vec<LabelCount>,
    /// Requests sent a second time because a reused connection had died.
    pub upstream_retries: u64,
    /// Each upstream.
    pub upstreams: Vec<UpstreamStanding>,
    /// How each backend stands.
    pub standings: Vec<BackendStanding>,
    /// Body bytes from clients.
    pub bytes_in: u64,
    /// Body bytes to clients.
    pub bytes_out: u64,
}

/// Answers of one status and protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestCount {
    /// 100 to 599; 499 where the client left before an answer.
    pub status: u16,
    /// `h1` or `h2`.
    pub protocol: String,
    /// How many.
    pub count: u64,
}

/// A count with the label of one of our enums.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelCount {
    /// The label.
    pub label: String,
    /// How many.
    pub count: u64,
}

/// Durations in fixed buckets; not cumulative over the buckets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DurationHistogram {
    /// One count for each of [`DURATION_BOUNDS_US`], and one for what is above the last.
    pub buckets: Vec<u64>,
    /// Sum of all durations.
    pub sum_us: u64,
}

/// Upper bounds, inclusive: 100 us to 30 s.
pub const DURATION_BOUNDS_US: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 5_000_000, 30_000_000];

impl Default for DurationHistogram {
    fn default() -> Self {
        Self { buckets: vec![0; DURATION_BOUNDS_US.len() + 1], sum_us: 0 }
    }
}

impl Figures {
    /// Adds another thread's or a retired worker's figures.
    pub fn add(&mut self, other: &Figures) {
        for theirs in &other.requests {
            let same = |ours: &&mut RequestCount| {
                (ours.status, &ours.protocol) == (theirs.status, &theirs.protocol)
            };
            match self.requests.iter_mut().find(same) {
                Some(ours) => ours.count = ours.count.saturating_add(theirs.count),
                None => self.requests.push(theirs.clone()),
            }
        }
        let durations = &mut self.request_duration;
        for (ours, theirs) in durations.buckets.iter_mut().zip(&other.request_duration.buckets) {
            *ours = ours.saturating_add(*theirs);
        }
        durations.sum_us = durations.sum_us.saturating_add(other.request_duration.sum_us);
        add_labels(&mut self.rejections, &other.rejections);
        add_labels(&mut self.upstream_failures, &other.upstream_failures);
        UpstreamStanding::merge(&mut self.upstreams, &other.upstreams);
        BackendStanding::merge(&mut self.standings, &other.standings);
        for (ours, theirs) in [
            (&mut self.tls_handshakes_ok, other.tls_handshakes_ok),
            (&mut self.tls_handshakes_failed, other.tls_handshakes_failed),
            (&mut self.connections_accepted, other.connections_accepted),
            (&mut self.connections_refused, other.connections_refused),
            (&mut self.connections_idle_closed, other.connections_idle_closed),
            (&mut self.connections_active, other.connections_active),
            (&mut self.upstream_connections_opened, other.upstream_connections_opened),
            (&mut self.upstream_connections_reused, other.upstream_connections_reused),
            (&mut self.upstream_connections_active, other.upstream_connections_active),
            (&mut self.upstream_retries, other.upstream_retries),
            (&mut self.bytes_in, other.bytes_in),
            (&mut self.bytes_out, other.bytes_out),
        ] {
            *ours = ours.saturating_add(theirs);
        }
    }

    /// The same figures with the gauges at zero: what a worker that has ended leaves behind.
    #[must_use]
    pub fn retired(mut self) -> Figures {
        self.connections_active = 0;
        self.upstream_connections_active = 0;
        self.upstreams.iter_mut().for_each(UpstreamStanding::retire);
        self.standings.iter_mut().for_each(BackendStanding::retire);
        self
    }
}

fn add_labels(ours: &mut Vec<LabelCount>, theirs: &[LabelCount]) {
    for count in theirs {
        match ours.iter_mut().find(|known| known.label == count.label) {
            Some(known) => known.count = known.count.saturating_add(count.count),
            None => ours.push(count.clone()),
        }
    }
}
