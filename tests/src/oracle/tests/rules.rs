//! Rules and public services.

use super::*;

#[test]
fn what_rules_ask() {
    use OracleProtocol::{Any, Icmp, Icmpv6, Number, Tcp};
    let ports = |rule: OracleRule| OracleRule { ports: vec![(22, 22), (8000, 8010)], ..rule };
    let flags = |rule: OracleRule| OracleRule { flags_set: SYN, flags_clear: ACK, ..rule };
    let types = |rule: OracleRule| OracleRule { icmp_types: vec![8, 13], ..rule };
    let sets = |rule: OracleRule| OracleRule {
        sources: vec!["none".to_owned(), "bad".to_owned()],
        ..rule
    };
    let country = |rule: OracleRule| OracleRule { countries: vec![*b"DE"], ..rule };
    let pass = |protocol| rule("r", protocol, OracleAction::Pass);
    let v6 = |number, body: &[u8]| e6(&ipv6(GOOD6, number, body));
    let both = |rule| sets(ports(rule));
    let cases = [
        (pass(Any), ping(GOOD), true),
        (pass(Tcp), segment(GOOD, ACK), true),
        (pass(Tcp), datagram_to(GOOD, 1), false),
        (pass(Icmp), ping(GOOD), true),
        (pass(Icmp), v6(ICMPV6, &icmp(128, 0)), false),
        (pass(Icmp), v6(ICMP, &icmp(8, 0)), false),
        (pass(Icmpv6), v6(ICMPV6, &icmp(128, 0)), true),
        (pass(Number(6)), segment(GOOD, ACK), true),
        (pass(Number(132)), v6(132, &[]), true),
        (pass(Number(132)), v6(60, &extension(60, 132, 0, &[])), true),
        (pass(Number(60)), v6(60, &extension(60, 132, 0, &[])), false),
        (ports(pass(Tcp)), syn_to(GOOD, 22), true),
        (ports(pass(Tcp)), syn_to(GOOD, 23), false),
        (ports(pass(Tcp)), syn_to(GOOD, 8010), true),
        (ports(pass(Tcp)), syn_to(GOOD, 8011), false),
        (ports(pass(Tcp)), datagram_to(GOOD, 22), false),
        (types(pass(Icmp)), ping(GOOD), true),
        (types(pass(Icmp)), e4(&ipv4(GOOD, ICMP, &icmp(0, 0))), false),
        (flags(pass(Tcp)), segment(GOOD, SYN | PSH), true),
        (flags(pass(Tcp)), segment(GOOD, SYN | ACK), false),
        (flags(pass(Tcp)), segment(GOOD, ACK), false),
        (sets(pass(Any)), ping(BAD), true),
        (sets(pass(Any)), ping(GOOD), false),
        (sets(pass(Any)), e6(&ipv6(mapped(BAD), 99, &[])), true),
        (country(pass(Any)), ping(BAD), true),
        (country(pass(Any)), ping(GOOD), false),
        (both(pass(Tcp)), syn_to(BAD, 22), true),
        (both(pass(Tcp)), syn_to(GOOD, 22), false),
        (both(pass(Tcp)), syn_to(BAD, 25), false),
    ];
    for (index, (rule, frame, matches)) in cases.into_iter().enumerate() {
        let policy = OraclePolicy {
            rules: vec![rule],
            default_drop: true,
            sets: ["none", "bad", "other"]
                .into_iter()
                .zip([vec![], vec![(BAD.into(), 32)], vec![(GOOD.into(), 32)]])
                .map(|(name, networks)| (name.to_owned(), networks))
                .collect(),
            geo: vec![((BAD.into(), 32), *b"DE")],
            ..OraclePolicy::default()
        };
        let judgement = Oracle::new(policy).judge(&frame, 0);
        let expected = if matches { ("pass", "rule") } else { ("drop", "default") };
        assert_eq!((judgement.verdict, judgement.reason), expected, "case {index}");
        assert_eq!(judgement.rule.as_deref(), matches.then_some("r"), "case {index}");
    }
}

#[test]
fn the_first_rule_decides() {
    use OracleProtocol::{Any, Icmp, Tcp};
    let policy = OraclePolicy {
        rules: vec![
            rule("one", Tcp, OracleAction::Drop),
            rule("two", Icmp, OracleAction::Pass),
            rule("three", Icmp, OracleAction::Drop),
            rule("four", Any, OracleAction::Drop),
        ],
        pass: OraclePass { fragments: true, ..OraclePass::default() },
        ..OraclePolicy::default()
    };
    each(
        &policy,
        &[
            ("the first", segment(GOOD, SYN), "drop rule tcp"),
            ("the second", ping(GOOD), "pass rule icmp"),
            ("the last", datagram_to(GOOD, 1), "drop rule udp"),
            ("not for later fragments", later(GOOD, TCP), "pass fragment tcp"),
        ],
    );
    let judgement = Oracle::new(policy).judge(&datagram_to(GOOD, 1), 0);
    assert_eq!(judgement.rule.as_deref(), Some("four"));
}

#[test]
fn public_services_and_answers() {
    let policy = OraclePolicy {
        public: vec![
            OracleService::Tcp(443, 443),
            OracleService::Udp(8000, 8010),
            OracleService::IcmpEcho,
        ],
        rules: vec![OracleRule {
            ports: vec![(22, 22)],
            ..rule("ssh", OracleProtocol::Tcp, OracleAction::Pass)
        }],
        default_drop: true,
        ..OraclePolicy::default()
    };
    let c4 = |kind| e4(&ipv4(GOOD, ICMP, &icmp(kind, 0)));
    let c6 = |kind| e6(&ipv6(GOOD6, ICMPV6, &icmp(kind, 0)));
    let to = |port, flags| e4(&ipv4(GOOD, TCP, &tcp_with(1, port, flags, &[])));
    each(
        &policy,
        &[
            ("443/tcp", syn_to(GOOD, 443), "pass default tcp"),
            ("443/udp", datagram_to(GOOD, 443), "drop port udp"),
            ("8010/udp", datagram_to(GOOD, 8010), "pass default udp"),
            ("8011/udp", datagram_to(GOOD, 8011), "drop port udp"),
            ("8000/tcp", syn_to(GOOD, 8000), "drop port tcp"),
            ("a rule", syn_to(GOOD, 22), "pass rule tcp"),
            ("an answer", to(40_000, SYN | ACK), "pass default tcp"),
            ("a reset", to(40_000, RST), "pass default tcp"),
            ("echo", c4(8), "pass default icmp"),
            ("echo's reply", c4(0), "pass default icmp"),
            ("time exceeded", c4(11), "pass default icmp"),
            ("a timestamp", c4(13), "drop port icmp"),
            ("IPv6 echo", c6(128), "pass default icmpv6"),
            ("its reply", c6(129), "pass default icmpv6"),
            ("unreachable", c6(1), "pass default icmpv6"),
            ("type 8 in IPv6", c6(8), "drop port icmpv6"),
            ("a query", c6(130), "drop port icmpv6"),
            ("another protocol", e4(&ipv4(GOOD, 132, &[])), "drop port other"),
        ],
    );
    let silent = OraclePolicy { public: vec![OracleService::Tcp(1, 1)], ..OraclePolicy::default() };
    each(
        &silent,
        &[
            ("no echo", c4(8), "drop port icmp"),
            ("no IPv6 echo", c6(128), "drop port icmpv6"),
            ("its reply", c4(0), "pass default icmp"),
        ],
    );
}
