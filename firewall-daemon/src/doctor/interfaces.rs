//! The interfaces that the configuration names.

use std::{collections::BTreeMap, fs, path::Path, thread};

use nix::net::if_::if_nametoindex;

use super::{Finding, Level, run};
use crate::{
    config::{AttachPolicy, InterfaceConfig},
    datapath::attached::{self, Described},
};

/// A driver puts a frame with the program's headroom (256 bytes) and the kernel's own record of it
/// (320) into a page of 4,096: what is left beside the Ethernet header. Some drivers take less.
const NATIVE_MTU_MAX: u32 = 4_096 - 256 - 320 - 14;

pub fn examine(interface: &InterfaceConfig, pins: &Path) -> Vec<Finding> {
    let name = interface.name.as_str();
    let described = if_nametoindex(name).map_err(|error| error.to_string()).and_then(|index| {
        Ok((index, attached::describe(index).map_err(|error| error.to_string())?))
    });
    let (index, described) = match described {
        Ok(found) => found,
        Err(error) => {
            let found = format!("none of this name: {error}");
            let check = format!("interface {name}");
            let remedy =
                "correct `interfaces` in the configuration; the names that there are: ip -br link";
            return vec![Finding::not(Level::Error, &check, "an interface", found, remedy)];
        }
    };
    let cpus = thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32);
    let ours = holds_link(pins, index);
    let remedy = described.program.as_ref().map(|program| attached::remedy(program, name));
    let mut findings = vec![
        up(name, &described),
        mtu(interface, &described),
        program(interface, &described, ours, remedy),
        driver(name, &run("ethtool", &["-i", name])),
        queues(name, &described, cpus),
    ];
    findings.extend(offloads(name, &run("ethtool", &["-k", name])));
    findings
}

fn holds_link(pins: &Path, index: u32) -> bool {
    let start = format!("link_{index}_");
    fs::read_dir(pins).is_ok_and(|entries| {
        let mut names = entries.flatten().map(|entry| entry.file_name());
        names.any(|name| name.as_encoded_bytes().starts_with(start.as_bytes()))
    })
}

fn up(name: &str, described: &Described) -> Finding {
    let (check, expected) = (format!("{name} link"), "up, with a carrier");
    match (described.up, described.running) {
        (true, true) => Finding::ok(&check, expected, "up"),
        (true, false) => {
            let remedy = format!("look at the cable and the other side: ip -s link show {name}");
            Finding::not(Level::Warning, &check, expected, "up, without a carrier", remedy)
        }
        (false, _) => {
            Finding::not(Level::Error, &check, expected, "down", format!("ip link set {name} up"))
        }
    }
}

fn mtu(interface: &InterfaceConfig, described: &Described) -> Finding {
    let (check, name) = (format!("{} MTU", interface.name), &interface.name);
    let expected = format!("at most {NATIVE_MTU_MAX}, for a program in the driver");
    let found = described.mtu.to_string();
    if described.mtu <= NATIVE_MTU_MAX || interface.mode == AttachPolicy::Generic {
        return Finding::ok(&check, &expected, found);
    }
    let remedy = format!("ip link set {name} mtu 1500, or `mode: generic`");
    Finding::not(Level::Warning, &check, &expected, found, remedy)
}

fn program(
    interface: &InterfaceConfig,
    described: &Described,
    ours: bool,
    remedy: Option<String>,
) -> Finding {
    let (check, expected) = (format!("{} XDP", interface.name), "no program but Seawall's");
    match (&described.program, ours) {
        (None, _) => Finding::ok(&check, expected, "none"),
        (Some(program), true) => {
            let found = format!("Seawall's {program}");
            if program.mode == "generic" && interface.mode != AttachPolicy::Generic {
                let remedy =
                    "a driver with native XDP, a smaller MTU, or `mode: generic` where it is meant";
                return Finding::not(Level::Warning, &check, "native mode", found, remedy);
            }
            Finding::ok(&check, expected, found)
        }
        (Some(program), false) => {
            let level = if interface.replace { Level::Notice } else { Level::Error };
            let remedy = remedy.unwrap_or_default();
            Finding::not(level, &check, expected, format!("another, {program}"), remedy)
        }
    }
}

fn driver(name: &str, answer: &Result<String, String>) -> Finding {
    let (check, expected) = (format!("{name} driver"), "one with native XDP");
    let named = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("driver: "));
        line.map(|driver| driver.trim().to_owned())
    };
    match answer.as_deref().map(named) {
        Ok(Some(driver)) => Finding::ok(&check, expected, driver),
        Ok(None) => {
            Finding::not(Level::Notice, &check, expected, "unknown", format!("ethtool -i {name}"))
        }
        Err(why) => ethtool_missing(&check, expected, why),
    }
}

fn queues(name: &str, described: &Described, cpus: u32) -> Finding {
    let (check, expected) =
        (format!("{name} queues"), format!("a receive queue for each of {cpus} CPUs"));
    let found = format!("{} receive queues", described.rx_queues);
    if described.rx_queues >= cpus {
        return Finding::ok(&check, &expected, found);
    }
    let remedy = format!(
        "ethtool -L {name} combined {cpus}, where the card can; what it can: ethtool -l {name}"
    );
    Finding::not(Level::Notice, &check, &expected, found, remedy)
}

/// Offloads that change what the program sees: a tag that the card took off is not in the frame, and
/// packets that it glued together are judged as one.
fn offloads(name: &str, answer: &Result<String, String>) -> Vec<Finding> {
    let check = |what: &str| format!("{name} {what}");
    let text = match answer {
        Ok(text) => text,
        Err(why) => {
            return vec![ethtool_missing(&check("offloads"), "rx-vlan-offload and LRO off", why)];
        }
    };
    let features: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.trim().split_once(": "))
        .map(|(feature, state)| (feature, state.trim()))
        .collect();
    [
        (
            "rx-vlan-offload",
            "rxvlan",
            "the card takes VLAN tags off before the program sees the frame",
        ),
        ("large-receive-offload", "lro", "the card glues packets together before they are judged"),
    ]
    .into_iter()
    .map(|(feature, short, what)| {
        let (check, expected) = (check(feature), "off");
        match features.get(feature) {
            Some(state) if state.starts_with("on") => {
                let found = format!("{state}: {what}");
                let remedy = format!("ethtool -K {name} {short} off");
                Finding::not(Level::Warning, &check, expected, found, remedy)
            }
            Some(state) => Finding::ok(&check, expected, *state),
            None => {
                let remedy = format!("ethtool -k {name}");
                Finding::not(
                    Level::Notice,
                    &check,
                    expected,
                    "unknown: ethtool does not name it",
                    remedy,
                )
            }
        }
    })
    .collect()
}

fn ethtool_missing(check: &str, expected: &str, why: &str) -> Finding {
    let found = format!("unknown: {why}");
    Finding::not(Level::Notice, check, expected, found, "apt-get install ethtool")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datapath::attached::AttachedProgram;

    fn interface(mode: AttachPolicy, replace: bool) -> InterfaceConfig {
        InterfaceConfig { name: "eth0".to_owned(), mode, replace }
    }

    fn described() -> Described {
        Described { up: true, running: true, mtu: 1_500, rx_queues: 2, program: None }
    }

    #[test]
    fn links_and_sizes() {
        for (is_up, running, level) in
            [(true, true, Level::Ok), (true, false, Level::Warning), (false, false, Level::Error)]
        {
            let described = Described { up: is_up, running, ..described() };
            assert_eq!(up("eth0", &described).level, level);
        }
        for (mtu_bytes, mode, level) in [
            (1_500, AttachPolicy::Native, Level::Ok),
            (3_506, AttachPolicy::Native, Level::Ok),
            (3_507, AttachPolicy::Native, Level::Warning),
            (9_000, AttachPolicy::NativeOrGeneric, Level::Warning),
            (9_000, AttachPolicy::Generic, Level::Ok),
        ] {
            let described = Described { mtu: mtu_bytes, ..described() };
            assert_eq!(mtu(&interface(mode, false), &described).level, level, "{mtu_bytes}");
        }
        for (cpus, level) in [(1, Level::Ok), (2, Level::Ok), (3, Level::Notice)] {
            assert_eq!(queues("eth0", &described(), cpus).level, level, "{cpus}");
        }
    }

    #[test]
    fn programs() {
        let mode = AttachPolicy::Native;
        for (attached, ours, replace, level) in [
            (None, false, false, Level::Ok),
            (Some("native"), true, false, Level::Ok),
            (Some("generic"), true, false, Level::Warning),
            (Some("native"), false, false, Level::Error),
            (Some("native"), false, true, Level::Notice),
        ] {
            let attached =
                attached.map(|mode| AttachedProgram { id: 7, name: "other".to_owned(), mode });
            let described = Described { program: attached, ..described() };
            let found = program(&interface(mode, replace), &described, ours, None);
            assert_eq!(found.level, level, "{found:?}");
        }
    }

    #[test]
    fn what_ethtool_says() {
        use Level::{Notice, Ok as Good, Warning};
        for (text, levels) in [
            ("rx-vlan-offload: off\nlarge-receive-offload: off [fixed]\n", [Good, Good]),
            ("\trx-vlan-offload: on\nlarge-receive-offload: off\n", [Warning, Good]),
            ("rx-vlan-offload: off\nlarge-receive-offload: on\n", [Good, Warning]),
            ("", [Notice, Notice]),
        ] {
            let found = offloads("eth0", &Ok(text.to_owned()));
            assert_eq!([found[0].level, found[1].level], levels, "{text}");
        }
        let missing = Err("ethtool does not run".to_owned());
        assert_eq!(offloads("eth0", &missing)[0].level, Notice);
        assert_eq!(driver("eth0", &missing).level, Notice);
        assert_eq!(driver("eth0", &Ok("driver: veth\nversion: 1.0\n".to_owned())).found, "veth");
    }
}
