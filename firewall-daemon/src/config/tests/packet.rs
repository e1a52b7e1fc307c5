//! Lists, sets, countries, shadow, and the keys of one word.

use std::{collections::BTreeMap, path::Path};

use ipnetwork::IpNetwork;

use super::{LEAST, load, packet, refused};
use crate::{
    config::{EventsConfig, Fate, KernelLog, LimitsConfig, ShadowConfig},
    policy::GeoMode,
};

fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

#[test]
fn what_is_left_out_has_its_default() {
    let packet = load(LEAST).expect("the least configuration").packet;
    assert!(packet.protected.is_empty() && packet.geo.is_none());
    assert_eq!((packet.sets, packet.shadow), (BTreeMap::new(), ShadowConfig::default()));
    assert_eq!(packet.default, Fate::Pass);
    assert!(packet.public_ports.is_empty() && packet.rules.is_empty());
    assert_eq!((packet.limits, packet.syn_cookies), (LimitsConfig::default(), None));
    let fates = [packet.malformed, packet.tcp_flags, packet.fragments, packet.non_ip];
    assert_eq!(fates, [Fate::Drop; 4]);
    let events =
        EventsConfig { sample_one_in: 100, first_of_source: true, events_per_s_max: 1_000 };
    assert_eq!(packet.events, events);
    assert_eq!(packet.kernel_log, KernelLog::Off);
    assert_eq!(packet.pin_path, Path::new("/sys/fs/bpf/seawall"));
}

#[test]
fn every_key_acts() {
    let packet = load(&packet(
        "protected: [198.51.100.7, 2001:db8::/64]
  allow: {prefixes: [203.0.113.7], files: [allow.txt, /lists/more.txt]}
  deny: {prefixes: [203.0.113.0/24], files: [bad.tar.txt]}
  sets: {office: {prefixes: [192.0.2.0/24], files: [office.txt]}, empty-1_: {}}
  geo: {database: country.mmdb, block: [KP, NO]}
  shadow: {policy: true, lists: [deny, bad.tar], countries: [NO]}
  default: drop
  malformed: pass
  tcp_flags: pass
  fragments: pass
  non_ip: pass
  events: {sample_one_in: 0, first_of_source: false, events_per_s_max: 0}
  kernel_log: debug
  pin_path: /bpf/x",
    ))
    .expect("a full section")
    .packet;
    let text = |prefixes: &[IpNetwork]| texts(prefixes);
    assert_eq!(text(&packet.protected), ["198.51.100.7/32", "2001:db8::/64"]);
    assert_eq!(text(&packet.allow.prefixes), ["203.0.113.7/32"]);
    assert_eq!(
        packet.allow.files,
        [Path::new("/etc/seawall/allow.txt"), Path::new("/lists/more.txt")]
    );
    assert_eq!(packet.allow.names("allow"), ["allow", "allow", "more"]);
    assert_eq!(text(&packet.deny.prefixes), ["203.0.113.0/24"]);
    assert_eq!(packet.deny.files, [Path::new("/etc/seawall/bad.tar.txt")]);
    assert_eq!(packet.deny.names("deny"), ["deny", "bad.tar"]);
    assert_eq!(packet.sets.keys().collect::<Vec<_>>(), ["empty-1_", "office"]);
    assert_eq!(text(&packet.sets["office"].prefixes), ["192.0.2.0/24"]);
    assert_eq!(packet.sets["office"].files, [Path::new("/etc/seawall/office.txt")]);
    let geo = packet.geo.as_ref().expect("geo");
    assert_eq!(geo.database, Path::new("/etc/seawall/country.mmdb"));
    assert_eq!(geo.mode, Some(GeoMode::Block));
    assert_eq!(texts(&geo.countries), ["KP", "NO"]);
    assert!(packet.shadow.policy);
    assert_eq!(texts(&packet.shadow.lists), ["bad.tar", "deny"]);
    assert_eq!(texts(&packet.shadow.countries), ["NO"]);
    assert_eq!(packet.default, Fate::Drop);
    let fates = [packet.malformed, packet.tcp_flags, packet.fragments, packet.non_ip];
    assert_eq!(fates, [Fate::Pass; 4]);
    let events = EventsConfig { sample_one_in: 0, first_of_source: false, events_per_s_max: 0 };
    assert_eq!(packet.events, events);
    assert_eq!(packet.kernel_log, KernelLog::Debug);
    assert_eq!(packet.pin_path, Path::new("/bpf/x"));
}

#[test]
fn a_database_may_be_there_for_rules_and_limits_alone() {
    for (keys, mode, countries, shadow) in [
        ("", None, vec![], "[]"),
        (", only: [DE]", Some(GeoMode::Only), vec!["DE"], "[FR, KP]"),
        (", block: [KP]", Some(GeoMode::Block), vec!["KP"], "[KP]"),
    ] {
        let lines = format!("geo: {{database: a.mmdb{keys}}}\n  shadow: {{countries: {shadow}}}");
        let geo = load(&packet(&lines)).expect("a section").packet.geo.expect("geo");
        assert_eq!((geo.mode, texts(&geo.countries)), (mode, texts(countries)));
    }
}

#[test]
fn the_prefixes_are_a_list_where_there_are_any() {
    let config = load(&packet("deny: {files: [deny.txt]}")).expect("no second list `deny`");
    assert_eq!(config.packet.deny.names("deny"), ["deny"]);
}

#[test]
fn what_is_wrong_with_a_list_is_said_with_its_place() {
    let sets: String = (0..65).map(|number| format!("s{number}: {{}}, ")).collect();
    refused(&[
        (
            packet("deny: {prefixes: [203.0.113.0/24, 203.0.113.7/24]}"),
            "3:37: expected a prefix without host bits, found 203.0.113.7/24; write 203.0.113.0/24 for the network or 203.0.113.7 for the one address",
        ),
        (packet("deny: {prefixes: 203.0.113.0/24}"), "3:20: expected a list, such as [a, b]"),
        (packet("deny: [203.0.113.0/24]"), "3:9: expected a section with keys of its own"),
        (packet("deny: {files: ['']}"), "3:18: expected a path, found \"\""),
        (
            packet("deny: {files: [a/bad.txt, b/bad.list]}"),
            "3:29: files: expected a file whose name without extension no other deny list has, found \"bad\" again; rename the file",
        ),
        (
            packet("deny: {prefixes: [192.0.2.1], files: [deny.txt]}"),
            "3:41: files: expected a file whose name without extension no other deny list has, found \"deny\" again; rename the file",
        ),
        (
            packet("allow: {prefixes: [example.com]}"),
            "3:22: expected an address or a prefix such as 203.0.113.0/24 or 2001:db8::/32, found \"example.com\"",
        ),
        (
            packet("protected: ['::ffff:1.2.3.4']"),
            "3:15: expected IPv4 in its own notation, found the IPv4-mapped \"::ffff:1.2.3.4\"; write 1.2.3.4",
        ),
        (
            packet("sets: {Office: {}}"),
            "3:10: expected a name, 1 to 32 characters of a-z, 0-9, - and _, found \"Office\"",
        ),
        (
            packet("sets: {a: {file: x}}"),
            "3:14: unknown field `file`, expected one of prefixes, files, asns",
        ),
        (
            packet("sets: {a: {}, a: {}}"),
            "3:17: expected each key once, found a second \"a\"; remove one of the two",
        ),
        (packet(&format!("sets: {{{sets}}}")), "3:9: sets: expected at most 64 sets, found 65"),
    ]);
}

#[test]
fn there_are_as_many_lists_as_their_holders_have_bits() {
    let files = |count: usize| -> String {
        (0..count).map(|number| format!("{number:03}, ")).collect::<String>()
    };
    let expected = |section: &str, found: usize| {
        format!(
            "{section}: expected at most 127 lists (each file and each autonomous system is one, and so are the \
             prefixes together), found {found}; join some of the files"
        )
    };
    // 15 characters to the first file, five for each; that of the 128th list is told.
    for section in ["deny", "allow"] {
        let lines = |rest: &str, count: usize| {
            packet(&format!("{section}: {{files: [{}]{rest}}}", files(count)))
        };
        let config = load(&lines("", 127)).expect("they fit");
        let list = if section == "deny" { &config.packet.deny } else { &config.packet.allow };
        assert_eq!(list.names(section).len(), 127);
        load(&lines(", prefixes: [192.0.2.1]", 126)).expect("they fit");
        for (text, found, column) in [
            (lines("", 128), 128, 18 + 127 * 5 + section.len() - 4),
            (lines(", prefixes: [192.0.2.1]", 127), 128, 18 + 126 * 5 + section.len() - 4),
            (lines("", 200), 200, 18 + 199 * 5 + section.len() - 4),
        ] {
            let message = format!("3:{column}: {}", expected(section, found));
            refused(&[(text, &message)]);
        }
    }
    let feeds =
        format!("deny: {{files: [{}]}}\n  feeds: [{{name: a, url: 'https://a/b'}}]", files(127));
    refused(&[(
        packet(&feeds),
        "4:10: feeds: expected at most 127 deny lists with them, found 128",
    )]);
}

#[test]
fn what_is_wrong_with_countries_is_said_with_its_place() {
    let shadow = |geo: &str, shadow: &str| packet(&format!("{geo}\n  shadow: {shadow}"));
    refused(&[
        (
            packet("geo: {database: a.mmdb, only: [UK]}"),
            "3:34: expected a country as ISO 3166-1 alpha-2, such as DE, found \"UK\"; the United Kingdom is GB",
        ),
        (
            packet("geo: {database: a.mmdb, only: [DE], block: [KP]}"),
            "3:8: geo: expected either `only` or `block`, found both; remove one",
        ),
        (
            packet("geo: {database: a.mmdb, only: []}"),
            "3:33: only: expected at least one country, found an empty list; leave only out to drop no country",
        ),
        (
            packet("geo: {database: a.mmdb, block: [KP, IR, KP]}"),
            "3:43: block: expected each once, found KP again; remove one",
        ),
        (packet("geo: {only: [DE]}"), "3:9: missing field `database`"),
        (
            shadow("deny: {prefixes: [192.0.2.1], files: [bad.txt]}", "{lists: [bad.txt]}"),
            "4:20: lists: expected the name of a deny list (deny, bad), found \"bad.txt\"",
        ),
        (
            packet("shadow: {lists: [deny]}"),
            "3:20: lists: expected the name of a deny list; packet.deny has none, found \"deny\"",
        ),
        (
            shadow("deny: {prefixes: [192.0.2.1]}", "{lists: [deny, deny]}"),
            "4:26: lists: expected each once, found deny again; remove one",
        ),
        (
            packet("shadow: {countries: [KP]}"),
            "3:24: countries: expected packet.geo to be there, which drops countries, found KP",
        ),
        (
            shadow("geo: {database: a.mmdb}", "{countries: [KP]}"),
            "4:24: countries: expected `only` or `block` in packet.geo, which drops countries, found KP",
        ),
        (
            shadow("geo: {database: a.mmdb, block: [IR]}", "{countries: [KP]}"),
            "4:24: countries: expected a country of geo.block: all others are let in, found KP",
        ),
        (
            shadow("geo: {database: a.mmdb, only: [DE]}", "{countries: [KP, DE]}"),
            "4:28: countries: expected a country that is not in geo.only: those in it are let in, found DE",
        ),
        (
            shadow("geo: {database: a.mmdb, only: [DE]}", "{countries: [KP, KP]}"),
            "4:28: countries: expected each once, found KP again; remove one",
        ),
        (packet("shadow: {policy: on}"), "3:20: expected true or false, found \"on\""),
    ]);
}

#[test]
fn what_is_wrong_with_a_word_or_number_is_said_with_its_place() {
    refused(&[
        (
            packet("rate_limit: {rate_pps: 10, burst_packets: 10}"),
            "3:3: unknown field `rate_limit`, expected one of protected, protect, allow, deny, sets, feeds, geo, shadow, default, public_ports, rules, limits, syn_cookies, malformed, tcp_flags, fragments, non_ip, events, kernel_log, pin_path",
        ),
        (packet("default: deny"), "3:12: unknown variant `deny`, expected one of drop, pass"),
        (packet("malformed: no"), "3:14: unknown variant `no`, expected one of drop, pass"),
        (packet("tcp_flags: off"), "3:14: unknown variant `off`, expected one of drop, pass"),
        (packet("fragments: 1"), "3:14: unknown variant `1`, expected one of drop, pass"),
        (packet("non_ip: maybe"), "3:11: unknown variant `maybe`, expected one of drop, pass"),
        (
            packet("non_ip: drop\n  non_ip: pass"),
            "4:3: expected each key once, found a second \"non_ip\"; remove one of the two",
        ),
        (
            packet("events: {sample_one_in: 1000000001}"),
            "3:27: expected a whole number from 0 to 1000000000, found \"1000000001\"",
        ),
        (
            packet("events: {events_per_s_max: 1000001}"),
            "3:30: expected a whole number from 0 to 1000000, found \"1000001\"",
        ),
        (packet("events: {first_of_source: 1}"), "3:29: expected true or false, found \"1\""),
        (packet("pin_path: bpf"), "3:13: pin_path: expected a path from /, found \"bpf\""),
    ]);
}

#[test]
fn a_key_without_a_value_lifts_nothing() {
    let list = "expected a list, such as [a, b]";
    let section = "expected a section with keys of its own";
    for (lines, expected) in [
        ("geo:\n    database: a.mmdb\n    only:\n      # - DE", list),
        ("geo:\n    database: a.mmdb\n    block: null", list),
        ("geo:\n    # database: a.mmdb", section),
        ("sets:", section),
        ("deny:\n    files:", list),
        ("public_ports:", list),
        ("rules:", list),
        ("rules: [{name: a, verdict: drop, sources: }]", list),
        ("rules: [{name: a, verdict: drop, protocol: tcp, ports: ~}]", list),
        ("rules: [{name: a, verdict: pass, limit: }]", section),
        ("rules: [{name: a, verdict: drop, protocol: tcp, tcp_flags: }]", section),
        ("limits:", section),
        ("limits: {source: }", section),
        ("syn_cookies:", section),
    ] {
        let error = load(&packet(lines)).expect_err(lines);
        assert!(error.ends_with(expected), "{lines}: {error}");
    }
    for lines in [
        "default:",
        "fragments: ~",
        "pin_path:",
        "shadow: {policy: }",
        "events: {sample_one_in: }",
        "rules: [{name: a, verdict: drop, protocol: }]",
        "limits: {source: {rate_pps: , burst_packets: 1}}",
    ] {
        assert!(load(&packet(lines)).is_err(), "{lines}");
    }
}
