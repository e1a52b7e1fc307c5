//! Bans that have ended are removed now and then: a packet finds out by itself, but they take room.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::{
    Daemon,
    change::{Cause, ChangeError, Policy},
    lock,
    snapshot::now_epoch_s,
};
use crate::control::Caller;

/// A full table of a million takes seconds to walk, which this is far above.
const BEAT: Duration = Duration::from_secs(60);

/// Sweeps until `stop` says true; the first time at once, as an earlier daemon may have died over a ban.
pub async fn bans(daemon: Arc<Daemon>, mut stop: watch::Receiver<bool>) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let daemon = daemon.clone();
        match spawn_blocking(move || daemon.sweep_bans()).await {
            Ok(Ok(bans)) => tracing::debug!(bans, "swept"),
            Ok(Err(error)) => tracing::error!(%error, "ended bans cannot be removed"),
            Err(error) => tracing::error!(%error, "ended bans cannot be removed"),
        }
    }
}

/// An entry whose time is over leaves the policy within so much.
const CHANGES_BEAT: Duration = Duration::from_secs(1);
/// Where it cannot, as on a full disk, the next try comes later.
const CHANGES_RETRY: Duration = Duration::from_secs(60);

/// Takes deny and allow entries whose time is over off the policy, until `stop` says true.
pub async fn changes(daemon: Arc<Daemon>, mut stop: watch::Receiver<bool>) {
    let mut wait = CHANGES_BEAT;
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        wait = CHANGES_BEAT;
        if !lock(&daemon.changes).has_ended(now_epoch_s()) {
            continue;
        }
        let daemon = daemon.clone();
        match spawn_blocking(move || daemon.drop_ended_changes()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "entries whose time is over cannot be removed yet");
                wait = CHANGES_RETRY;
            }
            Err(error) => tracing::error!(%error, "entries whose time is over cannot be removed"),
        }
    }
}

/// Workers tell once a minute which keys and sessions were used.
const KEYS_BEAT: Duration = Duration::from_secs(60);

/// Writes when API keys and sessions were used last, until `stop` says true.
pub async fn credentials(daemon: Arc<Daemon>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(KEYS_BEAT) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let daemon = daemon.clone();
        match spawn_blocking(move || daemon.sweep_credentials()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "a file of credentials cannot be written"),
            Err(error) => tracing::error!(%error, "a file of credentials cannot be written"),
        }
    }
}

impl Daemon {
    fn sweep_bans(&self) -> Result<u64, ChangeError> {
        let bans = lock(&self.bans).sweep()?;
        self.journal.sweep(now_epoch_s())?;
        self.audit.settle()?;
        Ok(bans)
    }

    fn drop_ended_changes(&self) -> Result<(), ChangeError> {
        let now = now_epoch_s();
        let ended = lock(&self.changes).ended(now);
        let cause = Cause::new(&Caller::daemon(), "expire", ended);
        self.put_in_force(&cause, |current| {
            let changes = Arc::new(current.changes.going_on(now));
            Ok((Policy { changes, ..current.clone() }, ()))
        })?;
        Ok(())
    }
}
