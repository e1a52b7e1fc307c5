//! The certificate from an authority: ordered when it is due, and put in force by another worker.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::{
    Daemon,
    change::{ChangeError, Policy},
    lock,
    snapshot::now_epoch_s,
};
use crate::{
    acme::{AcmeError, Challenge, Identity, Schedule, Store, obtain},
    config::AcmeConfig,
    status::AcmeStatus,
    supervisor::Supervisor,
};

/// How often it is asked what is due.
const BEAT: Duration = Duration::from_secs(1);

/// How it went so far.
#[derive(Debug, Default)]
pub struct Acme {
    schedule: Mutex<Schedule>,
}

impl Acme {
    /// The state of this moment.
    pub fn status(&self, config: &AcmeConfig) -> AcmeStatus {
        let kept = Store::new(&config.store).identity();
        let schedule = lock(&self.schedule);
        AcmeStatus {
            names: config.names.clone(),
            issued: schedule.issued,
            failed: schedule.failed,
            next_epoch_s: schedule.due_epoch_s(&config.names, kept.ok().flatten().as_ref()),
            error: schedule.error.clone(),
        }
    }

    /// A sentence where the last order failed.
    pub fn warning(&self, config: &AcmeConfig) -> Option<String> {
        let error = lock(&self.schedule).error.clone()?;
        Some(format!("gateway.acme: no certificate for {}: {error}", config.names.join(" ")))
    }
}

impl Challenge for Supervisor {
    fn show(&self, challenges: Vec<firewall_gateway::policy::ChallengePolicy>) {
        Supervisor::show(self, challenges);
    }

    fn is_shown(&self) -> bool {
        Supervisor::is_shown(self)
    }
}

/// Orders when it is due, until `stop` says true.
pub async fn follow(daemon: Arc<Daemon>, mut stop: watch::Receiver<bool>) {
    let Some(supervisor) = &daemon.supervisor else { return };
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let config = lock(&daemon.config).gateway.as_ref().and_then(|gateway| gateway.acme.clone());
        let Some(config) = config else { continue };
        let store = Store::new(&config.store);
        let due = match store.identity() {
            Ok(kept) => lock(&daemon.acme.schedule).due_epoch_s(&config.names, kept.as_ref()),
            Err(error) => {
                // Nothing is written over a file that somebody should look at.
                lock(&daemon.acme.schedule).error = Some(error.to_string());
                continue;
            }
        };
        if now_epoch_s() < due {
            continue;
        }
        let obtained = tokio::select! {
            obtained = obtain(&config, &store, supervisor) => obtained,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let taken = match obtained {
            Ok(identity) => take(&daemon, store, identity).await,
            Err(error) => Err(error.to_string()),
        };
        let mut schedule = lock(&daemon.acme.schedule);
        match taken {
            Ok(()) => schedule.succeeded(),
            Err(error) => {
                tracing::warn!(
                    error = error.escape_debug().to_string(),
                    names = config.names.join(" "),
                    "no certificate by ACME"
                );
                schedule.failed(&error, now_epoch_s());
            }
        }
    }
}

async fn take(daemon: &Arc<Daemon>, store: Store, identity: Identity) -> Result<(), String> {
    let daemon = daemon.clone();
    let taken = spawn_blocking(move || {
        store.keep(&identity).map_err(|error: AcmeError| error.to_string())?;
        daemon.replace_worker(&identity.names.join(" ")).map_err(|error| error.to_string())
    });
    taken.await.map_err(|error| error.to_string())?
}

impl Daemon {
    /// Puts the certificate that is kept in force: another worker reads it. Nobody else changes anything
    /// meanwhile.
    fn replace_worker(&self, names: &str) -> Result<(), ChangeError> {
        let _road = lock(&self.road);
        let next = Policy { gateway: true, ..self.policy_in_force() };
        if let Some(worker) = self.stage_worker(&next)? {
            worker.promote();
        }
        tracing::info!(names, "another certificate by ACME is in force");
        self.audit_own("acme", names, "another certificate is in force");
        Ok(())
    }
}
