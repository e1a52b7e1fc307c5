//! The log as the daemon uses it: many callers, one write and one wait for the disk.

use std::{
    collections::VecDeque,
    mem,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    AuditError, FILE_BYTES_MAX, OWED_MAX, Record, Who,
    live::{Draft, Live},
};
use crate::status::utc;

/// An open audit log.
#[derive(Debug)]
pub struct Log {
    /// Who waits for the disk. As long as callers at most.
    queue: Mutex<Vec<Waiting>>,
    writer: Mutex<Writer>,
    failures: AtomicU64,
}

#[derive(Debug)]
struct Writer {
    path: PathBuf,
    file_bytes_max: u64,
    /// Nothing where it could not be opened yet.
    live: Option<Live>,
    /// Records of what could not be refused, oldest first.
    owed: VecDeque<Draft>,
    /// Records that found no room among them, and are not recorded as lost yet.
    lost: u64,
    lost_total: u64,
}

#[derive(Debug)]
struct Waiting {
    draft: Draft,
    /// Whether it is kept where it cannot be written.
    owe: bool,
    done: Arc<OnceLock<Result<u64, AuditError>>>,
}

/// What is counted of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Figures {
    /// The sequence of the last record.
    pub sequence: u64,
    /// Records that wait for a disk that takes them.
    pub owed: u64,
    /// Records that found no room among those, since the start; the daemon's log has them.
    pub lost: u64,
    /// Writes that failed, since the start.
    pub failures: u64,
}

impl Log {
    /// Opens a log and verifies its tail, or makes one in a folder that is there. What is found wrong goes to
    /// the daemon's log and, with the next record, into this one.
    ///
    /// # Errors
    ///
    /// Where the file cannot be opened for writing, or another process writes it.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        Self::open_bounded(path, FILE_BYTES_MAX)
    }

    /// The same for a host that is to be protected whatever its disk is like: a log that cannot be opened is
    /// opened with the first record that finds it can be. Until then there is no change.
    #[must_use]
    pub fn open_when_possible(path: &Path) -> Self {
        let log = Self::closed(path, FILE_BYTES_MAX);
        if let Err(error) = lock(&log.writer).open() {
            log.failures.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "audit: no change will be taken");
        }
        log
    }

    /// An open one with smaller files.
    pub(super) fn open_bounded(path: &Path, file_bytes_max: u64) -> Result<Self, AuditError> {
        let log = Self::closed(path, file_bytes_max);
        lock(&log.writer).open()?;
        Ok(log)
    }

    fn closed(path: &Path, file_bytes_max: u64) -> Self {
        let path = path.to_path_buf();
        let (owed, lost, lost_total) = (VecDeque::new(), 0, 0);
        let writer = Writer { path, file_bytes_max, live: None, owed, lost, lost_total };
        let failures = AtomicU64::new(0);
        Self { queue: Mutex::default(), writer: Mutex::new(writer), failures }
    }

    /// Writes a record and waits until it is on the disk; its sequence. What several callers bring at once is
    /// written at once.
    ///
    /// # Errors
    ///
    /// Where it cannot be written. Nothing of it is left then, and the change is not to be made.
    pub fn record(&self, record: &Record) -> Result<u64, AuditError> {
        self.wait(vec![Draft { at: now(), record: record.clone() }], false)
    }

    /// The same for what is done in any case: a ban in the middle of an attack, a stop. A record that cannot be
    /// written is kept and written, with its own time, before the next one that can be; the error says that it
    /// is not on the disk yet.
    ///
    /// # Errors
    ///
    /// Where it is not on the disk yet.
    pub fn record_or_owe(&self, record: &Record) -> Result<u64, AuditError> {
        self.wait(vec![Draft { at: now(), record: record.clone() }], true)
    }

    /// The same for many that belong together: one write and one wait.
    ///
    /// # Errors
    ///
    /// Where they are not on the disk yet.
    pub fn record_all_or_owe(&self, records: &[Record]) -> Result<(), AuditError> {
        if records.is_empty() {
            return Ok(());
        }
        let at = now();
        let drafts = records.iter().map(|record| Draft { at: at.clone(), record: record.clone() });
        self.wait(drafts.collect(), true).map(drop)
    }

    /// Writes what is owed, where there is any.
    ///
    /// # Errors
    ///
    /// Where it still cannot be written.
    pub fn settle(&self) -> Result<(), AuditError> {
        let mut writer = lock(&self.writer);
        if writer.owed.is_empty() && writer.lost == 0 {
            return Ok(());
        }
        writer.write(&[]).map(|_| ())
    }

    /// What is counted of the log.
    pub fn figures(&self) -> Figures {
        let writer = lock(&self.writer);
        Figures {
            sequence: writer.live.as_ref().map_or(0, Live::sequence),
            owed: writer.owed.len() as u64,
            lost: writer.lost_total,
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    /// Of several, which come into one batch, the answer to the last.
    fn wait(&self, drafts: Vec<Draft>, owe: bool) -> Result<u64, AuditError> {
        let done = Arc::new(OnceLock::new());
        let last = drafts.len().saturating_sub(1);
        let waiting = drafts.into_iter().enumerate().map(|(place, draft)| {
            // Nobody asks what became of those before.
            let done = if place == last { done.clone() } else { Arc::default() };
            Waiting { draft, owe, done }
        });
        lock(&self.queue).extend(waiting);
        // Who comes first writes for all that came by then. The others find theirs done.
        let mut writer = lock(&self.writer);
        if let Some(done) = done.get() {
            return done.clone();
        }
        let batch = mem::take(&mut *lock(&self.queue));
        self.write(&mut writer, batch);
        drop(writer);
        match done.get() {
            Some(done) => done.clone(),
            // It was pushed before the queue was taken.
            None => unreachable!("a record of this batch has an answer"),
        }
    }

    fn write(&self, writer: &mut Writer, batch: Vec<Waiting>) {
        let drafts: Vec<&Draft> = batch.iter().map(|waiting| &waiting.draft).collect();
        let written = writer.write(&drafts);
        if let Err(error) = &written {
            self.failures.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, records = batch.len(), "audit");
        }
        for (place, waiting) in (0..).zip(batch) {
            // Each is answered once.
            let _ = waiting.done.set(written.clone().map(|first| first + place));
            if written.is_err() && waiting.owe {
                writer.owe(waiting.draft);
            }
        }
    }
}

impl Writer {
    fn open(&mut self) -> Result<(), AuditError> {
        if self.live.is_none() {
            let live = Live::open(&self.path, self.file_bytes_max)?;
            for found in live.notes() {
                tracing::warn!(found, "audit: the log is not as it was left");
            }
            self.live = Some(live);
        }
        Ok(())
    }

    /// What is owed, then these; the sequence of the first of these.
    fn write(&mut self, drafts: &[&Draft]) -> Result<u64, AuditError> {
        self.open()?;
        let Some(live) = &mut self.live else {
            unreachable!("a log that is open is there");
        };
        let lost = (self.lost > 0).then(|| {
            let text = format!(
                "{} records found no room while the log could not be written; the daemon's log has them",
                self.lost
            );
            Draft { at: now(), record: Record::new(Who::Daemon, "audit lost", &text) }
        });
        let all: Vec<&Draft> =
            self.owed.iter().chain(&lost).chain(drafts.iter().copied()).collect();
        let first = live.append(&all)? + (all.len() - drafts.len()) as u64;
        self.owed.clear();
        self.lost = 0;
        Ok(first)
    }

    fn owe(&mut self, draft: Draft) {
        if self.owed.len() < OWED_MAX {
            self.owed.push_back(draft);
            return;
        }
        self.lost += 1;
        self.lost_total += 1;
        let Draft { at, record } = draft;
        tracing::error!(at, ?record, "audit: a record is lost to the log");
    }
}

/// This moment, as a record writes it.
pub fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    utc(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// A thread that panicked while it held a lock left whole records behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
