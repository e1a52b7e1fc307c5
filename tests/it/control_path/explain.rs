//! `seawall explain`: the program in force is asked, and nothing moves by it.

use std::{
    fs,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use firewall_daemon::{
    control,
    datapath::{bans::Bans, explain::FRAME_BYTES_MAX},
    explain::{Explanation, Subject, Traffic},
};
use nix::sys::signal::Signal;
use seawall_tests::{
    frame::{
        IP6IP, IPIP, TCP, UDP, ethernet, fragment_v6, ipv4, ipv4_with, ipv6, mapped, tagged, tcp,
        tcp_with, udp,
    },
    mmdb::{self, Shape},
    namespace::Namespace,
    requirement,
    seawall::{self, Seawall},
    wait,
    world::{SERVER_IPV4, SERVER_IPV6},
};
use serde_json::{Value, json};

use crate::site::{CLIENT, Ground, Site};

const POLICY: &str = "  protected: [203.0.113.99]
  allow: { prefixes: [203.0.113.7] }
  deny:
    prefixes: [203.0.0.0/16, 203.0.113.64/26, 203.0.113.0/24, \"2001:db8:bad::/48\"]
    files: [trial.txt]
  geo: { database: country.mmdb, block: [KP, CU] }
  shadow: { lists: [trial], countries: [CU] }
  public_ports: [\"443/tcp\", \"53/udp\", icmp_echo]
  rules:
    - { name: no-ssh, protocol: tcp, ports: [22], verdict: drop }
    - { name: dns, protocol: udp, ports: [53], countries: [DE], verdict: pass }
  limits:
    source: { rate_pps: 1, burst_packets: 5 }
    syn: { rate_pps: 5000, burst_packets: 9000, rate_bytes_per_s: 500000, burst_bytes: 700000 }
    ports: [{ port: 443/tcp, rate_pps: 700, burst_packets: 800 }]
";

/// What follows `passes to`, by what is asked of the packet.
const SYN_ONWARD: &str = "limits: each source 1 pps burst 5; port 443/tcp 700 pps burst 800; \
    all SYN 5000 pps burst 9000, 500000 bytes/s burst 700000, then to the host's network stack";
const ONWARD: &str = "limits: each source 1 pps burst 5, then to the host's network stack";
const STACK: &str = "the host's network stack";

const DNS: u16 = 53;

/// The site of [`POLICY`], with a database of more countries.
fn site() -> Site {
    let ground = Ground::prepare();
    let networks = [
        ("198.51.100.0/24", "DE"),
        ("198.51.101.0/24", "CU"),
        ("175.45.176.0/22", "KP"),
        ("2001:db8:f::/48", "KP"),
        ("2001:db8:d::/48", "DE"),
    ];
    let networks = networks.map(|(network, code)| (network.parse().unwrap(), code));
    let folder = ground.world.folder();
    mmdb::write(&folder.join("country.mmdb"), Shape::Nested, &networks).unwrap();
    fs::write(folder.join("trial.txt"), "192.0.2.0/24\n192.0.2.128/25\n").unwrap();
    let seawall = Seawall::start(&ground.world, &ground.config(POLICY, "")).unwrap();
    Site { seawall, ground }
}

/// What `seawall explain --json` prints, without what it does not know.
fn explained(site: &Site, arguments: &[&str]) -> Value {
    let socket = site.ground.socket();
    let socket = ["--json", "--socket", socket.to_str().unwrap()];
    let output = seawall::run(&site.ground.world, &[&["explain"], arguments, &socket].concat());
    let output = output.unwrap();
    let side = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && side.is_empty(), "{arguments:?}: {side}");
    let mut answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    answer
}

fn ask(site: &Site, source: IpAddr, protocol: Traffic) -> Explanation {
    let port = (protocol == Traffic::Udp).then_some(DNS);
    let subject = Subject::Address { source, protocol, port };
    control::explain(&site.ground.socket(), subject).unwrap()
}

/// All that the daemon counts of packets and events, but what the link itself says now and then.
fn counted(site: &Site) -> Vec<String> {
    let metrics =
        seawall_tests::metrics::get(&site.ground.world.server, seawall::METRICS, "/metrics");
    let (status, text) = metrics.unwrap();
    assert_eq!(status, 200);
    let kept = |line: &&str| {
        ["packets_", "bytes_", "events_", "rule_", "bans"]
            .iter()
            .any(|name| line.starts_with(&format!("seawall_{name}")))
            && !line.contains("essential")
    };
    let mut lines: Vec<String> = text.lines().filter(kept).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn addresses_and_packets() {
    if !requirement::root("addresses_and_packets") {
        return;
    }
    let site = site();
    let before = counted(&site);
    for (arguments, expected) in addresses() {
        assert_eq!(explained(&site, arguments), expected, "{arguments:?}");
    }
    for (frame, expected) in packets() {
        let hex: Vec<String> = frame.iter().map(|byte| format!("{byte:02X}")).collect();
        for hex in [hex.concat(), hex.join(":"), format!(" {}\n", hex.join(" "))] {
            assert_eq!(explained(&site, &["--packet", &hex]), expected, "{hex}");
        }
    }
    assert_eq!(counted(&site), before, "nothing is counted");
}

/// Arguments, and the whole answer.
fn addresses() -> Vec<(&'static [&'static str], Value)> {
    let syn =
        |source: &str, bytes: u32| format!("a TCP SYN from {source} to port 443, {bytes} bytes");
    vec![
        (
            &["198.51.100.7"],
            json!({
                "assumed": syn("198.51.100.7", 54), "generation": 1, "verdict": "pass",
                "reason": "default", "stage": "default", "protocol": "tcp",
                "source": "198.51.100.7", "address": "198.51.100.7", "country": "DE",
                "prefix": "198.51.100.0/24", "next": format!("passes to {SYN_ONWARD}"),
            }),
        ),
        (
            &["203.0.113.70"],
            json!({
                "assumed": syn("203.0.113.70", 54), "generation": 1, "verdict": "drop",
                "reason": "deny", "stage": "lists", "protocol": "tcp",
                "source": "203.0.113.70", "address": "203.0.113.70", "list": "deny",
                "prefix": "203.0.113.64/26",
                "next": "dropped: 203.0.113.64/26 of list deny holds 203.0.113.70",
            }),
        ),
        (
            &["2001:db8:bad::1", "--protocol", "icmp"],
            json!({
                "assumed": "an echo request from 2001:db8:bad::1, 62 bytes", "generation": 1,
                "verdict": "drop", "reason": "deny", "stage": "lists", "protocol": "icmpv6",
                "source": "2001:db8:bad::1", "address": "2001:db8:bad::1", "list": "deny",
                "prefix": "2001:db8:bad::/48",
                "next": "dropped: 2001:db8:bad::/48 of list deny holds 2001:db8:bad::1",
            }),
        ),
        (
            &["203.0.113.7", "--port", "22"],
            json!({
                "assumed": "a TCP SYN from 203.0.113.7 to port 22, 54 bytes", "generation": 1,
                "verdict": "pass", "reason": "allow", "stage": "lists", "protocol": "tcp",
                "source": "203.0.113.7", "address": "203.0.113.7", "list": "allow",
                "prefix": "203.0.113.7/32", "next": format!("passes to {STACK}"),
            }),
        ),
        (
            // The same address in IPv6 clothes.
            &["::ffff:203.0.113.99"],
            json!({
                "assumed": syn("203.0.113.99", 54), "generation": 1, "verdict": "pass",
                "reason": "protected", "stage": "lists", "protocol": "tcp",
                "source": "203.0.113.99", "address": "203.0.113.99", "list": "protected",
                "prefix": "203.0.113.99/32", "next": format!("passes to {STACK}"),
            }),
        ),
        (
            &["175.45.177.1"],
            json!({
                "assumed": syn("175.45.177.1", 54), "generation": 1, "verdict": "drop",
                "reason": "geo", "stage": "lists", "protocol": "tcp", "source": "175.45.177.1",
                "address": "175.45.177.1", "country": "KP", "prefix": "175.45.176.0/22",
                "next": "dropped: 175.45.177.1 is of KP, which is not let in",
            }),
        ),
        (
            &["2001:db8:f::9", "--protocol", "udp", "--port", "53"],
            json!({
                "assumed": "a UDP datagram from 2001:db8:f::9 to port 53, 86 bytes",
                "generation": 1, "verdict": "drop", "reason": "geo", "stage": "lists",
                "protocol": "udp", "source": "2001:db8:f::9", "address": "2001:db8:f::9",
                "country": "KP", "prefix": "2001:db8:f::/48",
                "next": "dropped: 2001:db8:f::9 is of KP, which is not let in",
            }),
        ),
        (
            &["192.0.2.200"],
            json!({
                "assumed": syn("192.0.2.200", 54), "generation": 1, "verdict": "shadow",
                "reason": "deny", "stage": "lists", "protocol": "tcp", "source": "192.0.2.200",
                "address": "192.0.2.200", "list": "trial", "prefix": "192.0.2.128/25",
                "shadow": "list trial",
                "next": format!("would be dropped (192.0.2.128/25 of list trial holds 192.0.2.200), \
                                 were list trial not in shadow; passes to {SYN_ONWARD}"),
            }),
        ),
        (
            &["198.51.101.200"],
            json!({
                "assumed": syn("198.51.101.200", 54), "generation": 1, "verdict": "shadow",
                "reason": "geo", "stage": "lists", "protocol": "tcp", "source": "198.51.101.200",
                "address": "198.51.101.200", "country": "CU", "prefix": "198.51.101.0/24",
                "shadow": "country CU",
                "next": format!("would be dropped (198.51.101.200 is of CU, which is not let in), \
                                 were country CU not in shadow; passes to {SYN_ONWARD}"),
            }),
        ),
        (
            &["198.51.100.7", "--port", "22"],
            json!({
                "assumed": "a TCP SYN from 198.51.100.7 to port 22, 54 bytes", "generation": 1,
                "verdict": "drop", "reason": "rule", "stage": "rules", "protocol": "tcp",
                "source": "198.51.100.7", "address": "198.51.100.7", "country": "DE",
                "prefix": "198.51.100.0/24", "rule": "no-ssh", "next": "dropped: rule no-ssh",
            }),
        ),
        (
            &["198.51.100.7", "--protocol", "udp", "--port", "53"],
            json!({
                "assumed": "a UDP datagram from 198.51.100.7 to port 53, 66 bytes",
                "generation": 1, "verdict": "pass", "reason": "rule", "stage": "rules",
                "protocol": "udp", "source": "198.51.100.7", "address": "198.51.100.7",
                "country": "DE", "prefix": "198.51.100.0/24", "rule": "dns",
                "next": format!("passes to {ONWARD}"),
            }),
        ),
        (
            &["198.18.0.1", "--protocol", "udp"],
            json!({
                "assumed": "a UDP datagram from 198.18.0.1 to port 443, 66 bytes",
                "generation": 1, "verdict": "drop", "reason": "port", "stage": "rules",
                "protocol": "udp", "source": "198.18.0.1", "address": "198.18.0.1",
                "next": "dropped: packet.public_ports does not name the service",
            }),
        ),
    ]
}

/// Frames, and the whole answer.
fn packets() -> Vec<(Vec<u8>, Value)> {
    let v4 = |source: &str, protocol, payload: &[u8]| {
        ethernet(0x0800, &ipv4(source.parse().unwrap(), protocol, payload))
    };
    let good = "198.18.0.1";
    let inner_v4 = ipv4("203.0.113.70".parse().unwrap(), UDP, &udp(1, 2, 4));
    let inner_v6 = ipv6("2001:db8:f::1".parse().unwrap(), UDP, &udp(1, 2, 4));
    let inner_trial = ipv4("192.0.2.1".parse().unwrap(), UDP, &udp(1, 2, 4));
    let good_v6 = "2001:db8:e::1".parse().unwrap();
    let denied = "203.0.113.8".parse().unwrap();
    vec![
        (
            tagged(0x8100, 7, &v4("203.0.113.8", TCP, &tcp(40_000, 443))),
            json!({
                "generation": 1, "verdict": "drop", "reason": "deny", "stage": "lists",
                "protocol": "tcp", "source": "203.0.113.8", "address": "203.0.113.8",
                "list": "deny", "prefix": "203.0.113.0/24",
                "next": "dropped: 203.0.113.0/24 of list deny holds 203.0.113.8",
            }),
        ),
        (
            ethernet(0x86dd, &ipv6(mapped(denied), TCP, &tcp(40_000, 443))),
            json!({
                "generation": 1, "verdict": "drop", "reason": "deny", "stage": "lists",
                "protocol": "tcp", "source": "203.0.113.8", "address": "203.0.113.8",
                "list": "deny", "prefix": "203.0.113.0/24",
                "next": "dropped: 203.0.113.0/24 of list deny holds 203.0.113.8",
            }),
        ),
        (
            v4(good, IPIP, &inner_v4),
            json!({
                "generation": 1, "verdict": "drop", "reason": "deny", "stage": "tunnel",
                "protocol": "other", "source": good, "inner": "203.0.113.70",
                "address": "203.0.113.70", "list": "deny", "prefix": "203.0.113.64/26",
                "next": "dropped: 203.0.113.64/26 of list deny holds 203.0.113.70",
            }),
        ),
        (
            // Both are on the list: the source comes first.
            v4("203.0.113.8", IPIP, &inner_v4),
            json!({
                "generation": 1, "verdict": "drop", "reason": "deny", "stage": "lists",
                "protocol": "other", "source": "203.0.113.8", "inner": "203.0.113.70",
                "address": "203.0.113.8", "list": "deny", "prefix": "203.0.113.0/24",
                "next": "dropped: 203.0.113.0/24 of list deny holds 203.0.113.8",
            }),
        ),
        (
            v4(good, IP6IP, &inner_v6),
            json!({
                "generation": 1, "verdict": "drop", "reason": "geo", "stage": "tunnel",
                "protocol": "other", "source": good, "inner": "2001:db8:f::1",
                "address": "2001:db8:f::1", "country": "KP", "prefix": "2001:db8:f::/48",
                "next": "dropped: 2001:db8:f::1 is of KP, which is not let in",
            }),
        ),
        (
            // Allowed, so nobody looks at who is inside.
            v4("203.0.113.7", IPIP, &inner_v4),
            json!({
                "generation": 1, "verdict": "pass", "reason": "allow", "stage": "lists",
                "protocol": "other", "source": "203.0.113.7", "inner": "203.0.113.70",
                "address": "203.0.113.7", "list": "allow", "prefix": "203.0.113.7/32",
                "next": format!("passes to {STACK}"),
            }),
        ),
        (
            // In shadow inside; then the packet's own service is not public.
            v4(good, IPIP, &inner_trial),
            json!({
                "generation": 1, "verdict": "drop", "reason": "port", "stage": "rules",
                "protocol": "other", "source": good, "inner": "192.0.2.1",
                "address": "192.0.2.1", "list": "trial", "prefix": "192.0.2.0/24",
                "next": "dropped: packet.public_ports does not name the service",
            }),
        ),
        (
            v4(good, TCP, &tcp_with(40_000, 443, 3, &[])),
            json!({
                "generation": 1, "verdict": "drop", "reason": "tcp_flags", "stage": "tcp_flags",
                "protocol": "tcp", "source": good, "address": good,
                "next": "dropped: no client sends these TCP flags together",
            }),
        ),
        (
            v4(good, IPIP, &inner_v4[..19]),
            json!({
                "generation": 1, "verdict": "drop", "reason": "malformed", "stage": "parse",
                "protocol": "other", "source": good, "address": good,
                "next": "dropped: its headers end too soon, or contradict themselves",
            }),
        ),
        (
            ethernet(0x0800, &[0x45; 19]),
            json!({
                "generation": 1, "verdict": "drop", "reason": "malformed", "stage": "parse",
                "protocol": "none",
                "next": "dropped: its headers end too soon, or contradict themselves",
            }),
        ),
        (
            ethernet(0x86dd, &ipv6(good_v6, 44, &fragment_v6(UDP, 9, false, &[0; 8]))),
            json!({
                "generation": 1, "verdict": "drop", "reason": "fragment", "stage": "fragments",
                "protocol": "udp", "source": "2001:db8:e::1", "address": "2001:db8:e::1",
                "next": "dropped: it is a fragment that is not the first",
            }),
        ),
        (
            ethernet(0x0800, &ipv4_with(good.parse().unwrap(), UDP, &[], 0x0009, &[0; 8])),
            json!({
                "generation": 1, "verdict": "drop", "reason": "fragment", "stage": "fragments",
                "protocol": "udp", "source": good, "address": good,
                "next": "dropped: it is a fragment that is not the first",
            }),
        ),
        (
            ethernet(0x8847, &[0; 46]),
            json!({
                "generation": 1, "verdict": "drop", "reason": "non_ip", "stage": "parse",
                "protocol": "none", "next": "dropped: it is neither IP, ARP nor link control",
            }),
        ),
        (
            ethernet(0x0806, &[]),
            json!({
                "generation": 1, "verdict": "pass", "reason": "essential", "stage": "essential",
                "protocol": "none", "next": format!("passes to {STACK}"),
            }),
        ),
        (
            vec![0; FRAME_BYTES_MAX],
            json!({
                "generation": 1, "verdict": "pass", "reason": "essential", "stage": "essential",
                "protocol": "none", "next": format!("passes to {STACK}"),
            }),
        ),
    ]
}

/// Sends so many datagrams to the DNS port.
fn datagrams(client: &Namespace, source: IpAddr, server: IpAddr, count: u32) {
    let sent = client.run(|| {
        let socket = UdpSocket::bind((source, 0))?;
        (0..count)
            .try_for_each(|_| socket.send_to(&[0; 32], SocketAddr::new(server, DNS)).map(|_| ()))
    });
    sent.unwrap().unwrap();
}

#[test]
fn buckets_are_looked_at_and_not_taken_from() {
    if !requirement::root("buckets_are_looked_at_and_not_taken_from") {
        return;
    }
    let site = site();
    let client = site.ground.client();
    let (v4, v6) = (IpAddr::V4(CLIENT.ipv4), IpAddr::V6(CLIENT.ipv6[0]));
    let judged = |verdict, reason| {
        let labels = [("verdict", verdict), ("reason", reason), ("protocol", "udp")];
        site.metric("seawall_packets_total", &labels)
    };
    // Ten times its burst, had they taken a token each.
    for _ in 0..50 {
        let full = ask(&site, v6, Traffic::Udp);
        assert_eq!((full.verdict.as_str(), full.reason.as_str()), ("pass", "rule"));
    }
    datagrams(client, v6, SERVER_IPV6.into(), 20);
    wait::until("all of them", || {
        (judged("pass", "rule") + judged("drop", "rate_source") == 20).then_some(())
    })
    .unwrap();
    assert!(judged("pass", "rule") >= 5, "its burst was used up: {}", judged("pass", "rule"));

    let stop = AtomicBool::new(false);
    let empty = std::thread::scope(|scope| {
        // A token a second comes in, and is taken at once.
        scope.spawn(|| {
            for _ in 0..3_000 {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                datagrams(client, v4, SERVER_IPV4.into(), 2);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let empty = wait::until("empty bucket", || {
            Some(ask(&site, v4, Traffic::Udp)).filter(|found| found.reason == "rate_source")
        });
        stop.store(true, Ordering::Relaxed);
        empty.unwrap()
    });
    assert_eq!((empty.verdict.as_str(), empty.stage.as_str()), ("drop", "limits"));
    assert_eq!(empty.next, "dropped: the bucket of the source is empty (1 pps burst 5)");
    assert!(judged("drop", "rate_source") > 0);
}

#[test]
fn a_ban_and_a_reload_are_followed() {
    if !requirement::root("a_ban_and_a_reload_are_followed") {
        return;
    }
    let site = site();
    let mut bans = Bans::open(&site.ground.world.pin_path()).unwrap();
    let hour = Duration::from_secs(3_600);
    let [v4, v6, inside, allowed] = ["198.18.0.1", "2001:db8:e::1", "2001:db8:e::2", "203.0.113.7"]
        .map(|text| text.parse().unwrap());
    for source in [v4, v6, allowed] {
        bans.add(source, hour).unwrap();
    }
    let network: IpAddr = "2001:db8:e::".parse().unwrap();
    // (asked, verdict and reason, who is banned)
    for (source, said, banned) in [
        (v4, ["drop", "ban", "bans"], v4),
        (v6, ["drop", "ban", "bans"], network),
        (inside, ["drop", "ban", "bans"], network),
        (allowed, ["pass", "allow", "lists"], allowed),
    ] {
        let found = ask(&site, source, Traffic::Tcp);
        assert_eq!([&found.verdict, &found.reason, &found.stage], said, "{source}");
        let ban = found.ban.unwrap();
        assert_eq!(ban.source, banned, "{source}");
        assert!((3_500..3_600).contains(&ban.left_s), "{source}: {} s", ban.left_s);
    }
    // Who is inside a tunnel is banned, its source is not.
    let carried = ipv4("198.18.0.1".parse().unwrap(), UDP, &udp(1, 2, 4));
    let frame = ethernet(0x0800, &ipv4("198.18.0.2".parse().unwrap(), IPIP, &carried));
    let found = control::explain(&site.ground.socket(), Subject::packet(&frame)).unwrap();
    assert_eq!((found.reason.as_str(), found.stage.as_str()), ("ban", "tunnel"));
    assert_eq!((found.address, found.ban.map(|ban| ban.source)), (Some(v4), Some(v4)));
    assert_eq!(found.next, "dropped: 198.18.0.1 is banned");
    bans.remove(v4).unwrap();
    assert_eq!(ask(&site, v4, Traffic::Tcp).ban, None);

    // A reload: other prefixes, another number. Then the whole policy in shadow.
    let deny = "  deny: { prefixes: [198.18.0.0/15, 198.18.0.0/30] }\n";
    for (generation, packet, verdict, next) in [
        (2, deny.to_owned(), "drop", "dropped: 198.18.0.0/30 of list deny holds 198.18.0.1"),
        (
            3,
            format!("{deny}  shadow: {{ policy: true }}\n"),
            "shadow",
            "would be dropped (198.18.0.0/30 of list deny holds 198.18.0.1), were policy not in \
             shadow; passes to the host's network stack",
        ),
    ] {
        seawall::write_config(&site.ground.world, &site.ground.config(&packet, "")).unwrap();
        site.seawall.process.signal(Signal::SIGHUP).unwrap();
        let found = wait::until("generation", || {
            Some(ask(&site, v4, Traffic::Tcp)).filter(|found| found.generation == generation)
        })
        .unwrap();
        assert_eq!((found.verdict.as_str(), found.next.as_str()), (verdict, next));
        assert_eq!(found.prefix.as_deref(), Some("198.18.0.0/30"));
        assert_eq!(found.shadow.is_some(), verdict == "shadow");
        let other = ask(&site, "203.0.113.8".parse().unwrap(), Traffic::Tcp);
        assert_eq!((other.verdict.as_str(), other.prefix), ("pass", None), "of the policy before");
    }
}

#[test]
fn text_and_what_is_asked_wrong() {
    if !requirement::root("text_and_what_is_asked_wrong") {
        return;
    }
    let mut site = site();
    let run = |arguments: &[&str]| {
        let socket = site.ground.socket();
        let socket = ["--socket", socket.to_str().unwrap()];
        seawall::run(&site.ground.world, &[&["explain"], arguments, &socket].concat()).unwrap()
    };
    let output = run(&["198.51.100.7", "--port", "22"]);
    assert!(output.status.success(), "{output:?}");
    let expected = "verdict     drop rule\n\
                    next        dropped: rule no-ssh\n\
                    stage       rules, generation 1\n\
                    assumed     a TCP SYN from 198.51.100.7 to port 22, 54 bytes\n\
                    protocol    tcp\n\
                    source      198.51.100.7\n\
                    decided by  198.51.100.7\n\
                    prefix      198.51.100.0/24\n\
                    country     DE\n\
                    rule        no-ssh\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);

    let (short, long) = ("00".repeat(13), "00".repeat(FRAME_BYTES_MAX + 1));
    // (arguments, what is said)
    for (arguments, said) in [
        (&[][..], "the following required arguments were not provided"),
        (&["203.0.113.0/24"], "expected an address such as 203.0.113.7 or 2001:db8::7"),
        (&["203.0.113.7", "--packet", "00"], "cannot be used with"),
        (&["--packet", "00", "--port", "53"], "cannot be used with"),
        (&["203.0.113.7", "--port", "0"], "0 is not in 1..=65535"),
        (&["203.0.113.7", "--protocol", "sctp"], "possible values: tcp, udp, icmp"),
        (&["203.0.113.7", "--protocol", "icmp", "--port", "7"], "expected none with icmp"),
        (
            &["--packet", ""],
            "expected a frame of 14 to 3520 bytes, from the Ethernet header on, found 0",
        ),
        (&["--packet", &short], "found 13"),
        (&["--packet", &long], "found 3521"),
        (&["--packet", "00 00 x0"], "found 'x' at character 7"),
        (&["--packet", "00:00:0"], "the one at character 7 has no second"),
    ] {
        let output = run(arguments);
        let side = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {side}");
        assert!(side.contains(said) && output.stdout.is_empty(), "{arguments:?}: {side}");
    }
    site.seawall.process.stop(Duration::from_secs(15)).unwrap();
    let output = run(&["203.0.113.7"]);
    let side = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{side}");
    assert!(side.contains("no seawall daemon answers at"), "{side}");
}
