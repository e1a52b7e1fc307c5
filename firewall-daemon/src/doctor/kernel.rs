//! The kernel: its version, its type information, its compiler for BPF.

use std::path::Path;

use super::{Finding, Level, sysctl};

/// Links of XDP programs are replaced in place since 5.9; memory of maps is charged to the control
/// group, and not to RLIMIT_MEMLOCK, since 5.11; 5.15 is the oldest that is maintained.
const VERSION_MIN: (u32, u32) = (5, 15);

pub fn examine() -> Vec<Finding> {
    let release = sysctl("kernel/osrelease");
    let btf = Path::new("/sys/kernel/btf/vmlinux").exists();
    vec![
        version(release.as_deref()),
        judge_btf(btf),
        jit(sysctl("net/core/bpf_jit_enable").as_deref()),
        harden(sysctl("net/core/bpf_jit_harden").as_deref()),
    ]
}

fn version(release: Option<&str>) -> Finding {
    let (major, minor) = VERSION_MIN;
    let (check, expected) = ("kernel version", format!("{major}.{minor} or newer"));
    let found = release.unwrap_or("unknown");
    let mut parts = found.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= VERSION_MIN => {
            Finding::ok(check, &expected, found)
        }
        (Some(Ok(_)), Some(Ok(_))) => {
            Finding::not(Level::Error, check, &expected, found, "install a newer kernel")
        }
        _ => Finding::not(Level::Notice, check, &expected, found, "uname -r"),
    }
}

fn judge_btf(present: bool) -> Finding {
    let (check, expected) = ("kernel BTF", "/sys/kernel/btf/vmlinux");
    if present {
        return Finding::ok(check, expected, "present");
    }
    let remedy = "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y";
    Finding::not(
        Level::Notice,
        check,
        expected,
        "absent: bpftool shows maps without names of fields",
        remedy,
    )
}

fn jit(found: Option<&str>) -> Finding {
    let (check, expected) = ("BPF JIT", "net.core.bpf_jit_enable to be 1");
    match found {
        Some("0") => {
            let found = "0: each packet is interpreted, several times slower";
            Finding::not(
                Level::Warning,
                check,
                expected,
                found,
                "sysctl -w net.core.bpf_jit_enable=1",
            )
        }
        Some(found) => Finding::ok(check, expected, found),
        None => unknown(check, expected, "net.core.bpf_jit_enable"),
    }
}

fn harden(found: Option<&str>) -> Finding {
    let (check, expected) = ("BPF JIT hardening", "net.core.bpf_jit_harden to be 0 or 1");
    match found {
        Some("2") => {
            let found =
                "2: constants are blinded in root's programs too, which costs time for each packet";
            Finding::not(
                Level::Notice,
                check,
                expected,
                found,
                "sysctl -w net.core.bpf_jit_harden=1",
            )
        }
        Some(found) => Finding::ok(check, expected, found),
        None => unknown(check, expected, "net.core.bpf_jit_harden"),
    }
}

/// Some settings are shown in the first network namespace alone, or to root alone.
fn unknown(check: &str, expected: &str, key: &str) -> Finding {
    let found = "unknown: it cannot be read here";
    Finding::not(
        Level::Notice,
        check,
        expected,
        found,
        format!("as root in the host's namespace: sysctl {key}"),
    )
}

/// As daemon/host.rs says: with less than 2 the kernel resets clients that a cookie answered.
pub fn syn_cookies(configured: bool, found: Option<&str>) -> Option<Finding> {
    let (check, expected) = ("SYN cookies", "net.ipv4.tcp_syncookies to be 2");
    if !configured {
        return None;
    }
    Some(match found {
        Some("2") => Finding::ok(check, expected, "2"),
        found => {
            let found = found.unwrap_or("nothing that can be read");
            let found = format!("{found}: the kernel resets clients that a cookie answered");
            Finding::not(
                Level::Error,
                check,
                expected,
                found,
                "sysctl -w net.ipv4.tcp_syncookies=2",
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (release, level) in [
            (Some("6.1.0-18-amd64"), Level::Ok),
            (Some("5.15.0"), Level::Ok),
            (Some("5.14.99"), Level::Error),
            (Some("4.19"), Level::Error),
            (Some("strange"), Level::Notice),
            (None, Level::Notice),
        ] {
            assert_eq!(version(release).level, level, "{release:?}");
        }
    }

    #[test]
    fn settings() {
        use Level::{Error, Notice, Ok, Warning};
        for (found, jits, hardens, cookies) in [
            (Some("0"), Warning, Ok, Error),
            (Some("1"), Ok, Ok, Error),
            (Some("2"), Ok, Notice, Ok),
            (None, Notice, Notice, Error),
        ] {
            assert_eq!(jit(found).level, jits, "{found:?}");
            assert_eq!(harden(found).level, hardens, "{found:?}");
            let judged = syn_cookies(true, found).map(|finding| finding.level);
            assert_eq!(judged, Some(cookies), "{found:?}");
            assert_eq!(syn_cookies(false, found), None, "nobody asked for cookies");
        }
        assert_eq!(judge_btf(true).level, Ok);
        assert_eq!(judge_btf(false).level, Notice);
    }
}
