//! Rules and public ports.

use std::collections::BTreeSet;

use super::{load, packet, refused};
use crate::config::{
    ByteRate, LimitPer, PacketRate, PortRange, RateConfig, RuleConfig, RuleProtocol, RuleVerdict,
    Service, TcpFlags,
};

const SETS: &str = "sets: {office: {}, home: {}}\n  geo: {database: a.mmdb}\n  ";

/// A configuration with this one rule; its mapping begins at 5:11.
fn rule(keys: &str) -> String {
    packet(&format!("{SETS}rules: [{{{keys}}}]"))
}

fn range(first: u16, last: u16) -> PortRange {
    PortRange { first, last }
}

#[test]
fn every_key_acts() {
    let text = packet(&format!(
        "{SETS}rules:
    - {{name: a-1_z, verdict: pass}}
    - name: ssh
      protocol: tcp
      ports: [22, '8000-8010', 65535]
      tcp_flags: {{set: [syn, cwr], clear: [ack, fin, rst, psh, urg, ece]}}
      sources: [office, home]
      countries: [DE, NO]
      verdict: drop
    - {{name: ping, protocol: icmpv6, icmp_types: [128, 0, 255], verdict: limit,
       limit: {{rate_pps: 1, burst_packets: 3_600}}}}
    - {{name: all, protocol: 47, verdict: limit,
       limit: {{per: rule, rate_pps: 10, burst_packets: 20, rate_bytes_per_s: 1000, burst_bytes: 1600}}}}
    - {{name: net, protocol: udp, verdict: limit,
       limit: {{per: prefix, rate_bytes_per_s: 100000000000, burst_bytes: 100000000000}}}}"
    ));
    let rules = load(&text).expect("rules").packet.rules;
    let plain = |name: &str, verdict| RuleConfig {
        name: name.to_owned(),
        protocol: None,
        ports: Vec::new(),
        icmp_types: Vec::new(),
        tcp_flags: None,
        sources: Vec::new(),
        countries: BTreeSet::new(),
        verdict,
    };
    let limit = |per, packets: Option<(u32, u32)>, bytes: Option<(u64, u64)>| RuleVerdict::Limit {
        per,
        rate: RateConfig {
            packets: packets
                .map(|(rate_pps, burst_packets)| PacketRate { rate_pps, burst_packets }),
            bytes: bytes
                .map(|(rate_bytes_per_s, burst_bytes)| ByteRate { rate_bytes_per_s, burst_bytes }),
        },
    };
    let country = |code: &str| firewall_common::Country::parse(code).expect("a country");
    let expected = [
        plain("a-1_z", RuleVerdict::Pass),
        RuleConfig {
            protocol: Some(RuleProtocol::Tcp),
            ports: vec![range(22, 22), range(8_000, 8_010), range(65_535, 65_535)],
            tcp_flags: Some(TcpFlags { set: 130, clear: 125 }),
            sources: vec!["office".to_owned(), "home".to_owned()],
            countries: [country("DE"), country("NO")].into(),
            ..plain("ssh", RuleVerdict::Drop)
        },
        RuleConfig {
            protocol: Some(RuleProtocol::Icmpv6),
            icmp_types: vec![128, 0, 255],
            ..plain("ping", limit(LimitPer::Source, Some((1, 3_600)), None))
        },
        RuleConfig {
            protocol: Some(RuleProtocol::Number(47)),
            ..plain("all", limit(LimitPer::Rule, Some((10, 20)), Some((1_000, 1_600))))
        },
        RuleConfig {
            protocol: Some(RuleProtocol::Udp),
            ..plain("net", limit(LimitPer::Prefix, None, Some((100_000_000_000, 100_000_000_000))))
        },
    ];
    assert_eq!(rules, expected);
}

#[test]
fn a_number_with_a_name_means_the_named_protocol() {
    for (text, protocol) in [
        ("tcp", RuleProtocol::Tcp),
        ("6", RuleProtocol::Tcp),
        ("udp", RuleProtocol::Udp),
        ("17", RuleProtocol::Udp),
        ("icmp", RuleProtocol::Icmp),
        ("1", RuleProtocol::Icmp),
        ("icmpv6", RuleProtocol::Icmpv6),
        ("58", RuleProtocol::Icmpv6),
        ("0", RuleProtocol::Number(0)),
        ("'255'", RuleProtocol::Number(255)),
    ] {
        let text = rule(&format!("name: a, protocol: {text}, verdict: drop"));
        assert_eq!(load(&text).expect("a rule").packet.rules[0].protocol, Some(protocol), "{text}");
    }
}

#[test]
fn public_ports_are_services() {
    let lines = "public_ports: [443/tcp, '53/udp', 8000-8010/tcp, 443/udp, icmp_echo, 1-65535/udp]";
    let error =
        "3:72: public_ports: expected each once, found 1-65535/udp beside 53/udp; remove one";
    refused(&[(packet(lines), error)]);
    let services = load(&packet(&lines.replace(", 1-65535/udp", ""))).expect("services").packet;
    assert_eq!(
        services.public_ports,
        [
            Service::Tcp(range(443, 443)),
            Service::Udp(range(53, 53)),
            Service::Tcp(range(8_000, 8_010)),
            Service::Udp(range(443, 443)),
            Service::IcmpEcho,
        ]
    );
    let wrong = |text: &str| {
        let expected = format!(
            "3:18: expected a service such as 443/tcp, 8000-8010/udp or icmp_echo, found {text:?}"
        );
        refused(&[(packet(&format!("public_ports: ['{text}']")), &expected)]);
    };
    for text in [
        "443",
        "0/tcp",
        "65536/tcp",
        "443/sctp",
        "10-9/tcp",
        "1-/tcp",
        "-1/tcp",
        "+1/tcp",
        "/tcp",
        "01/tcp",
        "1-2-3/tcp",
        "icmp",
        "",
        "443/tcp ",
    ] {
        wrong(text);
    }
    refused(&[(
        packet("public_ports: [icmp_echo, icmp_echo]"),
        "3:29: public_ports: expected each once, found icmp_echo again; remove one",
    )]);
}

#[test]
fn what_is_wrong_with_a_rule_is_said_with_its_place() {
    let ports = "expected a port from 1 to 65535 or a range such as 8000-8010, found";
    let cases = [
        ("verdict: pass", "5:12: missing field `name`"),
        ("name: a", "5:12: missing field `verdict`"),
        (
            "name: a b, verdict: pass",
            "5:18: expected a name, 1 to 32 characters of a-z, 0-9, - and _, found \"a b\"",
        ),
        (
            "name: '', verdict: pass",
            "5:18: expected a name, 1 to 32 characters of a-z, 0-9, - and _, found \"\"",
        ),
        (
            "name: a23456789012345678901234567890123, verdict: pass",
            "5:18: expected a name, 1 to 32 characters of a-z, 0-9, - and _, found \"a23456789012345678901234567890123\"",
        ),
        (
            "name: a, verdict: allow",
            "5:30: unknown variant `allow`, expected one of pass, drop, limit",
        ),
        (
            "name: a, port: 22, verdict: pass",
            "5:21: unknown field `port`, expected one of name, protocol, ports, icmp_types, tcp_flags, sources, countries, verdict, limit",
        ),
        (
            "name: a, verdict: pass, protocol: sctp",
            "5:46: expected tcp, udp, icmp, icmpv6 or a protocol number from 0 to 255, found \"sctp\"",
        ),
        (
            "name: a, verdict: pass, protocol: 256",
            "5:46: expected tcp, udp, icmp, icmpv6 or a protocol number from 0 to 255, found \"256\"",
        ),
        (
            "name: a, verdict: pass, ports: [22]",
            "5:43: ports: expected protocol tcp or udp beside it, found none",
        ),
        (
            "name: a, verdict: pass, protocol: 1, ports: [22]",
            "5:56: ports: expected protocol tcp or udp beside it, found icmp",
        ),
        (
            "name: a, verdict: pass, protocol: tcp, ports: []",
            "5:58: ports: expected at least one entry, found an empty list; leave ports out to match any",
        ),
        (
            "name: a, verdict: pass, protocol: tcp, ports: [22, 22]",
            "5:63: ports: expected each once, found 22 again; remove one",
        ),
        (
            "name: a, verdict: pass, protocol: tcp, ports: [20-30, 30-40]",
            "5:66: ports: expected each once, found 30-40 beside 20-30; remove one",
        ),
        (
            "name: a, verdict: pass, protocol: tcp, icmp_types: [8]",
            "5:63: icmp_types: expected protocol icmp or icmpv6 beside it, found tcp",
        ),
        (
            "name: a, verdict: pass, protocol: icmp, icmp_types: [256]",
            "5:65: expected a whole number from 0 to 255, found \"256\"",
        ),
        (
            "name: a, verdict: pass, protocol: icmp, icmp_types: [8, 0, 8]",
            "5:71: icmp_types: expected each once, found 8 again; remove one",
        ),
        (
            "name: a, verdict: pass, protocol: icmp, icmp_types: []",
            "5:64: icmp_types: expected at least one entry, found an empty list; leave icmp_types out to match any",
        ),
        (
            "name: a, verdict: pass, protocol: 47, tcp_flags: {set: [syn]}",
            "5:61: tcp_flags: expected protocol tcp beside it, found 47",
        ),
        (
            "name: a, verdict: pass, protocol: tcp, tcp_flags: {}",
            "5:62: tcp_flags: expected a flag in `set` or `clear`, found none; leave tcp_flags out to match any",
        ),
        (
            "name: a, verdict: pass, protocol: tcp, tcp_flags: {set: [syn, ack], clear: [ack]}",
            "5:88: clear: expected flags that are not in `set` too, found ack; no packet has it both ways",
        ),
        (
            "name: a, verdict: pass, protocol: tcp, tcp_flags: {set: [syn, syn]}",
            "5:74: set: expected each once, found syn again; remove one",
        ),
        (
            "name: a, verdict: pass, protocol: tcp, tcp_flags: {clear: [syn, syn]}",
            "5:76: clear: expected each once, found syn again; remove one",
        ),
        (
            "name: a, verdict: pass, protocol: tcp, tcp_flags: {set: [SYN]}",
            "5:69: expected a flag of TCP: fin, syn, rst, psh, ack, urg, ece or cwr, found \"SYN\"",
        ),
        (
            "name: a, verdict: pass, sources: [garden]",
            "5:46: sources: expected the name of a set (home, office), found \"garden\"",
        ),
        (
            "name: a, verdict: pass, sources: [home, home]",
            "5:52: sources: expected each once, found home again; remove one",
        ),
        (
            "name: a, verdict: pass, sources: []",
            "5:45: sources: expected at least one entry, found an empty list; leave sources out to match any",
        ),
        (
            "name: a, verdict: pass, countries: []",
            "5:47: countries: expected at least one entry, found an empty list; leave countries out to match any",
        ),
        (
            "name: a, verdict: pass, countries: [DE, DE]",
            "5:52: countries: expected each once, found DE again; remove one",
        ),
        (
            "name: a, verdict: limit",
            "5:30: verdict: expected `limit` with a rate beside verdict limit, found none",
        ),
        (
            "name: a, verdict: drop, limit: {rate_pps: 1, burst_packets: 1}",
            "5:43: limit: expected verdict limit beside it, found another; remove one",
        ),
        (
            "name: a, verdict: limit, limit: {per: country, rate_pps: 1, burst_packets: 1}",
            "5:50: unknown variant `country`, expected one of source, prefix, rule",
        ),
        (
            "name: a, verdict: limit, limit: {per: rule}",
            "5:44: limit: expected rate_pps with burst_packets, rate_bytes_per_s with burst_bytes, or both, found neither",
        ),
    ];
    refused(&cases.map(|(keys, expected)| (rule(keys), expected)));
    for text in ["0", "65536", "10-9", "x", "-5", "5-", "1-65536"] {
        let keys = format!("name: a, verdict: pass, protocol: udp, ports: ['{text}']");
        refused(&[(rule(&keys), &format!("5:59: {ports} {text:?}"))]);
    }
}

#[test]
fn what_is_wrong_with_rules_together_is_said_with_its_place() {
    let many = |count: usize, rest: &str| -> String {
        let rules = (0..count).map(|number| format!("\n    - {{name: r{number}, {rest}}}"));
        packet(&format!("rules:{}", rules.collect::<String>()))
    };
    let limit = "verdict: limit, limit: {rate_pps: 1, burst_packets: 1}";
    refused(&[
        (many(57, "verdict: pass"), "4:5: rules: expected 0 to 56 entries, found 57"),
        (
            many(9, limit),
            "12:27: verdict: expected at most 8 rules that limit, found one more; merge rules or use packet.limits",
        ),
        (
            packet("rules: [{name: a, verdict: pass}, {name: a, verdict: drop}]"),
            "3:44: name: expected each name once, found \"a\" again; rename one",
        ),
        (
            packet("rules: [{name: a, verdict: pass, sources: [a]}]"),
            "3:46: sources: expected the name of a set; packet.sets has none, found \"a\"",
        ),
        (
            packet("rules: [{name: a, verdict: pass, countries: [DE]}]"),
            "3:47: countries: expected packet.geo with a database, found none; without it no source has a country",
        ),
    ]);
    for text in [many(56, "verdict: pass"), many(8, limit), packet("rules: []")] {
        load(&text).expect("as many as there may be");
    }
}
