//! A reload: the configuration file is read again, and goes the one road into force.

use super::{
    Daemon,
    change::{Cause, ChangeError, Policy},
    service,
    snapshot::now_epoch_s,
};
use crate::{config::Config, control::Caller};

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
            daemon.audit_own("reload", "SIGHUP", &format!("refused: {error}"));
            daemon.record_reload(Some(error));
        }
    }
}

fn attempt(daemon: &Daemon) -> Result<u32, ChangeError> {
    let cause = Cause::new(&Caller::daemon(), "reload", "SIGHUP");
    let (generation, kept) = daemon.put_in_force(&cause, |current| {
        let new = Config::load(&current.config.path)?;
        check_frozen(&current.config, &new)?;
        let kept = new.clone();
        Ok((Policy { config: new, changes: current.changes.clone(), gateway: true }, kept))
    })?;
    let at = now_epoch_s();
    if let Err(error) = daemon.state.history().keep(&kept, &cause.who.user, "reload", at) {
        tracing::warn!(%error, "not kept in the history");
    }
    Ok(generation)
}

/// What was bound, attached or locked at the start is as it was.
///
/// # Errors
///
/// The first key that differs.
pub fn check_frozen(old: &Config, new: &Config) -> Result<(), ChangeError> {
    match frozen(old, new) {
        None => Ok(()),
        Some(key) => Err(ChangeError::Refused(format!(
            "{}: expected {key} as it was, since a reload cannot change it: restart the daemon to change it",
            new.path.display()
        ))),
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
        ("state.path", old.state != new.state),
        ("control.socket", old.control != new.control),
        ("metrics.listen", old.metrics != new.metrics),
        ("log", old.log != new.log),
        ("the gateway section", old_gateway.is_some() != new_gateway.is_some()),
        ("gateway.listen, gateway.threads and gateway.user", old_gateway != new_gateway),
    ]
    .into_iter()
    .find_map(|(key, differs)| differs.then_some(key))
}
