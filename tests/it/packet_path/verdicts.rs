//! Frame, verdict, and the exact counters that moved: nothing else may.

use std::net::{Ipv4Addr, Ipv6Addr};

use firewall_daemon::{
    config::Fate,
    policy::{GeoMode, PolicySource},
};
use seawall_tests::{
    engine::{Engine, plain_options},
    frame::{
        ICMP, ICMPV6, TCP, UDP, ethernet, icmp, ipv4, ipv4_with, ipv6, ipv6_with, tagged, tcp, udp,
    },
    policies::{denying, geo, list},
    requirement,
};

use super::case::{check, prefixes, v4, v6};

fn policy(mode: GeoMode, named: &str) -> PolicySource {
    let allow = prefixes(&["203.0.113.7/32", "2001:db8:d::7/128", "192.0.2.128/25"]);
    let deny = prefixes(&["203.0.113.0/24", "2001:db8:d::/64", "198.51.100.77/32"]);
    let networks = [
        ("198.51.100.0/24", "DE"),
        ("192.0.2.0/24", "KP"),
        ("2001:db8:e::/48", "DE"),
        ("2001:db8:f::/48", "KP"),
    ];
    PolicySource {
        protected: prefixes(&["203.0.113.99/32", "2001:db8:d::99/128"]),
        allow: list("allow", allow),
        deny: list("deny", deny),
        geo: Some(geo(mode, named, &networks)),
        ..PolicySource::default()
    }
}

const GOOD: [u8; 4] = [198, 51, 100, 1];
const DENIED: [u8; 4] = [203, 0, 113, 8];

#[test]
fn lists_and_countries_by_precedence() {
    if !requirement::root("lists_and_countries_by_precedence") {
        return;
    }
    let mut engine = Engine::load(&policy(GeoMode::Only, "DE"), &plain_options());
    let syn = tcp(40_000, 443);
    let query = udp(40_000, 53, 10);
    check(
        &mut engine,
        vec![
            ("allowed country", v4(GOOD, TCP, &syn), "pass default tcp"),
            ("other country", v4([192, 0, 2, 1], TCP, &syn), "drop geo tcp"),
            ("no country", v4([100, 64, 0, 1], UDP, &query), "drop geo udp"),
            ("allowed inside another country", v4([192, 0, 2, 200], TCP, &syn), "pass allow tcp"),
            ("denied network", v4(DENIED, UDP, &query), "drop deny udp"),
            (
                "denied address in a good country",
                v4([198, 51, 100, 77], TCP, &syn),
                "drop deny tcp",
            ),
            ("allowed inside denied", v4([203, 0, 113, 7], UDP, &query), "pass allow udp"),
            (
                "protected inside denied",
                v4([203, 0, 113, 99], ICMP, &icmp(8, 0)),
                "pass protected icmp",
            ),
            ("another protocol", v4(DENIED, 50, &[0; 8]), "drop deny other"),
            ("first address", v4([0, 0, 0, 0], UDP, &query), "drop geo udp"),
            ("last address", v4([255; 4], UDP, &query), "drop geo udp"),
            ("v6 allowed country", v6("2001:db8:e::1", TCP, &syn), "pass default tcp"),
            ("v6 other country", v6("2001:db8:f::1", UDP, &query), "drop geo udp"),
            ("v6 no country", v6("2002::1", UDP, &query), "drop geo udp"),
            ("v6 denied", v6("2001:db8:d::8", TCP, &syn), "drop deny tcp"),
            ("v6 allowed inside denied", v6("2001:db8:d::7", TCP, &syn), "pass allow tcp"),
            (
                "v6 protected inside denied",
                v6("2001:db8:d::99", ICMPV6, &icmp(128, 0)),
                "pass protected icmpv6",
            ),
            ("v6 just behind the allowed", v6("2001:db8:d::9a", TCP, &syn), "drop deny tcp"),
            (
                "v6 last address",
                v6("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", UDP, &query),
                "drop geo udp",
            ),
        ],
    );
    engine.reload(&policy(GeoMode::Block, "KP"), &plain_options());
    check(
        &mut engine,
        vec![
            ("blocked country", v4([192, 0, 2, 1], TCP, &syn), "drop geo tcp"),
            ("other country", v4(GOOD, TCP, &syn), "pass default tcp"),
            ("no country", v4([100, 64, 0, 1], UDP, &query), "pass default udp"),
            ("v6 blocked country", v6("2001:db8:f::1", TCP, &syn), "drop geo tcp"),
            ("v6 no country", v6("2002::1", UDP, &query), "pass default udp"),
        ],
    );
}

#[test]
fn the_link_lives_whatever_the_policy() {
    if !requirement::root("the_link_lives_whatever_the_policy") {
        return;
    }
    let everything = denying(prefixes(&["0.0.0.0/0", "::/0"]));
    let mut engine = Engine::load(&everything, &plain_options());
    let icmpv6 = |source: &str, hop_limit, kind, code| {
        ethernet(0x86dd, &ipv6_with(source.parse().unwrap(), ICMPV6, hop_limit, &icmp(kind, code)))
    };
    check(
        &mut engine,
        vec![
            ("arp", ethernet(0x0806, &[0; 28]), "pass essential none"),
            ("lldp", ethernet(0x88cc, &[0; 46]), "pass essential none"),
            ("lacp", ethernet(0x8809, &[0; 46]), "pass essential none"),
            ("spanning tree", ethernet(38, &[0x42; 46]), "pass essential none"),
            (
                "arp behind a tag",
                tagged(0x8100, 7, &ethernet(0x0806, &[0; 28])),
                "pass essential none",
            ),
            ("fragmentation needed", v4(DENIED, ICMP, &icmp(3, 4)), "pass essential icmp"),
            ("host unreachable", v4(DENIED, ICMP, &icmp(3, 1)), "drop deny icmp"),
            ("echo", v4(DENIED, ICMP, &icmp(8, 0)), "drop deny icmp"),
            (
                "icmp's number in a v6 packet",
                v6("2001:db8::1", ICMP, &icmp(3, 4)),
                "drop deny other",
            ),
            ("packet too big", icmpv6("2001:db8::1", 57, 2, 0), "pass essential icmpv6"),
            ("neighbour solicitation", icmpv6("fe80::1", 255, 135, 0), "pass essential icmpv6"),
            (
                "neighbour advertisement",
                icmpv6("2001:db8::1", 255, 136, 0),
                "pass essential icmpv6",
            ),
            ("router advertisement", icmpv6("fe80::1", 255, 134, 0), "pass essential icmpv6"),
            ("forwarded solicitation", icmpv6("2001:db8::1", 254, 135, 0), "drop deny icmpv6"),
            ("multicast listener report", icmpv6("fe80::1", 1, 143, 0), "pass essential icmpv6"),
            ("listener report from afar", icmpv6("2001:db8::1", 1, 143, 0), "drop deny icmpv6"),
            ("v6 echo", icmpv6("2001:db8::1", 64, 128, 0), "drop deny icmpv6"),
        ],
    );
}

#[test]
fn what_hides_or_breaks_its_headers() {
    if !requirement::root("what_hides_or_breaks_its_headers") {
        return;
    }
    let mut engine = Engine::load(&policy(GeoMode::Block, "KP"), &plain_options());
    let source = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 8);
    let extension = |next: u8, rest: &[u8]| [&[next, 0, 0, 0, 0, 0, 0, 0], rest].concat();
    let chain = |length: usize| {
        (1..length).fold(extension(TCP, &tcp(1, 2)), |inner, _| extension(60, &inner))
    };
    let tagged_denied = tagged(0x8100, 100, &v4(DENIED, TCP, &tcp(1, 2)));
    let double = tagged(0x88a8, 200, &tagged_denied);
    let triple = tagged(0x88a8, 300, &double);
    let good = Ipv4Addr::from(GOOD);
    let whole = ipv4(good, TCP, &tcp(1, 2));
    let edit = |at: usize, value: u8| {
        let mut packet = whole.clone();
        packet[at] = value;
        ethernet(0x0800, &packet)
    };
    let first =
        |fragment, payload: &[u8]| ethernet(0x0800, &ipv4_with(good, TCP, &[], fragment, payload));
    check(
        &mut engine,
        vec![
            ("vlan", tagged_denied.clone(), "drop deny tcp"),
            ("qinq", double, "drop deny tcp"),
            ("three tags", triple, "drop malformed none"),
            ("tag cut off", tagged_denied[..16].to_vec(), "drop malformed none"),
            (
                "ipv4 options",
                ethernet(0x0800, &ipv4_with(DENIED.into(), TCP, &[1; 8], 0, &tcp(1, 2))),
                "drop deny tcp",
            ),
            (
                "later fragment without ports",
                ethernet(0x0800, &ipv4_with(DENIED.into(), TCP, &[], 0x0010, &[0; 3])),
                "drop deny tcp",
            ),
            ("later fragment, good source", first(0x0010, &[0; 3]), "drop fragment tcp"),
            ("first fragment too short for tcp", first(0x2000, &[0; 8]), "drop malformed none"),
            (
                "later fragment like path mtu",
                ethernet(0x0800, &ipv4_with(DENIED.into(), ICMP, &[], 0x0010, &icmp(3, 4))),
                "drop deny icmp",
            ),
            (
                "v6 behind one extension",
                ethernet(0x86dd, &ipv6(source, 0, &chain(1))),
                "drop deny tcp",
            ),
            (
                "v6 behind six extensions",
                ethernet(0x86dd, &ipv6(source, 60, &chain(6))),
                "drop deny tcp",
            ),
            (
                "v6 behind seven extensions",
                ethernet(0x86dd, &ipv6(source, 60, &chain(7))),
                "drop deny other",
            ),
            (
                "v6 extension past the end",
                ethernet(0x86dd, &ipv6(source, 60, &[6, 9, 0, 0, 0, 0, 0, 0])),
                "drop deny other",
            ),
            (
                "v6 later fragment",
                ethernet(0x86dd, &ipv6(source, 44, &[6, 0, 0, 8, 0, 0, 0, 1, 9])),
                "drop deny tcp",
            ),
            ("ipv4 version 5", edit(14 - 14, 0x55), "drop malformed none"),
            ("ipv4 header of four words", edit(0, 0x44), "drop malformed none"),
            ("ipv4 longer than the frame", edit(3, 200), "drop malformed none"),
            ("ipv4 shorter than its header", edit(3, 19), "drop malformed none"),
            ("ipv4 cut off", ethernet(0x0800, &whole[..19]), "drop malformed none"),
            (
                "tcp cut off",
                ethernet(0x0800, &ipv4(good, TCP, &tcp(1, 2)[..19])),
                "drop malformed none",
            ),
            ("udp cut off", ethernet(0x0800, &ipv4(good, UDP, &[0; 7])), "drop malformed none"),
            (
                "v6 cut off",
                ethernet(0x86dd, &ipv6(source, TCP, &tcp(1, 2))[..39]),
                "drop malformed none",
            ),
            (
                "v6 longer than the frame",
                ethernet(0x86dd, &ipv6(source, TCP, &tcp(1, 2))[..59]),
                "drop malformed none",
            ),
            (
                "ethernet padding behind a short packet",
                ethernet(0x0800, &[ipv4(good, UDP, &udp(1, 2, 0)), vec![0; 18]].concat()),
                "pass default udp",
            ),
            ("another ethertype", ethernet(0x8847, &[0; 46]), "drop non_ip none"),
        ],
    );
    let mut options = plain_options();
    options.non_ip = Fate::Pass;
    engine.reload(&policy(GeoMode::Block, "KP"), &options);
    check(
        &mut engine,
        vec![("another ethertype, let in", ethernet(0x8847, &[0; 46]), "pass non_ip none")],
    );
}
