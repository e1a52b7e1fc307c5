//! `seawall doctor`: what is true of this machine, and every fault that is planted.

use std::{
    fs::{self, Permissions},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    time::Duration,
};

use nix::sys::signal::Signal;
use seawall_tests::{
    requirement,
    seawall::{self, Seawall},
};
use serde_json::Value;

use crate::site::Ground;

const EXIT: Duration = Duration::from_secs(15);
const COOKIES: &str =
    "  public_ports: [443/tcp]\n  syn_cookies: { ports: [443], threshold_pps: 1000 }\ngateway:\n";

/// Runs the doctor on a configuration: its exit code and its findings.
fn doctor(ground: &Ground, config: &str) -> (Option<i32>, Vec<Value>) {
    let path = seawall::write_config(&ground.world, config).unwrap();
    let arguments = ["doctor", "--json", "--config", path.to_str().unwrap()];
    let output = seawall::run(&ground.world, &arguments).unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code(), report["findings"].as_array().unwrap().clone())
}

/// Findings that are worse than a notice.
fn bad(findings: &[Value]) -> Vec<(&str, &str)> {
    let pairs = findings
        .iter()
        .map(|finding| (finding["check"].as_str().unwrap(), finding["level"].as_str().unwrap()));
    pairs.filter(|(_, level)| ["warning", "error"].contains(level)).collect()
}

fn found<'a>(findings: &'a [Value], check: &str) -> &'a str {
    let finding = findings.iter().find(|finding| finding["check"] == check);
    finding.unwrap_or_else(|| panic!("no {check} in {findings:?}"))["found"].as_str().unwrap()
}

fn remedy<'a>(findings: &'a [Value], check: &str) -> &'a str {
    let finding = findings.iter().find(|finding| finding["check"] == check);
    finding.unwrap_or_else(|| panic!("no {check} in {findings:?}"))["remedy"].as_str().unwrap()
}

fn nft(ground: &Ground, ruleset: &str) {
    let mut command = Command::new("nft");
    command.args(["-f", "-"]).stdin(Stdio::piped());
    let mut child = ground.world.server.spawn(&mut command).unwrap();
    child.stdin.take().unwrap().write_all(ruleset.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{ruleset}");
}

#[test]
fn the_doctor_says_what_is_true_of_this_machine() {
    if !requirement::root("the_doctor_says_what_is_true_of_this_machine") {
        return;
    }
    let ground = Ground::prepare();
    let config = ground.config("", "");
    let (code, findings) = doctor(&ground, &config);
    assert_eq!(bad(&findings), [], "{findings:?}");
    assert_eq!(code, Some(0));
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(found(&findings, "kernel version"), release.trim());
    let btf = fs::exists("/sys/kernel/btf/vmlinux").unwrap();
    assert_eq!(found(&findings, "kernel BTF") == "present", btf);
    for (check, expected) in [
        ("eth0 link", "up"),
        ("eth0 MTU", "1500 at the other end of the pair"),
        ("eth0 XDP", "none"),
        ("eth0 driver", "veth, which has it"),
        (
            "eth0 rx-vlan-offload",
            "on: tags would be taken off before the program sees the frame, and no VLAN is here",
        ),
        ("nftables", "none"),
        ("pins", "neither"),
    ] {
        assert_eq!(found(&findings, check), expected, "{check}");
    }
    assert_eq!(ground.traces(), Vec::<String>::new());
    let checks: Vec<&str> = findings.iter().filter_map(|one| one["check"].as_str()).collect();
    assert!(!checks.contains(&"locked memory"), "no kernel that Seawall runs on asks: {checks:?}");
    // Its own MTU is no bound: what arrives is as large as the other end sends.
    ground.world.server.ip(&["link set eth0 mtu 9000"]).unwrap();
    let (code, large) = doctor(&ground, &config);
    ground.world.server.ip(&["link set eth0 mtu 1500"]).unwrap();
    assert_eq!((code, bad(&large)), (Some(0), vec![]), "{large:?}");
    for finding in &findings {
        let well = finding["level"] == "ok";
        assert_eq!(
            finding["remedy"].is_null(),
            well,
            "a remedy wherever it is not well: {finding}"
        );
    }

    let seawall = Seawall::start(&ground.world, &config).unwrap();
    let (code, findings) = doctor(&ground, &config);
    assert_eq!((code, bad(&findings)), (Some(0), vec![]), "beside a daemon: {findings:?}");
    assert!(found(&findings, "eth0 XDP").starts_with("Seawall's \"seawall"), "{findings:?}");
    assert_eq!(found(&findings, "pins"), "1 links and a daemon");
    seawall.detach().unwrap();
}

#[test]
fn the_doctor_finds_what_is_planted() {
    if !requirement::root("the_doctor_finds_what_is_planted") {
        return;
    }
    /// What is planted, and how it is healed.
    type Plant = fn(&Ground);
    /// The check that finds it and its level, both, and what is replaced in the configuration.
    type Fault<'a> = (&'a str, &'a str, Plant, Plant, (&'a str, &'a str));
    let nothing: Plant = |_| ();
    let faults: [Fault<'_>; 11] = [
        (
            "eth0 link",
            "error",
            |ground| ground.world.server.ip(&["link set eth0 down"]).unwrap(),
            |ground| ground.world.server.ip(&["link set eth0 up"]).unwrap(),
            ("", ""),
        ),
        ("interface eth7", "error", nothing, nothing, ("name: eth0", "name: eth7")),
        (
            "SYN cookies",
            "error",
            |ground| ground.world.server.sysctl("net/ipv4/tcp_syncookies", "0").unwrap(),
            |ground| ground.world.server.sysctl("net/ipv4/tcp_syncookies", "2").unwrap(),
            ("gateway:\n", COOKIES),
        ),
        (
            "nftables",
            "warning",
            |ground| {
                nft(
                    ground,
                    "table inet shut { chain in { type filter hook input priority 0; policy drop; }; }\n",
                );
            },
            |ground| nft(ground, "delete table inet shut"),
            ("", ""),
        ),
        (
            "state folder",
            "error",
            nothing,
            nothing,
            ("state: {", "state: { path: /dev/null/state }\n#"),
        ),
        (
            "eth0 MTU",
            "warning",
            |ground| ground.world.internet.ip(&["link set uplink mtu 9000"]).unwrap(),
            |ground| ground.world.internet.ip(&["link set uplink mtu 1500"]).unwrap(),
            ("name: eth0", "name: eth0\n    mode: native_or_generic"),
        ),
        (
            "eth0 MTU",
            "error",
            |ground| ground.world.internet.ip(&["link set uplink mtu 3507"]).unwrap(),
            |ground| ground.world.internet.ip(&["link set uplink mtu 1500"]).unwrap(),
            ("", ""),
        ),
        (
            "ifb7 driver",
            "error",
            |ground| {
                ground.world.server.ip(&["link add ifb7 type ifb", "link set ifb7 up"]).unwrap();
            },
            |ground| ground.world.server.ip(&["link del ifb7"]).unwrap(),
            ("name: eth0", "name: ifb7"),
        ),
        (
            "private key",
            "error",
            |ground| {
                fs::set_permissions(&ground.gateway.key, Permissions::from_mode(0o644)).unwrap();
            },
            |ground| {
                fs::set_permissions(&ground.gateway.key, Permissions::from_mode(0o600)).unwrap();
            },
            ("", ""),
        ),
        (
            "bpffs",
            "error",
            nothing,
            nothing,
            ("  pin_path: ", "  pin_path: /run/seawall-no-bpffs #"),
        ),
        ("configuration", "error", nothing, nothing, ("interfaces:", "colour: blue\ninterfaces:")),
    ];
    let ground = Ground::prepare();
    let good = ground.config("", "");
    for (check, level, plant, heal, (from, to)) in faults {
        let config = if from.is_empty() { good.clone() } else { good.replacen(from, to, 1) };
        plant(&ground);
        let (code, findings) = doctor(&ground, &config);
        heal(&ground);
        assert_eq!(code, Some(1), "{check}: {findings:?}");
        assert_eq!(bad(&findings), [(check, level)], "{check}: {findings:?}");
        if check == "bpffs" {
            let expected = "mkdir -p /run && mount -t bpf bpf /run, ";
            assert!(remedy(&findings, check).starts_with(expected), "{findings:?}");
        }
    }
    let (code, findings) = doctor(&ground, &good);
    assert_eq!((code, bad(&findings)), (Some(0), vec![]), "all healed: {findings:?}");

    // A daemon that dies leaves its filter; to a configuration with other pins it is another's program.
    let mut seawall = Seawall::start(&ground.world, &good).unwrap();
    let pid = seawall.process.pid().to_string();
    let limit = Command::new("prlimit").args(["--pid", &pid, "--nofile=1024:1024"]).status();
    assert!(limit.unwrap().success());
    let (code, findings) = doctor(&ground, &good);
    assert_eq!((code, bad(&findings)), (Some(1), vec![("open files", "warning")]), "{findings:?}");
    assert_eq!(found(&findings, "open files"), format!("1024, the daemon's ({pid}) limit"));
    seawall.process.signal(Signal::SIGKILL).unwrap();
    seawall.process.wait_for_exit(EXIT).unwrap();
    let (code, findings) = doctor(&ground, &good);
    assert_eq!((code, bad(&findings)), (Some(1), vec![("pins", "warning")]), "{findings:?}");
    let pins = ground.world.pin_path();
    let other = format!("{}-other", pins.display());
    let (code, findings) = doctor(&ground, &good.replacen(&pins.display().to_string(), &other, 1));
    assert_eq!((code, bad(&findings)), (Some(1), vec![("eth0 XDP", "error")]), "{findings:?}");
    let text = found(&findings, "eth0 XDP");
    assert!(text.starts_with("another, \"seawall"), "{text}");
}
