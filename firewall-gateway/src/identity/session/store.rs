//! The sessions of a worker. Requests read them without a lock; logins and ends of sessions change them.

use std::{
    io,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;

use super::{
    error::SessionError,
    record::{Ending, SessionChange, SessionRecord, id},
    shared::{Away, Sharing},
};
use crate::{
    identity::{
        api_key::{store::KeyUse, text::KeyHash},
        table::{Hashed, Tables},
    },
    limits::{KEY_USES_AT_ONCE, SESSION_CHANGES_WAITING_MAX},
    policy::SessionStorePolicy,
};

/// A session, and what changes of it.
#[derive(Debug)]
pub struct Session {
    record: SessionRecord,
    used_epoch_s: AtomicU64,
    ended: AtomicBool,
    /// The connection to the store that hosts share on which it was confirmed last.
    confirmed: AtomicU32,
    /// When its use was told there last.
    told_epoch_s: AtomicU64,
}

impl Hashed for Session {
    fn hash(&self) -> &KeyHash {
        &self.record.hash
    }
}

impl Session {
    /// One that holds.
    #[must_use]
    pub fn new(record: SessionRecord) -> Self {
        let used_epoch_s = AtomicU64::new(record.used_epoch_s);
        Self {
            record,
            used_epoch_s,
            ended: AtomicBool::new(false),
            confirmed: AtomicU32::new(0),
            told_epoch_s: AtomicU64::new(0),
        }
    }

    /// What does not change of it.
    #[must_use]
    pub fn record(&self) -> &SessionRecord {
        &self.record
    }

    /// Whether it holds at this time.
    ///
    /// # Errors
    /// Why it does not.
    pub fn holds(&self, now_epoch_s: u64) -> Result<(), SessionError> {
        let idle_s = u64::from(self.record.idle_timeout_s);
        if self.ended.load(Relaxed) {
            return Err(SessionError::Ended);
        }
        if self.record.ends_epoch_s <= now_epoch_s {
            return Err(SessionError::Expired);
        }
        if self.used_epoch_s.load(Relaxed).saturating_add(idle_s) <= now_epoch_s {
            return Err(SessionError::Idle);
        }
        Ok(())
    }

    /// It is used: written once a second at most, so that cores do not take the line from each other.
    pub fn used(&self, now_epoch_s: u64) {
        if self.used_epoch_s.load(Relaxed) < now_epoch_s {
            self.used_epoch_s.store(now_epoch_s, Relaxed);
        }
    }

    /// The connection to the store that hosts share on which it was confirmed last; 0 for none.
    #[must_use]
    pub fn confirmed(&self) -> u32 {
        self.confirmed.load(Relaxed)
    }

    /// Whether others are to be told that it is used, once in a period.
    #[must_use]
    pub fn told_use(&self, now_epoch_s: u64, period_s: u64) -> bool {
        let told = self.told_epoch_s.load(Relaxed);
        now_epoch_s >= told.saturating_add(period_s)
            && self.told_epoch_s.compare_exchange(told, now_epoch_s, Relaxed, Relaxed).is_ok()
    }

    // Bytes that its texts take.
    fn text_bytes(&self) -> usize {
        let record = &self.record;
        let texts = [&record.login, &record.consumer, &record.subject, &record.id_token.0];
        let texts = texts.into_iter().chain(&record.sid);
        texts.map(String::capacity).sum()
    }
}

/// There is no room for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// All sessions.
#[derive(Debug)]
pub struct SessionStore {
    tables: ArcSwap<Tables<Session>>,
    /// Held by whoever changes which ones there are.
    changing: Mutex<()>,
    max: usize,
    refused: AtomicU64,
    /// What the supervisor is to be told.
    waiting: SyncSender<SessionChange>,
    told: Mutex<Option<Receiver<SessionChange>>>,
    /// The store that hosts share.
    sharing: OnceLock<Sharing>,
    /// Told when some end.
    changed: watch::Sender<()>,
}

impl SessionStore {
    /// None yet, and so many at most.
    #[must_use]
    pub fn new(max: u32) -> Self {
        let (waiting, told) = sync_channel(SESSION_CHANGES_WAITING_MAX);
        Self {
            tables: ArcSwap::default(),
            changing: Mutex::default(),
            max: max as usize,
            refused: AtomicU64::new(0),
            waiting,
            told: Mutex::new(Some(told)),
            sharing: OnceLock::new(),
            changed: watch::Sender::default(),
        }
    }

    /// Told when some end.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Begins to share sessions with other hosts.
    ///
    /// # Errors
    /// The thread for it cannot be started.
    pub fn share(self: &Arc<Self>, policy: &SessionStorePolicy) -> io::Result<()> {
        // There is one, and it is begun once.
        let _second = self.sharing.set(Sharing::start(policy, Arc::downgrade(self))?);
        Ok(())
    }

    /// The store that hosts share, where they do.
    #[must_use]
    pub fn sharing(&self) -> Option<&Sharing> {
        self.sharing.get()
    }

    /// The store that hosts share, where it has to be asked about a session first. One that was idle here may have
    /// been used elsewhere.
    #[must_use]
    pub fn asks(&self, hash: &KeyHash, now_epoch_s: u64) -> Option<&Sharing> {
        let sharing = self.sharing()?;
        let tables = self.tables.load();
        match tables.find(hash) {
            Some(found) => match found.holds(now_epoch_s) {
                Ok(()) => !sharing.is_confirmed(found),
                Err(SessionError::Idle) => true,
                Err(_) => false,
            },
            None => true,
        }
        .then_some(sharing)
    }

    /// Whether nobody can say that a session holds which has not ended here. Where the store was asked and has not
    /// said, that it may be there again since says nothing of the session.
    #[must_use]
    pub fn is_unconfirmed(
        &self,
        hash: &KeyHash,
        confirmed: Result<(), Away>,
        now_epoch_s: u64,
    ) -> bool {
        self.sharing().is_some_and(|sharing| match self.tables.load().find(hash) {
            Some(found) => found.holds(now_epoch_s).is_ok() && !sharing.is_confirmed(found),
            None => confirmed.is_err() || sharing.is_away(),
        })
    }

    /// The store that hosts share has a session: it is used now.
    pub(super) fn confirm(&self, record: SessionRecord, connection: u32, now_epoch_s: u64) {
        let confirmed = |session: &Session| {
            session.confirmed.store(connection, Relaxed);
            session.used(now_epoch_s);
        };
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = self.tables.load().find(&record.hash) {
            confirmed(found);
            return;
        }
        if self.tables.load().count() >= self.max {
            self.drop_ended(now_epoch_s);
        }
        let record = SessionRecord { used_epoch_s: now_epoch_s, ..record };
        let told = SessionChange::Open(Box::new(record.clone()));
        if self.tables.load().count() >= self.max || self.waiting.try_send(told).is_err() {
            self.refused.fetch_add(1, Relaxed);
            return;
        }
        let session = Arc::new(Session::new(record));
        confirmed(&session);
        self.tables.store(Arc::new(self.tables.load().with([session])));
    }

    /// Sessions have ended on another host.
    pub(super) fn end_elsewhere(&self, ending: Ending) {
        if self.end(&ending) > 0
            && self.waiting.try_send(SessionChange::EndElsewhere(ending)).is_err()
        {
            tracing::error!("an end of sessions could not be told: too much waits to be told");
        }
    }

    /// Others are told of what other hosts were not told yet: another worker takes this one's place.
    pub fn hand_on(&self) {
        let untold = self.sharing().map(Sharing::untold).unwrap_or_default();
        for ending in untold {
            if self.waiting.try_send(SessionChange::End(ending)).is_err() {
                tracing::error!("an end of sessions could not be handed on: too much waits");
            }
        }
    }

    /// Puts these in the place of all that are there.
    pub fn fill(&self, sessions: Vec<Arc<Session>>) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.tables.store(Arc::new(Tables::new(sessions)));
    }

    /// The sessions of this moment.
    #[must_use]
    pub fn tables(&self) -> Guard<Arc<Tables<Session>>> {
        self.tables.load()
    }

    /// Somebody has logged in here: the supervisor is told.
    ///
    /// # Errors
    /// There is no room for one more, here or on the way to the supervisor. None that holds gives way.
    pub fn open(&self, record: SessionRecord, now_epoch_s: u64) -> Result<(), Full> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.tables.load().count() >= self.max {
            self.drop_ended(now_epoch_s);
        }
        let told = SessionChange::Open(Box::new(record.clone()));
        if self.tables.load().count() >= self.max || self.waiting.try_send(told).is_err() {
            self.refused.fetch_add(1, Relaxed);
            return Err(Full);
        }
        self.add(record);
        Ok(())
    }

    /// Somebody ends sessions here: the supervisor is told.
    ///
    /// # Errors
    /// Too much waits to be told: they have ended here alone, and whoever asked for it should ask again.
    pub fn close(&self, ending: Ending) -> Result<usize, Full> {
        let ended = self.end(&ending);
        self.tell(&ending);
        self.waiting.try_send(SessionChange::End(ending)).map_err(|_| Full)?;
        Ok(ended)
    }

    /// Takes over what happened elsewhere: the next request of any connection meets it.
    pub fn change(&self, changes: Vec<SessionChange>) {
        for change in changes {
            match change {
                SessionChange::End(ending) => {
                    self.end(&ending);
                    self.tell(&ending);
                }
                SessionChange::EndElsewhere(ending) => {
                    self.end(&ending);
                }
                SessionChange::Open(record) => {
                    let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
                    // It is told again what it began with, or told of first.
                    if self.tables.load().find(&record.hash).is_some() {
                        continue;
                    }
                    if self.tables.load().count() >= self.max {
                        self.refused.fetch_add(1, Relaxed);
                        continue;
                    }
                    self.add(*record);
                }
            }
        }
    }

    /// Lets go of those that have ended.
    pub fn sweep(&self, now_epoch_s: u64) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.drop_ended(now_epoch_s);
    }

    /// Sessions that were used since a minute, from the `from`th on; and where to go on, if there are more.
    #[must_use]
    pub fn used_since(&self, since_min: u32, from: usize) -> (Vec<KeyUse>, Option<usize>) {
        let tables = self.tables.load();
        let mut uses = Vec::new();
        for (place, session) in tables.iter().enumerate().skip(from) {
            if uses.len() == KEY_USES_AT_ONCE {
                return (uses, Some(place));
            }
            let at_epoch_s = session.used_epoch_s.load(Relaxed);
            if at_epoch_s >= u64::from(since_min) * 60 {
                uses.push(KeyUse { id: id(session.hash()), at_epoch_s });
            }
        }
        (uses, None)
    }

    /// What the supervisor is to be told; once.
    #[must_use]
    pub fn told(&self) -> Option<Receiver<SessionChange>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// How many there are, ended ones among them until they are swept, and how many found no room.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.tables.load().count() as u64, self.refused.load(Relaxed))
    }

    /// How many there are, and the bytes of their tables and texts.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let tables = self.tables.load();
        let texts: usize = tables.iter().map(|session| session.text_bytes()).sum();
        (tables.count(), tables.bytes() + texts)
    }

    fn tell(&self, ending: &Ending) {
        if let Some(sharing) = self.sharing() {
            sharing.end(ending.clone());
        }
    }

    /// Ends sessions here, and says how many.
    pub(super) fn end(&self, ending: &Ending) -> usize {
        // One that is being added is found once it is there.
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let tables = self.tables.load();
        let end = |session: &Arc<Session>| !session.ended.swap(true, Relaxed);
        let ended = match ending {
            Ending::One(hash) => tables.find(hash).map_or(0, |found| usize::from(end(found))),
            all => tables.iter().filter(|one| all.takes(&one.record) && end(one)).count(),
        };
        if ended > 0 {
            self.changed.send_replace(());
        }
        ended
    }

    fn add(&self, record: SessionRecord) {
        let next = self.tables.load().with([Arc::new(Session::new(record))]);
        self.tables.store(Arc::new(next));
    }

    fn drop_ended(&self, now_epoch_s: u64) {
        let tables = self.tables.load();
        let holds = |session: &&Arc<Session>| session.holds(now_epoch_s).is_ok();
        let left: Vec<Arc<Session>> = tables.iter().filter(holds).cloned().collect();
        if left.len() < tables.count() {
            self.tables.store(Arc::new(Tables::new(left)));
        }
    }
}

#[cfg(test)]
mod tests;
