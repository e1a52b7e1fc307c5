//! Two policies that differ in every stage, and the traffic that meets each of them there. A packet that
//! met a part of one and a part of the other would come to a verdict or a reason that neither gives to
//! any packet of its protocol.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use firewall_common::{Reason, Verdict};
use firewall_daemon::{
    config::{
        EventsConfig, Fate, LimitPer, LimitsConfig, PortLimit, PortProtocol, RateConfig,
        RuleConfig, RuleProtocol, RuleVerdict,
    },
    datapath::PacketOptions,
    policy::{GeoMode, GeoSource, PolicySource},
};
use ipnetwork::IpNetwork;

use crate::{
    bench::lists,
    engine::plain_options,
    frame::{
        ACK, FIN, ICMP, ICMPV6, RST, TCP, UDP, ethernet, fragment_v6, icmp, ipv4, ipv4_with, ipv6,
        tagged, tcp, tcp_with, udp,
    },
    policies::{bytes, country, database, list, packets, rule},
    random::Random,
};

/// Bytes of each frame; the number stands in bench-ebpf too.
pub const FRAME_BYTES: usize = 96;
/// Where a frame says which group it is of: the last byte of its sender's link address.
const GROUP_AT: usize = 11;
const SCTP: u8 = 132;
const FRAGMENT_HEADER: u8 = 44;
/// The set of both policies that rules ask for.
const SET: &str = "named";

/// One of the two policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first.
    A,
    /// The other.
    B,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// That of a generation: they take turns.
    #[must_use]
    pub fn of(generation: u32) -> Self {
        if generation % 2 == 1 { Self::A } else { Self::B }
    }
}

/// What kind of packet it is; each kind has networks of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Denied by A, allowed by B.
    Datagram,
    /// Protected by A, of a country that B blocks.
    Service,
    /// Dropped by a rule of A, let pass by a rule of B.
    Ruled,
    /// TCP flags that A drops; denied by B.
    Flagged,
    /// Of a country that A blocks; a fragment, which B drops.
    Fragment,
    /// Dropped by a rule of A, by a limit of B.
    Echo,
    /// Dropped by the limit of a port of A, by that of SYN of B.
    Opening,
    /// Dropped by the limit of a port of A, by a rule of B.
    Limited,
    /// Dropped by the default of A, let pass by a rule of B.
    Other,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Datagram,
        Self::Service,
        Self::Ruled,
        Self::Flagged,
        Self::Fragment,
        Self::Echo,
        Self::Opening,
        Self::Limited,
        Self::Other,
    ];

    /// Which group a frame is of.
    #[must_use]
    pub fn of(frame: &[u8]) -> Option<Self> {
        Self::ALL.get(usize::from(*frame.get(GROUP_AT)?)).copied()
    }

    /// What a policy says of it.
    #[must_use]
    pub fn under(self, side: Side) -> (Verdict, Reason) {
        let (a, b) = match self {
            Self::Datagram => ((Verdict::Drop, Reason::Deny), (Verdict::Pass, Reason::Allow)),
            Self::Service => ((Verdict::Pass, Reason::Protected), (Verdict::Drop, Reason::Geo)),
            Self::Ruled => ((Verdict::Drop, Reason::Rule), (Verdict::Pass, Reason::Rule)),
            Self::Flagged => ((Verdict::Drop, Reason::TcpFlags), (Verdict::Drop, Reason::Deny)),
            Self::Fragment => ((Verdict::Drop, Reason::Geo), (Verdict::Drop, Reason::Fragment)),
            Self::Echo => ((Verdict::Drop, Reason::Rule), (Verdict::Drop, Reason::RateProtocol)),
            Self::Opening => {
                ((Verdict::Drop, Reason::RatePort), (Verdict::Drop, Reason::RateProtocol))
            }
            Self::Limited => ((Verdict::Drop, Reason::RatePort), (Verdict::Drop, Reason::Rule)),
            Self::Other => ((Verdict::Drop, Reason::Default), (Verdict::Pass, Reason::Rule)),
        };
        if side == Side::A { a } else { b }
    }

    fn protocols(self) -> &'static [&'static str] {
        match self {
            Self::Datagram | Self::Fragment | Self::Limited => &["udp"],
            Self::Service | Self::Ruled | Self::Flagged | Self::Opening => &["tcp"],
            Self::Echo => &["icmp", "icmpv6"],
            Self::Other => &["other"],
        }
    }

    /// All labels of counters that a whole policy moves.
    #[must_use]
    pub fn labels() -> Vec<String> {
        let mut labels = Vec::new();
        for group in Self::ALL {
            for (verdict, reason) in Side::BOTH.map(|side| group.under(side)) {
                labels.extend(
                    group.protocols().iter().map(|protocol| {
                        format!("{} {} {protocol}", verdict.label(), reason.label())
                    }),
                );
            }
        }
        labels
    }

    /// A frame of the group. No checksum in it is right: what passes ends in the network stack, counted.
    #[must_use]
    pub fn frame(self, source: IpAddr, has_tag: bool) -> Vec<u8> {
        let (protocol, payload) = match self {
            Self::Datagram | Self::Fragment => (UDP, udp(40_000, 53, 8)),
            Self::Limited => (UDP, udp(40_000, LIMITED_PORT, 8)),
            Self::Service | Self::Opening => (TCP, tcp(40_000, SERVICE_PORT)),
            Self::Ruled => (TCP, tcp_with(40_000, RULED_PORT, ACK, &[])),
            Self::Flagged => (TCP, tcp_with(40_000, 2_000, FIN | RST, &[])),
            Self::Echo if source.is_ipv4() => (ICMP, icmp(8, 0)),
            Self::Echo => (ICMPV6, icmp(128, 0)),
            Self::Other => (SCTP, vec![0; 12]),
        };
        let mut frame = match (self, source) {
            (Self::Fragment, IpAddr::V4(source)) => {
                ethernet(0x0800, &ipv4_with(source, protocol, &[], 100, &payload))
            }
            (Self::Fragment, IpAddr::V6(source)) => {
                let payload = fragment_v6(protocol, 100, true, &payload);
                ethernet(0x86dd, &ipv6(source, FRAGMENT_HEADER, &payload))
            }
            (_, IpAddr::V4(source)) => ethernet(0x0800, &ipv4(source, protocol, &payload)),
            (_, IpAddr::V6(source)) => ethernet(0x86dd, &ipv6(source, protocol, &payload)),
        };
        if has_tag {
            // A priority and no VLAN: the network stack takes it as it takes a frame without a tag.
            frame = tagged(0x8100, 0, &frame);
        }
        frame[GROUP_AT] = self as u8;
        frame.resize(FRAME_BYTES, 0);
        frame
    }
}

const EVENTS_PER_S_MAX: u32 = 2_000;
const SERVICE_PORT: u16 = 443;
const RULED_PORT: u16 = 1_000;
const LIMITED_PORT: u16 = 5_000;

/// Which networks are whose: as many of IPv4 as of IPv6, drawn at random.
pub struct Networks(Vec<Vec<IpNetwork>>);

impl Networks {
    /// So many of either family, over all groups.
    #[must_use]
    pub fn draw(of_each_family: usize) -> Self {
        let mut groups = vec![Vec::new(); Group::ALL.len()];
        let drawn = [lists::random_v4(of_each_family), lists::random_v6(of_each_family)];
        for networks in drawn {
            for (index, network) in networks.into_iter().enumerate() {
                groups[index % Group::ALL.len()].push(network);
            }
        }
        Self(groups)
    }

    fn of(&self, group: Group) -> Vec<IpNetwork> {
        self.0[group as usize].clone()
    }

    /// So many frames of all groups in turn, from random addresses of their networks.
    #[must_use]
    pub fn frames(&self, count: usize) -> Vec<Vec<u8>> {
        let mut random = Random::new(3);
        let mut frame = |number: usize| {
            let group = Group::ALL[number % Group::ALL.len()];
            let networks = &self.0[group as usize];
            let network = networks[random.below(networks.len() as u64) as usize];
            let (host, has_tag) = (random.next_u64(), random.below(4) == 0);
            let source = match network {
                IpNetwork::V4(network) => {
                    let hosts = u32::MAX.checked_shr(u32::from(network.prefix())).unwrap_or(0);
                    Ipv4Addr::from_bits(network.network().to_bits() | host as u32 & hosts).into()
                }
                IpNetwork::V6(network) => {
                    let address = network.network().to_bits() | u128::from(host);
                    Ipv6Addr::from_bits(address).into()
                }
            };
            group.frame(source, has_tag)
        };
        (0..count).map(&mut frame).collect()
    }

    /// The lists, countries and rules of a policy.
    #[must_use]
    pub fn policy(&self, side: Side) -> PolicySource {
        let sets = vec![(SET.to_owned(), self.of(Group::Ruled))];
        match side {
            Side::A => PolicySource {
                protected: self.of(Group::Service),
                deny: list("deny", self.of(Group::Datagram)),
                geo: Some(self.geo("AQ")),
                sets,
                rules: vec![
                    set_rule(RuleVerdict::Drop),
                    limit("one"),
                    icmp_rule("echo", RuleProtocol::Icmp, 8),
                    icmp_rule("echo6", RuleProtocol::Icmpv6, 128),
                    rule("service", Some(RuleProtocol::Tcp), &[SERVICE_PORT], RuleVerdict::Pass),
                    limit("two"),
                    rule("limited", Some(RuleProtocol::Udp), &[LIMITED_PORT], RuleVerdict::Pass),
                ],
                default: Fate::Drop,
                ..PolicySource::default()
            },
            Side::B => PolicySource {
                allow: list("allow", self.of(Group::Datagram)),
                deny: list("deny", self.of(Group::Flagged)),
                geo: Some(self.geo("KP")),
                sets,
                rules: vec![
                    limit("one"),
                    set_rule(RuleVerdict::Pass),
                    limit("two"),
                    limit("three"),
                    limit("four"),
                    rule("other", Some(RuleProtocol::Number(SCTP)), &[], RuleVerdict::Pass),
                    limit("five"),
                    rule("limited", Some(RuleProtocol::Udp), &[LIMITED_PORT], RuleVerdict::Drop),
                ],
                default: Fate::Pass,
                ..PolicySource::default()
            },
        }
    }

    /// Both policies have the same database: [`Group::Service`] is of KP, [`Group::Fragment`] of AQ.
    fn geo(&self, blocked: &str) -> GeoSource {
        let of = |group: Group, code: &str| {
            let country = country(code);
            self.of(group).into_iter().map(move |network| (network, country)).collect::<Vec<_>>()
        };
        let networks = [of(Group::Service, "KP"), of(Group::Fragment, "AQ")].concat();
        GeoSource::new(Some(GeoMode::Block), [country(blocked)].into(), networks, database())
    }
}

/// The options of a policy; one in so many drops becomes an event, none where that is zero.
#[must_use]
pub fn options(side: Side, sample_one_in: u32) -> PacketOptions {
    let events = EventsConfig {
        sample_one_in,
        first_of_source: false,
        events_per_s_max: if sample_one_in == 0 { 0 } else { EVENTS_PER_S_MAX },
    };
    let limits = match side {
        Side::A => LimitsConfig {
            ports: vec![
                PortLimit { protocol: PortProtocol::Tcp, port: SERVICE_PORT, rate: nothing() },
                PortLimit { protocol: PortProtocol::Udp, port: LIMITED_PORT, rate: nothing() },
            ],
            ..LimitsConfig::default()
        },
        Side::B => {
            LimitsConfig { syn: Some(nothing()), icmp: Some(nothing()), ..LimitsConfig::default() }
        }
    };
    let (tcp_flags, fragments) = match side {
        Side::A => (Fate::Drop, Fate::Pass),
        Side::B => (Fate::Pass, Fate::Drop),
    };
    PacketOptions { limits, tcp_flags, fragments, events, ..plain_options() }
}

/// A limit that lets no frame by: none is as short.
fn nothing() -> RateConfig {
    bytes(1, 1)
}

/// A rule for sources of a set.
fn set_rule(verdict: RuleVerdict) -> RuleConfig {
    let rule = rule("ruled", Some(RuleProtocol::Tcp), &[RULED_PORT], verdict);
    RuleConfig { sources: vec![SET.to_owned()], ..rule }
}

fn icmp_rule(name: &str, protocol: RuleProtocol, kind: u8) -> RuleConfig {
    let rule = rule(name, Some(protocol), &[], RuleVerdict::Drop);
    RuleConfig { icmp_types: vec![kind], ..rule }
}

/// A rule that no packet of the traffic meets, where the other policy has one that decides: its bit,
/// met with the masks of this policy, would decide nothing.
fn limit(name: &str) -> RuleConfig {
    let rate = packets(1_000, 1_000);
    rule(name, Some(RuleProtocol::Udp), &[9], RuleVerdict::Limit { per: LimitPer::Source, rate })
}
