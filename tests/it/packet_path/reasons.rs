//! Every reason, in every verdict that it can have: what meets it, and the nearest that does not.

mod rows;

use std::{collections::BTreeSet, time::Duration};

use aya::maps::{Array, Map, MapData, MapInfo};
use firewall_common::{Reason, maps, ranges::SLOTS};
use firewall_daemon::{
    config::LimitsConfig,
    datapath::PacketOptions,
    policy::{GeoMode, PolicySource},
};
use seawall_tests::{
    engine::{Engine, plain_options},
    frame::udp_from,
    policies::{country, denying, geo, list, packets},
    requirement,
};

use super::case::{judge, prefixes};
use rows::{Row, rows};

/// What is in shadow passes, and is counted as what it would have been.
fn in_shadow(counter: &str) -> String {
    match counter.split_once(' ') {
        Some(("drop" | "reply", rest)) => format!("shadow {rest}"),
        _ => counter.to_owned(),
    }
}

fn is_v6(frame: &[u8]) -> bool {
    frame[12..14] == [0x86, 0xdd]
}

#[test]
fn every_reason_has_its_row() {
    if !requirement::root("every_reason_has_its_row") {
        return;
    }
    let mut met = BTreeSet::from([Reason::Fault]);
    for Row { reason, policy, options, bans, cases } in rows() {
        let word = |counter: &str| counter.split(' ').nth(1) == Some(reason.label());
        let frames = |of_reason: bool| {
            cases.iter().filter(move |(_, _, counter)| word(counter) == of_reason)
        };
        assert!(
            frames(true).count() > 0 && frames(false).count() > 0,
            "{reason:?}: a row has both"
        );
        if reason != Reason::NonIp {
            for v6 in [false, true] {
                assert!(
                    frames(true).any(|(_, frame, _)| is_v6(frame) == v6),
                    "{reason:?}: v6 {v6}"
                );
            }
        }
        met.insert(reason);
        for shadow in [false, true] {
            let options = PacketOptions { shadow, ..options.clone() };
            let mut engine = Engine::load(&policy, &options);
            for source in &bans {
                engine.bans().add(*source, Duration::from_secs(3_600)).unwrap();
            }
            for (what, frame, counter) in &cases {
                let counter = if shadow { in_shadow(counter) } else { (*counter).to_owned() };
                judge(
                    &mut engine,
                    &format!("{reason:?}, {what}, shadow {shadow}"),
                    frame,
                    &counter,
                );
            }
        }
    }
    assert_eq!(met, BTreeSet::from(Reason::ALL), "each reason has a row");
}

/// No policy leads to it: the tables have to be written over behind the daemon's back.
#[test]
fn tables_that_contradict_themselves_are_a_fault_that_passes() {
    if !requirement::root("tables_that_contradict_themselves_are_a_fault_that_passes") {
        return;
    }
    let mut engine = Engine::load(&denying(prefixes(&["203.0.113.0/25"])), &plain_options());
    let [denied, good, denied_v6] = ["203.0.113.1", "198.51.100.1", "2001:db8::1"]
        .map(|source| udp_from(source.parse().unwrap()));
    judge(&mut engine, "before", &denied, "drop deny udp");
    judge(&mut engine, "before", &good, "pass default udp");
    for name in [maps::V4_SLOTS, maps::V6_SLOTS] {
        let id = engine
            .maps()
            .iter()
            .find(|map: &&MapInfo| map.name_as_str() == Some(name))
            .map(MapInfo::id)
            .expect("a table of slots");
        let map = Map::from_map_data(MapData::from_id(id).unwrap()).unwrap();
        let mut slots: Array<MapData, [u32; SLOTS]> = map.try_into().unwrap();
        // No class, no node and no row of ranges has this number. On the heap: it is a megabyte.
        let wrong: Box<[u32; SLOTS]> = vec![u32::MAX; SLOTS].try_into().unwrap();
        slots.set(0, wrong.as_ref(), 0).unwrap();
    }
    judge(&mut engine, "v4", &good, "pass fault udp");
    judge(&mut engine, "v6", &denied_v6, "pass fault udp");
}

#[test]
fn a_list_or_a_country_in_shadow_counts_what_it_would_drop() {
    if !requirement::root("a_list_or_a_country_in_shadow_counts_what_it_would_drop") {
        return;
    }
    let networks = [("198.51.100.0/24", "KP"), ("2001:db8:a::/48", "KP"), ("192.0.2.0/24", "IR")];
    let mut geo = geo(GeoMode::Only, "DE", &networks);
    geo.shadow = [country("KP")].into();
    let mut deny = list("watched", prefixes(&["203.0.113.0/24", "2001:db8:b::/48"]));
    deny[0].shadow = true;
    deny.extend(list("deny", prefixes(&["203.0.113.9/32", "2001:db8:b::9/128"])));
    let policy = PolicySource { deny, geo: Some(geo), ..PolicySource::default() };
    let limits = LimitsConfig { source: Some(packets(1, 2)), ..LimitsConfig::default() };
    let options = PacketOptions { limits, ..plain_options() };
    let mut engine = Engine::load(&policy, &options);
    let banned = "198.51.100.66".parse().unwrap();
    engine.bans().add(banned, Duration::from_secs(3_600)).unwrap();
    for (source, counter) in [
        // Only DE is let in, so what is on no list of countries is dropped behind a list in shadow.
        ("198.51.100.1", "shadow geo udp"),
        ("2001:db8:a::1", "shadow geo udp"),
        ("192.0.2.1", "drop geo udp"),
        ("203.0.113.9", "drop deny udp"),
        ("2001:db8:b::9", "drop deny udp"),
        ("203.0.113.8", "drop geo udp"),
        // What is enforced goes on behind a shadow.
        ("198.51.100.66", "drop ban udp"),
        ("198.51.100.1", "shadow geo udp"),
        ("198.51.100.1", "drop rate_source udp"),
    ] {
        judge(&mut engine, source, &udp_from(source.parse().unwrap()), counter);
    }
    engine.reload(&PolicySource { geo: None, ..policy }, &plain_options());
    for (source, counter) in [
        ("203.0.113.8", "shadow deny udp"),
        ("203.0.113.9", "drop deny udp"),
        ("203.0.112.255", "pass default udp"),
        ("2001:db8:b::8", "shadow deny udp"),
        ("2001:db8:b::9", "drop deny udp"),
        ("2001:db8:c::8", "pass default udp"),
    ] {
        judge(&mut engine, source, &udp_from(source.parse().unwrap()), counter);
    }
}
