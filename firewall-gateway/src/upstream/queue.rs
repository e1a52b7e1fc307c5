//! Load shedding: so many requests at once, so many that wait and for so long, the rest is told to come
//! back. An upstream that is drowning gets no deeper, and a client learns it in time.

use std::{
    pin::pin,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{figures::one, policy::SheddingPolicy, rejection::UpstreamFailure};

/// Shared by all threads.
#[derive(Debug)]
pub struct Queue {
    policy: SheddingPolicy,
    in_flight: AtomicU32,
    waiting: AtomicU32,
    freed: Notify,
    /// Requests that had to wait.
    pub queued: AtomicU64,
    /// Requests refused as too many were waiting.
    pub full: AtomicU64,
    /// Requests refused as they had waited too long.
    pub late: AtomicU64,
}

impl Queue {
    /// An empty one.
    #[must_use]
    pub fn new(policy: SheddingPolicy) -> Self {
        Self {
            policy,
            in_flight: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            freed: Notify::new(),
            queued: AtomicU64::new(0),
            full: AtomicU64::new(0),
            late: AtomicU64::new(0),
        }
    }

    /// Takes one more request in, if it may.
    #[must_use]
    pub fn enter(&self) -> bool {
        let max = self.policy.requests_max;
        let next = |in_flight: u32| (in_flight < max).then(|| in_flight + 1);
        self.in_flight.fetch_update(Relaxed, Relaxed, next).is_ok()
    }

    /// One that was in is done.
    pub fn leave(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
        self.freed();
    }

    /// Whoever waited longest may look again.
    pub fn freed(&self) {
        self.freed.notify_one();
    }

    /// Room at a backend may have come about by other means than the end of a request.
    pub fn look_again(&self) {
        self.freed.notify_waiters();
    }

    /// What `attempt` finds, now or when a request has ended.
    ///
    /// # Errors
    /// Too many are waiting already, or nothing was found in time.
    pub async fn wait<T>(
        &self,
        mut attempt: impl FnMut() -> Option<T>,
    ) -> Result<T, UpstreamFailure> {
        if let Some(found) = attempt() {
            return Ok(found);
        }
        let Some(_place) = Place::take(self) else {
            one(&self.full);
            return Err(UpstreamFailure::QueueFull);
        };
        one(&self.queued);
        let deadline = Instant::now() + Duration::from_millis(self.policy.queue_timeout_ms);
        loop {
            let mut freed = pin!(self.freed.notified());
            // Before the look: what is freed from here on is not missed.
            freed.as_mut().enable();
            if let Some(found) = attempt() {
                return Ok(found);
            }
            if timeout_at(deadline, freed).await.is_err() {
                one(&self.late);
                return Err(UpstreamFailure::QueueTimeout);
            }
        }
    }

    /// Requests in flight at this moment.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Requests that wait at this moment.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Relaxed)
    }
}

/// The right to wait; given back however the wait ends.
struct Place<'a>(&'a Queue);

impl<'a> Place<'a> {
    fn take(queue: &'a Queue) -> Option<Self> {
        let max = queue.policy.queue_max;
        let next = |waiting: u32| (waiting < max).then(|| waiting + 1);
        queue.waiting.fetch_update(Relaxed, Relaxed, next).is_ok().then(|| Self(queue))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}
