//! Precedence by list, against a scan of the lists.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::*;
use crate::policy::{GeoDatabase, List};
use firewall_common::class::List as Kind;

fn networks(texts: &[&str]) -> Vec<IpNetwork> {
    texts.iter().map(|text| text.parse().expect("a network")).collect()
}

fn list(texts: &[&str]) -> Vec<List> {
    vec![List { name: "list".to_owned(), shadow: false, prefixes: networks(texts).into() }]
}

fn country(code: &str) -> Country {
    Country::parse(code).expect("a country")
}

fn geo(mode: GeoMode, named: &str, owners: &[(&str, &str)]) -> GeoSource {
    let networks: Vec<(IpNetwork, Country)> = owners
        .iter()
        .map(|(network, code)| (network.parse().expect("a network"), country(code)))
        .collect();
    let database = GeoDatabase {
        path: "test.mmdb".into(),
        kind: String::new(),
        build_epoch_s: 0,
        ipv4_networks: 0,
        ipv6_networks: 0,
    };
    GeoSource::new(Some(mode), [country(named)].into(), networks, database)
}

fn found(policy: &CompiledPolicy, address: &str) -> Option<Class> {
    let id = match address.parse().expect("an address") {
        IpAddr::V4(address) => policy.v4.class(Ipv4Addr::to_bits(address)),
        IpAddr::V6(address) => policy.v6.class(Ipv6Addr::to_bits(address)),
    }?;
    policy.classes.get(id as usize).copied()
}

fn class(policy: &CompiledPolicy, address: &str) -> Option<(Kind, Option<String>)> {
    let class = found(policy, address)?;
    Some((class.list()?, class.country().map(|country| country.to_string())))
}

#[test]
fn a_longer_prefix_of_a_weaker_list_outranks_nothing() {
    let source = PolicySource {
        protected: networks(&["10.0.0.0/8"]),
        allow: list(&["203.0.113.0/24", "10.1.0.0/16", "2001:db8::/32"]),
        deny: list(&[
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
        ..PolicySource::default()
    };
    let policy = compile(&source).expect("it fits");
    for (address, list, country) in [
        ("10.1.2.3", Kind::Protected, None),
        ("203.0.113.7", Kind::Allow, Some("KP")),
        ("192.0.2.200", Kind::Deny, Some("KP")),
        ("192.0.2.1", Kind::Deny, None),
        ("198.51.100.1", Kind::Geo, Some("KP")),
        ("198.51.101.0", Kind::Default, None),
        ("2001:db8::7", Kind::Allow, None),
        ("2001:db9::1", Kind::Deny, None),
        ("2001:dba::", Kind::Default, None),
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
        (GeoMode::Only, "192.0.2.1", Kind::Default),
        (GeoMode::Only, "198.51.100.1", Kind::Geo),
        (GeoMode::Only, "8.8.8.8", Kind::Geo),
        (GeoMode::Only, "2001:db8::1", Kind::Default),
        (GeoMode::Only, "2001:db9::1", Kind::Geo),
        (GeoMode::Block, "192.0.2.1", Kind::Geo),
        (GeoMode::Block, "198.51.100.1", Kind::Default),
        (GeoMode::Block, "8.8.8.8", Kind::Default),
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
        assert_eq!(class(&policy, address), Some((Kind::Default, None)), "{address}");
    }
}

#[test]
fn shadow_gives_way_to_what_is_in_force() {
    let named = |name: &str, shadow, texts: &[&str]| List {
        name: name.to_owned(),
        shadow,
        prefixes: networks(texts).into(),
    };
    let mut owners = geo(GeoMode::Block, "KP", &[("10.0.0.0/8", "KP"), ("11.0.0.0/8", "KP")]);
    owners.countries.insert(country("CN"));
    owners.shadow.insert(country("KP"));
    let source = PolicySource {
        deny: vec![
            named("trial", true, &["192.0.2.0/24", "10.1.0.0/16"]),
            named("old", false, &["192.0.2.0/25"]),
        ],
        geo: Some(owners),
        ..PolicySource::default()
    };
    let policy = compile(&source).expect("it fits");
    // (address, list, in shadow, the list's name)
    for (address, list, shadow, name) in [
        ("192.0.2.1", Kind::Deny, false, Some("old")),
        ("192.0.2.200", Kind::Deny, true, Some("trial")),
        ("10.1.0.1", Kind::Deny, true, Some("trial")),
        ("11.0.0.1", Kind::Geo, true, None),
        ("12.0.0.1", Kind::Default, false, None),
    ] {
        let class = found(&policy, address).expect("a class");
        let found_name = policy.names.get(usize::from(class.name)).map(String::as_str);
        assert_eq!(
            (class.list(), class.is_shadow(), found_name),
            (Some(list), shadow, name),
            "{address}"
        );
    }
}

#[test]
fn the_ends_of_the_space_are_their_own() {
    let last = ["255.255.255.255/32", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"];
    let first = ["0.0.0.0/32", "::/128"];
    for (texts, inside, outside) in [
        (
            last,
            ["255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["255.255.255.254", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"],
        ),
        (first, ["0.0.0.0", "::"], ["0.0.0.1", "::1"]),
    ] {
        let source = PolicySource { deny: list(&texts), ..PolicySource::default() };
        let policy = compile(&source).expect("it fits");
        for address in inside {
            assert_eq!(class(&policy, address), Some((Kind::Deny, None)), "{address}");
        }
        for address in outside {
            assert_eq!(class(&policy, address), Some((Kind::Default, None)), "{address}");
        }
    }
}
