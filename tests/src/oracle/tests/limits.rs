//! Token arithmetic.

use super::*;

#[test]
fn rules_that_limit() {
    use OracleProtocol::{Any, Tcp, Udp};
    let limit = |name, protocol, per, rate: Option<OracleRate>| {
        rule(name, protocol, OracleAction::Limit(per, rate.unwrap()))
    };
    let policy = OraclePolicy {
        rules: vec![
            limit("each", Udp, OraclePer::Source, packets(1, 2)),
            rule("pass", Udp, OracleAction::Pass),
            limit("near", Tcp, OraclePer::Prefix, packets(1, 1)),
            limit("all", Any, OraclePer::Rule, packets(1, 3)),
        ],
        ..OraclePolicy::default()
    };
    let near = Ipv4Addr::new(203, 0, 113, 77);
    sequence(
        policy,
        &[
            (0, datagram_to(GOOD, 1), "pass rule udp"),
            (0, datagram_to(GOOD, 1), "pass rule udp"),
            (0, datagram_to(GOOD, 1), "drop rate_rule udp"),
            (0, datagram_to(BAD, 1), "pass rule udp"),
            (0, segment(BAD, SYN), "pass default tcp"),
            (0, segment(near, SYN), "drop rate_rule tcp"),
            (0, ping(near), "pass default icmp"),
            (0, ping(near), "pass default icmp"),
            (0, ping(near), "drop rate_rule icmp"),
            (S, datagram_to(GOOD, 1), "pass rule udp"),
            (S, datagram_to(GOOD, 1), "drop rate_rule udp"),
        ],
    );
}

#[test]
fn limits_are_asked_in_order() {
    let near = Ipv4Addr::new(203, 0, 113, 77);
    let far = Ipv4Addr::new(203, 0, 114, 1);
    let rate = packets(1, 2).unwrap();
    let policy = OraclePolicy {
        geo: vec![(("203.0.112.0".parse().unwrap(), 20), *b"DE")],
        limits: OracleLimits {
            source: packets(1, 1),
            prefix: packets(1, 2),
            country: packets(1, 3),
            ports: vec![OraclePortLimit { tcp: false, port: 53, rate }],
            udp: packets(1, 3),
            ..OracleLimits::default()
        },
        ..OraclePolicy::default()
    };
    let from = |last| Ipv4Addr::new(203, 0, 115, last);
    let other = |last| Ipv4Addr::new(10, 0, last, 1);
    sequence(
        policy,
        &[
            (0, datagram_to(BAD, 53), "pass default udp"),
            (0, datagram_to(BAD, 53), "drop rate_source udp"),
            (0, datagram_to(near, 53), "pass default udp"),
            (0, datagram_to(Ipv4Addr::new(203, 0, 113, 78), 53), "drop rate_prefix udp"),
            // The country's third token, and none of port 53 is left.
            (0, datagram_to(far, 53), "drop rate_port udp"),
            (0, datagram_to(from(1), 54), "drop rate_country udp"),
            // The unknown country has a bucket of its own.
            (0, datagram_to(other(1), 54), "pass default udp"),
            (0, datagram_to(other(2), 54), "drop rate_protocol udp"),
            (0, syn_to(other(3), 53), "pass default tcp"),
            (0, syn_to(other(4), 53), "drop rate_country tcp"),
        ],
    );
}

#[test]
fn classes_of_protocols() {
    let limits = OracleLimits {
        syn: packets(1, 1),
        udp: packets(1, 1),
        icmp: packets(1, 1),
        other: packets(1, 2),
        ..OracleLimits::default()
    };
    let pass = OraclePass { fragments: true, ..OraclePass::default() };
    let ping6 = e6(&ipv6(GOOD6, ICMPV6, &icmp(128, 0)));
    sequence(
        OraclePolicy { limits, pass, ..OraclePolicy::default() },
        &[
            (0, segment(GOOD, SYN), "pass default tcp"),
            (0, segment(BAD, SYN), "drop rate_protocol tcp"),
            (0, segment(GOOD, SYN | ACK), "pass default tcp"),
            (0, later(GOOD, TCP), "pass fragment tcp"),
            (0, segment(GOOD, ACK), "drop rate_protocol tcp"),
            (0, e4(&ipv4(GOOD, 132, &[])), "drop rate_protocol other"),
            (0, ping(GOOD), "pass default icmp"),
            (0, ping6, "drop rate_protocol icmpv6"),
            (0, later(GOOD, UDP), "pass fragment udp"),
            (0, datagram_to(GOOD, 1), "drop rate_protocol udp"),
        ],
    );
}

#[test]
fn who_is_exempt() {
    let policy = OraclePolicy {
        allow: vec![list("friends", &[("203.0.113.0", 24)])],
        limits: OracleLimits { source: packets(1, 1), ..OracleLimits::default() },
        rules: vec![rule("none", OracleProtocol::Tcp, OracleAction::Drop)],
        ..OraclePolicy::default()
    };
    let essential = e4(&ipv4(GOOD, ICMP, &icmp(3, 4)));
    sequence(
        policy,
        &[
            (0, segment(BAD, 0), "pass allow tcp"),
            (0, segment(BAD, SYN), "pass allow tcp"),
            (0, later(BAD, TCP), "pass allow tcp"),
            (0, essential.clone(), "pass essential icmp"),
            (0, essential, "pass essential icmp"),
            // What a rule drops takes no tokens of the limits.
            (0, segment(GOOD, SYN), "drop rule tcp"),
            (0, ping(GOOD), "pass default icmp"),
            (0, ping(GOOD), "drop rate_source icmp"),
        ],
    );
}

#[test]
fn whose_bucket_it_is() {
    let at = |text: &str| text.parse::<IpAddr>().unwrap();
    for (one, other, source, prefix) in [
        ("192.0.2.1", "192.0.2.1", true, true),
        ("192.0.2.1", "192.0.2.2", false, true),
        ("192.0.2.1", "192.0.3.1", false, false),
        ("2001:db8::1", "2001:db8::ffff:0:0:1", true, true),
        ("2001:db8::1", "2001:db8:0:1::1", false, true),
        ("2001:db8::1", "2001:db8:1::1", false, false),
        ("192.0.2.1", "c000:201::", false, false),
    ] {
        let (one, other) = (at(one), at(other));
        assert_eq!(Whose::source(one) == Whose::source(other), source, "{one} {other}");
        assert_eq!(Whose::prefix(one) == Whose::prefix(other), prefix, "{one} {other}");
    }
    let limits = OracleLimits { source: packets(1, 1), ..OracleLimits::default() };
    sequence(
        OraclePolicy { limits, ..OraclePolicy::default() },
        &[
            (0, segment(BAD, SYN), "pass default tcp"),
            (0, e6(&ipv6(mapped(BAD), TCP, &tcp(1, 2))), "drop rate_source tcp"),
            (0, e6(&ipv6(mapped(GOOD), TCP, &tcp(1, 2))), "pass default tcp"),
        ],
    );
}

#[test]
fn packets_refill() {
    let limits = OracleLimits { source: packets(4, 2), ..OracleLimits::default() };
    let frame = || segment(GOOD, SYN);
    let (pass, over) = ("pass default tcp", "drop rate_source tcp");
    sequence(
        OraclePolicy { limits, ..OraclePolicy::default() },
        &[
            (S, frame(), pass),
            (S, frame(), pass),
            (S, frame(), over),
            (S + S / 4 - 1, frame(), over),
            (S + S / 4, frame(), pass),
            (S + S / 2 - 1, frame(), over),
            // Never more than the burst.
            (100 * S, frame(), pass),
            (100 * S, frame(), pass),
            (100 * S, frame(), over),
        ],
    );
}

#[test]
fn bytes_are_of_the_frame() {
    // 60 bytes of frame: 14 of Ethernet, 20 of IPv4, 8 of UDP, 18 of payload.
    let frame = || datagram_to(GOOD, 1);
    assert_eq!(frame().len(), 60);
    let padded = || [frame(), vec![0; 40]].concat();
    let limits = OracleLimits { source: bytes(100, 160), ..OracleLimits::default() };
    let (pass, over) = ("pass default udp", "drop rate_source udp");
    let large = e4(&ipv4(GOOD, UDP, &udp(1, 2, 119)));
    assert_eq!(large.len(), 161);
    sequence(
        OraclePolicy { limits, ..OraclePolicy::default() },
        &[
            (0, large.clone(), over),
            (0, padded(), pass),
            (0, padded(), over),
            (0, frame(), pass),
            (0, frame(), over),
            (S * 6 / 10 - 1, frame(), over),
            (S * 6 / 10, frame(), pass),
            (100 * S, large, over),
        ],
    );
}

#[test]
fn packets_are_asked_before_bytes() {
    let both = OracleRate {
        packets: Some(OracleTokens { rate: 1, burst: 2 }),
        bytes: Some(OracleTokens { rate: 1, burst: 120 }),
    };
    let limits = OracleLimits { source: Some(both), ..OracleLimits::default() };
    let small = || datagram_to(GOOD, 1);
    let large = || [small(), vec![0; 61]].concat();
    let (pass, over) = ("pass default udp", "drop rate_source udp");
    sequence(
        OraclePolicy { limits: limits.clone(), ..OraclePolicy::default() },
        &[
            // Refused for its bytes, it has taken a packet.
            (0, large(), over),
            (0, small(), pass),
            (0, small(), over),
            // 60 bytes were not asked for and are there, and one second has brought a packet.
            (S, small(), pass),
            (2 * S, small(), over),
        ],
    );
    // A limit that is asked later gives nothing back to the one before it.
    let limits =
        OracleLimits { source: packets(1, 2), udp: bytes(1, 60), ..OracleLimits::default() };
    sequence(
        OraclePolicy { limits, ..OraclePolicy::default() },
        &[(0, large(), "drop rate_protocol udp"), (0, small(), pass), (0, small(), over)],
    );
}

#[test]
fn syn_cookies() {
    let policy = OraclePolicy {
        syn_cookies: Some(OracleSynCookies { ports: vec![443, 80], threshold_pps: 20 }),
        limits: OracleLimits { syn: packets(1, 8), ..OracleLimits::default() },
        pass: OraclePass { tcp_flags: true, ..OraclePass::default() },
        ..OraclePolicy::default()
    };
    let options = e4(&ipv4_with(GOOD, TCP, &[1; 4], 0x4000, &tcp(1, 443)));
    let syn_v6 = || e6(&ipv6(GOOD6, TCP, &tcp(1, 80)));
    let behind = e6(&ipv6(GOOD6, 60, &extension(60, TCP, 0, &tcp(1, 80))));
    sequence(
        policy,
        &[
            (0, syn_to(GOOD, 22), "pass default tcp"),
            (0, segment(GOOD, ACK), "pass default tcp"),
            (0, syn_to(GOOD, 443), "pass default tcp"),
            (0, syn_to(GOOD, 443), "pass default tcp"),
            (0, syn_to(GOOD, 443), "reply syn_cookie tcp"),
            // Another port has its own meter, and so has the other family.
            (0, syn_to(GOOD, 80), "pass default tcp"),
            (0, syn_to(GOOD, 80), "pass default tcp"),
            (0, syn_v6(), "pass default tcp"),
            (0, syn_v6(), "pass default tcp"),
            (0, syn_v6(), "reply syn_cookie tcp"),
            (0, options, "drop syn_cookie tcp"),
            (0, behind, "drop syn_cookie tcp"),
            (0, segment(GOOD, SYN | FIN), "reply syn_cookie tcp"),
            (0, segment(GOOD, SYN | ACK), "pass default tcp"),
            (0, tagged(0x8100, 1, &syn_to(GOOD, 80)), "reply syn_cookie tcp"),
            // An answered SYN takes nothing from the class.
            (0, syn_to(GOOD, 22), "pass default tcp"),
            (0, syn_to(GOOD, 22), "drop rate_protocol tcp"),
            (S / 20, syn_to(GOOD, 443), "drop rate_protocol tcp"),
            (S / 20, syn_to(GOOD, 443), "reply syn_cookie tcp"),
        ],
    );
}

#[test]
fn a_shadow_does_not_hold_back_an_answer() {
    let policy = OraclePolicy {
        deny: vec![shadow(list("trial", &[("0.0.0.0", 0)]))],
        syn_cookies: Some(OracleSynCookies { ports: vec![443], threshold_pps: 1 }),
        limits: OracleLimits { source: packets(1, 3), ..OracleLimits::default() },
        ..OraclePolicy::default()
    };
    sequence(
        policy,
        &[
            (0, segment(GOOD, SYN), "shadow deny tcp"),
            (0, segment(GOOD, SYN), "reply syn_cookie tcp"),
            (0, segment(GOOD, ACK), "shadow deny tcp"),
            (0, segment(GOOD, ACK), "drop rate_source tcp"),
        ],
    );
}

/// The generic cell rate algorithm, in times that are multiplied by the rate: exact too.
struct Gcra {
    arrival: u128,
}

impl Gcra {
    fn take(&mut self, rate: u64, burst: u64, cost: u64, now_ns: u64) -> bool {
        let (now, second) = (u128::from(now_ns) * u128::from(rate), u128::from(S));
        let Some(spare) = burst.checked_sub(cost) else { return false };
        let arrival = self.arrival.max(now);
        let conforms = arrival - now <= u128::from(spare) * second;
        if conforms {
            self.arrival = arrival + u128::from(cost) * second;
        }
        conforms
    }
}

#[test]
fn tokens_are_the_generic_cell_rate_algorithm() {
    let mut random = Random::new(3);
    let (mut conforming, mut over) = (0, 0);
    for _ in 0..2_000 {
        let of_bytes = random.below(2) == 0;
        let largest = if of_bytes { 3_000 } else { 1 };
        let magnitude = 1 + random.below(36);
        let rate = 1 + random.below(1 << magnitude);
        let burst = 1 + random.below(largest * 8);
        let mut now_ns = random.below(1 << 40);
        let (mut bucket, mut gcra) = (Bucket::full(burst, now_ns), Gcra { arrival: 0 });
        for _ in 0..60 {
            let cost = if of_bytes { 60 + random.below(largest) } else { 1 };
            // About as fast as the bucket fills, and often to the nanosecond.
            let interval = u128::from(cost) * u128::from(S) / u128::from(rate);
            now_ns += match random.below(4) {
                0 => 0,
                1 => interval as u64,
                2 => interval as u64 + 1,
                _ => random.below(interval as u64 * 2 + 1),
            };
            let took = bucket.take(rate, burst, cost, now_ns);
            assert_eq!(
                took,
                gcra.take(rate, burst, cost, now_ns),
                "{rate} {burst} {cost} {now_ns}"
            );
            if took { conforming += 1 } else { over += 1 }
        }
    }
    assert!(conforming > 10_000 && over > 10_000, "{conforming} {over}");
}

#[test]
fn the_largest_numbers_fit() {
    let (rate, burst) = (100_000_000_000, 100_000_000_000);
    let mut bucket = Bucket::full(burst, 0);
    assert!(bucket.take(rate, burst, burst, 0));
    assert!(!bucket.take(rate, burst, 101, 1));
    assert!(bucket.take(rate, burst, 100, 1));
    assert!(bucket.take(rate, burst, burst, u64::MAX));
    assert!(!bucket.take(rate, burst, 1, u64::MAX));
}
