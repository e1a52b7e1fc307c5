//! The interfaces that the configuration names.

use std::{fs, io, path::Path, thread};

use nix::net::if_::if_nametoindex;

use super::{Finding, Level, offloads, run};
use crate::{
    config::{AttachPolicy, InterfaceConfig},
    datapath::attached::{self, Described},
    netlink::xdp_features,
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
        mtu(interface, described.mtu, described.veth_peer.map(|peer| peer.mtu())),
        program(interface, &described, ours, remedy),
        driver(interface, &run("ethtool", &["-i", name]), &xdp_features::has_native(index)),
        queues(name, &described, cpus),
    ];
    findings.extend(offloads::examine(name));
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

/// What counts is how large a frame the driver is handed: by the card as large as its own MTU, by the other
/// end of a veth pair as large as that one's.
fn mtu(interface: &InterfaceConfig, own: u32, peer: Option<io::Result<u32>>) -> Finding {
    let (check, name) = (format!("{} MTU", interface.name), &interface.name);
    let expected = format!("at most {NATIVE_MTU_MAX}, for a program in the driver");
    let is_veth = peer.is_some();
    let (mtu, of) = match peer {
        None => (own, String::new()),
        Some(Ok(mtu)) => (mtu, " at the other end of the pair".to_owned()),
        Some(Err(error)) => {
            let found = format!("unknown at the other end of the pair: {error}");
            let remedy = format!("where the other end is: ip link; its number is behind {name}@if");
            return Finding::not(Level::Notice, &check, &expected, found, remedy);
        }
    };
    let found = format!("{mtu}{of}");
    if mtu <= NATIVE_MTU_MAX || interface.mode == AttachPolicy::Generic {
        return Finding::ok(&check, &expected, found);
    }
    // Of a card the driver decides, which may take more; of a pair the kernel refuses.
    let level = match interface.mode {
        AttachPolicy::Native if is_veth => Level::Error,
        _ => Level::Warning,
    };
    let remedy = match is_veth {
        true => "at the other end: ip link set NAME mtu 1500; or `mode: generic`".to_owned(),
        false => format!("ip link set {name} mtu 1500, or `mode: generic`"),
    };
    Finding::not(level, &check, &expected, found, remedy)
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

/// The kernel knows whether the driver runs programs; its name is for people.
fn driver(
    interface: &InterfaceConfig,
    named: &Result<String, String>,
    has_native: &io::Result<Option<bool>>,
) -> Finding {
    let name = interface.name.as_str();
    let (check, expected) = (format!("{name} driver"), "one with native XDP");
    let driver = named.as_ref().ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("driver: "));
        line.map(|driver| driver.trim().to_owned())
    });
    let driver = driver.unwrap_or_else(|| "of unknown name".to_owned());
    match has_native {
        Ok(Some(true)) => Finding::ok(&check, expected, format!("{driver}, which has it")),
        Ok(Some(false)) => {
            let found = format!("{driver}, which has none");
            let remedy = "`mode: generic` or `native_or_generic`, which is slower and comes after the kernel has \
                          made a packet of the frame; or a card whose driver has it";
            let level = match interface.mode {
                AttachPolicy::Native => Level::Error,
                AttachPolicy::NativeOrGeneric => Level::Warning,
                AttachPolicy::Generic => return Finding::ok(&check, expected, found),
            };
            Finding::not(level, &check, expected, found, remedy)
        }
        Ok(None) => {
            let found = format!("{driver}; kernels before 6.3 do not say what it has");
            let remedy = "start the daemon: `seawall status` says in which mode it is attached";
            Finding::not(Level::Notice, &check, expected, found, remedy)
        }
        Err(error) => {
            let found = format!("{driver}, unknown what it has: {error}");
            Finding::not(Level::Notice, &check, expected, found, format!("ethtool -i {name}"))
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datapath::attached::AttachedProgram;

    fn interface(mode: AttachPolicy, replace: bool) -> InterfaceConfig {
        InterfaceConfig { name: "eth0".to_owned(), mode, replace }
    }

    fn described() -> Described {
        Described {
            up: true,
            running: true,
            mtu: 1_500,
            rx_queues: 2,
            program: None,
            veth_peer: None,
        }
    }

    #[test]
    fn links_and_sizes() {
        for (is_up, running, level) in
            [(true, true, Level::Ok), (true, false, Level::Warning), (false, false, Level::Error)]
        {
            let described = Described { up: is_up, running, ..described() };
            assert_eq!(up("eth0", &described).level, level);
        }
        use AttachPolicy::{Generic, Native, NativeOrGeneric};
        for (own, peer, mode, level) in [
            (1_500, None, Native, Level::Ok),
            (3_506, None, Native, Level::Ok),
            (3_507, None, Native, Level::Warning),
            (9_000, None, NativeOrGeneric, Level::Warning),
            (9_000, None, Generic, Level::Ok),
            (9_000, Some(Ok(1_500)), Native, Level::Ok),
            (1_500, Some(Ok(3_506)), Native, Level::Ok),
            (1_500, Some(Ok(3_507)), Native, Level::Error),
            (1_500, Some(Ok(9_000)), NativeOrGeneric, Level::Warning),
            (1_500, Some(Ok(9_000)), Generic, Level::Ok),
            (1_500, Some(Err(())), Native, Level::Notice),
        ] {
            let peer_mtu = peer.map(|mtu| mtu.map_err(|()| io::ErrorKind::NotFound.into()));
            let judged = mtu(&interface(mode, false), own, peer_mtu);
            assert_eq!(judged.level, level, "{own} {peer:?} {mode:?}");
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
    fn drivers() {
        use AttachPolicy::{Generic, Native, NativeOrGeneric};
        let veth = || Ok("driver: veth\nversion: 1.0\n".to_owned());
        let missing = || Err("ethtool does not run".to_owned());
        for (mode, named, has_native, level, found) in [
            (Native, veth(), Ok(Some(true)), Level::Ok, "veth, which has it"),
            (Native, missing(), Ok(Some(true)), Level::Ok, "of unknown name, which has it"),
            (Native, veth(), Ok(Some(false)), Level::Error, "veth, which has none"),
            (NativeOrGeneric, veth(), Ok(Some(false)), Level::Warning, "veth, which has none"),
            (Generic, veth(), Ok(Some(false)), Level::Ok, "veth, which has none"),
            (
                Native,
                veth(),
                Ok(None),
                Level::Notice,
                "veth; kernels before 6.3 do not say what it has",
            ),
            (
                Native,
                veth(),
                Err(io::Error::from(io::ErrorKind::TimedOut)),
                Level::Notice,
                "veth, unknown what it has: timed out",
            ),
        ] {
            let judged = driver(&interface(mode, false), &named, &has_native);
            assert_eq!((judged.level, judged.found.as_str()), (level, found));
        }
    }
}
