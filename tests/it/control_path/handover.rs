//! What one daemon leaves, and what the next makes of it: pins, counters, the mode of an interface, the state
//! folder, and a change that waited.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use aya::maps::{MapData, MapInfo};
use firewall_common::maps;
use nix::sys::signal::Signal;
use seawall_tests::{
    engine::SHARED_MAPS,
    requirement,
    seawall::{self, Seawall},
    wait,
};
use serde_json::Value;

use crate::{
    control_path::asked::{ask, drops, send},
    site::{Ground, Site},
};

const EXIT: Duration = Duration::from_secs(15);
/// What the guard would find differs from host to host; `safe_change` has its tests.
const NO_GUARD: &str = "  protect: { ssh_peer: false, gateway: false, resolvers: false }\n";

fn end(seawall: &mut Seawall, signal: Signal) {
    seawall.process.signal(signal).unwrap();
    seawall.process.wait_for_exit(EXIT).unwrap();
}

/// Starts a daemon that is to be refused; what it says.
fn refused(ground: &Ground, config: &str) -> String {
    let path = seawall::write_config(&ground.world, config).unwrap();
    let arguments = ["run", "--config", path.to_str().unwrap()];
    let Output { status, stdout, stderr } = seawall::run(&ground.world, &arguments).unwrap();
    let said = String::from_utf8([stdout, stderr].concat()).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    said
}

/// The mode and the number of the program on an interface of the server.
fn attached(ground: &Ground, interface: &str) -> Option<(&'static str, u32)> {
    let mut command = Command::new("ip");
    let shown = ground.world.server.output(command.args(["-d", "link", "show", interface]));
    let shown = shown.unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let mode = if shown.contains("xdpgeneric") { "generic" } else { "native" };
    let id = shown.split("prog/xdp id ").nth(1)?.split(' ').next()?;
    Some((mode, id.parse().unwrap()))
}

/// The pins by name: a link by where it leads, a map by its number in the kernel.
fn pinned(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut pins: Vec<_> = entries
        .map(|entry| {
            let path = entry.path();
            let map = MapInfo::from_pin(&path).map(|info| format!("map {}", info.id()));
            let what = map.or_else(|_| fs::read_link(&path).map(|to| to.display().to_string()));
            (entry.file_name().into_string().unwrap(), what.unwrap_or_default())
        })
        .collect();
    pins.sort();
    pins
}

/// An upgrade that fails leaves the old build all that it needs to go on.
#[test]
fn a_start_that_fails_leaves_the_pins_of_an_older_layout() {
    if !requirement::root("a_start_that_fails_leaves_the_pins_of_an_older_layout") {
        return;
    }
    let Site { mut seawall, ground } = Site::start("", "");
    end(&mut seawall, Signal::SIGTERM);
    let pins = ground.world.pin_path();
    // As an older version could have left it: another layout, one map of another size, one that it had not.
    fs::remove_file(pins.join("abi")).unwrap();
    symlink("4", pins.join("abi")).unwrap();
    fs::remove_file(pins.join(maps::HASH_KEY)).unwrap();
    MapData::from_pin(pins.join(maps::SEEN)).unwrap().pin(pins.join(maps::HASH_KEY)).unwrap();
    fs::remove_file(pins.join(maps::RULE_NAMES)).unwrap();
    let before = (pinned(&pins), attached(&ground, "eth0"));
    let ip = |words: &str| ground.world.server.ip(&[words]).unwrap();
    ip("link add other type veth peer name behind mtu 9000");
    let config = ground.config("", "");
    let plain = "- name: eth0";
    // A frame of the peer would not fit one page, so native mode refuses the second one.
    let two = config.replace(plain, &format!("{plain}\n  - name: other"));
    for (what, config) in [("attaching", &two), ("attaching again", &two)] {
        let said = refused(&ground, config);
        assert!(said.contains("interface other"), "{what}: {said}");
        assert_eq!((pinned(&pins), attached(&ground, "eth0")), before, "{what}");
    }
    // What a daemon left that died before it attached anything is none of the next one's.
    symlink("4", pins.join("abi_next")).unwrap();
    MapData::from_pin(pins.join(maps::SEEN)).unwrap().pin(pins.join("LOSSES_next")).unwrap();
    let seawall = Seawall::start(&ground.world, &config).unwrap();
    let after = pinned(&pins);
    let of = |pins: &[(String, String)], name: &str| {
        pins.iter().find(|(found, _)| found == name).map(|(_, what)| what.clone())
    };
    assert_eq!(of(&after, "abi"), Some(maps::ABI.to_string()));
    assert!(after.iter().all(|(name, _)| !name.ends_with("_next")), "{after:?}");
    for name in SHARED_MAPS {
        let is_kept = of(&before.0, name) == of(&after, name);
        assert_eq!(is_kept, ![maps::HASH_KEY, maps::RULE_NAMES].contains(&name), "{name}");
    }
    seawall.detach().unwrap();
}

/// The daemon dies after it attached its program, and before its pins are those of before.
#[test]
fn a_takeover_that_was_cut_off_is_brought_to_its_end() {
    if !requirement::root("a_takeover_that_was_cut_off_is_brought_to_its_end") {
        return;
    }
    let Site { mut seawall, ground } = Site::start("", "");
    end(&mut seawall, Signal::SIGKILL);
    let pins = ground.world.pin_path();
    let last = |name: &str| (pins.join(name), pins.join(format!("{name}_next")));
    for name in ["abi", maps::LOSSES, "program"] {
        let (in_place, beside) = last(name);
        fs::rename(in_place, beside).unwrap();
    }
    symlink("4", pins.join("abi")).unwrap();
    MapData::from_pin(pins.join(maps::SEEN)).unwrap().pin(pins.join(maps::LOSSES)).unwrap();
    let losses = MapInfo::from_pin(last(maps::LOSSES).1).unwrap().id();
    let seawall = Seawall::start(&ground.world, &ground.config("", "")).unwrap();
    let log = seawall.process.log();
    assert!(log.contains("an earlier daemon died while it took over"), "{log}");
    assert_eq!(MapInfo::from_pin(pins.join(maps::LOSSES)).unwrap().id(), losses);
    assert_eq!(fs::read_link(pins.join("abi")).unwrap(), Path::new(&maps::ABI.to_string()));
    seawall.detach().unwrap();
}

#[test]
fn a_rule_is_counted_by_its_name_over_reloads_and_daemons() {
    if !requirement::root("a_rule_is_counted_by_its_name_over_reloads_and_daemons") {
        return;
    }
    const FIRST: &str =
        "  rules:\n    - { name: noise, protocol: udp, ports: [9999], verdict: drop }\n";
    const MOVED: &str = "  rules:\n    - { name: web, protocol: tcp, ports: [80], verdict: drop }\n    \
                         - { name: noise, protocol: udp, ports: [9000-9999], verdict: drop }\n";
    const GONE: &str = "  rules:\n    - { name: web, protocol: tcp, ports: [80], verdict: drop }\n";
    let packet = |rules: &str| format!("{NO_GUARD}{rules}");
    let mut site = Site::start(&packet(FIRST), "");
    let noise = |site: &Site| site.metric("seawall_rule_packets_total", &[("rule", "noise")]);
    let one_more = |site: &Site, counted: u64| {
        send(site);
        wait::until("datagram", || (noise(site) >= counted).then_some(())).unwrap();
        assert_eq!(noise(site), counted);
    };
    one_more(&site, 1);
    // (what happens, the rules from then on)
    let mut counted = 1;
    for (what, rules) in [
        ("reload", MOVED),
        ("kill", MOVED),
        ("reload", FIRST),
        ("stop", MOVED),
        ("reload", GONE),
        ("reload", FIRST),
    ] {
        let config = site.ground.config(&packet(rules), "");
        if what == "reload" {
            let reloads = || site.metric("seawall_reloads_total", &[("result", "ok")]);
            let before = reloads();
            seawall::write_config(&site.ground.world, &config).unwrap();
            site.seawall.process.signal(Signal::SIGHUP).unwrap();
            wait::until("reload", || (reloads() > before).then_some(())).unwrap();
        } else {
            let signal = if what == "kill" { Signal::SIGKILL } else { Signal::SIGTERM };
            end(&mut site.seawall, signal);
            // With no daemon there, and counted all the same.
            send(&site);
            counted += 1;
            site.seawall = Seawall::start(&site.ground.world, &config).unwrap();
        }
        if rules == GONE {
            continue;
        }
        assert_eq!(noise(&site), counted, "{what}");
        counted += 1;
        one_more(&site, counted);
    }
    assert_eq!(site.metric("seawall_rule_counters_replaced_total", &[]), 0);
    site.seawall.detach().unwrap();
}

#[test]
fn a_mode_that_is_refused_leaves_every_filter_in_the_other() {
    if !requirement::root("a_mode_that_is_refused_leaves_every_filter_in_the_other") {
        return;
    }
    const BOTH: [&str; 2] = ["eth0", "other"];
    let ground = Ground::prepare();
    let server = &ground.world.server;
    server.ip(&["link add other type veth peer name behind"]).unwrap();
    let config = |mode: &str| {
        let both = BOTH.map(|name| format!("- {{ name: {name}, mode: {mode} }}\n"));
        ground.config("", "").replace("- name: eth0\n", &both.join("  "))
    };
    let both = || BOTH.map(|name| attached(&ground, name));
    let modes = || both().map(|program| program.map(|(mode, _)| mode));
    let mut seawall = Seawall::start(&ground.world, &config("generic")).unwrap();
    assert_eq!(modes(), [Some("generic"); 2]);
    end(&mut seawall, Signal::SIGTERM);
    // The link is another one, of the same name.
    let pins = || -> Vec<(String, String)> {
        let pins = pinned(&ground.world.pin_path()).into_iter();
        let is_link = |name: &str| name.starts_with("link_");
        pins.map(|(name, what)| (name.clone(), if is_link(&name) { String::new() } else { what }))
            .collect()
    };
    let before = (pins(), both());
    // veth attaches in native mode only while a frame of its peer fits one page: the first interface has
    // changed its mode when the second refuses, and both have to be as they were.
    server.ip(&["link set behind mtu 9000"]).unwrap();
    let said = refused(&ground, &config("native"));
    assert!(said.contains("interface other: cannot attach in native mode"), "{said}");
    assert_eq!(said.matches("the filter of before is back").count(), 2, "{said}");
    assert_eq!((pins(), both()), before, "the programs of before");

    // Where it is not refused an interface is without a filter for a moment, which is told.
    server.ip(&["link set behind mtu 1500"]).unwrap();
    let unfiltered = |seawall: &Seawall, interface: &str| {
        let metrics = seawall.metrics(&ground.world).unwrap();
        let mut samples = metrics.samples.into_iter();
        let sample = samples.find(|sample| {
            sample.name == "seawall_interface_unfiltered_seconds"
                && sample.labels.get("interface").is_some_and(|name| name == interface)
        });
        sample.expect("each interface has one").value
    };
    for (mode, other) in [("native", "generic"), ("generic", "native")] {
        let mut seawall = Seawall::start(&ground.world, &config(mode)).unwrap();
        assert_eq!(modes(), [Some(mode); 2]);
        for name in BOTH {
            let gap_s = unfiltered(&seawall, name);
            assert!(gap_s > 0.0 && gap_s < 1.0, "{name}: {gap_s} s");
        }
        let log = seawall.process.log();
        assert!(log.contains("changed the mode: every frame of that time passed"), "{log}");
        let names = pinned(&ground.world.pin_path());
        assert!(names.iter().all(|(name, _)| !name.ends_with(other)), "{names:?}");
        end(&mut seawall, Signal::SIGTERM);
    }
    let seawall = Seawall::start(&ground.world, &config("generic")).unwrap();
    assert_eq!(BOTH.map(|name| unfiltered(&seawall, name)), [0.0; 2], "no change");
    seawall.detach().unwrap();
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused_by_name() {
    if !requirement::root("a_second_daemon_on_the_same_state_is_refused_by_name") {
        return;
    }
    let Site { mut seawall, ground } = Site::start("", "");
    let folder = ground.world.folder();
    let second = folder.join("second.yaml");
    let pins = ground.world.pin_path();
    // Nothing but the state is the same.
    ground.world.server.ip(&["link add other type veth peer name behind"]).unwrap();
    let text = format!(
        "interfaces: [{{ name: other }}]\npacket: {{ pin_path: {}-second }}\n\
         control: {{ socket: {} }}\nstate: {{ path: {} }}\nmetrics: {{ listen: \"127.0.0.1:9465\" }}\n",
        pins.display(),
        folder.join("second.sock").display(),
        seawall::state(folder).display(),
    );
    fs::write(&second, text).unwrap();
    let run = || {
        let arguments = ["run", "--config", second.to_str().unwrap()];
        seawall::run(&ground.world, &arguments).unwrap()
    };
    let output = run();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let holder = fs::read_to_string(seawall::state(folder).join("lock")).unwrap();
    let expected = format!(
        "expected a folder that no other daemon uses, found process {} in it; stop that one",
        holder.trim()
    );
    assert!(said.contains(&expected), "{said}");
    assert!(!folder.join("second.sock").exists());
    assert_eq!(ground.get("/").send(ground.client()).unwrap().status, 200, "the first goes on");
    // The lock ends with its holder, however that ends.
    end(&mut seawall, Signal::SIGKILL);
    let seawall = Seawall::start(&ground.world, &ground.config("", "")).unwrap();
    seawall.detach().unwrap();
}

/// The records of the audit log: verb, what, and why.
fn audited(ground: &Ground) -> Vec<(String, String, String)> {
    let log = seawall::state(ground.world.folder()).join("audit.log");
    let arguments = ["audit", "show", log.to_str().unwrap(), "--json"];
    let output = seawall::run(&ground.world, &arguments).unwrap();
    let field = |record: &Value, name: &str| record[name].as_str().unwrap_or_default().to_owned();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .map(|record: Value| {
            (field(&record, "verb"), field(&record, "what"), field(&record, "why"))
        })
        .collect()
}

#[test]
fn a_change_that_waits_is_taken_back_by_a_stop_and_its_number_is_not_used_again() {
    if !requirement::root(
        "a_change_that_waits_is_taken_back_by_a_stop_and_its_number_is_not_used_again",
    ) {
        return;
    }
    let mut site = Site::start(NO_GUARD, "");
    let folder = site.ground.world.folder().to_path_buf();
    let cut = folder.join("cut.yaml");
    let deny = format!("{NO_GUARD}  deny: {{ prefixes: [198.51.100.0/24] }}\n");
    fs::write(&cut, site.ground.config(&deny, "")).unwrap();
    let cut = cut.to_str().unwrap();
    let apply = |site: &Site| {
        let (code, said) = ask(&site.ground, &["apply", cut, "--confirm", "1h"]);
        assert_eq!(code, 0, "{said}");
        assert!(drops(site, "deny"), "it is in force");
        site.metric("seawall_generation", &[])
    };
    let of_file = fs::read_to_string(&site.seawall.config).unwrap();
    assert_eq!(site.metric("seawall_generation", &[]), 1);

    // Asked for: the first is in force again, and the next one has a number of its own.
    assert_eq!(apply(&site), 2);
    assert_eq!(ask(&site.ground, &["rollback"]).0, 0);
    assert_eq!(site.metric("seawall_generation", &[]), 1);
    assert!(!drops(&site, "deny"));

    // Stopped: taken back before the daemon ends, so that it is not in force without one.
    assert_eq!(apply(&site), 3);
    end(&mut site.seawall, Signal::SIGTERM);
    assert!(!seawall::state(&folder).join("pending.json").exists());
    assert_eq!(fs::read_to_string(&site.seawall.config).unwrap(), of_file);
    let records = audited(&site.ground);
    site.seawall = Seawall::start(&site.ground.world, &of_file).unwrap();
    assert!(!drops(&site, "deny"));
    assert_eq!(site.metric("seawall_generation", &[]), 4);

    // Killed: in force until the next daemon starts.
    assert_eq!(apply(&site), 5);
    end(&mut site.seawall, Signal::SIGKILL);
    site.seawall = Seawall::start(&site.ground.world, &of_file).unwrap();
    assert!(!drops(&site, "deny"));
    assert_eq!(site.metric("seawall_generation", &[]), 6);
    assert_eq!(apply(&site), 7);
    let (code, said) = ask(&site.ground, &["confirm"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(fs::read_to_string(&site.seawall.config).unwrap(), fs::read_to_string(cut).unwrap());

    let expected = |steps: &[(&str, &str)]| -> Vec<(String, String)> {
        steps.iter().map(|(verb, why)| ((*verb).to_owned(), (*why).to_owned())).collect()
    };
    let verbs = |records: Vec<(String, String, String)>| -> Vec<(String, String)> {
        let is_of_cut = |what: &str| what.contains("cut.yaml");
        assert!(records.iter().all(|(verb, what, _)| {
            ["start", "stop"].contains(&verb.as_str()) || is_of_cut(what)
        }));
        records.into_iter().map(|(verb, _, why)| (verb, why)).collect()
    };
    let stopped = [
        ("start", ""),
        ("apply", ""),
        ("rollback", "asked for"),
        ("apply", ""),
        ("rollback", "the daemon stops"),
        ("stop", ""),
    ];
    assert_eq!(verbs(records), expected(&stopped));
    let after = [
        ("start", ""),
        ("apply", ""),
        ("rollback", "the daemon ended before it was confirmed"),
        ("start", ""),
        ("apply", ""),
        ("confirm", ""),
    ];
    assert_eq!(verbs(audited(&site.ground)), expected(&[&stopped[..], &after].concat()));
    site.seawall.detach().unwrap();
}

/// Confirmed, and the daemon died before it forgot that it had waited.
#[test]
fn a_confirmed_change_is_not_said_to_be_taken_back() {
    if !requirement::root("a_confirmed_change_is_not_said_to_be_taken_back") {
        return;
    }
    let mut site = Site::start(NO_GUARD, "");
    let state = seawall::state(site.ground.world.folder());
    let limited = site.ground.world.folder().join("limited.yaml");
    let limit = format!("{NO_GUARD}  limits: {{ icmp: {{ rate_pps: 70, burst_packets: 70 }} }}\n");
    fs::write(&limited, site.ground.config(&limit, "")).unwrap();
    let apply = ["apply", limited.to_str().unwrap(), "--confirm", "1h"];
    let (code, said) = ask(&site.ground, &apply);
    assert_eq!(code, 0, "{said}");
    let note = fs::read(state.join("pending.json")).unwrap();
    assert_eq!(ask(&site.ground, &["confirm"]).0, 0);
    end(&mut site.seawall, Signal::SIGKILL);
    fs::write(state.join("pending.json"), note).unwrap();
    let config = fs::read_to_string(&limited).unwrap();
    site.seawall = Seawall::start(&site.ground.world, &config).unwrap();
    let log = site.seawall.process.log();
    assert!(log.contains("was confirmed: it stays") && !log.contains("rolled back"), "{log}");
    assert!(!state.join("pending.json").exists());
    site.seawall.detach().unwrap();
}
