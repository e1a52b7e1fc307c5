//! `backend`: backends come, drain and go by command, without a new worker where that can be.

use std::{net::SocketAddr, sync::Arc};

use firewall_gateway::{
    limits::BACKENDS_MAX,
    policy::{BackendPolicy, BalancePolicy},
};

use super::{
    Daemon,
    change::{Cause, ChangeError, Policy},
    lock,
    snapshot::now_epoch_s,
};
use crate::{
    config::UpstreamConfig,
    control::{BackendAsk, BackendVerb, Caller, Changed, QUOTA_MAX, WEIGHT_MAX},
    state::{BackendChange, BackendState, KnownNames},
    supervisor::backends::in_force,
};

impl Daemon {
    /// `backend add`, `backend drain`, `backend remove`.
    pub(super) fn change_backend(
        &self,
        caller: &Caller,
        ask: &BackendAsk,
    ) -> Result<Changed, ChangeError> {
        // Nobody else changes anything meanwhile.
        let _road = lock(&self.road);
        if let Some(pending) = &*lock(&self.pending) {
            return Err(pending.refusal());
        }
        let before = self.policy_in_force();
        let Some(supervisor) = &self.supervisor else {
            return Err(refused("expected a gateway, found none in the configuration"));
        };
        let upstreams = before.config.gateway.iter().flat_map(|gateway| &gateway.upstreams);
        let named = upstreams.clone().find(|upstream| upstream.name == ask.upstream);
        let Some(upstream) = named else {
            let names: Vec<&str> = upstreams.map(|upstream| upstream.name.as_str()).collect();
            return Err(ChangeError::Refused(format!(
                "expected one of the upstreams {}, found {:?}",
                names.join(", "),
                ask.upstream
            )));
        };
        let known = self.names.known();
        let change = changed(upstream, &before.changes.backends, &known, caller, ask)?;
        let mut changes = before.changes.as_ref().clone();
        changes.backends.retain(|old| (&old.upstream, old.address) != (&ask.upstream, ask.address));
        changes.backends.extend(change);
        let backends = in_force(upstream, &changes.backends, &known);
        let reachable = supervisor.reaches(ask.address.port());
        let next = Policy { changes: Arc::new(changes), ..before.clone() };
        // A worker reaches the ports it was started with and no others.
        let worker = self.stage_worker(&Policy { gateway: !reachable, ..next.clone() })?;
        let file = self.state.stage_changes(&next.changes)?;
        let (verb, told) = match ask.change {
            BackendVerb::Add { .. } => ("backend add", "added"),
            BackendVerb::Drain => ("backend drain", "drains"),
            BackendVerb::Remove => ("backend remove", "removed"),
        };
        let what = format!("{} {}", ask.upstream, ask.address);
        let cause = Cause::new(caller, verb, what.clone());
        self.audit(&cause, None, &before, &next)?;
        file.commit()?;
        let mut notes = Vec::new();
        match worker {
            Some(worker) => {
                worker.promote();
                notes.push(format!(
                    "a new worker serves: the old one does not reach port {}",
                    ask.address.port()
                ));
            }
            None => supervisor.set_backends(&ask.upstream, backends),
        }
        *lock(&self.changes) = next.changes;
        tracing::info!(who = %caller, verb, what, "changed");
        Ok(Changed { generation: None, changed: vec![format!("{what}: {told}")], notes })
    }
}

/// What is kept of a change; nothing where the configuration says the same.
fn changed(
    upstream: &UpstreamConfig,
    changes: &[BackendChange],
    known: &KnownNames,
    caller: &Caller,
    ask: &BackendAsk,
) -> Result<Option<BackendChange>, ChangeError> {
    let address = ask.address;
    let now = in_force(upstream, changes, known);
    let plain = in_force(upstream, &[], known);
    let is = |backends: &[BackendPolicy], address: SocketAddr| {
        backends.iter().find(|backend| backend.address == address).cloned()
    };
    let (found, configured) = (is(&now, address), is(&plain, address).is_some());
    let added = changes
        .iter()
        .find(|change| change.upstream == upstream.name && change.address == address)
        .map(|change| change.state);
    let (state, draining) = match (ask.change, found) {
        (BackendVerb::Add { .. }, Some(backend)) if !backend.draining => {
            return Err(refused(&format!("{address} is a backend of {} already", upstream.name)));
        }
        // It gets requests again, as it did.
        (BackendVerb::Add { .. }, Some(_)) if configured => return Ok(None),
        (BackendVerb::Add { .. }, None) if configured => return Ok(None),
        (BackendVerb::Add { weight, quota }, _) => {
            allowed(upstream, weight, quota, now.len())?;
            (BackendState::Added { weight, quota }, false)
        }
        (BackendVerb::Drain | BackendVerb::Remove, None) => {
            return Err(refused(&format!(
                "{address} is no backend of {}: `seawall backends` shows those there are",
                upstream.name
            )));
        }
        (BackendVerb::Drain, Some(backend)) if backend.draining => {
            return Err(refused(&format!("{address} drains already")));
        }
        (BackendVerb::Drain | BackendVerb::Remove, Some(_))
            if !now.iter().any(|other| !other.draining && other.address != address) =>
        {
            return Err(refused(&format!(
                "{address} is the last backend of {} that gets requests: add another first",
                upstream.name
            )));
        }
        (BackendVerb::Drain, Some(_)) => (added.unwrap_or(BackendState::Configured), true),
        (BackendVerb::Remove, Some(_)) if configured => (BackendState::Removed, false),
        (BackendVerb::Remove, Some(_)) => return Ok(None),
    };
    Ok(Some(BackendChange {
        upstream: upstream.name.clone(),
        address,
        state,
        draining,
        who: caller.user.clone(),
        changed_epoch_s: now_epoch_s(),
    }))
}

fn allowed(
    upstream: &UpstreamConfig,
    weight: u32,
    quota: u32,
    backends: usize,
) -> Result<(), ChangeError> {
    if !(1..=WEIGHT_MAX).contains(&weight) || quota > QUOTA_MAX {
        return Err(refused(&format!(
            "expected a weight of 1 to {WEIGHT_MAX} and a quota of at most {QUOTA_MAX}, \
             found {weight} and {quota}"
        )));
    }
    if quota > 0 && upstream.delivery.balance != BalancePolicy::Quota {
        return Err(refused("a quota: expected an upstream that balances by quota, found another"));
    }
    if backends >= BACKENDS_MAX {
        return Err(refused(&format!(
            "expected at most {BACKENDS_MAX} backends, found {backends}"
        )));
    }
    Ok(())
}

fn refused(text: &str) -> ChangeError {
    ChangeError::Refused(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_from_where_a_backend_stands() {
        let address = |last: u8| SocketAddr::from(([10, 0, 0, last], 80));
        let upstream = UpstreamConfig {
            name: "api".to_owned(),
            backends: vec![BackendPolicy::new(address(1)), BackendPolicy::new(address(2))],
            names: Vec::new(),
            host: String::new(),
            tls: None,
            connections_max: 1,
            delivery: Default::default(),
        };
        let caller = Caller::daemon();
        let mut changes: Vec<BackendChange> = Vec::new();
        let add = BackendVerb::Add { weight: 2, quota: 0 };
        let added = BackendState::Added { weight: 2, quota: 0 };
        let (drain, remove) = (BackendVerb::Drain, BackendVerb::Remove);
        for (verb, last, expected) in [
            (add, 1, Err("is a backend of api already")),
            (drain, 3, Err("is no backend of api")),
            (drain, 1, Ok(Some((BackendState::Configured, true)))),
            (drain, 1, Err("drains already")),
            (drain, 2, Err("is the last backend of api that gets requests")),
            (remove, 2, Err("is the last backend of api that gets requests")),
            (add, 3, Ok(Some((added, false)))),
            (remove, 2, Ok(Some((BackendState::Removed, false)))),
            (remove, 2, Err("is no backend of api")),
            (add, 2, Ok(None)),
            (add, 1, Ok(None)),
            (drain, 3, Ok(Some((added, true)))),
            (add, 3, Ok(Some((added, false)))),
            (drain, 3, Ok(Some((added, true)))),
            (remove, 3, Ok(None)),
            (BackendVerb::Add { weight: 0, quota: 0 }, 4, Err("expected a weight of 1 to 1000")),
            (
                BackendVerb::Add { weight: 1, quota: 5 },
                4,
                Err("an upstream that balances by quota"),
            ),
        ] {
            let ask =
                BackendAsk { change: verb, upstream: "api".to_owned(), address: address(last) };
            let found = changed(&upstream, &changes, &KnownNames::new(), &caller, &ask);
            match (found, expected) {
                (Ok(found), Ok(expected)) => {
                    let shown = found.as_ref().map(|change| (change.state, change.draining));
                    assert_eq!(shown, expected, "{ask:?}");
                    changes.retain(|old| old.address != ask.address);
                    changes.extend(found);
                }
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().contains(expected), "{ask:?}: {error}");
                }
                (found, _) => panic!("{ask:?}: {found:?}"),
            }
        }
        assert!(changes.is_empty(), "all is as configured again: {changes:?}");
    }
}
