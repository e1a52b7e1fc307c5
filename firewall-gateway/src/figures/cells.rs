//! The counters of one route and of one backend, in one thread.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use super::{
    BackendFigures, DURATION_BOUNDS_US, DurationHistogram, RouteFigures, one, red::STATUS_CLASSES,
};
use crate::{context::Protocol, validate::Verdict};

/// A histogram that is being filled.
#[derive(Debug, Default)]
pub struct DurationCells {
    buckets: [AtomicU64; DURATION_BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl DurationCells {
    /// Counts one duration.
    pub fn record(&self, duration_us: u64) {
        one(&self.buckets[DURATION_BOUNDS_US.partition_point(|bound| *bound < duration_us)]);
        self.sum_us.fetch_add(duration_us, Relaxed);
    }

    /// The counts as they stand.
    #[must_use]
    pub fn histogram(&self) -> DurationHistogram {
        DurationHistogram {
            buckets: self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect(),
            sum_us: self.sum_us.load(Relaxed),
        }
    }
}

/// Counters of a route.
#[derive(Debug, Default)]
pub struct RouteCells {
    answers: [[AtomicU64; STATUS_CLASSES.len()]; 2],
    validations: [AtomicU64; Verdict::ALL.len()],
    judged_answers: [AtomicU64; Verdict::ALL.len()],
    duration: DurationCells,
}

impl RouteCells {
    /// Counts one answer.
    pub fn request(&self, protocol: Protocol, status: u16, duration_us: u64) {
        let class = usize::from((status / 100).clamp(1, STATUS_CLASSES.len() as u16) - 1);
        one(&self.answers[protocol as usize][class]);
        self.duration.record(duration_us);
    }

    /// Counts one request that was looked at.
    pub fn validated(&self, verdict: Verdict) {
        one(&self.validations[verdict as usize]);
    }

    /// Counts one answer that was looked at.
    pub fn answer_validated(&self, verdict: Verdict) {
        one(&self.judged_answers[verdict as usize]);
    }

    /// The counts under the route's name; nothing where nothing was counted.
    #[must_use]
    pub fn figures(&self, route: &str) -> Option<RouteFigures> {
        let read = |protocol: Protocol| {
            self.answers[protocol as usize].each_ref().map(|counter| counter.load(Relaxed))
        };
        let (h1, h2) = (read(Protocol::Http1), read(Protocol::Http2));
        let any = h1.iter().chain(&h2).any(|count| *count > 0);
        any.then(|| RouteFigures {
            route: route.to_owned(),
            h1,
            h2,
            validations: self.validations.each_ref().map(|counter| counter.load(Relaxed)),
            answers: self.judged_answers.each_ref().map(|counter| counter.load(Relaxed)),
            duration: self.duration.histogram(),
        })
    }
}

/// Counters of a backend; what serves it holds them, so adding and removing one touches no other.
#[derive(Debug)]
pub struct BackendCells {
    upstream: Arc<str>,
    backend: String,
    requests: AtomicU64,
    failures: AtomicU64,
    server_errors: AtomicU64,
    in_flight: AtomicU64,
    duration: DurationCells,
}

impl BackendCells {
    /// Counters at zero.
    #[must_use]
    pub fn new(upstream: Arc<str>, backend: String) -> Self {
        Self {
            upstream,
            backend,
            requests: AtomicU64::default(),
            failures: AtomicU64::default(),
            server_errors: AtomicU64::default(),
            in_flight: AtomicU64::default(),
            duration: DurationCells::default(),
        }
    }

    /// A request is given to the backend; it is in flight until what this returns is dropped.
    #[must_use]
    pub fn begin(self: &Arc<Self>, now: Instant) -> InFlight {
        one(&self.requests);
        one(&self.in_flight);
        InFlight { cells: self.clone(), begun: now, answered_at: Cell::default() }
    }

    /// The counts.
    #[must_use]
    pub fn figures(&self) -> BackendFigures {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        BackendFigures {
            upstream: self.upstream.to_string(),
            backend: self.backend.clone(),
            requests: read(&self.requests),
            failures: read(&self.failures),
            server_errors: read(&self.server_errors),
            in_flight: read(&self.in_flight),
            duration: self.duration.histogram(),
        }
    }
}

/// One request under way to a backend.
#[derive(Debug)]
pub struct InFlight {
    cells: Arc<BackendCells>,
    begun: Instant,
    answered_at: Cell<Option<Instant>>,
}

impl InFlight {
    /// When the head of an answer came.
    #[must_use]
    pub fn answered_at(&self) -> Option<Instant> {
        self.answered_at.get()
    }

    /// The head of an answer came.
    pub fn answered(&self, status: u16) {
        let now = Instant::now();
        self.answered_at.set(Some(now));
        if status >= 500 {
            one(&self.cells.server_errors);
        }
        let spent = now.saturating_duration_since(self.begun);
        self.cells.duration.record(u64::try_from(spent.as_micros()).unwrap_or(u64::MAX));
    }

    /// The backend did not answer, or not whole.
    pub fn failed(&self) {
        one(&self.cells.failures);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.cells.in_flight.fetch_sub(1, Relaxed);
    }
}
