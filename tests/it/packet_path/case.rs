//! A case of the tables: a frame, and the one counter that it moves.

use std::net::Ipv4Addr;

use firewall_common::Verdict;
use ipnetwork::IpNetwork;
use seawall_tests::{
    engine::Engine,
    frame::{ethernet, ipv4, ipv6},
};

/// What it is, the frame, and `verdict reason protocol` of the counter that moves.
pub type Case<'a> = (&'a str, Vec<u8>, &'a str);

/// Each frame meets its verdict, and moves its counter by one and by its bytes: nothing else moves.
pub fn check<'a>(engine: &mut Engine, cases: impl IntoIterator<Item = Case<'a>>) {
    for (what, frame, counter) in cases {
        judge(engine, what, &frame, counter);
    }
}

/// The same for one frame.
pub fn judge(engine: &mut Engine, what: &str, frame: &[u8], counter: &str) {
    let verdict = match counter.split(' ').next() {
        Some("drop") => Verdict::Drop,
        Some("reply") => Verdict::Reply,
        // What is in shadow passes.
        Some("pass" | "shadow") => Verdict::Pass,
        other => panic!("{what}: {other:?} is no verdict"),
    };
    let (mut expected, bytes, losses) = (engine.counts(), engine.bytes(), engine.losses());
    assert_eq!(engine.run(frame), verdict, "{what}");
    *expected.entry(counter.to_owned()).or_default() += 1;
    assert_eq!(engine.counts(), expected, "{what}");
    assert_eq!(engine.bytes() - bytes, frame.len() as u64, "{what}");
    assert_eq!(engine.losses(), losses, "{what}");
}

/// Networks as the configuration writes them.
pub fn prefixes(texts: &[&str]) -> Vec<IpNetwork> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// A frame with a plain IPv4 packet.
pub fn v4(source: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(Ipv4Addr::from(source), protocol, payload))
}

/// A frame with a plain IPv6 packet.
pub fn v6(source: &str, next: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(0x86dd, &ipv6(source.parse().unwrap(), next, payload))
}
