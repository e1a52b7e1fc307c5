//! What the program and its tables may cost.

use firewall_daemon::{
    config::{EventsConfig, KernelLog, NonIp, RateLimitConfig},
    datapath::PacketOptions,
    policy::PolicySource,
};
use seawall_tests::{engine::Engine, requirement};

/// The kernel's own bound is one million (since 5.2).
const VERIFIED_INSTRUCTIONS_MAX: u32 = 400_000;

#[test]
fn the_verifier_walks_few_instructions() {
    if !requirement::root("the_verifier_walks_few_instructions") {
        return;
    }
    for kernel_log in [KernelLog::Off, KernelLog::Debug] {
        let everything = PacketOptions {
            rate_limit: Some(RateLimitConfig { rate_pps: 1_000, burst_packets: 1_000 }),
            non_ip: NonIp::Drop,
            events: EventsConfig { sample_one_in: 100 },
            kernel_log,
        };
        let mut engine = Engine::load(&PolicySource::default(), &everything);
        let instructions = engine.verified_instructions();
        println!("{instructions} instructions with everything on, kernel log {kernel_log:?}");
        assert!(instructions <= VERIFIED_INSTRUCTIONS_MAX);
    }
}
