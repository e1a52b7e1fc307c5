//! What a new generation keeps and what it replaces.

use firewall_common::Verdict;
use firewall_daemon::{config::LimitsConfig, datapath::PacketOptions, policy::PolicySource};
use seawall_tests::{
    engine::{Counts, Engine, plain_options},
    frame::udp_from,
    policies::{denying, packets},
    requirement,
};

/// One packet a second is earned: a machine would have to stand still for half a minute to matter.
const BURST: u32 = 60;

#[test]
fn counters_and_buckets_outlive_a_generation() {
    if !requirement::root("counters_and_buckets_outlive_a_generation") {
        return;
    }
    let limited = PacketOptions {
        limits: LimitsConfig { source: Some(packets(1, BURST)), ..LimitsConfig::default() },
        ..plain_options()
    };
    let frame = udp_from([198, 51, 100, 1].into());
    let mut engine = Engine::load(&PolicySource::default(), &limited);
    for _ in 0..BURST {
        assert_eq!(engine.run(&frame), Verdict::Pass);
    }
    engine.reload(&PolicySource::default(), &limited);
    // A new bucket would let all of them through; this one earned a packet a second since.
    let passed = (0..BURST).filter(|_| engine.run(&frame) == Verdict::Pass).count() as u64;
    assert!(passed < u64::from(BURST) / 2, "the bucket is as empty as it was: {passed} passed");

    let denied = denying(vec!["198.51.100.0/24".parse().expect("a prefix")]);
    engine.reload(&denied, &plain_options());
    assert_eq!(engine.run(&frame), Verdict::Drop, "the new list is in force");
    engine.reload(&PolicySource::default(), &plain_options());
    assert_eq!(engine.run(&frame), Verdict::Pass, "nothing of the old list is left");
    let burst = u64::from(BURST);
    assert_eq!(
        engine.counts(),
        Counts::from([
            ("drop deny udp".to_owned(), 1),
            ("drop rate_source udp".to_owned(), burst - passed),
            ("pass default udp".to_owned(), burst + passed + 1),
        ])
    );
}
