//! Two configurations, and what differs.

use std::path::Path;

use super::*;

fn config(packet: &str) -> Config {
    let text = format!("interfaces: [{{ name: eth0 }}]\npacket:\n  tcp_flags: drop\n{packet}");
    Config::from_bytes(Path::new("/nowhere/seawall.yaml"), text.into_bytes()).expect("valid")
}

fn told(before: &str, after: &str) -> Vec<String> {
    let (before, after) = (config(before), config(after));
    let changes = changes(&before, &before.packet, &after, &after.packet);
    changes
        .iter()
        .map(|change| format!("{}: {} -> {}", change.what, change.before, change.after))
        .collect()
}

#[test]
fn options_rules_and_limits() {
    let rule = |name: &str, verdict: &str| {
        format!("    - {{ name: {name}, protocol: tcp, ports: [22], verdict: {verdict} }}\n")
    };
    let rules = |all: &[String]| format!("  rules:\n{}", all.concat());
    // (before, after, what differs)
    let cases: [(String, String, &[&str]); 8] = [
        (String::new(), String::new(), &[]),
        (String::new(), "  default: drop\n".into(), &["default: pass -> drop"]),
        ("  public_ports: [443/tcp]\n".into(), String::new(), &["public_ports: 443/tcp -> all"]),
        (
            String::new(),
            "  limits: { source: { rate_pps: 5, burst_packets: 9 } }\n".into(),
            &["limit source: none -> 5 packets/s burst 9"],
        ),
        (rules(&[rule("a", "drop")]), rules(&[rule("a", "pass")]), &["rule a: drop -> pass"]),
        (
            rules(&[rule("a", "drop"), rule("b", "pass")]),
            rules(&[rule("b", "pass"), rule("a", "drop")]),
            &["order of rules: a, b -> b, a"],
        ),
        (String::new(), rules(&[rule("a", "drop")]), &["rule a: none -> drop"]),
        (
            String::new(),
            "  protect: { ssh_peer: false }\n  shadow: { policy: true }\n".into(),
            &[
                "shadow.policy: false -> true",
                "protect: ssh_peer, gateway, resolvers -> gateway, resolvers",
            ],
        ),
    ];
    for (before, after, expected) in cases {
        assert_eq!(told(&before, &after), expected, "{before}{after}");
    }
}

#[test]
fn the_audit_is_told_once_what_differs() {
    let cases = [
        ("", "", ("", "")),
        (
            "  deny: { prefixes: [203.0.113.0/24] }\n",
            "  protected: [192.0.2.1]\n  default: drop\n",
            (
                "default: pass; protected: 0 prefixes; deny: 1 prefixes, files none",
                "default: drop; protected: 1 prefixes; deny: 0 prefixes, files none",
            ),
        ),
        (
            "",
            "  feeds: [{ name: a, url: 'https://a.example/list?key=secret' }]\n",
            ("feeds: none", "feeds: a https://a.example/list…"),
        ),
    ];
    for (before, after, (was, is)) in cases {
        let told = told_apart(&config(before), &config(after));
        assert_eq!(told, (was.to_owned(), is.to_owned()), "{before}{after}");
    }
}

#[test]
fn lists_by_their_prefixes() {
    let list = |section, name: &str, prefixes: &[&str]| -> NamedList {
        let prefixes: Vec<IpNetwork> =
            prefixes.iter().map(|text| text.parse().expect("a prefix")).collect();
        (section, name.to_owned(), Arc::new(prefixes))
    };
    let before = [
        list("deny", "spam", &["203.0.113.0/24", "192.0.2.0/24"]),
        list("deny", "same", &["203.0.113.0/24", "192.0.2.0/24"]),
        list("allow", "gone", &["198.51.100.7/32"]),
    ];
    let after = [
        list("deny", "spam", &["203.0.113.0/24", "2001:db8::/32", "198.18.0.0/15"]),
        list("deny", "same", &["192.0.2.0/24", "203.0.113.0/24"]),
        list("deny", "new", &["192.0.2.0/24"]),
    ];
    let text = |change: ListChange| {
        let ListChange { section, name, before, after, new, gone } = change;
        format!("{section} {name}: {before:?} to {after:?}, {new} new, {gone} gone")
    };
    let found: Vec<String> = lists(&before, &after).into_iter().map(text).collect();
    let expected = [
        "allow gone: Some(1) to None, 0 new, 1 gone",
        "deny new: None to Some(1), 1 new, 0 gone",
        "deny spam: Some(2) to Some(3), 2 new, 1 gone",
    ];
    assert_eq!(found, expected);
    assert!(lists(&before, &before).is_empty());
}
