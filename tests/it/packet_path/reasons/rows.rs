//! The rows: a policy each, and frames in the order in which they come.

use std::net::IpAddr;

use firewall_common::Reason;
use firewall_daemon::{
    config::{
        Fate, LimitPer, LimitsConfig, PortLimit, PortProtocol, PortRange, RateConfig, RuleConfig,
        RuleProtocol, RuleVerdict, Service, SynCookiesConfig,
    },
    datapath::PacketOptions,
    policy::{GeoMode, PolicySource},
};
use seawall_tests::{
    engine::plain_options,
    frame::{
        ACK, FIN, ICMP, ICMPV6, PSH, RST, SYN, TCP, UDP, ethernet, extension, fragment_v6, icmp,
        ipv4_with, ipv6_with, tcp, tcp_with, udp,
    },
    policies::{bytes, denying, geo, list, packets, rule},
};

use crate::packet_path::case::{Case, prefixes, v4, v6};

/// A reason: a policy with options and bans, and frames that come one after another.
pub struct Row {
    pub reason: Reason,
    pub policy: PolicySource,
    pub options: PacketOptions,
    pub bans: Vec<IpAddr>,
    pub cases: Vec<Case<'static>>,
}

const A: [u8; 4] = [198, 51, 100, 1];
const B: [u8; 4] = [203, 0, 113, 8];
const A_V6: &str = "2001:db8:a::1";
const B_V6: &str = "2001:db8:b::8";

fn row(reason: Reason, cases: Vec<Case<'static>>) -> Row {
    Row {
        reason,
        policy: PolicySource::default(),
        options: plain_options(),
        bans: Vec::new(),
        cases,
    }
}

/// All rows; each has both families where the reason has.
pub fn rows() -> Vec<Row> {
    [frames(), lists(), wanted(), limits()].into_iter().flatten().collect()
}

fn datagram() -> Vec<u8> {
    udp(40_000, 53, 18)
}

fn from(source: [u8; 4]) -> Vec<u8> {
    v4(source, UDP, &datagram())
}

fn from_v6(source: &str) -> Vec<u8> {
    v6(source, UDP, &datagram())
}

/// What the frame itself says.
fn frames() -> Vec<Row> {
    let (whole, whole_v6) = (from(A), from_v6(A_V6));
    let on_link = |hop_limit, kind| {
        let message = icmp(kind, 0);
        ethernet(0x86dd, &ipv6_with(A_V6.parse().unwrap(), ICMPV6, hop_limit, &message))
    };
    let flags = |flags| v4(A, TCP, &tcp_with(1, 443, flags, &[]));
    let flags_v6 = |flags| v6(A_V6, TCP, &tcp_with(1, 443, flags, &[]));
    let part = |fragment| ethernet(0x0800, &ipv4_with(A.into(), UDP, &[], fragment, &datagram()));
    let part_v6 = |offset, more| v6(A_V6, 44, &fragment_v6(UDP, offset, more, &datagram()));
    vec![
        row(
            Reason::Malformed,
            vec![
                ("a byte short", whole[..whole.len() - 1].to_vec(), "drop malformed none"),
                ("whole", whole.clone(), "pass default udp"),
                (
                    "v6, a byte short",
                    whole_v6[..whole_v6.len() - 1].to_vec(),
                    "drop malformed none",
                ),
                ("v6, whole", whole_v6, "pass default udp"),
            ],
        ),
        row(
            Reason::NonIp,
            vec![
                ("the first type", ethernet(0x0600, &[0; 46]), "drop non_ip none"),
                ("the last length", ethernet(0x05ff, &[0; 46]), "pass essential none"),
                ("beside arp", ethernet(0x0807, &[0; 46]), "drop non_ip none"),
                ("arp", ethernet(0x0806, &[0; 46]), "pass essential none"),
            ],
        ),
        row(
            Reason::Essential,
            vec![
                ("arp", ethernet(0x0806, &[0; 28]), "pass essential none"),
                ("fragmentation needed", v4(A, ICMP, &icmp(3, 4)), "pass essential icmp"),
                ("port unreachable", v4(A, ICMP, &icmp(3, 3)), "pass default icmp"),
                ("solicitation", on_link(255, 135), "pass essential icmpv6"),
                ("forwarded", on_link(254, 135), "pass default icmpv6"),
                ("packet too big", on_link(57, 2), "pass essential icmpv6"),
                ("time exceeded", on_link(57, 3), "pass default icmpv6"),
            ],
        ),
        row(
            Reason::TcpFlags,
            vec![
                ("syn fin", flags(SYN | FIN), "drop tcp_flags tcp"),
                ("syn rst", flags(SYN | RST), "drop tcp_flags tcp"),
                ("fin rst", flags(FIN | RST | ACK), "drop tcp_flags tcp"),
                ("none", flags(0), "drop tcp_flags tcp"),
                ("fin alone", flags(FIN), "drop tcp_flags tcp"),
                ("psh alone", flags(PSH), "drop tcp_flags tcp"),
                ("syn", flags(SYN), "pass default tcp"),
                ("syn ack", flags(SYN | ACK), "pass default tcp"),
                ("fin ack", flags(FIN | ACK), "pass default tcp"),
                ("rst", flags(RST), "pass default tcp"),
                ("v6 syn fin", flags_v6(SYN | FIN), "drop tcp_flags tcp"),
                ("v6 none", flags_v6(0), "drop tcp_flags tcp"),
                ("v6 syn", flags_v6(SYN), "pass default tcp"),
            ],
        ),
        row(
            Reason::Fragment,
            vec![
                ("second", part(0x2001), "drop fragment udp"),
                ("last", part(0x0001), "drop fragment udp"),
                ("first", part(0x2000), "pass default udp"),
                ("none", part(0x4000), "pass default udp"),
                ("v6 second", part_v6(1, true), "drop fragment udp"),
                ("v6 first", part_v6(0, true), "pass default udp"),
                ("v6 whole", part_v6(0, false), "pass default udp"),
            ],
        ),
    ]
}

/// What a list, a country or a ban says of the source.
fn lists() -> Vec<Row> {
    let both = || prefixes(&["203.0.113.8/31", "2001:db8:b::8/127"]);
    let edges = |inside: &'static str| -> Vec<Case<'static>> {
        vec![
            ("first", from(B), inside),
            ("last", from([203, 0, 113, 9]), inside),
            ("before", from([203, 0, 113, 7]), "pass default udp"),
            ("behind", from([203, 0, 113, 10]), "pass default udp"),
            ("v6 first", from_v6(B_V6), inside),
            ("v6 last", from_v6("2001:db8:b::9"), inside),
            ("v6 before", from_v6("2001:db8:b::7"), "pass default udp"),
            ("v6 behind", from_v6("2001:db8:b::a"), "pass default udp"),
        ]
    };
    let networks =
        [("203.0.113.8/31", "KP"), ("2001:db8:b::8/127", "KP"), ("198.51.100.0/24", "DE")];
    let only = vec![
        ("let in", from(A), "pass default udp"),
        ("another", from(B), "drop geo udp"),
        ("none", from([192, 0, 2, 1]), "drop geo udp"),
        ("v6 another", from_v6(B_V6), "drop geo udp"),
        ("v6 none", from_v6(A_V6), "drop geo udp"),
    ];
    let banned = vec![
        ("banned", from(B), "drop ban udp"),
        ("beside", from([203, 0, 113, 9]), "pass default udp"),
        ("v6 banned", from_v6(B_V6), "drop ban udp"),
        ("v6 of its /64", from_v6("2001:db8:b::ffff"), "drop ban udp"),
        ("v6 of the next", from_v6("2001:db8:b:1::8"), "pass default udp"),
    ];
    vec![
        Row {
            policy: PolicySource { protected: both(), ..PolicySource::default() },
            ..row(Reason::Protected, edges("pass protected udp"))
        },
        Row {
            policy: PolicySource { allow: list("allow", both()), ..PolicySource::default() },
            ..row(Reason::Allow, edges("pass allow udp"))
        },
        Row { policy: denying(both()), ..row(Reason::Deny, edges("drop deny udp")) },
        Row {
            policy: PolicySource {
                geo: Some(geo(GeoMode::Block, "KP", &networks)),
                ..PolicySource::default()
            },
            ..row(Reason::Geo, edges("drop geo udp"))
        },
        Row {
            policy: PolicySource {
                geo: Some(geo(GeoMode::Only, "DE", &networks)),
                ..PolicySource::default()
            },
            ..row(Reason::Geo, only)
        },
        Row { bans: vec![IpAddr::from(B), B_V6.parse().unwrap()], ..row(Reason::Ban, banned) },
    ]
}

/// A rule for UDP ports.
fn udp_rule(verdict: RuleVerdict) -> RuleConfig {
    let ports = vec![PortRange { first: 8_000, last: 8_010 }];
    RuleConfig { ports, ..rule("rule", Some(RuleProtocol::Udp), &[], verdict) }
}

/// What the rules, the public services and the default say.
fn wanted() -> Vec<Row> {
    let to = |port| v4(A, UDP, &udp(40_000, port, 18));
    let to_v6 = |port| v6(A_V6, UDP, &udp(40_000, port, 18));
    let opens = |port| v4(A, TCP, &tcp(40_000, port));
    let goes_on = |port| v4(A, TCP, &tcp_with(40_000, port, ACK, &[]));
    let ruled = |verdict, default| PolicySource {
        rules: vec![udp_rule(verdict)],
        default,
        ..PolicySource::default()
    };
    let edges = |inside: &'static str, outside: &'static str| -> Vec<Case<'static>> {
        vec![
            ("first", to(8_000), inside),
            ("last", to(8_010), inside),
            ("before", to(7_999), outside),
            ("behind", to(8_011), outside),
            ("v6 first", to_v6(8_000), inside),
            ("v6 last", to_v6(8_010), inside),
            ("v6 before", to_v6(7_999), outside),
            ("v6 behind", to_v6(8_011), outside),
        ]
    };
    let tcp_443 = Service::Tcp(PortRange { first: 443, last: 443 });
    vec![
        Row {
            policy: ruled(RuleVerdict::Drop, Fate::Pass),
            ..row(Reason::Rule, edges("drop rule udp", "pass default udp"))
        },
        Row {
            policy: ruled(RuleVerdict::Pass, Fate::Drop),
            ..row(Reason::Default, edges("pass rule udp", "drop default udp"))
        },
        Row {
            policy: PolicySource {
                public_ports: vec![tcp_443, Service::IcmpEcho],
                ..PolicySource::default()
            },
            ..row(
                Reason::Port,
                vec![
                    ("public", opens(443), "pass default tcp"),
                    ("before", opens(442), "drop port tcp"),
                    ("behind", opens(444), "drop port tcp"),
                    ("an answer", goes_on(444), "pass default tcp"),
                    ("of the other protocol", to(443), "drop port udp"),
                    ("echo", v4(A, ICMP, &icmp(8, 0)), "pass default icmp"),
                    ("timestamp", v4(A, ICMP, &icmp(13, 0)), "drop port icmp"),
                    ("v6 public", v6(A_V6, TCP, &tcp(1, 443)), "pass default tcp"),
                    ("v6 behind", v6(A_V6, TCP, &tcp(1, 444)), "drop port tcp"),
                    ("v6 echo", v6(A_V6, ICMPV6, &icmp(128, 0)), "pass default icmpv6"),
                    ("v6 name query", v6(A_V6, ICMPV6, &icmp(139, 0)), "drop port icmpv6"),
                ],
            )
        },
    ]
}

/// How much of it. A packet a second is earned, and a row takes a small part of that.
fn limits() -> Vec<Row> {
    let with = |limits: LimitsConfig| PacketOptions { limits, ..plain_options() };
    let none = LimitsConfig::default;
    let (pass, pass_tcp) = ("pass default udp", "pass default tcp");
    let length = from(A).len() as u64;
    let length_v6 = from_v6(A_V6).len() as u64;
    let source = |over: &'static str| -> Vec<Case<'static>> {
        vec![
            ("one", from(A), pass),
            ("two", from(A), pass),
            ("over", from(A), over),
            ("another", from([198, 51, 100, 2]), pass),
            ("v6 one", from_v6(A_V6), pass),
            ("v6 two, of the same /64", from_v6("2001:db8:a::2"), pass),
            ("v6 over", from_v6("2001:db8:a::3"), over),
            ("v6 another /64", from_v6("2001:db8:a:1::1"), pass),
        ]
    };
    let prefix = vec![
        ("one", from(A), pass),
        ("two, of the same /24", from([198, 51, 100, 255]), pass),
        ("over", from([198, 51, 100, 3]), "drop rate_prefix udp"),
        ("another /24", from([198, 51, 101, 1]), pass),
        ("v6 one", from_v6(A_V6), pass),
        ("v6 two, of the same /48", from_v6("2001:db8:a:ffff::1"), pass),
        ("v6 over", from_v6("2001:db8:a:2::1"), "drop rate_prefix udp"),
        ("v6 another /48", from_v6("2001:db8:b::1"), pass),
    ];
    // Bytes: as many as two packets of each family have, so that one byte less is one packet less.
    let bytes_of_source =
        |burst_bytes| with(LimitsConfig { source: Some(bytes(1, burst_bytes)), ..none() });
    let country = vec![
        ("one", from(A), pass),
        ("v6 of the same", from_v6(A_V6), pass),
        ("over", from(A), "drop rate_country udp"),
        ("v6 over", from_v6(A_V6), "drop rate_country udp"),
        ("another", from(B), pass),
        ("none", from([192, 0, 2, 1]), pass),
        ("v6 none", from_v6("2001:db8:c::1"), pass),
        ("none, over", from([192, 0, 2, 2]), "drop rate_country udp"),
    ];
    let port = vec![
        ("one", from(A), pass),
        ("over, from anyone", from(B), "drop rate_port udp"),
        ("v6 over", from_v6(A_V6), "drop rate_port udp"),
        ("another port", v4(A, UDP, &udp(1, 54, 0)), pass),
        ("of the other protocol", v4(A, TCP, &tcp(1, 53)), pass_tcp),
    ];
    let protocol = vec![
        ("syn", v4(A, TCP, &tcp(1, 443)), pass_tcp),
        ("v6 syn, over", v6(A_V6, TCP, &tcp(1, 443)), "drop rate_protocol tcp"),
        ("syn, over", v4(B, TCP, &tcp(1, 80)), "drop rate_protocol tcp"),
        ("ack, of the rest", v4(A, TCP, &tcp_with(1, 443, ACK, &[])), pass_tcp),
        ("the rest, over", v4(A, 50, &[0; 8]), "drop rate_protocol other"),
        ("udp", from(A), pass),
        ("udp, over", from(B), "drop rate_protocol udp"),
        ("icmp", v4(A, ICMP, &icmp(8, 0)), "pass default icmp"),
        ("icmpv6, over", v6(A_V6, ICMPV6, &icmp(128, 0)), "drop rate_protocol icmpv6"),
        ("v6 essential", v6(A_V6, ICMPV6, &icmp(2, 0)), "pass essential icmpv6"),
    ];
    let one = Some(packets(1, 1));
    let two = |per, rate: RateConfig| PolicySource {
        rules: vec![rule("rule", Some(RuleProtocol::Udp), &[53], RuleVerdict::Limit { per, rate })],
        ..PolicySource::default()
    };
    let geo = geo(
        GeoMode::Block,
        "KP",
        &[("198.51.100.0/24", "DE"), ("2001:db8:a::/48", "DE"), ("203.0.113.0/24", "FR")],
    );
    vec![
        Row {
            options: with(LimitsConfig { source: Some(packets(1, 2)), ..none() }),
            ..row(Reason::RateSource, source("drop rate_source udp"))
        },
        Row {
            options: bytes_of_source(2 * length),
            ..row(
                Reason::RateSource,
                vec![
                    ("one", from(A), pass),
                    ("two", from(A), pass),
                    ("over", from(A), "drop rate_source udp"),
                    ("v6 one", from_v6(A_V6), pass),
                    ("v6 too long", from_v6(A_V6), "drop rate_source udp"),
                ],
            )
        },
        Row {
            options: bytes_of_source(2 * length_v6 - 1),
            ..row(
                Reason::RateSource,
                vec![
                    ("v6 one", from_v6(A_V6), pass),
                    ("v6, a byte too long", from_v6(A_V6), "drop rate_source udp"),
                    ("one", from(A), pass),
                    ("two", from(A), pass),
                    ("over", from(A), "drop rate_source udp"),
                ],
            )
        },
        Row {
            options: with(LimitsConfig { prefix: Some(packets(1, 2)), ..none() }),
            ..row(Reason::RatePrefix, prefix)
        },
        Row {
            policy: PolicySource { geo: Some(geo), ..PolicySource::default() },
            options: with(LimitsConfig { country: Some(packets(1, 2)), ..none() }),
            ..row(Reason::RateCountry, country)
        },
        Row {
            options: with(LimitsConfig {
                ports: vec![PortLimit {
                    protocol: PortProtocol::Udp,
                    port: 53,
                    rate: packets(1, 1),
                }],
                ..none()
            }),
            ..row(Reason::RatePort, port)
        },
        Row {
            options: with(LimitsConfig { syn: one, udp: one, icmp: one, other: one, ..none() }),
            ..row(Reason::RateProtocol, protocol)
        },
        Row {
            policy: two(LimitPer::Source, packets(1, 2)),
            ..row(Reason::RateRule, source("drop rate_rule udp"))
        },
        Row {
            policy: two(LimitPer::Rule, packets(1, 2)),
            ..row(
                Reason::RateRule,
                vec![
                    ("one", from(A), pass),
                    ("another", from_v6(A_V6), pass),
                    ("over", from(B), "drop rate_rule udp"),
                    ("v6 over", from_v6(B_V6), "drop rate_rule udp"),
                    ("another port", v4(A, UDP, &udp(1, 54, 0)), pass),
                ],
            )
        },
        Row {
            options: PacketOptions {
                syn_cookies: Some(SynCookiesConfig { ports: [443].into(), threshold_pps: 1 }),
                ..plain_options()
            },
            ..row(Reason::SynCookie, syn_cookies())
        },
    ]
}

/// Each family has a threshold of its own.
fn syn_cookies() -> Vec<Case<'static>> {
    let syn = tcp_with(40_000, 443, SYN, &[2, 4, 5, 0xb4]);
    let optioned = ethernet(0x0800, &ipv4_with(A.into(), TCP, &[1; 4], 0x4000, &syn));
    let extended = v6(A_V6, 60, &extension(60, TCP, 0, &syn));
    vec![
        ("below", v4(A, TCP, &syn), "pass default tcp"),
        ("above", v4(A, TCP, &syn), "reply syn_cookie tcp"),
        ("above, with ip options", optioned, "drop syn_cookie tcp"),
        ("another port", v4(A, TCP, &tcp(40_000, 444)), "pass default tcp"),
        ("no opening", v4(A, TCP, &tcp_with(1, 443, ACK, &[])), "pass default tcp"),
        ("v6 below", v6(A_V6, TCP, &syn), "pass default tcp"),
        ("v6 above", v6(A_V6, TCP, &syn), "reply syn_cookie tcp"),
        ("v6 above, with a header between", extended, "drop syn_cookie tcp"),
        ("v6 another port", v6(A_V6, TCP, &tcp(40_000, 444)), "pass default tcp"),
    ]
}
