//! What a frame hides: tags, fragments, protocols that nobody knows.

use firewall_daemon::{
    config::{Fate, LimitsConfig, PortLimit, PortProtocol, RuleProtocol, RuleVerdict},
    datapath::PacketOptions,
    policy::PolicySource,
};
use seawall_tests::{
    engine::{Engine, plain_options},
    frame::{
        FIN, SYN, TCP, UDP, ethernet, fragment_v6, ipv4_with, ipv6, tagged, tcp, tcp_with, udp,
    },
    policies::{denying, packets, rule},
    requirement,
};

use crate::packet_path::case::{check, judge, prefixes, v4, v6};

const GOOD: [u8; 4] = [198, 51, 100, 1];
const DENIED: [u8; 4] = [203, 0, 113, 8];
const GOOD_V6: &str = "2001:db8:e::1";
const DENIED_V6: &str = "2001:db8:d::8";
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];

fn policy() -> PolicySource {
    denying(prefixes(&["203.0.113.0/24", "2001:db8:d::/64"]))
}

fn engine() -> Engine {
    Engine::load(&policy(), &plain_options())
}

/// Number 1 (midy177's, gamemann's and synapse's XDP firewalls).
#[test]
fn a_tagged_frame_meets_the_same_lists() {
    if !requirement::root("a_tagged_frame_meets_the_same_lists") {
        return;
    }
    let mut engine = engine();
    let plain = [
        ("denied", v4(DENIED, TCP, &tcp(1, 443)), "drop deny tcp"),
        ("good", v4(GOOD, TCP, &tcp(1, 443)), "pass default tcp"),
        ("v6 denied", v6(DENIED_V6, UDP, &udp(1, 53, 4)), "drop deny udp"),
        ("v6 good", v6(GOOD_V6, UDP, &udp(1, 53, 4)), "pass default udp"),
        ("arp", ethernet(0x0806, &[0; 28]), "pass essential none"),
        ("not ip", ethernet(0x8847, &[0; 46]), "drop non_ip none"),
    ];
    for (what, frame, counter) in plain {
        for inner in TAGS {
            let one = tagged(inner, 7, &frame);
            judge(&mut engine, &format!("{what} behind {inner:#x}"), &one, counter);
            for outer in TAGS {
                let two = tagged(outer, 4095, &one);
                let what = format!("{what} behind {outer:#x} {inner:#x}");
                judge(&mut engine, &what, &two, counter);
                // One more hides what it carries, from anyone.
                for third in TAGS {
                    let three = tagged(third, 0, &two);
                    judge(
                        &mut engine,
                        &format!("{third:#x}, {what}"),
                        &three,
                        "drop malformed none",
                    );
                }
            }
        }
    }
    let two = tagged(0x88a8, 1, &tagged(0x8100, 2, &v4(GOOD, UDP, &udp(1, 53, 0))));
    for length in 14..22 {
        judge(&mut engine, "cut off in its tags", &two[..length], "drop malformed none");
    }
}

/// Number 2 (midy177's: ports were matched on bytes of the payload).
#[test]
fn a_later_fragment_has_no_ports() {
    if !requirement::root("a_later_fragment_has_no_ports") {
        return;
    }
    let policy = PolicySource {
        rules: vec![
            rule("https", Some(RuleProtocol::Tcp), &[443], RuleVerdict::Pass),
            rule("telnet", Some(RuleProtocol::Tcp), &[23], RuleVerdict::Drop),
        ],
        default: Fate::Drop,
        ..policy()
    };
    let v4_of = |source: [u8; 4], fragment, payload: &[u8]| {
        ethernet(0x0800, &ipv4_with(source.into(), TCP, &[], fragment, payload))
    };
    let v6_of = |source: &str, offset, more, payload: &[u8]| {
        let fragment = fragment_v6(TCP, offset, more, payload);
        ethernet(0x86dd, &ipv6(source.parse().unwrap(), 44, &fragment))
    };
    let (https, telnet) = (tcp(40_000, 443), tcp(40_000, 23));
    let bad_flags = tcp_with(40_000, 443, SYN | FIN, &[]);
    let mut engine = Engine::load(&policy, &plain_options());
    check(
        &mut engine,
        [
            ("first, to https", v4_of(GOOD, 0x2000, &https), "pass rule tcp"),
            ("first, to telnet", v4_of(GOOD, 0x2000, &telnet), "drop rule tcp"),
            ("first, to neither", v4_of(GOOD, 0x2000, &tcp(1, 80)), "drop default tcp"),
            ("later, like https", v4_of(GOOD, 0x2003, &https), "drop fragment tcp"),
            ("last, like https", v4_of(GOOD, 0x0001, &https), "drop fragment tcp"),
            ("last of all", v4_of(GOOD, 0x1fff, &https), "drop fragment tcp"),
            ("later, denied", v4_of(DENIED, 0x0003, &https), "drop deny tcp"),
            ("v6 first, to https", v6_of(GOOD_V6, 0, true, &https), "pass rule tcp"),
            ("v6 first, to telnet", v6_of(GOOD_V6, 0, true, &telnet), "drop rule tcp"),
            ("v6 later, like https", v6_of(GOOD_V6, 3, true, &https), "drop fragment tcp"),
            ("v6 last, like https", v6_of(GOOD_V6, 1, false, &https), "drop fragment tcp"),
            ("v6 later, denied", v6_of(DENIED_V6, 1, false, &https), "drop deny tcp"),
            ("v6 atomic, to https", v6_of(GOOD_V6, 0, false, &https), "pass rule tcp"),
        ],
    );
    // Where fragments pass, they pass as such: no rule, no flags, no limit of a port.
    let rate = packets(1, 1);
    let options = PacketOptions {
        fragments: Fate::Pass,
        limits: LimitsConfig {
            ports: vec![PortLimit { protocol: PortProtocol::Tcp, port: 443, rate }],
            ..LimitsConfig::default()
        },
        ..plain_options()
    };
    engine.reload(&policy, &options);
    check(
        &mut engine,
        [
            ("like https", v4_of(GOOD, 0x0003, &https), "pass fragment tcp"),
            ("like telnet", v4_of(GOOD, 0x0003, &telnet), "pass fragment tcp"),
            ("like bad flags", v4_of(GOOD, 0x0003, &bad_flags), "pass fragment tcp"),
            ("too short for ports", v4_of(GOOD, 0x0003, &[0; 1]), "pass fragment tcp"),
            ("v6 like https", v6_of(GOOD_V6, 3, true, &https), "pass fragment tcp"),
            ("v6 like telnet", v6_of(GOOD_V6, 3, false, &telnet), "pass fragment tcp"),
            ("v6 like bad flags", v6_of(GOOD_V6, 3, false, &bad_flags), "pass fragment tcp"),
            ("denied", v4_of(DENIED, 0x0003, &https), "drop deny tcp"),
            ("the first whole one", v4_of(GOOD, 0x4000, &https), "pass rule tcp"),
            ("the second", v4_of(GOOD, 0x4000, &https), "drop rate_port tcp"),
            ("first fragment", v4_of(GOOD, 0x2000, &https), "drop rate_port tcp"),
            ("bad flags, whole", v4_of(GOOD, 0x4000, &bad_flags), "drop tcp_flags tcp"),
        ],
    );
}

/// Number 3 (gamemann's: what was neither TCP, UDP nor ICMP passed before its block list was asked).
#[test]
fn an_unknown_protocol_meets_the_deny_list_first() {
    if !requirement::root("an_unknown_protocol_meets_the_deny_list_first") {
        return;
    }
    let mut engine = engine();
    // Extension headers and the transports of IPv6 are nothing of the kind in IPv4, and 4, 41 and 47 are
    // tunnels.
    for number in (0..=255_u8).filter(|number| !matches!(number, 1 | 4 | 6 | 17 | 41 | 47)) {
        let what = format!("protocol {number}");
        for payload in [&[][..], &[0; 3], &[0xff; 40]] {
            judge(&mut engine, &what, &v4(DENIED, number, payload), "drop deny other");
            judge(&mut engine, &what, &v4(GOOD, number, payload), "pass default other");
        }
    }
    let is_read =
        |number| matches!(number, 0 | 4 | 6 | 17 | 41 | 43 | 44 | 47 | 51 | 58 | 60 | 135);
    for number in (0..=255_u8).filter(|number| !is_read(*number)) {
        let what = format!("next header {number}");
        for payload in [&[][..], &[0; 3], &[0xff; 40]] {
            judge(&mut engine, &what, &v6(DENIED_V6, number, payload), "drop deny other");
            judge(&mut engine, &what, &v6(GOOD_V6, number, payload), "pass default other");
        }
    }
}
