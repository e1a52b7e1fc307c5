//! Real links: what a host needs of its own, and a switch of policies under traffic.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    process::Command,
    thread,
    time::Duration,
};

use firewall_daemon::{
    config::{AttachPolicy, Fate, InterfaceConfig},
    datapath::{Datapath, DatapathOptions, PacketOptions, generation::Generation},
    policy::{PolicySource, compile},
};
use seawall_tests::{
    engine::{Counts, Engine, plain_options},
    flood::Flood,
    frame::{ICMP, ICMPV6, ethernet, icmp, ipv6_with, tagged, udp_from},
    namespace::Namespace,
    policies::{denying, list},
    requirement, wait,
    world::{HostPlan, SERVER, SERVER_INTERFACE, World},
};

use crate::packet_path::case::{check, prefixes, v4};

const CLIENT: HostPlan = HostPlan {
    name: "client",
    ipv4: Ipv4Addr::new(198, 51, 100, 7),
    ipv6: &[Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 7)],
};
/// Nobody listens there.
const PORT: u16 = 9;

/// Attaches the program to the server's uplink.
pub fn attach(
    world: &World,
    mode: AttachPolicy,
    source: &PolicySource,
    packet: &PacketOptions,
) -> Datapath {
    let name = SERVER_INTERFACE.to_owned();
    let options = DatapathOptions {
        interfaces: vec![InterfaceConfig { name, mode, replace: false }],
        pin_path: world.pin_path(),
    };
    let policy = compile::compile(source).unwrap();
    world.server.run(|| Datapath::start(&options, packet, &policy)).unwrap().unwrap()
}

/// What it has counted, by `verdict reason protocol`.
pub fn counts(datapath: &Datapath) -> Counts {
    let label = |row: &firewall_daemon::datapath::CounterRow| {
        format!("{} {} {}", row.verdict.label(), row.reason.label(), row.protocol.label())
    };
    datapath.counters().unwrap().iter().map(|row| (label(row), row.packets)).collect()
}

fn of(counts: &Counts, name: &str) -> u64 {
    counts.get(name).copied().unwrap_or(0)
}

/// What `ip` says in a namespace.
fn ip(namespace: &Namespace, words: &[&str]) -> String {
    let mut command = Command::new("ip");
    let output = command.args(["-n", namespace.name()]).args(words).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A datagram of so many bytes; the answer, if there could be one, does not matter.
fn send(namespace: &Namespace, to: IpAddr, bytes: usize) {
    let any: IpAddr =
        if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let sent = namespace.run(|| -> std::io::Result<()> {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((to, PORT))?;
        socket.send(&vec![0; bytes]).map(drop)
    });
    // The kernel may know by now that the datagram is too large: that is what is asked for.
    let _ = sent.unwrap();
}

/// Number 8.
#[test]
fn default_deny_leaves_the_link_alive() {
    if !requirement::root("default_deny_leaves_the_link_alive") {
        return;
    }
    let nothing = PolicySource { default: Fate::Drop, ..PolicySource::default() };
    frames_of_the_link(&nothing);
    let world = World::build(&[CLIENT]).unwrap();
    let (server, router) = (&world.server, &world.internet);
    let mut datapath = attach(&world, AttachPolicy::Native, &nothing, &plain_options());
    let routers: [IpAddr; 2] = ["192.0.2.1", "2001:db8:1::1"].map(|text| text.parse().unwrap());
    // Each side asks for the other, and is answered: by ARP, and by neighbour discovery.
    for (asking, device, asked) in [(router, "uplink", SERVER), (server, SERVER_INTERFACE, routers)]
    {
        for neighbour in asked {
            for namespace in [server, router] {
                namespace.ip(&["neigh flush all"]).unwrap();
            }
            let before = counts(&datapath);
            send(asking, neighbour, 10);
            let words = ["neigh", "show", "dev", device, "to", &neighbour.to_string()];
            wait::until("neighbour", || {
                let shown = ip(asking, &words);
                (shown.contains("lladdr") && shown.contains("REACHABLE")).then_some(())
            })
            .unwrap_or_else(|error| panic!("{neighbour}: {error}: {}", ip(asking, &words)));
            let name =
                if neighbour.is_ipv4() { "pass essential none" } else { "pass essential icmpv6" };
            let after = counts(&datapath);
            assert!(
                of(&after, name) > of(&before, name),
                "{neighbour}: {before:?}, then {after:?}"
            );
        }
    }
    // A link behind the router that takes less than ours: the router says so to who sends more.
    router.ip(&["link set host0 mtu 1400"]).unwrap();
    for (destination, name) in [
        (IpAddr::V4(CLIENT.ipv4), "pass essential icmp"),
        (IpAddr::V6(CLIENT.ipv6[0]), "pass essential icmpv6"),
    ] {
        let before = counts(&datapath);
        let words = ["route", "get", &destination.to_string()];
        assert!(!ip(server, &words).contains("mtu 1400"), "not known yet");
        send(server, destination, 1_440);
        wait::until("path MTU", || ip(server, &words).contains("mtu 1400").then_some(()))
            .unwrap_or_else(|error| panic!("{destination}: {error}: {}", ip(server, &words)));
        let after = counts(&datapath);
        assert!(of(&after, name) > of(&before, name), "{destination}: {before:?}, then {after:?}");
    }
    // And nothing else came in, but was dropped: from the client, and from the router.
    let before = counts(&datapath);
    let mut sent = 0;
    for server in SERVER {
        let flood = Flood {
            sources: world.host("client").addresses_towards(server),
            target: SocketAddr::new(server, PORT),
            rate_pps: 1_000,
            duration: Duration::from_millis(50),
        };
        sent += flood.send(&world.host("client").namespace).unwrap().datagrams;
    }
    let dropped = || of(&counts(&datapath), "drop default udp") - of(&before, "drop default udp");
    wait::until("datagrams", || (dropped() >= sent).then_some(())).unwrap();
    assert_eq!(dropped(), sent);
    let all = counts(&datapath);
    let else_passed: Vec<_> = all
        .keys()
        .filter(|name| name.starts_with("pass") && !name.starts_with("pass essential"))
        .collect();
    assert!(else_passed.is_empty(), "{else_passed:?}");
    datapath.detach().unwrap();
}

/// One at a time: what the link needs, and what looks like it.
fn frames_of_the_link(nothing: &PolicySource) {
    const STRANGER: [u8; 4] = [198, 51, 100, 1];
    let from = |source: &str, hop_limit, kind| {
        ethernet(0x86dd, &ipv6_with(source.parse().unwrap(), ICMPV6, hop_limit, &icmp(kind, 0)))
    };
    let arp = ethernet(0x0806, &[0; 28]);
    let mut engine = Engine::load(nothing, &plain_options());
    check(
        &mut engine,
        [
            ("arp", arp.clone(), "pass essential none"),
            ("arp behind a tag", tagged(0x8100, 7, &arp), "pass essential none"),
            ("reverse arp", ethernet(0x8035, &[0; 28]), "drop non_ip none"),
            ("router solicitation", from("::", 255, 133), "pass essential icmpv6"),
            ("router advertisement", from("fe80::1", 255, 134), "pass essential icmpv6"),
            ("neighbour solicitation", from("2001:db8::1", 255, 135), "pass essential icmpv6"),
            ("duplicate address", from("::", 255, 135), "pass essential icmpv6"),
            ("neighbour advertisement", from("fe80::1", 255, 136), "pass essential icmpv6"),
            ("redirect", from("fe80::1", 255, 137), "pass essential icmpv6"),
            ("solicitation from afar", from("2001:db8::1", 254, 135), "drop default icmpv6"),
            ("listener query", from("fe80::1", 1, 130), "pass essential icmpv6"),
            ("listener report", from("::", 1, 143), "pass essential icmpv6"),
            ("report from afar", from("2001:db8::1", 1, 143), "drop default icmpv6"),
            ("packet too big", from("2001:db8::1", 57, 2), "pass essential icmpv6"),
            ("unreachable", from("2001:db8::1", 57, 1), "drop default icmpv6"),
            ("fragmentation needed", v4(STRANGER, ICMP, &icmp(3, 4)), "pass essential icmp"),
            ("port unreachable", v4(STRANGER, ICMP, &icmp(3, 3)), "drop default icmp"),
            ("echo", v4(STRANGER, ICMP, &icmp(8, 0)), "drop default icmp"),
            ("datagram", udp_from(STRANGER.into()), "drop default udp"),
        ],
    );
}

/// Number 9 (midy177's and xFW apply a policy map by map, and bpfilter's `ruleset set` chain by chain).
#[test]
fn a_packet_is_judged_by_one_whole_policy() {
    if !requirement::root("a_packet_is_judged_by_one_whole_policy") {
        return;
    }
    const SWITCHES_MIN: u32 = 4;
    let world = World::build(&[CLIENT]).unwrap();
    let client = &["198.51.100.0/24", "2001:db8:d::/48"];
    // One denies the client and lets in what no list names, the other allows it and lets in nobody else. A
    // mixture of the two would show in a counter that neither has.
    let denies = denying(prefixes(client));
    let allows = PolicySource {
        allow: list("allow", prefixes(client)),
        default: Fate::Drop,
        ..PolicySource::default()
    };
    let policies = [&allows, &denies].map(|source| compile::compile(source).unwrap());
    let mut datapath = attach(&world, AttachPolicy::Native, &denies, &plain_options());
    let floods: Vec<Flood> = SERVER
        .iter()
        .map(|server| Flood {
            sources: world.host("client").addresses_towards(*server),
            target: SocketAddr::new(*server, PORT),
            rate_pps: 10_000,
            duration: Duration::from_secs(3),
        })
        .collect();
    let namespace = &world.host("client").namespace;
    let (sent, switches) = thread::scope(|scope| {
        let senders: Vec<_> = floods
            .iter()
            .map(|flood| scope.spawn(|| flood.send(namespace).unwrap().datagrams))
            .collect();
        let mut switches = 0;
        while senders.iter().any(|sender| !sender.is_finished()) {
            let number = datapath.generation() + 1;
            let policy = &policies[switches as usize % 2];
            let next =
                Generation::load(number, &plain_options(), policy, &world.pin_path()).unwrap();
            datapath.switch(next).unwrap();
            switches += 1;
        }
        let sent: u64 = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
        (sent, switches)
    });
    let udp = |counts: &Counts| -> BTreeMap<String, u64> {
        let of_udp = counts.iter().filter(|(name, _)| name.ends_with(" udp"));
        of_udp.map(|(name, count)| (name.clone(), *count)).collect()
    };
    wait::until("datagrams", || {
        (udp(&counts(&datapath)).values().sum::<u64>() >= sent).then_some(())
    })
    .unwrap();
    let counted = udp(&counts(&datapath));
    println!("{sent} datagrams, {switches} switches: {counted:?}");
    assert!(switches >= SWITCHES_MIN, "{switches} switches");
    assert_eq!(counted.values().sum::<u64>(), sent);
    let names: Vec<&str> = counted.keys().map(String::as_str).collect();
    assert_eq!(names, ["drop deny udp", "pass allow udp"], "{counted:?}");
    datapath.detach().unwrap();
}
