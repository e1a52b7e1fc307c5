//! A change that waits to be confirmed, and is taken back by itself.
//!
//! The configuration file is replaced once it is confirmed. So a daemon that dies meanwhile takes the
//! change back too, when the next one starts from the file; `pending.json` lets that one say so.

use std::{
    fs, io,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::{
    Daemon,
    change::{Cause, ChangeError, Old, Policy},
    lock,
    snapshot::now_epoch_s,
};
use crate::{
    audit::Hash,
    control::Caller,
    state::{StateError, StateFolder, file},
    status::PolicyStatus,
};

/// How late a change may be taken back.
const BEAT: Duration = Duration::from_millis(100);
const FILE: &str = "pending.json";
const FILE_BYTES_MAX: u64 = 64 << 10;

/// A change that is in force, and not confirmed.
pub struct Pending {
    /// Which.
    pub cause: Cause,
    /// Until when.
    pub deadline: Instant,
    /// The program that was in force: put back, not compiled again, so that nothing can fail.
    pub old: Old,
    /// What it was made of.
    pub before: Policy,
    /// What the status said of it.
    pub status: PolicyStatus,
    /// One drop in so many became an event.
    pub sample_one_in: u32,
}

impl Pending {
    /// How long it still waits.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Why nothing else is changed meanwhile.
    pub fn refusal(&self) -> ChangeError {
        let Cause { who, verb, what, .. } = &self.cause;
        ChangeError::Refused(format!(
            "{verb} {what} by {who} waits to be confirmed, for {} s more: `seawall confirm` keeps it, \
             `seawall rollback` takes it back; then ask again",
            self.left().as_secs()
        ))
    }
}

/// What the next daemon is told.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    what: String,
    who: String,
    until_epoch_s: u64,
    /// Of the file that is tried: where it is the daemon's own by now, it was confirmed.
    #[serde(default)]
    file_sha256: Option<Hash>,
}

/// Notes that a change is about to wait.
pub fn note(
    state: &StateFolder,
    cause: &Cause,
    within: Duration,
    text: &[u8],
) -> Result<(), StateError> {
    let note = Note {
        what: format!("{} {}", cause.verb, cause.what),
        who: cause.who.to_string(),
        until_epoch_s: now_epoch_s().saturating_add(within.as_secs()),
        file_sha256: Some(Hash::of(text)),
    };
    let path = state.path().join(FILE);
    let bytes = serde_json::to_vec(&note).map_err(|error| StateError::Write {
        path: path.clone(),
        action: "put it in words",
        source: error.into(),
    })?;
    file::write(&path, &bytes)
}

/// Forgets the note.
pub fn forget(state: &StateFolder) {
    match fs::remove_file(state.path().join(FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the note of a change that waited cannot be removed");
        }
        _ => {}
    }
}

/// Says and records what an earlier daemon left waiting: this one starts from the file, which it did not
/// reach unless it was confirmed.
pub fn left_behind(daemon: &Daemon) {
    let Ok(bytes) = file::read(&daemon.state.path().join(FILE), FILE_BYTES_MAX) else { return };
    let (what, who) = match serde_json::from_slice::<Note>(&bytes) {
        Ok(note) if note.file_sha256 == Some(Hash::of(&lock(&daemon.config).text)) => {
            tracing::info!(what = note.what, who = note.who, "was confirmed: it stays");
            return forget(&daemon.state);
        }
        Ok(note) => (note.what, note.who),
        Err(_) => ("a change".to_owned(), "nobody known".to_owned()),
    };
    let why = "the daemon ended before it was confirmed";
    tracing::warn!(what, who, why, "rolled back");
    let cause = Cause::new(&Caller::daemon(), "rollback", what).because(Some(why.to_owned()));
    if let Err(error) = daemon.audit_cause(&cause) {
        tracing::error!(%error, "a rollback is not in the audit log");
    }
    forget(&daemon.state);
}

/// Takes back what is not confirmed in time, until `stop` says true; then at once.
pub async fn watch_over(daemon: Arc<Daemon>, mut stop: watch::Receiver<bool>) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let stopping = tokio::select! {
            _ = beat.tick() => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        let daemon = daemon.clone();
        let is_due = move || {
            let due = lock(&daemon.pending)
                .as_ref()
                .is_some_and(|pending| stopping || pending.left().is_zero());
            if due {
                let why = if stopping { "the daemon stops" } else { "not confirmed in time" };
                daemon.take_back(&Caller::daemon(), why, !stopping);
            }
        };
        if let Err(error) = spawn_blocking(is_due).await {
            tracing::error!(%error, "a change that waits to be confirmed cannot be looked after");
        }
        if stopping {
            return;
        }
    }
}

impl Daemon {
    /// Takes back the change that waits; with `only_due` where its time is over alone. Returns the
    /// generation in force then; nothing where none was taken back.
    pub(super) fn take_back(&self, who: &Caller, why: &str, only_due: bool) -> Option<u32> {
        let _road = lock(&self.road);
        let pending = {
            let mut pending = lock(&self.pending);
            // It may have been confirmed, and another one begun, while the road was taken.
            if only_due && pending.as_ref().is_some_and(|pending| !pending.left().is_zero()) {
                return None;
            }
            pending.take()?
        };
        let Pending { cause, old, before, status, sample_one_in, .. } = pending;
        let number = old.number();
        if let Err(error) = self.switch(old) {
            // It was in these links a moment ago; nothing is known that would refuse it.
            tracing::error!(%error, "a change that was not confirmed stays in force");
            return None;
        }
        let tried = self.policy_in_force();
        // The filter is back; a worker that cannot be is told, and the one that runs goes on.
        let same_gateway = before.config.gateway == tried.config.gateway;
        if !same_gateway {
            match self.stage_worker(&Policy { gateway: true, ..before.clone() }) {
                Ok(worker) => worker.into_iter().for_each(|worker| worker.promote()),
                Err(error) => tracing::error!(%error, "the gateway keeps the worker of the change"),
            }
        }
        *lock(&self.policy) = status;
        lock(&self.events).0.sample_one_in = sample_one_in;
        *lock(&self.config) = before.config.clone();
        forget(&self.state);
        self.switched.notify_one();
        let undo = Cause::new(who, "rollback", cause.what.clone()).because(Some(why.to_owned()));
        if let Err(error) = self.audit(&undo, None, &tried, &before) {
            tracing::error!(%error, "a rollback is not in the audit log");
        }
        tracing::warn!(generation = number, what = cause.what, who = %who, why, "rolled back");
        Some(number)
    }
}
