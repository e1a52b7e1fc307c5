//! What stands behind the IP header: extension headers, tunnels, or too little.

use std::time::Duration;

use firewall_daemon::{
    config::{Fate, RuleConfig, RuleProtocol, RuleVerdict},
    datapath::PacketOptions,
    policy::PolicySource,
};
use seawall_tests::{
    engine::{Engine, plain_options},
    frame::{
        GRE, GRE_CHECKSUM, GRE_KEY, GRE_SEQUENCE, ICMP, ICMPV6, IP6IP, IPIP, SYN, TCP, UDP,
        ethernet, extension, fragment_v6, gre, icmp, ipv4, ipv6, ipv6_with, mapped, tagged, tcp,
        tcp_with, udp,
    },
    policies::{denying, list, rule},
    requirement,
};

use crate::packet_path::case::{check, judge, prefixes, v4, v6};

const GOOD: [u8; 4] = [198, 51, 100, 1];
const DENIED: [u8; 4] = [203, 0, 113, 8];
const GOOD_V6: &str = "2001:db8:e::1";
const DENIED_V6: &str = "2001:db8:d::8";

fn policy() -> PolicySource {
    denying(prefixes(&["203.0.113.0/24", "2001:db8:d::/64"]))
}

fn engine() -> Engine {
    Engine::load(&policy(), &plain_options())
}

/// Number 4 (gamemann's compared with ICMP's number; gamemann's and synapse's walked no extension header).
#[test]
fn icmpv6_is_known_by_its_own_number_behind_extension_headers() {
    if !requirement::root("icmpv6_is_known_by_its_own_number_behind_extension_headers") {
        return;
    }
    let echo = |name, protocol, kind| RuleConfig {
        icmp_types: vec![kind],
        ..rule(name, Some(protocol), &[], RuleVerdict::Drop)
    };
    let policy = PolicySource {
        rules: vec![
            echo("echo", RuleProtocol::Icmp, 8),
            echo("echo-v6", RuleProtocol::Icmpv6, 128),
            rule("telnet", Some(RuleProtocol::Tcp), &[23], RuleVerdict::Drop),
        ],
        ..policy()
    };
    let mut engine = Engine::load(&policy, &plain_options());
    let from = |source: &str, hop_limit, next, payload: &[u8]| {
        ethernet(0x86dd, &ipv6_with(source.parse().unwrap(), next, hop_limit, payload))
    };
    let (request, other) = (icmp(128, 0), icmp(129, 0));
    check(
        &mut engine,
        [
            ("v6 echo", v6(GOOD_V6, ICMPV6, &request), "drop rule icmpv6"),
            ("v6 answer", v6(GOOD_V6, ICMPV6, &other), "pass default icmpv6"),
            ("v4 echo", v4(GOOD, ICMP, &icmp(8, 0)), "drop rule icmp"),
            ("v4 answer", v4(GOOD, ICMP, &icmp(0, 0)), "pass default icmp"),
            ("icmp's number in v6", v6(GOOD_V6, ICMP, &icmp(8, 0)), "pass default other"),
            ("with icmpv6's type", v6(GOOD_V6, ICMP, &request), "pass default other"),
            ("icmpv6's number in v4", v4(GOOD, ICMPV6, &request), "pass default other"),
            ("path mtu by the other's number", v6(DENIED_V6, ICMP, &icmp(2, 0)), "drop deny other"),
            ("the same in v4", v4(DENIED, ICMPV6, &icmp(3, 4)), "drop deny other"),
        ],
    );
    let telnet = tcp(40_000, 23);
    for kind in [0, 43, 60, 135, 51] {
        for units in [0, 1, 40] {
            let what = format!("behind {kind} of {units} units");
            let behind = |next, payload: &[u8]| extension(kind, next, units, payload);
            for (source, next, payload, counter) in [
                (GOOD_V6, ICMPV6, &request, "drop rule icmpv6"),
                (GOOD_V6, ICMPV6, &other, "pass default icmpv6"),
                (GOOD_V6, TCP, &telnet, "drop rule tcp"),
                (DENIED_V6, ICMPV6, &other, "drop deny icmpv6"),
                (DENIED_V6, ICMPV6, &icmp(2, 0), "pass essential icmpv6"),
                (DENIED_V6, TCP, &telnet, "drop deny tcp"),
            ] {
                judge(&mut engine, &what, &v6(source, kind, &behind(next, payload)), counter);
            }
        }
    }
    // Hop-by-hop, destination, routing, authentication, fragment, mobility; and one more.
    let six = [0, 60, 43, 51, 44, 135];
    let chain = |kinds: &[u8], last: u8, payload: &[u8]| {
        kinds.iter().rev().fold((last, payload.to_vec()), |(next, inner), kind| {
            let header = match kind {
                44 => fragment_v6(next, 0, false, &inner),
                kind => extension(*kind, next, 1, &inner),
            };
            (*kind, header)
        })
    };
    let seven = [&six[..], &[60]].concat();
    for (source, kinds, payload, counter) in [
        (GOOD_V6, &six[..], &request, "drop rule icmpv6"),
        (GOOD_V6, &six[..], &other, "pass default icmpv6"),
        (DENIED_V6, &six[..], &other, "drop deny icmpv6"),
        (GOOD_V6, &seven[..], &other, "drop malformed none"),
        (DENIED_V6, &seven[..], &other, "drop deny other"),
    ] {
        let (next, payload) = chain(kinds, ICMPV6, payload);
        let what = format!("behind {kinds:?}");
        judge(&mut engine, &what, &v6(source, next, &payload), counter);
    }
    let (next, solicitation) = chain(&six, ICMPV6, &icmp(135, 0));
    judge(
        &mut engine,
        "a solicitation from the link, behind six",
        &from(DENIED_V6, 255, next, &solicitation),
        "pass essential icmpv6",
    );
    judge(
        &mut engine,
        "the same from afar",
        &from(DENIED_V6, 254, next, &solicitation),
        "drop deny icmpv6",
    );
}

/// The tunnels, each with what it carries: a name, the protocol number, and the packet inside.
fn tunnels(v4: &[u8], v6: &[u8]) -> Vec<(&'static str, u8, Vec<u8>)> {
    let all = GRE_CHECKSUM | GRE_KEY | GRE_SEQUENCE;
    vec![
        ("ipip", IPIP, v4.to_vec()),
        ("6in4, 6in6", IP6IP, v6.to_vec()),
        ("gre", GRE, gre(0, 0x0800, v4)),
        ("gre with a key", GRE, gre(GRE_KEY, 0x0800, v4)),
        ("gre with all fields", GRE, gre(all, 0x0800, v4)),
        ("gre of v6", GRE, gre(0, 0x86dd, v6)),
        ("gre of v6 with all fields", GRE, gre(all, 0x86dd, v6)),
        ("gre of ethernet", GRE, gre(0, 0x6558, &ethernet(0x0800, v4))),
        ("gre of ethernet of v6", GRE, gre(GRE_KEY, 0x6558, &ethernet(0x86dd, v6))),
    ]
}

/// Number 5.
#[test]
fn an_address_written_another_way_is_the_same_address() {
    if !requirement::root("an_address_written_another_way_is_the_same_address") {
        return;
    }
    let policy = PolicySource {
        allow: list("allow", prefixes(&["192.0.2.1/32", "2001:db8:a::1/128"])),
        ..policy()
    };
    let mut engine = Engine::load(&policy, &plain_options());
    let mapped_v6 = |source: [u8; 4]| mapped(source.into()).to_string();
    let inner = |v4: [u8; 4], v6: &str| {
        (ipv4(v4.into(), UDP, &udp(1, 53, 0)), ipv6(v6.parse().unwrap(), UDP, &udp(1, 53, 0)))
    };
    const BANNED: [u8; 4] = [198, 51, 100, 66];
    const BANNED_V6: &str = "2001:db8:e:66::1";
    for source in [std::net::IpAddr::from(BANNED), BANNED_V6.parse().unwrap()] {
        engine.bans().add(source, Duration::from_secs(3_600)).unwrap();
    }
    check(
        &mut engine,
        [
            ("mapped, denied", v6(&mapped_v6(DENIED), TCP, &tcp(1, 2)), "drop deny tcp"),
            ("mapped, good", v6(&mapped_v6(GOOD), TCP, &tcp(1, 2)), "pass default tcp"),
            ("mapped, allowed", v6("::ffff:192.0.2.1", TCP, &tcp(1, 2)), "pass allow tcp"),
            ("mapped, banned", v6(&mapped_v6(BANNED), TCP, &tcp(1, 2)), "drop ban tcp"),
            // Of another prefix, so another address.
            ("compatible", v6("::203.0.113.8", TCP, &tcp(1, 2)), "pass default tcp"),
        ],
    );
    let allowed = inner([192, 0, 2, 1], "2001:db8:a::1");
    let mapped_denied = inner(DENIED, &mapped_v6(DENIED));
    let mapped_banned = inner(BANNED, &mapped_v6(BANNED));
    for (who, (inner_v4, inner_v6), counter) in [
        ("denied", inner(DENIED, DENIED_V6), "drop deny other"),
        ("denied, mapped", mapped_denied, "drop deny other"),
        ("banned", inner(BANNED, BANNED_V6), "drop ban other"),
        ("banned, mapped", mapped_banned, "drop ban other"),
        ("good", inner(GOOD, GOOD_V6), "pass default other"),
        ("allowed", allowed.clone(), "pass default other"),
    ] {
        for (tunnel, number, carried) in tunnels(&inner_v4, &inner_v6) {
            let what = format!("{who} inside {tunnel}");
            judge(&mut engine, &what, &v4(GOOD, number, &carried), counter);
            judge(&mut engine, &what, &v6(GOOD_V6, number, &carried), counter);
            let behind = extension(60, number, 0, &carried);
            judge(&mut engine, &what, &v6(GOOD_V6, 60, &behind), counter);
            // Who comes in the allowed's name is let in, whoever is inside: it is the allowed's tunnel.
            let trusted = v4([192, 0, 2, 1], number, &carried);
            judge(&mut engine, &what, &trusted, "pass allow other");
            judge(&mut engine, &what, &v4(DENIED, number, &carried), "drop deny other");
        }
    }
    // A tunnel inside a tunnel hides who is in it.
    let twice = ipv4(GOOD.into(), IPIP, &inner(DENIED, DENIED_V6).0);
    judge(&mut engine, "ipip in ipip", &v4(GOOD, IPIP, &twice), "drop malformed none");
    judge(
        &mut engine,
        "ipip in gre",
        &v4(GOOD, GRE, &gre(0, 0x0800, &twice)),
        "drop malformed none",
    );

    // Nobody gets in by what he says of himself.
    engine.reload(&PolicySource { default: Fate::Drop, ..policy }, &plain_options());
    for (tunnel, number, carried) in tunnels(&allowed.0, &allowed.1) {
        judge(&mut engine, tunnel, &v4(GOOD, number, &carried), "drop default other");
    }
}

/// Number 6.
#[test]
fn a_truncated_header_is_malformed_and_counted() {
    if !requirement::root("a_truncated_header_is_malformed_and_counted") {
        return;
    }
    let mut engine = engine();
    let segment = tcp_with(40_000, 443, SYN, &[1; 12]);
    let v4_inside = ipv4(GOOD.into(), UDP, &udp(1, 53, 8));
    let v6_inside = ipv6(GOOD_V6.parse().unwrap(), UDP, &udp(1, 53, 8));
    let chain = extension(0, 44, 1, &fragment_v6(TCP, 0, true, &segment));
    let of_ethernet = gre(0, 0x6558, &ethernet(0x0800, &v4_inside));
    let with_fields = gre(GRE_CHECKSUM | GRE_KEY, 0x86dd, &v6_inside);
    let cases = [
        Cut {
            what: "tcp",
            v4: true,
            number: TCP,
            payload: segment.clone(),
            whole: 32,
            known: (0, "tcp"),
        },
        Cut {
            what: "udp",
            v4: true,
            number: UDP,
            payload: udp(1, 53, 8),
            whole: 16,
            known: (0, "udp"),
        },
        Cut {
            what: "icmp",
            v4: true,
            number: ICMP,
            payload: icmp(8, 0),
            whole: 8,
            known: (0, "icmp"),
        },
        Cut {
            what: "ipip",
            v4: true,
            number: IPIP,
            payload: v4_inside.clone(),
            whole: 20,
            known: (0, "other"),
        },
        Cut {
            what: "6in4",
            v4: true,
            number: IP6IP,
            payload: v6_inside.clone(),
            whole: 40,
            known: (0, "other"),
        },
        Cut {
            what: "gre",
            v4: true,
            number: GRE,
            payload: with_fields,
            whole: 52,
            known: (0, "other"),
        },
        Cut {
            what: "gre of ethernet",
            v4: true,
            number: GRE,
            payload: of_ethernet,
            whole: 38,
            known: (0, "other"),
        },
        Cut {
            what: "v6 tcp",
            v4: false,
            number: TCP,
            payload: segment,
            whole: 32,
            known: (0, "tcp"),
        },
        Cut {
            what: "v6 udp",
            v4: false,
            number: UDP,
            payload: udp(1, 53, 8),
            whole: 16,
            known: (0, "udp"),
        },
        Cut {
            what: "icmpv6",
            v4: false,
            number: ICMPV6,
            payload: icmp(128, 0),
            whole: 8,
            known: (0, "icmpv6"),
        },
        // What stands behind the headers is known once they are whole.
        Cut {
            what: "extension headers",
            v4: false,
            number: 0,
            payload: chain,
            whole: 56,
            known: (24, "tcp"),
        },
        Cut {
            what: "6in6",
            v4: false,
            number: IP6IP,
            payload: v6_inside,
            whole: 40,
            known: (0, "other"),
        },
        Cut {
            what: "v6 gre",
            v4: false,
            number: GRE,
            payload: gre(GRE_KEY, 0x0800, &v4_inside),
            whole: 28,
            known: (0, "other"),
        },
    ];
    for case in &cases {
        // The frame ends before the packet that it announces.
        let plain = case.frame(GOOD, GOOD_V6, case.payload.len());
        let tags = tagged(0x88a8, 1, &tagged(0x8100, 2, &plain));
        for length in 14..plain.len() {
            let what = format!("{}: {length} bytes of {}", case.what, plain.len());
            judge(&mut engine, &what, &plain[..length], "drop malformed none");
            judge(&mut engine, &what, &tags[..length + 8], "drop malformed none");
        }
        // The packet ends, as it says, before the headers that it announces.
        for length in 0..case.payload.len() {
            let what = format!("{}: {length} bytes inside", case.what);
            let (from, protocol) = case.known;
            let protocol = if length >= from { protocol } else { "other" };
            let good = match length < case.whole {
                true => "drop malformed none".to_owned(),
                false => format!("pass default {protocol}"),
            };
            judge(&mut engine, &what, &case.frame(GOOD, GOOD_V6, length), &good);
            let denied = format!("drop deny {protocol}");
            judge(&mut engine, &what, &case.frame(DENIED, DENIED_V6, length), &denied);
        }
    }
    // Where what is malformed passes, it is seen all the same.
    let options = PacketOptions { malformed: Fate::Pass, ..plain_options() };
    engine.reload(&policy(), &options);
    for case in &cases {
        let whole = case.frame(GOOD, GOOD_V6, case.payload.len());
        for cut in [&whole[..whole.len() - 1], &whole[..20]] {
            judge(&mut engine, case.what, cut, "pass malformed none");
        }
    }
}

/// What a packet carries, to be cut off.
struct Cut {
    what: &'static str,
    v4: bool,
    number: u8,
    payload: Vec<u8>,
    /// So many bytes are all that is read.
    whole: usize,
    /// From so many bytes on, the protocol that it is counted as.
    known: (usize, &'static str),
}

impl Cut {
    /// With so many bytes of the payload.
    fn frame(&self, source: [u8; 4], source_v6: &str, length: usize) -> Vec<u8> {
        let payload = &self.payload[..length];
        match self.v4 {
            true => v4(source, self.number, payload),
            false => v6(source_v6, self.number, payload),
        }
    }
}
