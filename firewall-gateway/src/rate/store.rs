//! Where hosts count together: Redis or Valkey. A request asks, and waits so long at most; where there is no answer, its
//! host's own part of the limit decides.
//!
//! A thread of its own speaks to the store, and never for one request alone: what came while it waited for an answer goes
//! out together, requests of one limit, key and cost as one call. So nothing is taken ahead and nothing is left unused,
//! and a store that is far away makes batches larger, not more.

mod connection;

mod refused;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use self::{connection::Connection, refused::Refused};
use super::clock::Clock;
use crate::{
    figures::{StoreFigures, one},
    limits::{RATE_STORE_BATCH_MAX, RATE_STORE_QUEUE_MAX, REDIS_RETRY_MAX_MS, REDIS_RETRY_MS},
    policy::{RateAlgorithm, RateStorePolicy},
};

/// The store as requests see it.
#[derive(Debug)]
pub struct Store {
    questions: mpsc::Sender<Question>,
    wait: Duration,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    up: AtomicBool,
    /// When it came back last, after it was away.
    back_ns: AtomicU64,
    calls: AtomicU64,
    failures: AtomicU64,
    unasked: AtomicU64,
}

/// A request that may pass, or not, by a limit that hosts share.
#[derive(Debug)]
pub struct Question {
    /// Which limit, whose, and what it costs: those that agree in it are one call.
    about: About,
    reply: oneshot::Sender<Answer>,
}

/// See [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The limit.
    pub limit: Arc<str>,
    /// Whose.
    pub key: [u8; 16],
    /// Units.
    pub cost: u64,
    /// How the limit counts.
    pub algorithm: RateAlgorithm,
}

/// What the store says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// A wait for its turn, or the time after which to come again.
    pub verdict: Result<Duration, Duration>,
    /// Units.
    pub left: u64,
    /// Until all are back.
    pub reset: Duration,
}

impl Store {
    /// Begins to speak to it; whether it is there shows later.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(policy: &RateStorePolicy, clock: Clock) -> io::Result<Self> {
        let (questions, asked) = mpsc::channel(RATE_STORE_QUEUE_MAX);
        let state = Arc::new(State::default());
        let wait = Duration::from_millis(policy.timeout_ms.into());
        let speaker = Speaker { policy: policy.clone(), wait, clock, state: state.clone(), asked };
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let thread = std::thread::Builder::new().name("gateway-rates".to_owned());
        // It ends with the last one who could ask.
        thread.spawn(move || runtime.block_on(speaker.run()))?;
        Ok(Self { questions, wait, state })
    }

    /// What it says of a request; nothing where it is away, or does not say so in time.
    pub async fn ask(&self, about: About) -> Option<Answer> {
        if !self.state.up.load(Relaxed) {
            return None;
        }
        let (reply, answer) = oneshot::channel();
        if self.questions.try_send(Question { about, reply }).is_err() {
            one(&self.state.unasked);
            return None;
        }
        timeout(self.wait, answer).await.ok()?.ok()
    }

    /// Whether it came back less than this ago: it does not know then what passed while it was away.
    #[must_use]
    pub fn is_back_since(&self, now_ns: u64, window_ns: u64) -> bool {
        let back_ns = self.state.back_ns.load(Relaxed);
        back_ns > 0 && now_ns.saturating_sub(back_ns) < window_ns
    }

    /// How it is.
    #[must_use]
    pub fn figures(&self) -> StoreFigures {
        StoreFigures {
            up: self.state.up.load(Relaxed).into(),
            calls: self.state.calls.load(Relaxed),
            failures: self.state.failures.load(Relaxed),
            unasked: self.state.unasked.load(Relaxed),
        }
    }
}

/// Asks for all.
struct Speaker {
    policy: RateStorePolicy,
    wait: Duration,
    clock: Clock,
    state: Arc<State>,
    asked: mpsc::Receiver<Question>,
}

impl Speaker {
    async fn run(mut self) {
        let (first_ms, most_ms) = (REDIS_RETRY_MS, REDIS_RETRY_MAX_MS);
        let (mut pause_ms, mut was_away) = (first_ms, false);
        loop {
            match timeout(self.wait, Connection::open(&self.policy)).await {
                Ok(Ok(connection)) => {
                    if was_away {
                        self.state.back_ns.store(self.clock.now_ns(), Relaxed);
                        tracing::info!("the rate store is back: hosts count together again");
                    }
                    self.state.up.store(true, Relaxed);
                    let (served, error) = self.serve(connection).await;
                    // One that lets us in and then fails is not asked at once, again and again.
                    if served {
                        pause_ms = first_ms;
                    }
                    self.state.up.store(false, Relaxed);
                    one(&self.state.failures);
                    // Those that wait learn that there is no answer.
                    while self.asked.try_recv().is_ok() {}
                    let Some(error) = error else { return };
                    tracing::warn!(%error, "the rate store is away: each host holds its part of the limits");
                }
                Ok(Err(error)) => self.absent(was_away, &error),
                Err(_) => self.absent(was_away, &io::Error::from(io::ErrorKind::TimedOut)),
            }
            was_away = true;
            sleep(Duration::from_millis(pause_ms)).await;
            if self.asked.is_closed() {
                return;
            }
            pause_ms = (pause_ms * 2).min(most_ms);
        }
    }

    fn absent(&self, was_away: bool, error: &io::Error) {
        one(&self.state.failures);
        if !was_away {
            tracing::warn!(%error, "the rate store is not there: each host holds its part of the limits");
        }
    }

    /// Batch after batch, until it fails, and whether one did not; without an error nobody asks any more.
    async fn serve(&mut self, mut connection: Connection) -> (bool, Option<io::Error>) {
        let mut served = false;
        let (mut questions, mut refused) = (Vec::new(), Refused::default());
        loop {
            let next = self.asked.recv_many(&mut questions, RATE_STORE_BATCH_MAX);
            let number = tokio::select! {
                number = next => number,
                error = connection.end() => return (served, Some(error)),
            };
            if number == 0 {
                return (served, None);
            }
            // Who has stopped waiting is not asked for: what would be granted, nobody would use.
            questions.retain(|question| !question.reply.is_closed());
            let mut calls: Vec<(About, Vec<oneshot::Sender<Answer>>)> = Vec::new();
            let now = Instant::now();
            for Question { about, reply } in questions.drain(..) {
                if let Some(answer) = refused.still(&about, now) {
                    let _unheard = reply.send(answer);
                    continue;
                }
                match calls.iter_mut().find(|(other, _)| *other == about) {
                    Some((_, replies)) => replies.push(reply),
                    None => calls.push((about, vec![reply])),
                }
            }
            if calls.is_empty() {
                continue;
            }
            self.state.calls.fetch_add(calls.len() as u64, Relaxed);
            match timeout(self.wait, connection.take(&mut calls, &mut refused)).await {
                Ok(Ok(())) => served = true,
                Ok(Err(error)) => return (served, Some(error)),
                Err(_) => return (served, Some(io::ErrorKind::TimedOut.into())),
            }
        }
    }
}
