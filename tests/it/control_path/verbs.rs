//! The everyday verbs: every wrong, missing, duplicate and conflicting argument has its message and exit
//! code, and what is said to be in force is.

use std::fs;

use seawall_tests::{requirement, seawall::Seawall};

use crate::{
    control_path::asked::{self, ask, drops},
    site::{Ground, Site},
};

const POLICY: &str = "  protected: [203.0.113.99]
  allow: { prefixes: [198.18.5.0/24], files: [friends.txt] }
  deny: { prefixes: [203.0.113.64/26], files: [spam.txt] }
  geo: { database: country.mmdb, block: [KP] }
  limits: { source: { rate_pps: 100000, burst_packets: 200000 } }
";

fn site() -> Site {
    let ground = Ground::prepare();
    let folder = ground.world.folder();
    fs::write(folder.join("spam.txt"), "# of today\n192.0.0.0/24\n45.0.0.0/8\n").unwrap();
    fs::write(folder.join("friends.txt"), "198.18.7.7\n").unwrap();
    let seawall = Seawall::start(&ground.world, &ground.config(POLICY, "")).unwrap();
    Site { seawall, ground }
}

/// (command, exit code, what it says; FOLDER is that of the world, and * is anything)
const CASES: &[(&str, i32, &str)] = &[
    // Lists.
    (
        "deny list",
        0,
        "no verb added anything\nlist deny has 1 prefixes: FOLDER/seawall.yaml\nlist spam has 2 prefixes: FOLDER/spam.txt\n",
    ),
    (
        "deny add 10.0.0.0/8 2001:db8:bad::/48",
        0,
        "10.0.0.0/8 is on the list deny, for good\n2001:db8:bad::/48 is on the list deny, for good\n",
    ),
    (
        "deny add 10.0.0.0/8",
        1,
        "seawall: the daemon refused: 10.0.0.0/8 is on the list deny already: root added it *; to give it another time or comment, remove it first: seawall deny remove 10.0.0.0/8\n",
    ),
    (
        "deny add 10.1.0.0/16",
        0,
        "10.1.0.0/16 is on the list deny, for good\nnote: 10.1.0.0/16 is within 10.0.0.0/8 of the list deny already\n",
    ),
    (
        "deny add 11.0.0.0/8 11.0.0.0/8",
        1,
        "seawall: the daemon refused: expected each prefix once, found 11.0.0.0/8 again; name it once\n",
    ),
    (
        "deny add 203.0.113.64/26",
        1,
        "seawall: the daemon refused: 203.0.113.64/26 is on the list deny already: it stands in FOLDER/seawall.yaml:7\n",
    ),
    (
        "deny add 45.0.0.0/8",
        1,
        "seawall: the daemon refused: 45.0.0.0/8 is on the list spam already: it stands in FOLDER/spam.txt:3\n",
    ),
    (
        "deny add 203.0.113.99",
        1,
        "seawall: the daemon refused: 203.0.113.99 is within 203.0.113.99, which is protected, and what is protected passes all the same: take it off packet.protected first\n",
    ),
    (
        "deny add 198.18.5.9",
        1,
        "seawall: the daemon refused: 198.18.5.9 is within 198.18.5.0/24 of the list allow, and what is allowed passes all the same: it stands in FOLDER/seawall.yaml:6; take it off first\n",
    ),
    (
        "deny add 198.18.7.7",
        1,
        "seawall: the daemon refused: 198.18.7.7 is within 198.18.7.7 of the list friends, and what is allowed passes all the same: it stands in FOLDER/friends.txt:1; take it off first\n",
    ),
    (
        "deny add 198.18.0.0/16 --comment test",
        0,
        "198.18.0.0/16 is on the list deny, for good\nnote: within 198.18.0.0/16, 198.18.5.0/24 (allowed), 198.18.7.7 (allowed) passes all the same\n",
    ),
    ("deny add 12.0.0.0/8 --for 2h", 0, "12.0.0.0/8 is on the list deny, until *Z\n"),
    (
        "deny add 12.0.0.0/7 --for 2x",
        2,
        "error: invalid value '2x' for '--for <TIME>': expected a time such as 30s, 10m, 2h or 7d, found \"2x\"*",
    ),
    (
        "deny add 12.0.0.1/8",
        2,
        "error: invalid value '12.0.0.1/8' for '<PREFIX>...': expected a prefix without host bits, found 12.0.0.1/8; write 12.0.0.0/8 for the network or 12.0.0.1 for the one address*",
    ),
    ("deny add", 2, "error: the following required arguments were not provided:\n  <PREFIX>...*"),
    (
        "deny add 13.0.0.0/8 --comment",
        2,
        "error: a value is required for '--comment <TEXT>' but none was supplied*",
    ),
    ("deny add 13.0.0.0/8 --comment =", 0, "13.0.0.0/8 is on the list deny, for good\n"),
    (
        "deny remove 10.0.0.0/8 99.0.0.0/8",
        1,
        "seawall: the daemon refused: 99.0.0.0/8 is not on the list deny: `seawall deny list` shows what is\n",
    ),
    (
        "deny remove 203.0.113.64/26",
        1,
        "seawall: the daemon refused: 203.0.113.64/26 is on the list deny, and no verb added it: it stands in FOLDER/seawall.yaml:7; remove it there and reload\n",
    ),
    (
        "deny remove 192.0.0.0/24",
        1,
        "seawall: the daemon refused: 192.0.0.0/24 is on the list spam, and no verb added it: it stands in FOLDER/spam.txt:2; remove it there and reload\n",
    ),
    (
        "deny remove 45.1.0.0/16",
        1,
        "seawall: the daemon refused: 45.1.0.0/16 is not on the list deny by itself: it is within 45.0.0.0/8 of the list spam, it stands in FOLDER/spam.txt:3\n",
    ),
    (
        "deny remove 10.1.0.0/16 10.0.0.0/8",
        0,
        "10.1.0.0/16 is no longer on the list deny\n10.0.0.0/8 is no longer on the list deny\n",
    ),
    (
        "allow add 45.6.7.8",
        0,
        "45.6.7.8 is on the list allow, for good\nnote: 45.6.7.8 is within 45.0.0.0/8 of the deny list spam: allow wins\n",
    ),
    (
        "deny remove 45.6.7.8",
        1,
        "seawall: the daemon refused: 45.6.7.8 is on the list allow: seawall allow remove 45.6.7.8\n",
    ),
    ("allow remove 45.6.7.8", 0, "45.6.7.8 is no longer on the list allow\n"),
    (
        "allow add 203.0.113.99",
        0,
        "203.0.113.99 is on the list allow, for good\nnote: 203.0.113.99 passes in any case: 203.0.113.99 is protected\nnote: 203.0.113.99 is within 203.0.113.64/26 of the deny list deny: allow wins\n",
    ),
    // Bans.
    ("bans", 0, "0 bans\n"),
    (
        "ban 192.0.2.66 2001:db8:1:2::5 --reason scan",
        0,
        "192.0.2.66 is banned until *Z\n2001:db8:1:2::/64 is banned until *Z\n",
    ),
    ("ban 192.0.2.66 --for 2h", 0, "192.0.2.66 is banned until *Z\n"),
    (
        "ban 192.0.2.67 192.0.2.67",
        1,
        "seawall: the daemon refused: expected each source once, found 192.0.2.67 again; name it once\n",
    ),
    (
        "ban 2001:db8:9::1 2001:db8:9::2",
        1,
        "seawall: the daemon refused: expected each source once, found 2001:db8:9::/64 again; name it once\n",
    ),
    (
        "ban ::ffff:192.0.2.1",
        1,
        "seawall: the daemon refused: expected IPv4 in its own notation, found the IPv4-mapped ::ffff:192.0.2.1; write 192.0.2.1\n",
    ),
    (
        "ban 192.0.2.0/24",
        2,
        "error: invalid value '192.0.2.0/24' for '<ADDRESS>...': expected an address such as 203.0.113.7 or 2001:db8::7, found \"192.0.2.0/24\"; a prefix belongs on the deny list: seawall deny add*",
    ),
    (
        "ban 203.0.113.99",
        1,
        "seawall: the daemon refused: 203.0.113.99 is within 203.0.113.99, which is protected, and what is protected passes all the same: take it off packet.protected first\n",
    ),
    (
        "ban 198.18.5.1",
        1,
        "seawall: the daemon refused: 198.18.5.1 is within 198.18.5.0/24 of the list allow, and what is allowed passes all the same: it stands in FOLDER/seawall.yaml:6; take it off first\n",
    ),
    (
        "bans",
        0,
        "192.0.2.66         until *Z root\n2001:db8:1:2::/64  until *Z root     scan\n2 bans\n",
    ),
    (
        "unban 192.0.2.66 192.0.2.68",
        1,
        "seawall: the daemon refused: 192.0.2.68 is not banned: `seawall bans` shows who is\n",
    ),
    (
        "unban 45.6.7.8",
        1,
        "seawall: the daemon refused: 45.6.7.8 is not banned; it is within 45.0.0.0/8 of the deny list spam, it stands in FOLDER/spam.txt:3\n",
    ),
    (
        "unban 192.0.2.66 2001:db8:1:2::9",
        0,
        "192.0.2.66 is no longer banned\n2001:db8:1:2::/64 is no longer banned\n",
    ),
    ("bans", 0, "0 bans\n"),
    // Countries.
    (
        "geo show",
        0,
        "not let in: KP\nsays        the configuration\ndatabase    FOLDER/country.mmdb\n",
    ),
    (
        "geo block KP",
        1,
        "seawall: the daemon refused: KP is not let in already: `seawall geo show` shows what is\n",
    ),
    ("geo block IR CU", 0, "not let in: CU IR KP\n"),
    (
        "geo block IR IR",
        1,
        "seawall: the daemon refused: expected each country once, found IR again; name it once\n",
    ),
    (
        "geo block UK",
        2,
        "error: invalid value 'UK' for '<CC>...': expected a country as ISO 3166-1 alpha-2, such as DE, found \"UK\"; the United Kingdom is GB*",
    ),
    (
        "geo allow AT",
        1,
        "seawall: the daemon refused: AT is let in already: `seawall geo show` shows what is\n",
    ),
    (
        "geo show",
        0,
        "not let in: CU IR KP\nsays        a verb of root\ndatabase    FOLDER/country.mmdb\n",
    ),
    ("geo only AT DE", 0, "let in: AT DE alone; so sources of no known country are not\n"),
    (
        "geo block AT DE",
        1,
        "seawall: the daemon refused: without AT DE nobody would be let in; name those that are: seawall geo only CC...\n",
    ),
    ("geo reset", 0, "the countries are as the configuration says\n"),
    (
        "geo reset",
        1,
        "seawall: the daemon refused: the countries are as the configuration says already\n",
    ),
    // Limits.
    ("limit show", 0, "limit       source: 100000 packets/s, burst 200000\n"),
    ("limit set udp --rate-pps 50 --burst-packets 100", 0, "limit udp: 50 packets/s, burst 100\n"),
    (
        "limit set udp --rate-pps 50 --burst-packets 100",
        1,
        "seawall: the daemon refused: the limit udp is 50 packets/s, burst 100 already\n",
    ),
    (
        "limit set udp --rate-pps 1 --burst-packets 4000",
        1,
        "seawall: the daemon refused: limit udp: expected burst_packets of at most 3600 s of rate_pps (3600), found 4000; lower it or raise rate_pps\n",
    ),
    (
        "limit set udp --rate-pps 0 --burst-packets 1",
        1,
        "seawall: the daemon refused: limit udp: expected rate_pps from 1 to 10000000, found 0\n",
    ),
    (
        "limit set udp --rate-pps 5",
        2,
        "error: the following required arguments were not provided:\n  --burst-packets <N>*",
    ),
    ("limit set udp", 2, "error: the following required arguments were not provided:*"),
    (
        "limit set tcp --rate-pps 5 --burst-packets 5",
        2,
        "error: invalid value 'tcp' for '<SCOPE>'*",
    ),
    (
        "limit set icmp --rate-bytes-per-s 1000 --burst-bytes 1600",
        0,
        "limit icmp: 1000 bytes/s, burst 1600\n",
    ),
    ("limit clear source", 0, "limit source: none\n"),
    (
        "limit clear source",
        1,
        "seawall: the daemon refused: there is no limit source: `seawall limit show` shows what there is\n",
    ),
    (
        "limit show",
        0,
        "limit       udp: 50 packets/s, burst 100\nlimit       icmp: 1000 bytes/s, burst 1600\nchanged by verbs: source udp icmp\n",
    ),
    (
        "limit set source --rate-pps 100000 --burst-packets 200000",
        0,
        "limit source: 100000 packets/s, burst 200000\n",
    ),
    ("limit clear udp", 0, "limit udp: none\n"),
    ("limit clear icmp", 0, "limit icmp: none\n"),
    ("limit show", 0, "limit       source: 100000 packets/s, burst 200000\n"),
];

#[test]
fn every_argument_has_its_answer() {
    if !requirement::root("every_argument_has_its_answer") {
        return;
    }
    let site = site();
    let folder = site.ground.world.folder().display().to_string();
    let mut wrong = Vec::new();
    for (command, code, expected) in CASES {
        let words: Vec<&str> = command.split(' ').collect();
        let found = ask(&site.ground, &words);
        let expected = expected.replace("FOLDER", &folder);
        if found.0 != *code || !asked::matches(&found.1, &expected) {
            wrong.push(format!("{command}: {} {:?}\n   not {code} {expected:?}", found.0, found.1));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What was never in force changed nothing, and what was added is counted.
    let status = ask(&site.ground, &["status"]).1;
    assert!(status.contains("changes     5 by verbs"), "{status}");
    let file = fs::read_to_string(site.ground.world.folder().join("state/changes.json")).unwrap();
    assert_eq!(file.matches("\"prefix\"").count(), 5, "{file}");
    let config = fs::read_to_string(&site.seawall.config).unwrap();
    assert_eq!(config, site.ground.config(POLICY, ""), "a verb wrote the configuration");
}

#[test]
fn what_is_said_to_be_in_force_is() {
    if !requirement::root("what_is_said_to_be_in_force_is") {
        return;
    }
    let site = site();
    // (command that drops the client's next packet, for this reason, and the one that ends it)
    for (command, reason, end) in [
        ("deny add 198.51.100.0/24", "deny", "deny remove 198.51.100.0/24"),
        ("deny add 198.51.100.7 --for 1h", "deny", "allow add 198.51.100.7"),
        ("allow remove 198.51.100.7", "deny", "deny remove 198.51.100.7"),
        ("ban 198.51.100.7", "ban", "unban 198.51.100.7"),
        ("geo block DE", "geo", "geo allow DE"),
        ("geo only AT", "geo", "geo allow DE"),
    ] {
        assert!(!drops(&site, reason), "before {command}");
        let words: Vec<&str> = command.split(' ').collect();
        let told = ask(&site.ground, &words);
        assert_eq!(told.0, 0, "{command}: {}", told.1);
        assert!(drops(&site, reason), "after {command}");
        let words: Vec<&str> = end.split(' ').collect();
        let told = ask(&site.ground, &words);
        assert_eq!(told.0, 0, "{end}: {}", told.1);
        assert!(!drops(&site, reason), "after {end}");
    }
}
