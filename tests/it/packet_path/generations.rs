//! What a new generation keeps and what it replaces.

use firewall_common::Verdict;
use firewall_daemon::{config::RateLimitConfig, datapath::PacketOptions, policy::PolicySource};
use seawall_tests::{
    engine::{Counts, Engine, plain_options},
    frame::udp_from,
    requirement,
};

#[test]
fn counters_and_buckets_outlive_a_generation() {
    if !requirement::root("counters_and_buckets_outlive_a_generation") {
        return;
    }
    let limited = PacketOptions {
        rate_limit: Some(RateLimitConfig { rate_pps: 1, burst_packets: 5 }),
        ..plain_options()
    };
    let frame = udp_from([198, 51, 100, 1].into());
    let mut engine = Engine::load(&PolicySource::default(), &limited);
    for _ in 0..5 {
        assert_eq!(engine.run(&frame), Verdict::Pass);
    }
    engine.reload(&PolicySource::default(), &limited);
    assert_eq!(engine.run(&frame), Verdict::Drop, "the bucket is as empty as it was");

    let denied = PolicySource {
        deny: vec!["198.51.100.0/24".parse().expect("a prefix")],
        ..PolicySource::default()
    };
    engine.reload(&denied, &plain_options());
    assert_eq!(engine.run(&frame), Verdict::Drop, "the new list is in force");
    engine.reload(&PolicySource::default(), &plain_options());
    assert_eq!(engine.run(&frame), Verdict::Pass, "nothing of the old list is left");
    assert_eq!(
        engine.counts(),
        Counts::from([
            ("drop deny udp".to_owned(), 1),
            ("drop rate udp".to_owned(), 1),
            ("pass default udp".to_owned(), 6),
        ])
    );
}
