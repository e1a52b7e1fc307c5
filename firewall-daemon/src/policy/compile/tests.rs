//! Precedence by list, against a scan of the lists.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::*;
use crate::policy::GeoDatabase;

fn networks(texts: &[&str]) -> Vec<IpNetwork> {
    texts.iter().map(|text| text.parse().expect("a network")).collect()
}

fn geo(mode: GeoMode, named: &str, owners: &[(&str, &str)]) -> GeoSource {
    let country = |code: &str| Country::parse(code).expect("a country");
    GeoSource {
        mode,
        countries: [country(named)].into(),
        networks: owners
            .iter()
            .map(|(network, code)| (network.parse().expect("a network"), country(code)))
            .collect(),
        database: GeoDatabase {
            path: "test.mmdb".into(),
            kind: String::new(),
            build_epoch_s: 0,
            ipv4_networks: 0,
            ipv6_networks: 0,
        },
    }
}

fn class(policy: &CompiledPolicy, address: &str) -> Option<(List, Option<String>)> {
    let class = match address.parse().expect("an address") {
        IpAddr::V4(address) => policy.v4.class(Ipv4Addr::to_bits(address)),
        IpAddr::V6(address) => policy.v6.class(Ipv6Addr::to_bits(address)),
    }?;
    Some((class.list()?, class.country().map(|country| country.to_string())))
}

#[test]
fn a_longer_prefix_of_a_weaker_list_outranks_nothing() {
    let source = PolicySource {
        protected: networks(&["10.0.0.0/8"]),
        allow: networks(&["203.0.113.0/24", "10.1.0.0/16", "2001:db8::/32"]),
        deny: networks(&[
            "203.0.113.7/32",
            "10.1.2.3/32",
            "192.0.2.0/24",
            "2001:db8::7/128",
            "2001:db9::/32",
        ]),
        geo: Some(geo(
            GeoMode::Block,
            "KP",
            &[("192.0.2.128/25", "KP"), ("203.0.113.7/32", "KP"), ("198.51.100.0/24", "KP")],
        )),
    };
    let policy = compile(&source).expect("it fits");
    for (address, list, country) in [
        ("10.1.2.3", List::Protected, None),
        ("203.0.113.7", List::Allow, Some("KP")),
        ("192.0.2.200", List::Deny, Some("KP")),
        ("192.0.2.1", List::Deny, None),
        ("198.51.100.1", List::Geo, Some("KP")),
        ("198.51.101.0", List::Default, None),
        ("2001:db8::7", List::Allow, None),
        ("2001:db9::1", List::Deny, None),
        ("2001:dba::", List::Default, None),
    ] {
        assert_eq!(class(&policy, address), Some((list, country.map(str::to_owned))), "{address}");
    }
    assert_eq!((policy.summary.allow, policy.summary.deny, policy.summary.geo_networks), (3, 5, 3));
}

#[test]
fn only_some_countries_means_no_unknown_ones() {
    let owners = [("192.0.2.0/24", "DE"), ("198.51.100.0/24", "FR"), ("2001:db8::/32", "DE")];
    // (mode, address, list)
    for (mode, address, list) in [
        (GeoMode::Only, "192.0.2.1", List::Default),
        (GeoMode::Only, "198.51.100.1", List::Geo),
        (GeoMode::Only, "8.8.8.8", List::Geo),
        (GeoMode::Only, "2001:db8::1", List::Default),
        (GeoMode::Only, "2001:db9::1", List::Geo),
        (GeoMode::Block, "192.0.2.1", List::Geo),
        (GeoMode::Block, "198.51.100.1", List::Default),
        (GeoMode::Block, "8.8.8.8", List::Default),
    ] {
        let geo = Some(geo(mode, "DE", &owners));
        let policy = compile(&PolicySource { geo, ..PolicySource::default() }).expect("it fits");
        assert_eq!(class(&policy, address).map(|(list, _)| list), Some(list), "{mode:?} {address}");
    }
}

#[test]
fn an_empty_policy_is_one_range() {
    let policy = compile(&PolicySource::default()).expect("it fits");
    assert_eq!((policy.summary.ranges_v4, policy.summary.ranges_v6), (1, 1));
    for address in ["0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] {
        assert_eq!(class(&policy, address), Some((List::Default, None)), "{address}");
    }
}
