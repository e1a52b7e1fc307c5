//! One thread for each sink: batch after batch, in order, one at a time.

use std::{cell::Cell, time::Duration};

use tokio::time::{Instant, sleep};

use super::queue::{Loss, Numbered, Queue};
use crate::limits::{EVENTS_RETRY_MAX_MS, EVENTS_RETRY_MS};

/// Where events go.
pub trait Sink {
    /// Delivers a batch, however often that has to be tried, and counts in `done` what is delivered on the way: those that
    /// come first.
    ///
    /// # Errors
    /// Why those that are not done are lost.
    async fn deliver(&mut self, batch: &[Numbered], done: &Cell<usize>) -> Result<(), Loss>;
}

/// Delivers until the queue is closed and empty, or the time after that is over.
pub async fn run(queue: &Queue, place: usize, wait: Duration, mut sink: impl Sink) {
    while let Some(batch) = queue.next(place, wait).await {
        let done = Cell::new(0);
        let outcome = tokio::select! {
            biased;
            outcome = sink.deliver(&batch, &done) => outcome,
            () = queue.over() => Err(Loss::Stopped),
        };
        let (delivered, why) = match outcome {
            Ok(()) => (batch.len(), Loss::Undelivered),
            Err(why) => (done.get().min(batch.len()), why),
        };
        queue.settle(place, delivered, batch.len() - delivered, why);
        if outcome == Err(Loss::Stopped) {
            return queue.abandon(place);
        }
    }
}

/// Waits between attempts: twice as long each time, and never all receivers' clients at once.
pub struct Backoff {
    pause_ms: u64,
    until: Instant,
}

impl Backoff {
    /// Before the first attempt, for attempts over so long a time.
    #[must_use]
    pub fn new(give_up: Duration) -> Self {
        Self { pause_ms: EVENTS_RETRY_MS, until: Instant::now() + give_up }
    }

    /// Waits before the next attempt, as long as the receiver wants it within our own bound; false where it is to be none.
    pub async fn pause(&mut self, wanted: Duration) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        // Where the kernel has no randomness to give, the longer wait is as good.
        let part_ms = getrandom::u64().unwrap_or(u64::MAX) % (self.pause_ms / 2 + 1);
        let own = Duration::from_millis(self.pause_ms / 2 + part_ms);
        let wanted = wanted.min(Duration::from_millis(EVENTS_RETRY_MAX_MS));
        self.pause_ms = (self.pause_ms * 2).min(EVENTS_RETRY_MAX_MS);
        sleep(own.max(wanted)).await;
        true
    }
}
