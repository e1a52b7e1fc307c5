//! What the program and its tables may cost.

use firewall_daemon::{
    config::{
        EventsConfig, Fate, KernelLog, LimitPer, LimitsConfig, PortLimit, PortProtocol, RateConfig,
        RuleConfig, RuleVerdict, SynCookiesConfig,
    },
    datapath::PacketOptions,
    policy::PolicySource,
};
use seawall_tests::{engine::Engine, policies, requirement};

/// The kernel's own bound is one million (since 5.2); what the verifier walks is what a switch waits
/// for.
const VERIFIED_INSTRUCTIONS_MAX: u32 = 160_000;
/// The same where each decision is logged, which is for whoever debugs a policy.
const VERIFIED_INSTRUCTIONS_LOGGED_MAX: u32 = 260_000;

#[test]
fn the_verifier_walks_few_instructions() {
    if !requirement::root("the_verifier_walks_few_instructions") {
        return;
    }
    let rate = RateConfig {
        packets: policies::packets(1_000, 1_000).packets,
        bytes: policies::bytes(1_000_000, 1_000_000).bytes,
    };
    let all = Some(rate);
    let port = PortLimit { protocol: PortProtocol::Tcp, port: 443, rate };
    let limit = RuleConfig {
        name: "limit".to_owned(),
        protocol: None,
        ports: Vec::new(),
        icmp_types: Vec::new(),
        tcp_flags: None,
        sources: Vec::new(),
        countries: Default::default(),
        verdict: RuleVerdict::Limit { per: LimitPer::Source, rate },
    };
    let drop = RuleConfig { name: "drop".to_owned(), verdict: RuleVerdict::Drop, ..limit.clone() };
    let denied = vec!["203.0.113.0/24".parse().expect("a network")];
    let source = PolicySource { rules: vec![limit, drop], ..policies::denying(denied) };
    for (kernel_log, shadow, max) in [
        (KernelLog::Off, false, VERIFIED_INSTRUCTIONS_MAX),
        (KernelLog::Off, true, VERIFIED_INSTRUCTIONS_MAX),
        (KernelLog::Debug, true, VERIFIED_INSTRUCTIONS_LOGGED_MAX),
    ] {
        let everything = PacketOptions {
            limits: LimitsConfig {
                source: all,
                prefix: all,
                country: all,
                syn: all,
                udp: all,
                icmp: all,
                other: all,
                ports: vec![port],
            },
            syn_cookies: Some(SynCookiesConfig { ports: [443].into(), threshold_pps: 1_000 }),
            malformed: Fate::Drop,
            tcp_flags: Fate::Drop,
            fragments: Fate::Pass,
            non_ip: Fate::Drop,
            shadow,
            events: EventsConfig {
                sample_one_in: 100,
                first_of_source: true,
                events_per_s_max: 1_000,
            },
            kernel_log,
        };
        let mut engine = Engine::load(&source, &everything);
        let instructions = engine.verified_instructions();
        println!(
            "{instructions} instructions with everything on, kernel log {kernel_log:?}, shadow {shadow}"
        );
        assert!(instructions <= max);
    }
}
