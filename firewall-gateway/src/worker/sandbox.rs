//! The worker locks itself in: after its policy is there, before its first thread and first byte.

use std::{collections::BTreeSet, fs};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::{
    io::Errno,
    process::{
        DumpableBehavior, Resource, Rlimit, Signal, getegid, geteuid, getrlimit, getuid,
        set_dumpable_behavior, set_parent_process_death_signal, setrlimit,
    },
    thread::set_no_new_privs,
};

use crate::{
    limits::SPARE_DESCRIPTORS,
    policy::{GatewayPolicy, UpstreamPolicy},
};

/// Gives up what the worker does not need; the list says what holds from then on.
///
/// # Errors
/// The worker has more rights than it may have, or could not give them up: it must not serve then.
pub fn enter(policy: &GatewayPolicy, listeners: usize) -> Result<Vec<String>, SandboxError> {
    if getuid().is_root() || geteuid().is_root() {
        return Err(SandboxError::Root);
    }
    no_capabilities(&fs::read_to_string(STATUS).unwrap_or_default())?;
    set_no_new_privs(true).map_err(|error| SandboxError::Kernel("no_new_privs", error))?;
    // Its threads end with the supervisor, even where the supervisor is killed.
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| SandboxError::Kernel("the parent's death signal", error))?;
    // A core dump or a debugger of the same user would read the private key.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
        .map_err(|error| SandboxError::Kernel("the core file limit", error))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| SandboxError::Kernel("not dumpable", error))?;
    let descriptors = raise_descriptors(policy, listeners)?;
    let landlock = landlock(policy);
    Ok(vec![
        format!("uid={}", getuid().as_raw()),
        format!("gid={}", getegid().as_raw()),
        "no_capabilities".to_owned(),
        "no_new_privs".to_owned(),
        "dies_with_parent".to_owned(),
        "no_core_file".to_owned(),
        "not_dumpable".to_owned(),
        descriptors,
        landlock,
    ])
}

fn no_capabilities(status: &str) -> Result<(), SandboxError> {
    for set in ["CapPrm", "CapEff", "CapAmb"] {
        let line = status.lines().find_map(|line| line.strip_prefix(set)?.strip_prefix(':'));
        match line.map(|value| u64::from_str_radix(value.trim(), 16)) {
            Some(Ok(0)) => {}
            Some(Ok(found)) => return Err(SandboxError::Capabilities { set, found }),
            Some(Err(_)) | None => return Err(SandboxError::Status { set }),
        }
    }
    Ok(())
}

fn raise_descriptors(policy: &GatewayPolicy, listeners: usize) -> Result<String, SandboxError> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .map_err(|error| SandboxError::Kernel("the descriptor limit", error))?;
    // At most one upstream connection for each listener's thread and permit.
    let upstream = |upstream: &UpstreamPolicy| {
        u64::from(upstream.connections_max) * upstream.backends.len() as u64
    };
    let needed = u64::from(policy.limits.connections_max)
        + policy.upstreams.iter().map(upstream).sum::<u64>() * listeners as u64
        + SPARE_DESCRIPTORS;
    Ok(match limit.maximum {
        Some(maximum) if maximum < needed => {
            tracing::warn!(
                maximum,
                needed,
                "the descriptor limit is below what gateway.limits.connections_max needs: connections beyond it wait in the kernel"
            );
            format!("descriptors={maximum}, below the {needed} that the limits need")
        }
        Some(maximum) => format!("descriptors={maximum}"),
        None => "descriptors=unlimited".to_owned(),
    })
}

// Not every kernel has Landlock, so its absence is told and not fatal: the user, the missing
// capabilities and no_new_privs are what the worker stands on.
fn landlock(policy: &GatewayPolicy) -> String {
    let collector = policy.traces.iter().map(|traces| traces.collector.port());
    let backends = policy.upstreams.iter().flat_map(UpstreamPolicy::ways);
    let store = policy.rate_store.iter().map(|store| store.address.port());
    let sessions = policy.session_store.iter().map(|store| store.address.port());
    let store = store.chain(sessions);
    let syslog = policy.events.iter().flat_map(|events| &events.syslog);
    let syslog = syslog.map(|syslog| syslog.address.port());
    let providers = policy.logins.iter().map(|login| login.port);
    let ports: BTreeSet<u16> =
        backends.chain(collector).chain(store).chain(syslog).chain(providers).collect();
    let restricted = || {
        let rules = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V6))?
            .handle_access(AccessNet::from_all(ABI::V6))?
            .scope(Scope::from_all(ABI::V6))?
            .create()?;
        // The only ways out: where a worker is taken over, it reaches no other service of the host.
        let ways = ports.iter().map(|port| Ok(NetPort::new(*port, AccessNet::ConnectTcp)));
        let ways: Vec<Result<_, landlock::RulesetError>> = ways.collect();
        rules.add_rules(ways)?.restrict_self()
    };
    let status = restricted().map_err(|error: landlock::RulesetError| error.to_string());
    match status.map(|status| status.ruleset) {
        Ok(RulesetStatus::FullyEnforced) => "landlock=files, tcp, signals".to_owned(),
        Ok(RulesetStatus::PartiallyEnforced) => "landlock=what this kernel offers".to_owned(),
        Ok(RulesetStatus::NotEnforced) => {
            tracing::warn!(
                "this kernel has no Landlock: files are guarded by the worker's user alone"
            );
            "landlock=absent".to_owned()
        }
        Err(error) => {
            tracing::warn!(%error, "Landlock failed: files are guarded by the worker's user alone");
            "landlock=failed".to_owned()
        }
    }
}

const STATUS: &str = "/proc/self/status";

/// Why the worker must not serve.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum SandboxError {
    #[error("the gateway worker must not run as root: set gateway.user to an unprivileged user")]
    Root,
    #[error(
        "the gateway worker must have no capability, found {set} {found:#x}: start it without ambient capabilities"
    )]
    Capabilities { set: &'static str, found: u64 },
    #[error(
        "{STATUS} has no readable line {set}: mount /proc, the worker verifies its capabilities there"
    )]
    Status { set: &'static str },
    #[error("the kernel refused {0}: {1}")]
    Kernel(&'static str, Errno),
}

#[cfg(test)]
mod tests {
    use super::{SandboxError, no_capabilities};

    #[test]
    fn any_capability_is_found() {
        let status = |prm: &str, eff: &str| {
            format!("Name:\tx\nCapPrm:\t{prm}\nCapEff:\t{eff}\nCapAmb:\t0000\n")
        };
        assert!(no_capabilities(&status("0000000000000000", "0000000000000000")).is_ok());
        let found = no_capabilities(&status("0000000000000001", "0000000000000000"));
        assert!(matches!(found, Err(SandboxError::Capabilities { set: "CapPrm", found: 1 })));
        let found = no_capabilities(&status("0", "zz"));
        assert!(matches!(found, Err(SandboxError::Status { set: "CapEff" })));
        assert!(matches!(no_capabilities(""), Err(SandboxError::Status { set: "CapPrm" })));
    }
}
