//! The generator reaches every verdict and reason.

use std::collections::BTreeMap;

use super::*;
use crate::oracle::Oracle;

const POLICIES: u64 = 500;
const FRAMES: u64 = 240;

/// Verdicts that are possible, and reasons that each of them has.
const POSSIBLE: [(&str, &str); 4] = [
    ("pass", "malformed non_ip essential protected allow default fragment rule"),
    (
        "drop",
        "malformed non_ip deny geo rate_source default ban tcp_flags fragment rule port syn_cookie \
         rate_prefix rate_country rate_port rate_protocol rate_rule",
    ),
    ("reply", "syn_cookie"),
    (
        "shadow",
        "malformed non_ip deny geo rate_source default ban tcp_flags fragment rule port syn_cookie \
         rate_prefix rate_country rate_port rate_protocol rate_rule",
    ),
];

fn limiting(seed: u64) -> Limiting {
    match seed % 5 {
        0..3 => Limiting::Small,
        3 => Limiting::Huge,
        _ => Limiting::None,
    }
}

#[test]
fn every_verdict_comes_up_for_every_reason() {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut protocols: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 1..=POLICIES {
        let mut random = Random::new(seed);
        let mut oracle = Oracle::new(policy_with(&mut random, limiting(seed)));
        for index in 0..FRAMES {
            let judgement = oracle.judge(&frame(&mut random), index * 1_000);
            *protocols.entry(judgement.to_string()).or_default() += 1;
            *seen.entry(format!("{} {}", judgement.verdict, judgement.reason)).or_default() += 1;
        }
    }
    println!("{} frames under {POLICIES} policies", POLICIES * FRAMES);
    for (decision, count) in &seen {
        println!("{count:8} {decision}");
    }
    println!("with protocols: {}", protocols.len());
    let mut possible = 0;
    for (verdict, reasons) in POSSIBLE {
        for reason in reasons.split_whitespace() {
            let count = seen.get(&format!("{verdict} {reason}")).copied().unwrap_or(0);
            assert!(count >= 20, "{verdict} {reason}: {count} times");
            possible += 1;
        }
    }
    assert_eq!(seen.len(), possible, "nothing else comes up");
}

#[test]
fn a_seed_says_everything() {
    for seed in 1..20 {
        let (mut one, mut other) = (Random::new(seed), Random::new(seed));
        assert_eq!(
            format!("{:?}", policy_with(&mut one, limiting(seed))),
            format!("{:?}", policy_with(&mut other, limiting(seed)))
        );
        assert_eq!(frame(&mut one), frame(&mut other));
    }
}

#[test]
fn time_plays_no_part() {
    for seed in 1..=60 {
        let mut random = Random::new(seed);
        let policy = policy_with(&mut random, limiting(seed));
        let (mut stopped, mut running) = (Oracle::new(policy.clone()), Oracle::new(policy));
        for index in 0..FRAMES {
            let frame = frame(&mut random);
            let now_ns = 1_000_000_000 + index * 4_000_000;
            assert_eq!(stopped.judge(&frame, 0), running.judge(&frame, now_ns), "seed {seed}");
        }
    }
}

#[test]
fn no_limits_unless_asked() {
    for seed in 1..100 {
        let policy = policy(&mut Random::new(seed));
        assert!(policy.syn_cookies.is_none() && policy.limits.ports.is_empty());
        assert!(policy.limits.source.is_none() && policy.limits.other.is_none());
        assert!(!format!("{:?}", policy.rules).contains("Limit"));
    }
}

#[test]
fn frames_hold_an_ethernet_header() {
    let mut random = Random::new(7);
    assert!((0..10_000).all(|_| frame(&mut random).len() >= 14));
}
