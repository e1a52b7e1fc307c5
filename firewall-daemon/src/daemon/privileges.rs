//! What the daemon must be allowed to do, asked before anything is touched.

use std::fs;

/// linux/capability.h.
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_BPF: u32 = 39;

/// The daemon may not do its work.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected the privileges CAP_BPF and CAP_NET_ADMIN, found neither root nor these: run it as root, or by its systemd unit"
)]
pub struct PrivilegeError;

/// Asks the kernel what this process may do.
pub fn check() -> Result<(), PrivilegeError> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if suffices(effective(&status)) { Ok(()) } else { Err(PrivilegeError) }
}

fn effective(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn suffices(mask: u64) -> bool {
    let has = |capability: u32| mask >> capability & 1 == 1;
    // CAP_SYS_ADMIN held all of BPF before kernel 5.8, and still does.
    has(CAP_NET_ADMIN) && (has(CAP_BPF) || has(CAP_SYS_ADMIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        for (status, expected) in [
            ("CapInh:\t0\nCapEff:\t000001fffeffffff\n", true),
            ("CapEff:\t0000008000001000\n", true),
            ("CapEff:\t0000000000201000\n", true),
            ("CapEff:\t0000008000000000\n", false),
            ("CapEff:\t0000000000001000\n", false),
            ("CapEff:\t0000000000000000\n", false),
            ("CapEff:\tnonsense\n", false),
            ("", false),
        ] {
            assert_eq!(suffices(effective(status)), expected, "{status:?}");
        }
    }
}
