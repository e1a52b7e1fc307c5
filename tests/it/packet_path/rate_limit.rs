//! Token buckets, to the packet.

use std::net::IpAddr;

use firewall_common::Verdict;
use firewall_daemon::{
    config::LimitsConfig,
    datapath::{Losses, PacketOptions},
    policy::PolicySource,
};
use seawall_tests::{
    engine::{Engine, plain_options},
    frame::udp_from,
    policies::{list, packets},
    requirement,
};

/// One packet an hour, so that time plays no part: what passes is the burst.
fn burst_of(burst_packets: u32) -> PacketOptions {
    PacketOptions {
        limits: LimitsConfig { source: Some(packets(1, burst_packets)), ..LimitsConfig::default() },
        ..plain_options()
    }
}

fn passed(engine: &mut Engine, source: &str, packets: usize) -> usize {
    let source: IpAddr = source.parse().expect("an address");
    (0..packets).filter(|_| engine.run(&udp_from(source)) == Verdict::Pass).count()
}

#[test]
fn each_source_has_its_own_burst() {
    if !requirement::root("each_source_has_its_own_burst") {
        return;
    }
    let source = PolicySource {
        protected: vec!["198.51.100.99/32".parse().expect("a prefix")],
        allow: list("allow", vec!["198.51.100.98/32".parse().expect("a prefix")]),
        ..PolicySource::default()
    };
    let mut engine = Engine::load(&source, &burst_of(50));
    // (source, packets sent at once, packets that pass). The rate is one a second: a slow machine may
    // let one more through, and none of these takes a second.
    for (source, sent, expected) in [
        ("198.51.100.1", 200, 50),
        ("198.51.100.1", 20, 0),
        ("198.51.100.2", 30, 30),
        ("198.51.100.2", 30, 20),
        ("2001:db8:0:1::1", 30, 30),
        ("2001:db8:0:1::2", 30, 20),
        ("2001:db8:0:2::1", 60, 50),
        ("::198.51.100.3", 50, 50),
        ("198.51.100.3", 60, 50),
        ("198.51.100.98", 500, 500),
        ("198.51.100.99", 500, 500),
    ] {
        let passed = passed(&mut engine, source, sent);
        assert!(
            (expected..=expected + 2).contains(&passed),
            "{source}: {passed} of {sent} passed, expected {expected}"
        );
    }
    assert_eq!(engine.losses(), Losses::default());
}
