//! Policies that many tests want.

use std::collections::BTreeSet;

use firewall_common::Country;
use firewall_daemon::{
    config::{ByteRate, PacketRate, PortRange, RateConfig, RuleConfig, RuleProtocol, RuleVerdict},
    policy::{GeoDatabase, GeoMode, GeoSource, List, PolicySource},
};
use ipnetwork::IpNetwork;

/// One list of this name.
#[must_use]
pub fn list(name: &str, prefixes: Vec<IpNetwork>) -> Vec<List> {
    vec![List { name: name.to_owned(), shadow: false, prefixes: prefixes.into() }]
}

/// A policy that denies these and nothing else.
#[must_use]
pub fn denying(prefixes: Vec<IpNetwork>) -> PolicySource {
    PolicySource { deny: list("deny", prefixes), ..PolicySource::default() }
}

/// A country of two letters.
#[must_use]
pub fn country(code: &str) -> Country {
    Country::parse(code).expect("a country")
}

/// A database of these networks, of which the policy names one country.
#[must_use]
pub fn geo(mode: GeoMode, named: &str, networks: &[(&str, &str)]) -> GeoSource {
    let network = |(network, code): &(&str, &str)| -> (IpNetwork, Country) {
        (network.parse().expect("a network"), country(code))
    };
    let networks: Vec<_> = networks.iter().map(network).collect();
    GeoSource::new(Some(mode), BTreeSet::from([country(named)]), networks, database())
}

/// A database that stands in no file.
#[must_use]
pub fn database() -> GeoDatabase {
    GeoDatabase {
        path: "test.mmdb".into(),
        kind: "test".to_owned(),
        build_epoch_s: 0,
        ipv4_networks: 0,
        ipv6_networks: 0,
    }
}

/// A limit of packets alone.
#[must_use]
pub fn packets(rate_pps: u32, burst_packets: u32) -> RateConfig {
    RateConfig { packets: Some(PacketRate { rate_pps, burst_packets }), bytes: None }
}

/// A limit of bytes alone.
#[must_use]
pub fn bytes(rate_bytes_per_s: u64, burst_bytes: u64) -> RateConfig {
    RateConfig { packets: None, bytes: Some(ByteRate { rate_bytes_per_s, burst_bytes }) }
}

/// A rule for a protocol, or for all; where ports are named, for these.
#[must_use]
pub fn rule(
    name: &str,
    protocol: Option<RuleProtocol>,
    ports: &[u16],
    verdict: RuleVerdict,
) -> RuleConfig {
    RuleConfig {
        name: name.to_owned(),
        protocol,
        ports: ports.iter().map(|port| PortRange { first: *port, last: *port }).collect(),
        icmp_types: Vec::new(),
        tcp_flags: None,
        sources: Vec::new(),
        countries: BTreeSet::new(),
        verdict,
    }
}
