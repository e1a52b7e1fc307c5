//! Stages and their order.

use super::*;

#[test]
fn frames_that_may_pass() {
    let pass = OraclePass { malformed: true, non_ip: true, tcp_flags: true, fragments: true };
    let policy = OraclePolicy { pass, ..denying() };
    each(
        &policy,
        &[
            ("malformed", vec![0; 5], "pass malformed none"),
            ("not IP", ethernet(0x8847, &[]), "pass non_ip none"),
            ("no flags", segment(GOOD, 0), "pass default tcp"),
            ("a later fragment", later(GOOD, UDP), "pass fragment udp"),
            ("of a denied source", later(BAD, UDP), "drop deny udp"),
        ],
    );
}

#[test]
fn precedence_is_by_list() {
    let policy = OraclePolicy {
        protected: vec![list("us", &[("203.0.0.0", 8)])],
        allow: vec![list("friends", &[("203.0.113.9", 32), ("198.51.0.0", 16)])],
        deny: vec![list("bad", &[("203.0.113.9", 32), ("198.51.100.1", 32), ("192.0.2.0", 24)])],
        bans: vec![BAD.into(), "192.0.2.1".parse().unwrap(), "100.64.0.1".parse().unwrap()],
        geo: vec![(("0.0.0.0".parse().unwrap(), 0), *b"DE")],
        countries: OracleCountries::Block(vec![*b"DE"]),
        ..OraclePolicy::default()
    };
    for (source, text, list) in [
        (BAD, "pass protected tcp", Some("us")),
        (GOOD, "pass allow tcp", Some("friends")),
        ("192.0.2.1".parse().unwrap(), "drop deny tcp", Some("bad")),
        ("100.64.0.1".parse().unwrap(), "drop geo tcp", None),
    ] {
        let judgement = Oracle::new(policy.clone()).judge(&segment(source, SYN), 0);
        assert_eq!(judgement.to_string(), text);
        assert_eq!(judgement.list.as_deref(), list);
        assert_eq!(judgement.country, Some(*b"DE"));
    }
}

#[test]
fn the_most_specific_network_has_the_country() {
    let network = |text: &str, length| (text.parse().unwrap(), length);
    let geo = vec![
        (network("203.0.113.0", 24), *b"FR"),
        (network("203.0.113.8", 29), *b"DE"),
        (network("203.0.0.0", 16), *b"US"),
    ];
    let block = |names: &[Letters]| OracleCountries::Block(names.to_vec());
    let only = |names: &[Letters]| OracleCountries::Only(names.to_vec());
    for (countries, source, text) in [
        (block(&[*b"DE"]), BAD, "drop geo tcp"),
        (block(&[*b"FR", *b"US"]), BAD, "pass default tcp"),
        (block(&[*b"DE"]), GOOD, "pass default tcp"),
        (only(&[*b"DE"]), BAD, "pass default tcp"),
        (only(&[*b"FR"]), BAD, "drop geo tcp"),
        (only(&[*b"DE"]), GOOD, "drop geo tcp"),
        (OracleCountries::None, BAD, "pass default tcp"),
    ] {
        let policy = OraclePolicy { geo: geo.clone(), countries, ..OraclePolicy::default() };
        each(&policy, &[("", segment(source, SYN), text)]);
    }
}

#[test]
fn bans() {
    let neighbour: Ipv6Addr = "2001:db8:0:7:ffff::1".parse().unwrap();
    let next: Ipv6Addr = "2001:db8:0:8::".parse().unwrap();
    let from6 = |source| e6(&ipv6(source, TCP, &tcp(1, 2)));
    let inside = |source| e4(&ipv4(GOOD, IPIP, &ipv4(source, UDP, &[])));
    let inside6 = |source| e4(&ipv4(GOOD, IP6IP, &ipv6(source, UDP, &[])));
    let policy = OraclePolicy { bans: vec![BAD.into(), BAD6.into()], ..OraclePolicy::default() };
    each(
        &policy,
        &[
            ("an address", segment(BAD, ACK), "drop ban tcp"),
            ("its neighbour", segment("203.0.113.8".parse().unwrap(), ACK), "pass default tcp"),
            ("a /64", from6(neighbour), "drop ban tcp"),
            ("the next", from6(next), "pass default tcp"),
            ("mapped", from6(mapped(BAD)), "drop ban tcp"),
            ("inside", inside(BAD), "drop ban other"),
            ("a /64 inside", inside6(neighbour), "drop ban other"),
            ("mapped inside", inside6(mapped(BAD)), "drop ban other"),
            ("before the flags", segment(BAD, 0), "drop ban tcp"),
        ],
    );
}

#[test]
fn a_mapped_source_is_in_no_ipv6_list() {
    let from6 = |source| e6(&ipv6(source, TCP, &tcp(1, 2)));
    let policy = OraclePolicy {
        deny: vec![list("all of IPv6", &[("::", 0)])],
        allow: vec![list("v4", &[("203.0.113.0", 24)])],
        ..OraclePolicy::default()
    };
    each(
        &policy,
        &[
            ("allowed as IPv4", from6(mapped(BAD)), "pass allow tcp"),
            ("not denied as IPv6", from6(mapped(GOOD)), "pass default tcp"),
            ("compatible, not mapped", from6("::203.0.113.9".parse().unwrap()), "drop deny tcp"),
        ],
    );
}

#[test]
fn inner_sources() {
    let inside = |outer, inner| e4(&ipv4(outer, IPIP, &ipv4(inner, UDP, &[])));
    let friend = Ipv4Addr::new(192, 0, 2, 1);
    let mut policy = OraclePolicy {
        allow: vec![list("friends", &[("192.0.2.0", 24)])],
        geo: vec![(("100.64.0.0".parse().unwrap(), 10), *b"DE")],
        countries: OracleCountries::Block(vec![*b"DE"]),
        bans: vec![Ipv4Addr::new(192, 0, 2, 7).into()],
        default_drop: true,
        ..denying()
    };
    policy.deny.push(list("enemies", &[("192.0.2.1", 32)]));
    let foreign = Ipv4Addr::new(100, 64, 0, 1);
    each(
        &policy,
        &[
            ("an allowed one earns nothing", inside(GOOD, friend), "drop default other"),
            ("a banned allowed one", inside(GOOD, Ipv4Addr::new(192, 0, 2, 7)), "drop ban other"),
            ("a country", inside(GOOD, foreign), "drop geo other"),
            ("in an allowed tunnel", inside(friend, BAD), "pass allow other"),
        ],
    );
    let judgement = Oracle::new(policy.clone()).judge(&inside(GOOD, foreign), 0);
    assert_eq!(judgement.country, Some(*b"DE"));
    let judgement = Oracle::new(policy).judge(&inside(GOOD, BAD), 0);
    assert_eq!(judgement.list.as_deref(), Some("bad"));
}

#[test]
fn flags_that_do_not_go_together() {
    for flags in 0..=u8::MAX {
        let (fin, syn) = (flags & FIN != 0, flags & SYN != 0);
        let (rst, ack) = (flags & RST != 0, flags & ACK != 0);
        let two = [fin, syn, rst].into_iter().filter(|set| *set).count() >= 2;
        let odd = two || !(syn || ack || rst);
        let text = if odd { "drop tcp_flags tcp" } else { "pass default tcp" };
        each(&OraclePolicy::default(), &[("flags", segment(GOOD, flags), text)]);
    }
    let first = ipv4_with(GOOD, TCP, &[], 0x2000, &tcp_with(1, 2, FIN, &[]));
    let rules = vec![OracleRule { name: "all".to_owned(), ..OracleRule::default() }];
    each(
        &OraclePolicy { rules, ..OraclePolicy::default() },
        &[
            ("a first fragment, before the rules", e4(&first), "drop tcp_flags tcp"),
            ("a later one", later(GOOD, TCP), "drop fragment tcp"),
        ],
    );
}

#[test]
fn a_shadow_list_holds_back_its_own_drop_alone() {
    let all = list("trial", &[("0.0.0.0", 0)]);
    let policy = OraclePolicy {
        deny: vec![shadow(all.clone()), list("real", &[("203.0.113.9", 32)])],
        bans: vec![Ipv4Addr::new(192, 0, 2, 1).into()],
        protected: vec![list("us", &[("192.0.2.2", 32)])],
        geo: vec![(("100.64.0.0".parse().unwrap(), 10), *b"DE")],
        countries: OracleCountries::Block(vec![*b"DE"]),
        ..OraclePolicy::default()
    };
    each(
        &policy,
        &[
            ("passes", segment(GOOD, SYN), "shadow deny tcp"),
            ("another list", segment(BAD, SYN), "drop deny tcp"),
            ("a country", segment("100.64.0.1".parse().unwrap(), SYN), "drop geo tcp"),
            ("a ban", segment("192.0.2.1".parse().unwrap(), SYN), "drop ban tcp"),
            ("flags", segment(GOOD, 0), "drop tcp_flags tcp"),
            ("protected", segment("192.0.2.2".parse().unwrap(), SYN), "pass protected tcp"),
        ],
    );
    let judgement = Oracle::new(policy.clone()).judge(&segment(GOOD, SYN), 0);
    assert_eq!(judgement.list.as_deref(), Some("trial"));
    let judgement = Oracle::new(policy.clone()).judge(&segment(BAD, SYN), 0);
    assert_eq!(judgement.list.as_deref(), Some("real"));
    let pass = OraclePass { fragments: true, ..OraclePass::default() };
    let policy = OraclePolicy { pass, ..policy };
    each(&policy, &[("a fragment", later(GOOD, TCP), "shadow deny tcp")]);
}

#[test]
fn a_shadow_country() {
    let mut policy = OraclePolicy {
        geo: vec![(("203.0.113.0".parse().unwrap(), 24), *b"DE")],
        countries: OracleCountries::Only(vec![*b"FR"]),
        shadow_countries: vec![*b"DE"],
        ..OraclePolicy::default()
    };
    let inside = e4(&ipv4(BAD, IPIP, &ipv4(BAD, UDP, &[])));
    each(
        &policy,
        &[
            ("in shadow", segment(BAD, SYN), "shadow geo tcp"),
            ("unknown", segment(GOOD, SYN), "drop geo tcp"),
            ("inside too", inside.clone(), "shadow geo other"),
        ],
    );
    policy.deny = vec![shadow(list("trial", &[("203.0.113.9", 32)]))];
    each(&policy, &[("the first shadow counts", inside, "shadow deny other")]);
}

#[test]
fn a_policy_in_shadow() {
    let policy = OraclePolicy {
        shadow: true,
        syn_cookies: Some(OracleSynCookies { ports: vec![443], threshold_pps: 1 }),
        limits: OracleLimits { udp: packets(1, 1), ..OracleLimits::default() },
        ..denying()
    };
    sequence(
        policy,
        &[
            (0, vec![], "shadow malformed none"),
            (0, ethernet(0x8847, &[]), "shadow non_ip none"),
            (0, ethernet(0x0806, &[]), "pass essential none"),
            (0, segment(BAD, SYN), "shadow deny tcp"),
            (0, segment(GOOD, 0), "shadow tcp_flags tcp"),
            (0, later(GOOD, TCP), "shadow fragment tcp"),
            (0, segment(GOOD, SYN), "pass default tcp"),
            (0, segment(GOOD, SYN), "shadow syn_cookie tcp"),
            (0, datagram_to(GOOD, 1), "pass default udp"),
            (0, datagram_to(GOOD, 1), "shadow rate_protocol udp"),
        ],
    );
}
