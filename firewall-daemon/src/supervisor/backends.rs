//! The backends in force: those of the configuration, those of its names, and what verbs changed.

use firewall_gateway::{
    limits::BACKENDS_MAX,
    policy::{BackendPolicy, GatewayPolicy},
};

use crate::{
    config::UpstreamConfig,
    state::{BackendChange, BackendState, KnownNames},
};

/// Puts the backends in force into a policy that was made of `upstreams`.
pub fn lay_over(
    policy: &mut GatewayPolicy,
    upstreams: &[UpstreamConfig],
    changes: &[BackendChange],
    known: &KnownNames,
) {
    for (policy, config) in policy.upstreams.iter_mut().zip(upstreams) {
        policy.backends = in_force(config, changes, known);
        policy.ports = config.names.iter().map(|name| name.port).collect();
    }
}

/// The backends in force of one upstream.
#[must_use]
pub fn in_force(
    upstream: &UpstreamConfig,
    changes: &[BackendChange],
    known: &KnownNames,
) -> Vec<BackendPolicy> {
    let mut backends = upstream.backends.clone();
    for name in &upstream.names {
        let addresses = known.get(&(name.name.clone(), name.port));
        for address in addresses.into_iter().flatten() {
            let (weight, quota) = (name.weight, name.quota);
            add(&mut backends, BackendPolicy { weight, quota, ..BackendPolicy::new(*address) });
        }
    }
    for change in changes.iter().filter(|change| change.upstream == upstream.name) {
        match change.state {
            BackendState::Added { weight, quota } => {
                let backend = BackendPolicy { weight, quota, ..BackendPolicy::new(change.address) };
                add(&mut backends, backend);
            }
            BackendState::Removed => {
                backends.retain(|backend| backend.address != change.address);
            }
            BackendState::Configured => {}
        }
    }
    for backend in &mut backends {
        let draining = |change: &BackendChange| {
            change.upstream == upstream.name && change.address == backend.address && change.draining
        };
        backend.draining = changes.iter().any(draining);
    }
    // Names may have more addresses together than a worker takes.
    if backends.len() > BACKENDS_MAX {
        let (upstream, found) = (&upstream.name, backends.len());
        tracing::warn!(upstream, found, max = BACKENDS_MAX, "only some backends are used");
        backends.truncate(BACKENDS_MAX);
    }
    backends
}

fn add(backends: &mut Vec<BackendPolicy>, backend: BackendPolicy) {
    if !backends.iter().any(|known| known.address == backend.address) {
        backends.push(backend);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::config::BackendName;

    #[test]
    fn what_is_in_force_is_laid_in_this_order() {
        let address = |last: u8| SocketAddr::from(([10, 0, 0, last], 80));
        let upstream = UpstreamConfig {
            name: "api".to_owned(),
            backends: vec![BackendPolicy::new(address(1)), BackendPolicy::new(address(2))],
            names: vec![BackendName {
                name: "api.internal".to_owned(),
                port: 80,
                refresh_s: 30,
                weight: 3,
                quota: 0,
            }],
            host: String::new(),
            tls: None,
            connections_max: 1,
            delivery: Default::default(),
        };
        let known: KnownNames =
            [(("api.internal".to_owned(), 80), vec![address(2), address(3)])].into();
        let change = |upstream: &str, last: u8, state, draining| BackendChange {
            upstream: upstream.to_owned(),
            address: address(last),
            state,
            draining,
            who: "root".to_owned(),
            changed_epoch_s: 1,
        };
        let added = BackendState::Added { weight: 2, quota: 0 };
        for (changes, expected) in [
            (vec![], "1*1 2*1 3*3"),
            (vec![change("api", 4, added, false)], "1*1 2*1 3*3 4*2"),
            (vec![change("api", 4, added, true)], "1*1 2*1 3*3 4*2-"),
            (vec![change("api", 1, added, false)], "1*1 2*1 3*3"),
            (vec![change("api", 1, BackendState::Removed, false)], "2*1 3*3"),
            (vec![change("api", 3, BackendState::Removed, false)], "1*1 2*1"),
            (vec![change("api", 2, BackendState::Configured, true)], "1*1 2*1- 3*3"),
            (vec![change("api", 9, BackendState::Configured, true)], "1*1 2*1 3*3"),
            (vec![change("other", 1, BackendState::Removed, false)], "1*1 2*1 3*3"),
        ] {
            let shown = |backend: &BackendPolicy| {
                let SocketAddr::V4(v4) = backend.address else { return String::new() };
                let draining = if backend.draining { "-" } else { "" };
                format!("{}*{}{draining}", v4.ip().octets()[3], backend.weight)
            };
            let found: Vec<String> =
                in_force(&upstream, &changes, &known).iter().map(shown).collect();
            assert_eq!(found.join(" "), expected, "{changes:?}");
        }
        assert_eq!(in_force(&upstream, &[], &KnownNames::new()).len(), 2, "nothing looked up yet");
    }
}
