//! Events that wait for their sinks: in the order of their numbers, within bounds, and each that is lost is counted.
//!
//! One lock, held for a push or for the taking of a batch: a number is given and every sink's line is entered in one step, so
//! that no line ever has two events out of order. Where a line is full the newest event is the one that is lost: what
//! waits stays whole and in order, the beginning of whatever goes on is kept, and the receiver sees the gap in the numbers.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout_at},
};

use super::event::Event;
use crate::{
    figures::{LabelCount, SinkFigures, one},
    limits::{EVENTS_BATCH_BYTES_MAX, EVENTS_END_TIMEOUT_MS},
};

/// Why an event did not get to a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Too many waited.
    QueueFull,
    /// The receiver did not take it for as long as it was tried.
    Undelivered,
    /// The receiver says that it will never take it.
    Refused,
    /// The file could not be written.
    Unwritten,
    /// The worker ended first.
    Stopped,
}

impl Loss {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::QueueFull, Self::Undelivered, Self::Refused, Self::Unwritten, Self::Stopped];

    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Undelivered => "undelivered",
            Self::Refused => "refused",
            Self::Unwritten => "unwritten",
            Self::Stopped => "stopped",
        }
    }
}

/// An event with its number: the first of a worker has 1.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// Its number.
    pub sequence: u64,
    /// The event.
    pub event: Arc<Event>,
}

/// How much waits at most, for each sink, what is under way included.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Events.
    pub events: usize,
    /// Their bytes in memory.
    pub bytes: usize,
}

/// What all sinks wait for.
#[derive(Debug)]
pub struct Queue {
    bounds: Bounds,
    state: Mutex<State>,
    sinks: Box<[Sink]>,
    ending: Notify,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    /// Nothing comes any more, and by then everything has to be gone.
    end: Option<Instant>,
    lines: Box<[Line]>,
}

/// What one sink has not delivered.
#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<Numbered>,
    waiting_bytes: usize,
    under_way: usize,
    under_way_bytes: usize,
}

#[derive(Debug)]
struct Sink {
    name: &'static str,
    batch_max: usize,
    awake: Notify,
    sent: AtomicU64,
    lost: [AtomicU64; Loss::ALL.len()],
    retries: AtomicU64,
}

impl Queue {
    /// An empty one for sinks of these names, each of which takes so many events at once.
    #[must_use]
    pub fn new(bounds: Bounds, sinks: &[(&'static str, usize)]) -> Self {
        let sink = |(name, batch_max): &(&'static str, usize)| Sink {
            name,
            batch_max: (*batch_max).max(1),
            awake: Notify::new(),
            sent: AtomicU64::default(),
            lost: Default::default(),
            retries: AtomicU64::default(),
        };
        let lines = sinks.iter().map(|_| Line::default()).collect();
        Self {
            bounds,
            state: Mutex::new(State { lines, ..State::default() }),
            sinks: sinks.iter().map(sink).collect(),
            ending: Notify::new(),
        }
    }

    /// Takes in one event; a sink whose line is full loses it. Never waits for a sink.
    pub fn push(&self, event: Event) {
        let bytes = event.bytes();
        let event = Arc::new(event);
        let mut state = self.state();
        state.last += 1;
        let (sequence, ended) = (state.last, state.end.is_some());
        for (line, sink) in state.lines.iter_mut().zip(&self.sinks) {
            if ended {
                sink.lose(Loss::Stopped, 1);
                continue;
            }
            let events = line.waiting.len() + line.under_way;
            let held_bytes = line.waiting_bytes + line.under_way_bytes;
            if events >= self.bounds.events || held_bytes + bytes > self.bounds.bytes {
                sink.lose(Loss::QueueFull, 1);
                continue;
            }
            line.waiting.push_back(Numbered { sequence, event: event.clone() });
            line.waiting_bytes += bytes;
            // Whoever waits is woken when there is something, and when there is no need to wait longer.
            if line.waiting.len() == 1 || line.waiting.len() == sink.batch_max {
                sink.awake.notify_one();
            }
        }
    }

    /// The next events of a sink, once there are enough for a batch or the first has waited for so long. They are under
    /// way until [`Queue::settle`]. Nothing once all is over.
    pub async fn next(&self, place: usize, wait: Duration) -> Option<Vec<Numbered>> {
        let sink = self.sinks.get(place)?;
        let mut since = None;
        loop {
            let awake = sink.awake.notified();
            {
                let mut state = self.state();
                let end = state.end;
                let line = state.lines.get_mut(place)?;
                let found = line.waiting.len();
                match (found, end) {
                    (0, Some(_)) => return None,
                    (0, None) => since = None,
                    (_, Some(_)) => return Some(line.take(sink.batch_max)),
                    (_, None) => {
                        let since = *since.get_or_insert_with(Instant::now);
                        if found >= sink.batch_max || since.elapsed() >= wait {
                            return Some(line.take(sink.batch_max));
                        }
                    }
                }
            }
            match since {
                None => awake.await,
                // Too late is as good a reason to look as any.
                Some(since) => drop(timeout_at(since + wait, awake).await),
            }
        }
    }

    /// What became of the events that were under way: so many of them were delivered, the others lost.
    pub fn settle(&self, place: usize, delivered: usize, lost: usize, why: Loss) {
        let Some(sink) = self.sinks.get(place) else { return };
        if let Some(line) = self.state().lines.get_mut(place) {
            (line.under_way, line.under_way_bytes) = (0, 0);
        }
        sink.sent.fetch_add(delivered as u64, Relaxed);
        sink.lose(why, lost as u64);
    }

    /// A receiver is tried once more.
    pub fn retried(&self, place: usize) {
        if let Some(sink) = self.sinks.get(place) {
            one(&sink.retries);
        }
    }

    /// Takes in nothing more; what waits has so long to be delivered.
    pub fn close(&self) {
        let wait = Duration::from_millis(EVENTS_END_TIMEOUT_MS);
        self.state().end.get_or_insert_with(|| Instant::now() + wait);
        self.ending.notify_waiters();
        for sink in &self.sinks {
            sink.awake.notify_one();
        }
    }

    /// Waits until everything has to be gone.
    pub async fn over(&self) {
        loop {
            let ending = self.ending.notified();
            tokio::pin!(ending);
            // Before the look: what is closed from here on is not missed.
            ending.as_mut().enable();
            let end = self.state().end;
            match end {
                Some(end) => return sleep_until(end).await,
                None => ending.await,
            }
        }
    }

    /// Gives up what a sink has not delivered.
    pub fn abandon(&self, place: usize) {
        let Some(sink) = self.sinks.get(place) else { return };
        if let Some(line) = self.state().lines.get_mut(place) {
            let left = std::mem::take(line);
            sink.lose(Loss::Stopped, (left.waiting.len() + left.under_way) as u64);
        }
    }

    /// What became of events, by sink.
    #[must_use]
    pub fn figures(&self) -> Vec<SinkFigures> {
        let state = self.state();
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let figures = |(sink, line): (&Sink, &Line)| SinkFigures {
            sink: sink.name.to_owned(),
            sent: read(&sink.sent),
            lost: Loss::ALL
                .iter()
                .zip(&sink.lost)
                .map(|(loss, count)| LabelCount {
                    label: loss.label().to_owned(),
                    count: read(count),
                })
                .collect(),
            retries: read(&sink.retries),
            waiting: (line.waiting.len() + line.under_way) as u64,
            queue_max: self.bounds.events as u64,
        };
        self.sinks.iter().zip(&state.lines).map(figures).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn take(&mut self, events_max: usize) -> Vec<Numbered> {
        let (mut count, mut bytes) = (0, 0);
        for one in self.waiting.iter().take(events_max) {
            bytes += one.event.bytes();
            if count > 0 && bytes > EVENTS_BATCH_BYTES_MAX {
                bytes -= one.event.bytes();
                break;
            }
            count += 1;
        }
        (self.under_way, self.under_way_bytes) = (count, bytes);
        self.waiting_bytes -= bytes;
        self.waiting.drain(..count).collect()
    }
}

impl Sink {
    fn lose(&self, why: Loss, count: u64) {
        if let Some(lost) = self.lost.get(why as usize) {
            lost.fetch_add(count, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
