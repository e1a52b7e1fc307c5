//! Speaks to the store, for all: what came while it waited for an answer goes out together.

use std::{
    io,
    sync::{Arc, PoisonError, Weak, atomic::Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use bytes::BytesMut;
use tokio::{
    io::AsyncWriteExt as _,
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    Question, State,
    commands::Names,
    connection::{Connection, Heard},
};
use crate::{
    figures::one,
    identity::session::{
        record::{Ending, SessionRecord},
        store::SessionStore,
    },
    limits::{REDIS_RETRY_MAX_MS, REDIS_RETRY_MS, SESSION_RECORD_BYTES_MAX},
    policy::SessionStorePolicy,
    redis::resp,
};

/// Questions that are asked in one go.
const BATCH_MAX: usize = 512;
/// How often the store is asked whether it is there: one that hangs is found out in this time and one wait.
const BEAT: Duration = Duration::from_millis(500);

/// See above.
pub struct Speaker {
    names: Names,
    policy: SessionStorePolicy,
    state: Arc<State>,
    sessions: Weak<SessionStore>,
    asked: mpsc::Receiver<Question>,
}

impl Speaker {
    /// For these sessions.
    #[must_use]
    pub fn new(
        policy: SessionStorePolicy,
        state: Arc<State>,
        sessions: Weak<SessionStore>,
        asked: mpsc::Receiver<Question>,
    ) -> Self {
        Self { names: Names::new(&policy.prefix), policy, state, sessions, asked }
    }

    /// Until nobody could ask any more.
    pub async fn run(mut self) {
        let (first_ms, most_ms) = (REDIS_RETRY_MS, REDIS_RETRY_MAX_MS);
        let (mut pause_ms, mut was_away) = (first_ms, false);
        let wait = self.wait();
        loop {
            let opened = timeout(wait, Connection::open(&self.policy, &self.names)).await;
            let error = match opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Err(error) => error,
                Ok(connection) => {
                    match self.serve(connection, &mut was_away, &mut pause_ms).await {
                        Ok(()) => return,
                        Err(error) => error,
                    }
                }
            };
            self.state.set_up(false);
            one(&self.state.failures);
            if !was_away {
                tracing::warn!(%error, "the session store is away: sessions that were seen before go on for a while");
            }
            was_away = true;
            // Those that wait learn that there is no answer; ends are kept elsewhere.
            while self.asked.try_recv().is_ok() {}
            sleep(Duration::from_millis(pause_ms)).await;
            if self.asked.is_closed() {
                return;
            }
            pause_ms = (pause_ms * 2).min(most_ms);
        }
    }

    fn wait(&self) -> Duration {
        Duration::from_millis(self.policy.timeout_ms.into())
    }

    /// Until nobody asks any more, or it fails.
    async fn serve(
        &mut self,
        mut connection: Connection,
        was_away: &mut bool,
        pause_ms: &mut u64,
    ) -> io::Result<()> {
        let wait = self.wait();
        // Before anything is confirmed, others hear what has ended here meanwhile.
        while self.is_untold() {
            within(wait, self.tell(&mut connection, Vec::new())).await?;
        }
        self.state.heard_ms.store(self.state.now_ms(), Relaxed);
        self.state.connection.fetch_add(1, Relaxed);
        self.state.set_up(true);
        *pause_ms = REDIS_RETRY_MS;
        if std::mem::take(was_away) {
            tracing::info!("the session store is back");
        }
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut questions, mut is_asked) = (Vec::new(), None);
        loop {
            tokio::select! {
                biased;
                heard = connection.next() => match heard? {
                    Heard::Pong => {
                        if let Some(asked_ms) = is_asked.take() {
                            self.state.heard_ms.store(asked_ms, Relaxed);
                        }
                    }
                    Heard::Ended(text) => self.ended_elsewhere(&text),
                },
                _ = beat.tick() => {
                    // The last one was not answered in a whole beat.
                    if is_asked.is_some() {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    is_asked = Some(self.state.now_ms());
                    within(wait, connection.ping()).await?;
                    // Those that found the queue full.
                    within(wait, self.tell(&mut connection, Vec::new())).await?;
                    self.state.set_up(true);
                }
                number = self.asked.recv_many(&mut questions, BATCH_MAX) => {
                    if number == 0 {
                        return Ok(());
                    }
                    let batch = std::mem::take(&mut questions);
                    within(wait, self.tell(&mut connection, batch)).await?;
                    self.state.set_up(true);
                }
            }
        }
    }

    fn is_untold(&self) -> bool {
        !self.state.endings.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Tells all that waits, in one go, and takes the answers.
    async fn tell(&self, connection: &mut Connection, batch: Vec<Question>) -> io::Result<()> {
        let (mut bytes, now) = (BytesMut::new(), now_epoch_s());
        let endings: Vec<Ending> = {
            let endings = self.state.endings.lock().unwrap_or_else(PoisonError::into_inner);
            endings.iter().take(BATCH_MAX).cloned().collect()
        };
        for ending in &endings {
            self.names.end(&mut bytes, ending, &serde_json::to_vec(ending)?);
        }
        for question in &batch {
            match question {
                Question::Find(hash, _) => self.names.find(&mut bytes, hash),
                Question::Open(record, _) => {
                    self.names.open(&mut bytes, record, &serde_json::to_vec(record)?, now);
                }
                Question::Used(hash, lives_s) => self.names.used(&mut bytes, hash, *lives_s),
                Question::Ended => {}
            }
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let stream = &mut connection.asking;
        stream.write_all(&bytes).await?;
        for ending in &endings {
            resp::number(stream).await?;
            one(&self.state.calls);
            // What came into the table while this waited has ended too.
            if let Some(sessions) = self.sessions.upgrade() {
                sessions.end(ending);
            }
            self.state.endings.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        }
        for question in batch {
            let Some(sessions) = self.sessions.upgrade() else { return Ok(()) };
            let connection = self.state.connection.load(Relaxed);
            match question {
                Question::Find(hash, reply) => {
                    let text = resp::bytes(stream, SESSION_RECORD_BYTES_MAX).await?;
                    let found = text.and_then(|text| read(&text));
                    match found.filter(|found| found.hash == hash && found.ends_epoch_s > now) {
                        Some(found) => sessions.confirm(found, connection, now),
                        None => sessions.end_elsewhere(Ending::One(hash)),
                    }
                    let _unheard = reply.send(());
                }
                Question::Open(record, reply) => {
                    resp::number(stream).await?;
                    sessions.confirm(*record, connection, now);
                    let _unheard = reply.send(());
                }
                Question::Used(hash, _) => {
                    if resp::number(stream).await? == 0 {
                        sessions.end_elsewhere(Ending::One(hash));
                    }
                }
                Question::Ended => continue,
            }
            one(&self.state.calls);
        }
        Ok(())
    }

    fn ended_elsewhere(&self, text: &[u8]) {
        match serde_json::from_slice::<Ending>(text) {
            Ok(ending) => {
                if let Some(sessions) = self.sessions.upgrade() {
                    sessions.end_elsewhere(ending);
                }
            }
            Err(error) => {
                one(&self.state.failures);
                tracing::warn!(%error, "the session store tells an end that is none");
            }
        }
    }
}

async fn within<T>(wait: Duration, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(wait, what).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn read(text: &[u8]) -> Option<SessionRecord> {
    let read = serde_json::from_slice(text);
    let told = read.inspect_err(|error| {
        tracing::warn!(%error, "the session store has something under a session's name that is none");
    });
    told.ok()
}

fn now_epoch_s() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs()
}
