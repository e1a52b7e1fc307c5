//! The whole daemon: what a failed reload, an old pin and a wrong prefix do to it.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use aya::maps::{MapData, MapInfo};
use firewall_common::maps;
use firewall_daemon::{
    datapath::{bans::Bans, generation::Generation},
    policy::{PolicySource, compile},
};
use nix::sys::signal::Signal;
use seawall_tests::{
    bpffs::Bpffs,
    engine::{SHARED_MAPS, plain_options},
    flood::Flood,
    requirement,
    seawall::{self, Seawall},
    wait,
    world::{SERVER_IPV4, SERVER_IPV6},
};

use crate::site::{CLIENT, Ground, Site};

/// Every line of the daemon.
const LOG: &str = "log: { level: debug, format: text }\n";

/// So many datagrams of the client, of either family in turn.
fn send(site: &Site) -> u64 {
    let client = &site.ground.world.host(CLIENT.name);
    let sent = [IpAddr::V4(SERVER_IPV4), IpAddr::V6(SERVER_IPV6)].map(|server| {
        let flood = Flood {
            sources: client.addresses_towards(server),
            target: SocketAddr::new(server, 9),
            rate_pps: 1_000,
            duration: Duration::from_millis(20),
        };
        flood.send(&client.namespace).unwrap().datagrams
    });
    sent.iter().sum()
}

fn packets(site: &Site, verdict: &str, reason: &str) -> u64 {
    let labels = [("verdict", verdict), ("reason", reason), ("protocol", "udp")];
    site.metric("seawall_packets_total", &labels)
}

/// All that the client sends is dropped for its bans, to the datagram, and none for anything else.
fn is_banned(site: &Site, when: &str) {
    let (banned, all) = (
        packets(site, "drop", "ban"),
        site.metric("seawall_packets_total", &[("protocol", "udp")]),
    );
    let sent = send(site);
    wait::until("datagrams", || (packets(site, "drop", "ban") >= banned + sent).then_some(()))
        .unwrap_or_else(|error| panic!("{when}: {error}"));
    assert_eq!(packets(site, "drop", "ban") - banned, sent, "{when}");
    assert_eq!(site.metric("seawall_packets_total", &[("protocol", "udp")]) - all, sent, "{when}");
    assert_eq!(site.metric("seawall_bans", &[]), 2, "{when}");
}

/// Writes the configuration, tells the daemon, and waits for the outcome.
fn reload(site: &Site, config: &str, result: &str) {
    let count = || site.metric("seawall_reloads_total", &[("result", result)]);
    let before = count();
    seawall::write_config(&site.ground.world, config).unwrap();
    site.seawall.process.signal(Signal::SIGHUP).unwrap();
    wait::until("reload", || (count() > before).then_some(())).unwrap();
}

/// Number 10 (cs-firewall-bouncer #369: an error of its feed flushed all bans).
#[test]
fn a_failed_reload_keeps_the_bans() {
    if !requirement::root("a_failed_reload_keeps_the_bans") {
        return;
    }
    let site = Site::start("", LOG);
    // The daemon sweeps once when it starts, and counts the bans then: one that another process adds
    // meanwhile could be left out.
    wait::until("sweep", || site.seawall.process.log().contains("swept").then_some(())).unwrap();
    let mut bans = Bans::open(&site.ground.world.pin_path()).unwrap();
    for source in [IpAddr::V4(CLIENT.ipv4), IpAddr::V6(CLIENT.ipv6[0])] {
        bans.add(source, Duration::from_secs(3_600)).unwrap();
    }
    is_banned(&site, "banned");
    for (when, packet) in [
        ("a missing list", "  deny: { files: [absent.txt] }\n"),
        ("a list with host bits", "  deny: { prefixes: [203.0.113.7/24] }\n"),
        ("an unknown key", "  colour: blue\n"),
        ("a missing database", "  geo: { database: absent.mmdb, only: [DE] }\n"),
    ] {
        reload(&site, &site.ground.config(packet, LOG), "error");
        is_banned(&site, when);
    }
    assert_eq!(site.metric("seawall_generation", &[]), 1);
    reload(&site, &site.ground.config("  deny: { prefixes: [203.0.113.0/24] }\n", LOG), "ok");
    is_banned(&site, "a good reload");

    // The bans outlive the daemon too, and the next one has them.
    let Site { seawall: mut killed, ground } = site;
    killed.process.signal(Signal::SIGKILL).unwrap();
    killed.process.wait_for_exit(Duration::from_secs(5)).unwrap();
    let seawall = Seawall::start(&ground.world, &ground.config("", LOG)).unwrap();
    is_banned(&Site { seawall, ground }, "another daemon");
}

/// What the program relies on.
fn layout(pin: &Path) -> (String, u32, u32, u32) {
    let info = MapInfo::from_pin(pin).unwrap();
    let kind = format!("{:?}", info.map_type().unwrap());
    (kind, info.key_size(), info.value_size(), info.max_entries())
}

/// Number 11 (Calico #9651: a pinned map of the old size was used after a change of the configuration).
#[test]
fn a_pinned_map_of_another_layout_is_made_anew() {
    if !requirement::root("a_pinned_map_of_another_layout_is_made_anew") {
        return;
    }
    let bpffs = Bpffs::mount().unwrap();
    let policy = compile::compile(&PolicySource::default()).unwrap();
    let mut generation = Generation::load(1, &plain_options(), &policy, bpffs.path()).unwrap();
    let right = SHARED_MAPS.map(|name| layout(&bpffs.path().join(name)));
    let pin_of = |name: &str| MapData::from_pin(bpffs.path().join(name)).unwrap();
    let own_maps = generation.program().unwrap().info().unwrap().map_ids().unwrap().unwrap();
    // Another type of the same sizes: a map of this generation alone.
    let clock = own_maps.into_iter().find(|id| MapInfo::from_id(*id).unwrap().name() == b"CLOCK");
    let clock = MapData::from_id(clock.expect("the program has a clock")).unwrap();
    let [_, _, hash_key, ..] = &right;
    assert_eq!((4, 16, 1), (hash_key.1, hash_key.2, hash_key.3), "as the clock's");

    let ground = Ground::prepare();
    let pins = ground.world.pin_path();
    for (round, words) in ["every map is another", "one map has another type"].iter().enumerate() {
        fs::create_dir(&pins).unwrap();
        let wrong: Vec<&str> = if round == 0 {
            for (place, name) in SHARED_MAPS.iter().enumerate() {
                pin_of(SHARED_MAPS[(place + 1) % SHARED_MAPS.len()]).pin(pins.join(name)).unwrap();
            }
            SHARED_MAPS.to_vec()
        } else {
            clock.pin(pins.join(maps::HASH_KEY)).unwrap();
            vec![maps::HASH_KEY]
        };
        let running = Seawall::start(&ground.world, &ground.config("", "")).unwrap();
        let log = running.process.log();
        for name in wrong {
            let said = log.lines().any(|line| {
                line.contains("a map of another version: starting anew")
                    && line.contains(&format!("{}\"", pins.join(name).display()))
            });
            assert!(said, "{words}: nothing of {name} in\n{log}");
        }
        assert_eq!(SHARED_MAPS.map(|name| layout(&pins.join(name))), right, "{words}");
        assert_eq!(ground.get("/").send(ground.client()).unwrap().status, 200, "{words}");
        running.detach().unwrap();
    }
}

/// Number 15.
#[test]
fn a_prefix_with_host_bits_is_refused_with_what_was_meant() {
    if !requirement::root("a_prefix_with_host_bits_is_refused_with_what_was_meant") {
        return;
    }
    let ground = Ground::prepare();
    let list = ground.world.folder().join("list.txt");
    // (the lines of the configuration, the line of the file, where it says that it is)
    let places = [
        ("  protected: [PREFIX]\n", "", "seawall.yaml:5:"),
        ("  allow:\n    prefixes:\n      - PREFIX\n", "", "seawall.yaml:7:"),
        ("  deny: { prefixes: [192.0.2.0/24, PREFIX] }\n", "", "seawall.yaml:5:"),
        ("  sets:\n    office: { prefixes: [PREFIX] }\n", "", "seawall.yaml:6:"),
        ("  allow: { files: [list.txt] }\n", "PREFIX\n", "list.txt:1:"),
        ("  deny: { files: [list.txt] }\n", "# a list\n192.0.2.0/24\nPREFIX\n", "list.txt:3:"),
        ("  sets:\n    office: { files: [list.txt] }\n", "\nPREFIX\n", "list.txt:2:"),
    ];
    // (as it is written, the network that may be meant, the address that may be)
    let prefixes = [
        ("203.0.113.7/24", "203.0.113.0/24", "203.0.113.7/32"),
        ("203.0.113.1/31", "203.0.113.0/31", "203.0.113.1/32"),
        ("128.0.0.0/0", "0.0.0.0/0", "128.0.0.0/32"),
        ("2001:db8::7/64", "2001:db8::/64", "2001:db8::7/128"),
        ("2001:db8:0:0:8000::/64", "2001:db8::/64", "2001:db8:0:0:8000::/128"),
        ("2001:db8::1/127", "2001:db8::/127", "2001:db8::1/128"),
    ];
    let check = |prefix: &str, (packet, file, _): (&str, &str, &str)| {
        fs::write(&list, file.replace("PREFIX", prefix)).unwrap();
        let config = ground.config(&packet.replace("PREFIX", &format!("\"{prefix}\"")), "");
        let path = seawall::write_config(&ground.world, &config).unwrap();
        seawall::run(&ground.world, &["check", path.to_str().unwrap()]).unwrap()
    };
    for place in places {
        for (written, network, address) in prefixes {
            let output = check(written, place);
            let side = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{written}: {side}");
            let address = address.split('/').next().unwrap();
            for word in [place.2, written, network, address] {
                assert!(side.contains(word), "{written}: no {word} in\n{side}");
            }
            // The nearest that is right.
            let output = check(network, place);
            let side = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{network}: {side}");
        }
    }
}
