//! Sessions that hosts share through Redis or Valkey. It has the last word on which sessions there are; a worker keeps
//! those that it was asked about in its own table, so that only the first request of a session waits for the store.
//!
//! A session is served without asking while it was confirmed on the present connection: an end that another host tells
//! comes over that connection, after everything that was confirmed before it. Each new connection confirms anew. While
//! the store is away, what was confirmed on the last one holds until `away_max_s` after its last word.

mod commands;

mod connection;

mod speaker;

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    time::timeout,
};

use self::speaker::Speaker;
use super::{
    record::{Ending, SessionRecord},
    store::{Session, SessionStore},
};
use crate::{
    figures::{StoreFigures, one},
    identity::api_key::text::KeyHash,
    policy::SessionStorePolicy,
};

/// Questions that wait to be asked; a request with one more is 503.
const QUESTIONS_MAX: usize = 4_096;
/// Ends that wait until the store is back; of more it never hears, which the log says.
const ENDINGS_MAX: usize = 10_000;
/// A use is told at most this often, and after a tenth of the idle time...
const TOLD_USE_MAX_S: u64 = 60;
/// ...and at least after so long.
const TOLD_USE_MIN_S: u64 = 1;

/// The store as requests see it.
#[derive(Debug)]
pub struct Sharing {
    questions: mpsc::Sender<Question>,
    wait: Duration,
    away_max: Duration,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    begun: Instant,
    /// It was there, or was found not to be: before that, whoever asks waits.
    is_known: AtomicBool,
    up: AtomicBool,
    /// Counts connections; 0 is none.
    connection: AtomicU32,
    /// Milliseconds since it began, when everything that it had told before was heard.
    heard_ms: AtomicU64,
    /// What others are to be told has ended.
    endings: Mutex<VecDeque<Ending>>,
    calls: AtomicU64,
    failures: AtomicU64,
    unasked: AtomicU64,
}

/// What the store is asked or told.
#[derive(Debug)]
enum Question {
    /// Whether there is a session of this hash.
    Find(KeyHash, oneshot::Sender<()>),
    /// There is one.
    Open(Box<SessionRecord>, oneshot::Sender<()>),
    /// One was used, and lives on for so many seconds.
    Used(KeyHash, u64),
    /// There are ends to be told.
    Ended,
}

/// Nobody says anything of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Away;

impl Sharing {
    /// Begins to speak to the store for these sessions; whether it is there shows later.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(policy: &SessionStorePolicy, sessions: Weak<SessionStore>) -> io::Result<Self> {
        let (questions, asked) = mpsc::channel(QUESTIONS_MAX);
        let state = Arc::new(State {
            begun: Instant::now(),
            is_known: AtomicBool::new(false),
            up: AtomicBool::new(false),
            connection: AtomicU32::new(0),
            heard_ms: AtomicU64::new(0),
            endings: Mutex::default(),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            unasked: AtomicU64::new(0),
        });
        let wait = Duration::from_millis(policy.timeout_ms.into());
        let speaker = Speaker::new(policy.clone(), state.clone(), sessions, asked);
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let thread = std::thread::Builder::new().name("gateway-shared".to_owned());
        // It ends with the sessions.
        thread.spawn(move || runtime.block_on(speaker.run()))?;
        Ok(Self { questions, wait, away_max: Duration::from_secs(policy.away_max_s.into()), state })
    }

    /// Whether a session may be served without a question.
    #[must_use]
    pub fn is_confirmed(&self, session: &Session) -> bool {
        let state = &self.state;
        let connection = state.connection.load(Relaxed);
        let silent_ms = state.now_ms().saturating_sub(state.heard_ms.load(Relaxed));
        connection != 0
            && session.confirmed() == connection
            && u128::from(silent_ms) <= self.away_max.as_millis()
    }

    /// Whether the store was found not to be there.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.state.is_known.load(Relaxed) && !self.state.up.load(Relaxed)
    }

    /// Asks about a session; it is in the table afterwards, or there is none.
    ///
    /// # Errors
    /// The store has not said.
    pub async fn find(&self, hash: KeyHash) -> Result<(), Away> {
        self.ask(|reply| Question::Find(hash, reply)).await
    }

    /// Tells of a new session.
    ///
    /// # Errors
    /// The store has not taken it.
    pub async fn open(&self, record: SessionRecord) -> Result<(), Away> {
        self.ask(|reply| Question::Open(Box::new(record), reply)).await
    }

    async fn ask(&self, about: impl FnOnce(oneshot::Sender<()>) -> Question) -> Result<(), Away> {
        if self.is_away() {
            return Err(Away);
        }
        let (reply, answer) = oneshot::channel();
        if self.questions.try_send(about(reply)).is_err() {
            one(&self.state.unasked);
            return Err(Away);
        }
        let Ok(answered) = timeout(self.wait, answer).await else {
            // The next one does not wait, until the store has answered something.
            self.state.set_up(false);
            return Err(Away);
        };
        answered.map_err(|_| Away)
    }

    /// A session was used: told now and then, so that it lives on elsewhere too.
    pub fn used(&self, session: &Session, now_epoch_s: u64) {
        let record = session.record();
        let period_s = told_after_s(record.idle_timeout_s);
        if session.told_use(now_epoch_s, period_s) {
            let left_s = lives_s(record, now_epoch_s);
            if self.questions.try_send(Question::Used(record.hash, left_s)).is_err() {
                one(&self.state.unasked);
            }
        }
    }

    /// Tells other hosts that sessions have ended, as soon as the store is there.
    pub fn end(&self, ending: Ending) {
        let mut endings = self.state.endings.lock().unwrap_or_else(PoisonError::into_inner);
        if endings.len() >= ENDINGS_MAX {
            one(&self.state.unasked);
            tracing::error!("an end of sessions could not be told to other hosts: too many wait");
            return;
        }
        endings.push_back(ending);
        drop(endings);
        // Where the queue is full, the next one that is taken out of it looks for ends too.
        let _full = self.questions.try_send(Question::Ended);
    }

    /// What other hosts were not told yet.
    #[must_use]
    pub fn untold(&self) -> Vec<Ending> {
        let endings = self.state.endings.lock().unwrap_or_else(PoisonError::into_inner);
        endings.iter().cloned().collect()
    }

    /// How the store is.
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

impl State {
    fn set_up(&self, up: bool) {
        self.up.store(up, Relaxed);
        self.is_known.store(true, Relaxed);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn told_after_s(idle_timeout_s: u32) -> u64 {
    (u64::from(idle_timeout_s) / 10).clamp(TOLD_USE_MIN_S, TOLD_USE_MAX_S)
}

/// How long the store keeps a session that is used now. A use is told late, so it is kept so much longer than it may
/// be idle.
fn lives_s(record: &SessionRecord, now_epoch_s: u64) -> u64 {
    let idle_s = u64::from(record.idle_timeout_s) + told_after_s(record.idle_timeout_s);
    record.ends_epoch_s.saturating_sub(now_epoch_s).min(idle_s)
}

#[cfg(test)]
mod tests;
