//! Frames.

use super::*;

#[test]
fn link_layer() {
    let whole = segment(GOOD, SYN);
    let tags = |count| (0..count).fold(whole.clone(), |frame, _| tagged(0x88a8, 7, &frame));
    each(
        &OraclePolicy::default(),
        &[
            ("nothing", vec![], "drop malformed none"),
            ("13 bytes", vec![0; 13], "drop malformed none"),
            ("ARP", ethernet(0x0806, &[]), "pass essential none"),
            ("slow protocols", ethernet(0x8809, &[]), "pass essential none"),
            ("802.1X", ethernet(0x888e, &[]), "pass essential none"),
            ("LLDP", ethernet(0x88cc, &[]), "pass essential none"),
            ("a length", ethernet(0x05ff, &[]), "pass essential none"),
            ("an ethertype", ethernet(0x0600, &[]), "drop non_ip none"),
            ("MPLS", ethernet(0x8847, &[0; 40]), "drop non_ip none"),
            ("a tagged ARP", tagged(0x8100, 1, &ethernet(0x0806, &[])), "pass essential none"),
            ("one tag", tags(1), "pass default tcp"),
            ("two tags", tags(2), "pass default tcp"),
            ("three tags", tags(3), "drop malformed none"),
            ("a third tag of ARP", tagged(0x9100, 1, &tags(2)), "drop malformed none"),
            ("half a tag", tagged(0x8100, 1, &whole)[..15].to_vec(), "drop malformed none"),
        ],
    );
}

#[test]
fn ipv4_headers() {
    let whole = segment(GOOD, SYN);
    let padded = [whole.clone(), vec![0; 9]].concat();
    let options = ipv4_with(GOOD, TCP, &[1; 40], 0x4000, &tcp(1, 2));
    each(
        &OraclePolicy::default(),
        &[
            ("version 5", with_byte(whole.clone(), 14, 0x55), "drop malformed none"),
            ("four words", with_byte(whole.clone(), 14, 0x44), "drop malformed none"),
            ("19 bytes", e4(&ipv4(GOOD, 200, &[])[..19]), "drop malformed none"),
            ("20 bytes", e4(&ipv4(GOOD, 200, &[])), "pass default other"),
            ("total below the header", with_byte(whole.clone(), 17, 19), "drop malformed none"),
            ("cut off", cut(whole.clone(), 1), "drop malformed none"),
            ("padded", padded, "pass default tcp"),
            ("options", e4(&options), "pass default tcp"),
            ("ICMPv6 in IPv4", e4(&ipv4(GOOD, ICMPV6, &[])), "pass default other"),
            ("a short later fragment", later(GOOD, TCP), "drop fragment tcp"),
            ("the last offset bit", with_byte(whole, 20, 0x10), "drop fragment tcp"),
        ],
    );
}

#[test]
fn ipv6_headers() {
    let whole = e6(&ipv6(GOOD6, TCP, &tcp(1, 2)));
    let chain = |kind: u8, count: usize| {
        let body = (0..count).fold(tcp(1, 2), |body, index| {
            extension(kind, if index == 0 { TCP } else { kind }, 1, &body)
        });
        e6(&ipv6(GOOD6, kind, &body))
    };
    let fragment = |next, offset, more, payload: &[u8]| {
        e6(&ipv6(GOOD6, 44, &fragment_v6(next, offset, more, payload)))
    };
    let behind = extension(60, 44, 0, &fragment_v6(43, 3, true, &[]));
    each(
        &OraclePolicy::default(),
        &[
            ("plain", whole.clone(), "pass default tcp"),
            ("version 4", with_byte(whole.clone(), 14, 0x40), "drop malformed none"),
            ("cut off", cut(whole, 1), "drop malformed none"),
            ("six options", chain(60, 6), "pass default tcp"),
            ("six authentications", chain(51, 6), "pass default tcp"),
            ("seven", chain(60, 7), "drop malformed none"),
            (
                "past the end",
                e6(&ipv6(GOOD6, 0, &[TCP, 1, 0, 0, 0, 0, 0, 0])),
                "drop malformed none",
            ),
            ("half a header", e6(&ipv6(GOOD6, 43, &[TCP])), "drop malformed none"),
            ("ICMP in IPv6", e6(&ipv6(GOOD6, ICMP, &[])), "pass default other"),
            ("nothing next", e6(&ipv6(GOOD6, 59, &[])), "pass default other"),
            ("an atomic fragment", fragment(TCP, 0, false, &tcp(1, 2)), "pass default tcp"),
            ("a short first fragment", fragment(TCP, 0, true, &[0; 19]), "drop malformed none"),
            ("a later fragment", fragment(TCP, 1, false, &[]), "drop fragment tcp"),
            ("its headers are not walked", e6(&ipv6(GOOD6, 60, &behind)), "drop fragment other"),
        ],
    );
}

#[test]
fn transport_headers() {
    let t = |payload: &[u8]| e4(&ipv4(GOOD, TCP, payload));
    let u = |length: u8, fragment| {
        let mut payload = udp(1, 2, 4);
        payload[5] = length;
        e4(&ipv4_with(GOOD, UDP, &[], fragment, &payload))
    };
    let u6 = |more| {
        let mut payload = udp(1, 2, 4);
        payload[5] = 200;
        e6(&ipv6(GOOD6, 44, &fragment_v6(UDP, 0, more, &payload)))
    };
    let offset = |words: u8| t(&with_byte(tcp(1, 2), 12, words << 4));
    each(
        &OraclePolicy::default(),
        &[
            ("19 bytes of TCP", t(&tcp(1, 2)[..19]), "drop malformed none"),
            ("offset 4", offset(4), "drop malformed none"),
            ("offset 5", offset(5), "pass default tcp"),
            ("offset 6 past the packet", offset(6), "drop malformed none"),
            ("options", t(&tcp_with(1, 2, SYN, &[1; 40])), "pass default tcp"),
            ("7 bytes of UDP", e4(&ipv4(GOOD, UDP, &[0; 7])), "drop malformed none"),
            ("length 7", u(7, 0), "drop malformed none"),
            ("length 8", u(8, 0), "pass default udp"),
            ("all", u(12, 0), "pass default udp"),
            ("too much", u(13, 0), "drop malformed none"),
            ("too much for a first fragment", u(13, 0x2000), "pass default udp"),
            ("too little for one", u(7, 0x2000), "drop malformed none"),
            ("too much for IPv6's", u6(true), "pass default udp"),
            ("for the only one", u6(false), "drop malformed none"),
            ("7 bytes of ICMP", e4(&ipv4(GOOD, ICMP, &[8; 7])), "drop malformed none"),
            ("8 bytes of ICMPv6", e6(&ipv6(GOOD6, ICMPV6, &icmp(128, 0))), "pass default icmpv6"),
        ],
    );
}

#[test]
fn what_is_essential() {
    let v6 = |source: Ipv6Addr, hops, kind| e6(&ipv6_with(source, ICMPV6, hops, &icmp(kind, 0)));
    let local = "fe80::1".parse().unwrap();
    let policy = OraclePolicy {
        deny: vec![list("all", &[("0.0.0.0", 0), ("::", 0)])],
        ..OraclePolicy::default()
    };
    each(
        &policy,
        &[
            ("too big", e4(&ipv4(GOOD, ICMP, &icmp(3, 4))), "pass essential icmp"),
            ("unreachable", e4(&ipv4(GOOD, ICMP, &icmp(3, 3))), "drop deny icmp"),
            ("too big, later", later(GOOD, ICMP), "drop deny icmp"),
            ("IPv6 too big", v6(GOOD6, 64, 2), "pass essential icmpv6"),
            ("a neighbour", v6(GOOD6, 255, 135), "pass essential icmpv6"),
            ("one far away", v6(GOOD6, 254, 135), "drop deny icmpv6"),
            ("a redirect", v6(local, 255, 137), "pass essential icmpv6"),
            ("138", v6(local, 255, 138), "drop deny icmpv6"),
            ("a listener", v6(local, 1, 143), "pass essential icmpv6"),
            ("one with no address", v6(Ipv6Addr::UNSPECIFIED, 1, 131), "pass essential icmpv6"),
            ("one elsewhere", v6(GOOD6, 1, 131), "drop deny icmpv6"),
            ("one routed", v6(local, 2, 131), "drop deny icmpv6"),
        ],
    );
}

#[test]
fn tunnels() {
    let bad = ipv4(BAD, UDP, &[]);
    let bad6 = ipv6(BAD6, UDP, &[]);
    let outer = |number, body: &[u8]| e4(&ipv4(GOOD, number, body));
    let outer6 = |number, body: &[u8]| e6(&ipv6(GOOD6, number, body));
    let headed = extension(60, IPIP, 0, &bad);
    let fragment = |field| e4(&ipv4_with(GOOD, IPIP, &[], field, &bad));
    let twice = |number| outer(IPIP, &ipv4(GOOD, number, &[0; 40]));
    each(
        &denying(),
        &[
            ("IPIP", outer(IPIP, &bad), "drop deny other"),
            ("4in6", outer6(IPIP, &bad), "drop deny other"),
            ("6in4", outer(IP6IP, &bad6), "drop deny other"),
            ("6in6", outer6(IP6IP, &bad6), "drop deny other"),
            ("behind options", outer6(60, &headed), "drop deny other"),
            ("of a good source", outer(IPIP, &ipv4(GOOD, UDP, &[])), "pass default other"),
            ("mapped inside", outer(IP6IP, &ipv6(mapped(BAD), UDP, &[])), "drop deny other"),
            ("19 bytes inside", outer(IPIP, &bad[..19]), "drop malformed none"),
            ("39 bytes inside", outer(IP6IP, &bad6[..39]), "drop malformed none"),
            ("IPv6 as IPIP", outer(IPIP, &bad6), "drop malformed none"),
            ("IPv4 as 41", outer(IP6IP, &ipv4(BAD, UDP, &[0; 40])), "drop malformed none"),
            ("IPIP in IPIP", twice(IPIP), "drop malformed none"),
            ("6in4 in IPIP", twice(IP6IP), "drop malformed none"),
            ("GRE in IPIP", twice(GRE), "drop malformed none"),
            (
                "behind an inner header",
                outer(IP6IP, &ipv6(GOOD6, 60, &headed)),
                "pass default other",
            ),
            ("a tunnel in 6in4", outer(IP6IP, &ipv6(GOOD6, GRE, &[])), "drop malformed none"),
            ("a first fragment", fragment(0x2000), "drop deny other"),
            ("a later fragment", fragment(0x0001), "drop fragment other"),
        ],
    );
}

#[test]
fn generic_tunnels() {
    let bad = ipv4(BAD, UDP, &[]);
    let bad6 = ipv6(BAD6, UDP, &[]);
    let outer = |body: &[u8]| e4(&ipv4(GOOD, GRE, body));
    let all = GRE_CHECKSUM | GRE_KEY | GRE_SEQUENCE;
    let inside = |ethertype, packet: &[u8]| ethernet(ethertype, packet);
    let vlan = tagged(0x8100, 1, &inside(0x0800, &bad));
    each(
        &denying(),
        &[
            ("3 bytes", outer(&[0, 0, 8]), "drop malformed none"),
            ("IPv4", outer(&gre(0, 0x0800, &bad)), "drop deny other"),
            ("IPv6", outer(&gre(0, 0x86dd, &bad6)), "drop deny other"),
            ("in IPv6", e6(&ipv6(GOOD6, GRE, &gre(0, 0x0800, &bad))), "drop deny other"),
            ("a checksum", outer(&gre(GRE_CHECKSUM, 0x0800, &bad)), "drop deny other"),
            ("a key", outer(&gre(GRE_KEY, 0x0800, &bad)), "drop deny other"),
            ("a sequence", outer(&gre(GRE_SEQUENCE, 0x0800, &bad)), "drop deny other"),
            ("all three", outer(&gre(all, 0x86dd, &bad6)), "drop deny other"),
            ("routing", outer(&gre(GRE_ROUTING, 0x0800, &bad)), "drop malformed none"),
            ("version 1", outer(&gre(1, 0x0800, &bad)), "pass default other"),
            ("version 4", outer(&gre(4, 0x0800, &bad)), "pass default other"),
            (
                "version 1 with routing",
                outer(&gre(GRE_ROUTING | 1, 0x0800, &bad)),
                "pass default other",
            ),
            ("flags that say nothing", outer(&gre(0x0ff8, 0x0800, &bad)), "drop deny other"),
            ("another type", outer(&gre(0, 0x88be, &bad)), "pass default other"),
            ("fields cut off", outer(&gre(all, 0x0800, &[])[..12]), "drop malformed none"),
            ("an inner one cut off", outer(&gre(0, 0x0800, &bad[..19])), "drop malformed none"),
            ("Ethernet", outer(&gre(all, 0x6558, &inside(0x0800, &bad))), "drop deny other"),
            ("Ethernet, IPv6", outer(&gre(0, 0x6558, &inside(0x86dd, &bad6))), "drop deny other"),
            ("Ethernet, tagged", outer(&gre(0, 0x6558, &vlan)), "pass default other"),
            ("Ethernet, ARP", outer(&gre(0, 0x6558, &inside(0x0806, &[]))), "pass default other"),
            ("13 bytes of Ethernet", outer(&gre(0, 0x6558, &[0; 13])), "drop malformed none"),
            ("an empty IPv4", outer(&gre(0, 0x6558, &inside(0x0800, &[]))), "drop malformed none"),
            ("a tunnel", outer(&gre(0, 0x0800, &ipv4(BAD, IPIP, &bad))), "drop malformed none"),
        ],
    );
}
