//! A reload: everything new is built beside the old, then switched in. Where a step fails, the old
//! stays in force whole.

use std::sync::Arc;

use super::{Daemon, host, lock, service, snapshot::policy_status};
use crate::{
    config::Config,
    datapath::{PacketOptions, generation::Generation},
    explain::Origin,
    policy::{PolicySource, compile},
    supervisor::{self, Supervisor, Worker},
};

/// Reloads, and says how it went: in the log, in the counters and in the status.
pub fn reload(daemon: &Daemon) {
    tracing::info!("reloading");
    service::reloading();
    match attempt(daemon) {
        Ok(generation) => {
            tracing::info!(generation, "reloaded");
            daemon.record_reload(None);
            service::ready("serving");
        }
        Err(error) => {
            let error = error.to_string();
            tracing::error!(error, "reload refused: the old policy stays in force");
            service::ready(&format!("reload refused, the old policy is in force: {error}"));
            daemon.record_reload(Some(error));
        }
    }
}

fn attempt(daemon: &Daemon) -> anyhow::Result<u64> {
    let old = lock(&daemon.config).clone();
    let new = Config::load(&old.path)?;
    if let Some(key) = frozen(&old, &new) {
        anyhow::bail!(
            "{}: expected {key} as it was, since a reload cannot change it: restart the daemon to change it",
            new.path.display()
        );
    }
    let source = PolicySource::read(&new.packet)?;
    let compiled = compile::compile(&source)?;
    let number = lock(&daemon.datapath).generation() + 1;
    let options = PacketOptions::from(&new.packet);
    let generation = Generation::load(number, &options, &compiled, &new.packet.pin_path)?;
    let staged = match (&daemon.supervisor, &new.gateway) {
        (Some(supervisor), Some(gateway)) => {
            let policy = supervisor::policy(gateway, new.log)?;
            Some(Staged { worker: Some(supervisor.stage(&policy)?), supervisor, policy })
        }
        (None, _) | (_, None) => None,
    };
    let status = policy_status(&source, &compiled.summary, &new.packet);
    let origin = Arc::new(Origin::new(source, &new.packet));
    // From here on one step can fail, and it is the one that puts the policy in force.
    {
        let mut datapath = lock(&daemon.datapath);
        datapath.switch(generation)?;
        *lock(&daemon.origin) = origin;
    }
    if let Some(staged) = staged {
        staged.promote();
    }
    *lock(&daemon.policy) = status;
    lock(&daemon.events).0.sample_one_in = new.packet.events.sample_one_in;
    host::log(&new.packet);
    *lock(&daemon.config) = new;
    daemon.switched.notify_one();
    Ok(u64::from(number))
}

/// A new worker beside the old one; it ends where it is not promoted.
struct Staged<'a> {
    supervisor: &'a Supervisor,
    policy: firewall_gateway::policy::GatewayPolicy,
    worker: Option<Arc<Worker>>,
}

impl Staged<'_> {
    fn promote(mut self) {
        if let Some(worker) = self.worker.take() {
            self.supervisor.promote(worker, self.policy.clone());
        }
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            worker.kill();
        }
    }
}

/// The first key that differs and that only a restart can change: what was bound, attached or locked
/// at the start.
fn frozen(old: &Config, new: &Config) -> Option<&'static str> {
    let gateway = |config: &Config| {
        config
            .gateway
            .as_ref()
            .map(|gateway| (gateway.listen.clone(), gateway.threads, gateway.user.clone()))
    };
    let (old_gateway, new_gateway) = (gateway(old), gateway(new));
    [
        ("interfaces", old.interfaces != new.interfaces),
        ("packet.pin_path", old.packet.pin_path != new.packet.pin_path),
        ("control.socket", old.control != new.control),
        ("metrics.listen", old.metrics != new.metrics),
        ("log", old.log != new.log),
        ("the gateway section", old_gateway.is_some() != new_gateway.is_some()),
        ("gateway.listen, gateway.threads and gateway.user", old_gateway != new_gateway),
    ]
    .into_iter()
    .find_map(|(key, differs)| differs.then_some(key))
}
