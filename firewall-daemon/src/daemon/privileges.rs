//! What the daemon must be allowed to do, asked before anything is touched.

use std::fs;

use crate::config::Config;

/// A power of root's, by its number in linux/capability.h.
type Capability = (&'static str, u32);

const CAP_KILL: Capability = ("CAP_KILL", 5);
const CAP_SETGID: Capability = ("CAP_SETGID", 6);
const CAP_SETUID: Capability = ("CAP_SETUID", 7);
const CAP_NET_BIND_SERVICE: Capability = ("CAP_NET_BIND_SERVICE", 10);
const CAP_NET_ADMIN: Capability = ("CAP_NET_ADMIN", 12);
const CAP_SYS_ADMIN: Capability = ("CAP_SYS_ADMIN", 21);
const CAP_PERFMON: Capability = ("CAP_PERFMON", 38);
const CAP_BPF: Capability = ("CAP_BPF", 39);

/// Ports below what it says are the kernel's to give...
const PORT_START: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
/// ...where it says so.
const PORT_START_DEFAULT: u16 = 1024;

/// The daemon may not do its work.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrivilegeError {
    /// Nor would it with another configuration.
    #[error(
        "expected the privileges CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, found no {missing}: run it as root, or by its systemd unit"
    )]
    Filter {
        /// The first that is missing.
        missing: &'static str,
    },
    /// The unit as it is shipped has no more than a packet filter needs.
    #[error(
        "expected the privilege {missing}, which a gateway needs, found the packet filter's alone: add gateway.conf to the systemd unit, as that file says (the package has it in /usr/share/seawall/systemd), or remove the gateway section"
    )]
    Gateway {
        /// The first that is missing.
        missing: &'static str,
    },
}

/// Asks the kernel whether this process may do what the configuration wants.
pub fn check(config: &Config) -> Result<(), PrivilegeError> {
    let start = fs::read_to_string(PORT_START).ok().and_then(|text| text.trim().parse().ok());
    let start: u16 = start.unwrap_or(PORT_START_DEFAULT);
    let gateway = config
        .gateway
        .as_ref()
        .map(|gateway| gateway.listen.iter().any(|address| address.port() < start));
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    suffices(effective(&status), gateway)
}

fn effective(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// The gateway, where there is one, may want a port that not everyone may have.
fn suffices(mask: u64, gateway: Option<bool>) -> Result<(), PrivilegeError> {
    let has = |(_, number): Capability| mask >> number & 1 == 1;
    let first = |wanted: &[Capability]| {
        wanted.iter().find(|capability| !has(**capability)).map(|(name, _)| *name)
    };
    // CAP_SYS_ADMIN held all of BPF before kernel 5.8, and still does.
    let filter: &[_] =
        if has(CAP_SYS_ADMIN) { &[CAP_NET_ADMIN] } else { &[CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON] };
    if let Some(missing) = first(filter) {
        return Err(PrivilegeError::Filter { missing });
    }
    let gateway: &[_] = match gateway {
        None => &[],
        Some(false) => &[CAP_SETUID, CAP_SETGID, CAP_KILL],
        Some(true) => &[CAP_NET_BIND_SERVICE, CAP_SETUID, CAP_SETGID, CAP_KILL],
    };
    first(gateway).map_or(Ok(()), |missing| Err(PrivilegeError::Gateway { missing }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        let filter = |missing| Err(PrivilegeError::Filter { missing });
        let gateway = |missing| Err(PrivilegeError::Gateway { missing });
        for (status, port, expected) in [
            ("CapInh:\t0\nCapEff:\t000001fffeffffff\n", Some(true), Ok(())),
            ("CapEff:\t000000c000001000\n", None, Ok(())),
            ("CapEff:\t0000000000201000\n", None, Ok(())),
            ("CapEff:\t000000c0000014e0\n", Some(true), Ok(())),
            ("CapEff:\t000000c0000010e0\n", Some(false), Ok(())),
            ("CapEff:\t000000c0000010e0\n", Some(true), gateway("CAP_NET_BIND_SERVICE")),
            ("CapEff:\t000000c000001000\n", Some(false), gateway("CAP_SETUID")),
            ("CapEff:\t000000c0000010a0\n", Some(false), gateway("CAP_SETGID")),
            ("CapEff:\t000000c0000010c0\n", Some(false), gateway("CAP_KILL")),
            ("CapEff:\t0000008000001000\n", None, filter("CAP_PERFMON")),
            ("CapEff:\t000000c000000000\n", None, filter("CAP_NET_ADMIN")),
            ("CapEff:\t0000000000001000\n", None, filter("CAP_BPF")),
            ("CapEff:\t0000000000000000\n", None, filter("CAP_NET_ADMIN")),
            ("CapEff:\tnonsense\n", None, filter("CAP_NET_ADMIN")),
            ("", Some(true), filter("CAP_NET_ADMIN")),
        ] {
            assert_eq!(suffices(effective(status), port), expected, "{status:?}");
        }
    }
}
