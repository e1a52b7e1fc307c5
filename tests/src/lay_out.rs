//! The oracle's policy, as the daemon would read it from its files.

use std::{collections::BTreeSet, net::IpAddr};

use firewall_common::Country;
use firewall_daemon::{
    config::{
        ByteRate, Fate, LimitPer, LimitsConfig, PacketRate, PortLimit, PortProtocol, PortRange,
        RateConfig, RuleConfig, RuleProtocol, RuleVerdict, Service, SynCookiesConfig, TcpFlags,
    },
    datapath::PacketOptions,
    policy::{GeoDatabase, GeoMode, GeoSource, List, PolicySource},
};
use ipnetwork::IpNetwork;

use crate::{
    engine::plain_options,
    oracle::{
        Letters, OracleAction, OracleCountries, OracleList, OraclePer, OraclePolicy,
        OracleProtocol, OracleRate, OracleRule, OracleService,
    },
};

/// What the policy is compiled from.
#[must_use]
pub fn source(policy: &OraclePolicy) -> PolicySource {
    let lists = |lists: &[OracleList]| -> Vec<List> {
        let list = |list: &OracleList| List {
            name: list.name.clone(),
            shadow: list.shadow,
            prefixes: networks(&list.networks).into(),
        };
        lists.iter().map(list).collect()
    };
    let sets = policy.sets.iter();
    PolicySource {
        protected: policy.protected.iter().flat_map(|list| networks(&list.networks)).collect(),
        allow: lists(&policy.allow),
        deny: lists(&policy.deny),
        sets: sets.map(|(name, prefixes)| (name.clone(), networks(prefixes))).collect(),
        geo: (!policy.geo.is_empty()).then(|| geo(policy)),
        rules: policy.rules.iter().map(rule).collect(),
        public_ports: policy.public.iter().map(service).collect(),
        default: fate(!policy.default_drop),
    }
}

/// Everything else that a generation is loaded with.
#[must_use]
pub fn options(policy: &OraclePolicy) -> PacketOptions {
    let limits = &policy.limits;
    let rate_of = |limit: &Option<OracleRate>| limit.as_ref().map(rate);
    PacketOptions {
        limits: LimitsConfig {
            source: rate_of(&limits.source),
            prefix: rate_of(&limits.prefix),
            country: rate_of(&limits.country),
            syn: rate_of(&limits.syn),
            udp: rate_of(&limits.udp),
            icmp: rate_of(&limits.icmp),
            other: rate_of(&limits.other),
            ports: limits
                .ports
                .iter()
                .map(|limit| PortLimit {
                    protocol: if limit.tcp { PortProtocol::Tcp } else { PortProtocol::Udp },
                    port: limit.port,
                    rate: rate(&limit.rate),
                })
                .collect(),
        },
        syn_cookies: policy.syn_cookies.as_ref().map(|cookies| SynCookiesConfig {
            ports: cookies.ports.iter().copied().collect(),
            threshold_pps: cookies.threshold_pps as u32,
        }),
        malformed: fate(policy.pass.malformed),
        tcp_flags: fate(policy.pass.tcp_flags),
        fragments: fate(policy.pass.fragments),
        non_ip: fate(policy.pass.non_ip),
        shadow: policy.shadow,
        ..plain_options()
    }
}

fn fate(passes: bool) -> Fate {
    if passes { Fate::Pass } else { Fate::Drop }
}

fn networks(networks: &[(IpAddr, u32)]) -> Vec<IpNetwork> {
    networks
        .iter()
        .map(|(address, length)| IpNetwork::new(*address, *length as u8).expect("a network"))
        .collect()
}

fn country(letters: &Letters) -> Country {
    Country::from_bytes(*letters).expect("a country")
}

fn countries(letters: &[Letters]) -> BTreeSet<Country> {
    letters.iter().map(country).collect()
}

fn geo(policy: &OraclePolicy) -> GeoSource {
    let (mode, named) = match &policy.countries {
        OracleCountries::None => (None, &[][..]),
        OracleCountries::Only(named) => (Some(GeoMode::Only), &named[..]),
        OracleCountries::Block(named) => (Some(GeoMode::Block), &named[..]),
    };
    let network = |((address, length), letters): &((IpAddr, u32), Letters)| {
        (IpNetwork::new(*address, *length as u8).expect("a network"), country(letters))
    };
    let networks: Vec<_> = policy.geo.iter().map(network).collect();
    let database = GeoDatabase {
        path: "generated.mmdb".into(),
        kind: "generated".to_owned(),
        build_epoch_s: 0,
        ipv4_networks: 0,
        ipv6_networks: 0,
    };
    let shadow = countries(&policy.shadow_countries);
    GeoSource { shadow, ..GeoSource::new(mode, countries(named), networks, database) }
}

fn service(service: &OracleService) -> Service {
    match *service {
        OracleService::Tcp(first, last) => Service::Tcp(PortRange { first, last }),
        OracleService::Udp(first, last) => Service::Udp(PortRange { first, last }),
        OracleService::IcmpEcho => Service::IcmpEcho,
    }
}

fn rule(rule: &OracleRule) -> RuleConfig {
    let range = |(first, last): &(u16, u16)| PortRange { first: *first, last: *last };
    RuleConfig {
        name: rule.name.clone(),
        protocol: match rule.protocol {
            OracleProtocol::Any => None,
            OracleProtocol::Tcp => Some(RuleProtocol::Tcp),
            OracleProtocol::Udp => Some(RuleProtocol::Udp),
            OracleProtocol::Icmp => Some(RuleProtocol::Icmp),
            OracleProtocol::Icmpv6 => Some(RuleProtocol::Icmpv6),
            OracleProtocol::Number(number) => Some(RuleProtocol::Number(number)),
        },
        ports: rule.ports.iter().map(range).collect(),
        icmp_types: rule.icmp_types.clone(),
        tcp_flags: (rule.flags_set | rule.flags_clear != 0)
            .then_some(TcpFlags { set: rule.flags_set, clear: rule.flags_clear }),
        sources: rule.sources.clone(),
        countries: countries(&rule.countries),
        verdict: match &rule.action {
            OracleAction::Pass => RuleVerdict::Pass,
            OracleAction::Drop => RuleVerdict::Drop,
            OracleAction::Limit(per, limit) => RuleVerdict::Limit {
                per: match per {
                    OraclePer::Source => LimitPer::Source,
                    OraclePer::Prefix => LimitPer::Prefix,
                    OraclePer::Rule => LimitPer::Rule,
                },
                rate: rate(limit),
            },
        },
    }
}

fn rate(rate: &OracleRate) -> RateConfig {
    RateConfig {
        packets: rate.packets.map(|tokens| PacketRate {
            rate_pps: tokens.rate as u32,
            burst_packets: tokens.burst as u32,
        }),
        bytes: rate
            .bytes
            .map(|tokens| ByteRate { rate_bytes_per_s: tokens.rate, burst_bytes: tokens.burst }),
    }
}
