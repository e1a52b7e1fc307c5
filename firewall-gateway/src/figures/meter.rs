//! `Meter`: one thread's counters, written by that thread alone and read by the reporting thread.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{DURATION_BOUNDS_US, DurationHistogram, Figures, LabelCount, RequestCount};
use crate::{
    context::Protocol,
    rejection::{Rejection, UpstreamFailure},
};

/// Relaxed atomics: each counter stands for itself, and no core waits for another.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields of Figures say what each one is")]
pub struct Meter {
    requests: [Box<[AtomicU64]>; 2],
    durations: [AtomicU64; DURATION_BOUNDS_US.len() + 1],
    duration_sum_us: AtomicU64,
    rejections: [AtomicU64; Rejection::ALL.len()],
    upstream_failures: [AtomicU64; UpstreamFailure::ALL.len()],
    pub tls_handshakes_ok: AtomicU64,
    pub tls_handshakes_failed: AtomicU64,
    pub connections_accepted: AtomicU64,
    pub connections_refused: AtomicU64,
    pub connections_idle_closed: AtomicU64,
    pub connections_active: AtomicU64,
    pub upstream_connections_opened: AtomicU64,
    pub upstream_connections_reused: AtomicU64,
    pub upstream_connections_active: AtomicU64,
    pub upstream_retries: AtomicU64,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
}

impl Default for Meter {
    fn default() -> Self {
        let statuses = || (0..STATUSES).map(|_| AtomicU64::new(0)).collect();
        Self {
            requests: [statuses(), statuses()],
            durations: Default::default(),
            duration_sum_us: AtomicU64::default(),
            rejections: Default::default(),
            upstream_failures: Default::default(),
            tls_handshakes_ok: AtomicU64::default(),
            tls_handshakes_failed: AtomicU64::default(),
            connections_accepted: AtomicU64::default(),
            connections_refused: AtomicU64::default(),
            connections_idle_closed: AtomicU64::default(),
            connections_active: AtomicU64::default(),
            upstream_connections_opened: AtomicU64::default(),
            upstream_connections_reused: AtomicU64::default(),
            upstream_connections_active: AtomicU64::default(),
            upstream_retries: AtomicU64::default(),
            bytes_in: AtomicU64::default(),
            bytes_out: AtomicU64::default(),
        }
    }
}

impl Meter {
    /// Counts one answer.
    pub fn request(&self, protocol: Protocol, status: u16, duration_us: u64) {
        let slot = usize::from(status.clamp(STATUS_MIN, STATUS_MAX) - STATUS_MIN);
        one(&self.requests[protocol as usize][slot]);
        one(&self.durations[DURATION_BOUNDS_US.partition_point(|bound| *bound < duration_us)]);
        self.duration_sum_us.fetch_add(duration_us, Relaxed);
    }

    /// Counts one refusal.
    pub fn rejection(&self, rejection: Rejection) {
        one(&self.rejections[rejection as usize]);
    }

    /// Counts one failure of the upstream.
    pub fn upstream_failure(&self, failure: UpstreamFailure) {
        one(&self.upstream_failures[failure as usize]);
    }

    /// The counters as they stand.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let labels = |names: &mut dyn Iterator<Item = &'static str>, counters: &[AtomicU64]| {
            names
                .zip(counters)
                .map(|(label, counter)| LabelCount {
                    label: label.to_owned(),
                    count: read(counter),
                })
                .filter(|count| count.count > 0)
                .collect()
        };
        let mut requests = Vec::new();
        for (protocol, statuses) in
            [Protocol::Http1, Protocol::Http2].into_iter().zip(&self.requests)
        {
            for (status, counter) in (STATUS_MIN..).zip(statuses) {
                let count = read(counter);
                if count > 0 {
                    requests.push(RequestCount {
                        status,
                        protocol: protocol.label().to_owned(),
                        count,
                    });
                }
            }
        }
        Figures {
            requests,
            request_duration: DurationHistogram {
                buckets: self.durations.iter().map(read).collect(),
                sum_us: read(&self.duration_sum_us),
            },
            rejections: labels(&mut Rejection::ALL.iter().map(|one| one.label()), &self.rejections),
            tls_handshakes_ok: read(&self.tls_handshakes_ok),
            tls_handshakes_failed: read(&self.tls_handshakes_failed),
            connections_accepted: read(&self.connections_accepted),
            connections_refused: read(&self.connections_refused),
            connections_idle_closed: read(&self.connections_idle_closed),
            connections_active: read(&self.connections_active),
            upstream_connections_opened: read(&self.upstream_connections_opened),
            upstream_connections_reused: read(&self.upstream_connections_reused),
            upstream_connections_active: read(&self.upstream_connections_active),
            upstream_failures: labels(
                &mut UpstreamFailure::ALL.iter().map(|one| one.label()),
                &self.upstream_failures,
            ),
            upstream_retries: read(&self.upstream_retries),
            // Counted by all threads together.
            upstreams: Vec::new(),
            standings: Vec::new(),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
        }
    }
}

/// Adds one.
pub fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

const STATUS_MIN: u16 = 100;
const STATUS_MAX: u16 = 599;
const STATUSES: usize = (STATUS_MAX - STATUS_MIN + 1) as usize;
