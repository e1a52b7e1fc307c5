//! What generated frames and policies say, beside a second implementation.

use std::collections::BTreeMap;

use firewall_common::Country;
use firewall_daemon::{
    config::NonIp,
    datapath::PacketOptions,
    policy::{GeoDatabase, GeoMode, GeoSource, PolicySource},
};
use ipnetwork::IpNetwork;
use seawall_tests::{
    engine::{Counts, Engine, plain_options},
    generate,
    oracle::{Networks, OraclePolicy, judge},
    random::Random,
    requirement,
};

const POLICIES: u64 = 100;
const FRAMES: usize = 2_000;

#[test]
fn generated_frames_under_generated_policies() {
    if !requirement::root("generated_frames_under_generated_policies") {
        return;
    }
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 1..=POLICIES {
        let mut random = Random::new(seed);
        let policy = OraclePolicy {
            protected: generate::networks(&mut random, seed % 3),
            allow: generate::networks(&mut random, seed % 7),
            deny: generate::networks(&mut random, seed % 20),
            named: generate::networks(&mut random, seed % 10),
            only_named: seed % 10 != 0 && random.below(3) == 0,
            non_ip_pass: random.below(2) == 0,
        };
        let mut engine = Engine::load(&source(&policy), &options(&policy));
        let mut expected = Counts::new();
        for index in 0..FRAMES {
            let frame = generate::frame(&mut random);
            let decision = judge(&frame, &policy);
            let verdict = engine.run(&frame).label();
            assert!(
                decision.starts_with(verdict),
                "seed {seed}, frame {index}: the oracle says {decision}, the program {verdict}: \
                 {frame:02x?} under {policy:?}"
            );
            *expected.entry(decision).or_default() += 1;
        }
        assert_eq!(engine.counts(), expected, "seed {seed}: the reasons");
        for (decision, count) in expected {
            *seen.entry(decision).or_default() += count;
        }
    }
    println!("{} frames, no mismatch: {seen:?}", POLICIES as usize * FRAMES);
    assert!(seen.len() >= 30, "the generator reaches every branch: {seen:?}");
}

fn source(policy: &OraclePolicy) -> PolicySource {
    let networks = |networks: &Networks| -> Vec<IpNetwork> {
        networks
            .iter()
            .map(|(address, length)| IpNetwork::new(*address, *length as u8).expect("a network"))
            .collect()
    };
    let country = Country::parse("DE").expect("a country");
    let named: Vec<_> =
        networks(&policy.named).into_iter().map(|network| (network, country)).collect();
    let geo = (!named.is_empty()).then(|| GeoSource {
        mode: if policy.only_named { GeoMode::Only } else { GeoMode::Block },
        countries: [country].into(),
        networks: named,
        database: GeoDatabase {
            path: "generated.mmdb".into(),
            kind: "generated".to_owned(),
            build_epoch_s: 0,
            ipv4_networks: 0,
            ipv6_networks: 0,
        },
    });
    PolicySource {
        protected: networks(&policy.protected),
        allow: networks(&policy.allow),
        deny: networks(&policy.deny),
        geo,
    }
}

fn options(policy: &OraclePolicy) -> PacketOptions {
    let non_ip = if policy.non_ip_pass { NonIp::Pass } else { NonIp::Drop };
    PacketOptions { non_ip, ..plain_options() }
}
