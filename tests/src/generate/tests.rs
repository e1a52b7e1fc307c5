//! The generator reaches every verdict and reason, every class of frames, and lists inside each other.

use std::{cmp::Ordering, collections::BTreeMap, net::IpAddr};

use super::*;
use crate::oracle::{Oracle, OracleList, OraclePolicy};

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

/// A class of frames, and how one is known by its bytes.
type FrameClass = (&'static str, fn(&[u8]) -> bool);

fn word(frame: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]))
}

fn is_tag(frame: &[u8], at: usize) -> bool {
    matches!(word(frame, at), Some(0x8100 | 0x88a8 | 0x9100))
}

/// The packet of an untagged frame, as far as its IP header says that it goes; both lengths agree.
fn packet_v4(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    let packet = frame.get(14..).filter(|_| word(frame, 12) == Some(0x0800))?;
    let whole = packet.get(..usize::from(word(packet, 2)?))?;
    let header_length = usize::from(packet[0] & 15) * 4;
    (header_length >= 20).then(|| whole.split_at_checked(header_length)).flatten()
}

fn packet_v6(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    let packet = frame.get(14..).filter(|_| word(frame, 12) == Some(0x86dd))?;
    let (header, rest) = packet.split_at_checked(40)?;
    Some((header, rest.get(..usize::from(word(header, 4)?))?))
}

fn carries_v4(frame: &[u8], number: u8) -> bool {
    packet_v4(frame).is_some_and(|(header, _)| header[9] == number)
}

fn carries_v6(frame: &[u8], number: u8) -> bool {
    packet_v6(frame).is_some_and(|(header, _)| header[6] == number)
}

/// The bytes behind the IP header, where it says so.
fn body(frame: &[u8], number: u8) -> Option<&[u8]> {
    let v4 = packet_v4(frame).filter(|(header, _)| header[9] == number);
    let v6 = packet_v6(frame).filter(|(header, _)| header[6] == number);
    v4.or(v6).map(|(_, body)| body)
}

fn is_shorter(frame: &[u8], number: u8, bytes: usize) -> bool {
    body(frame, number).is_some_and(|body| body.len() < bytes)
}

fn gre_of(frame: &[u8], carried: u16) -> bool {
    body(frame, 47).is_some_and(|body| word(body, 2) == Some(carried))
}

/// The upper 96 bits of the IPv6 source.
fn source_begins(frame: &[u8], upper: [u8; 12]) -> bool {
    packet_v6(frame).is_some_and(|(header, _)| header[8..20] == upper)
}

const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
const CLASSES: [FrameClass; 32] = [
    ("one tag", |frame| is_tag(frame, 12) && !is_tag(frame, 16)),
    ("two tags", |frame| is_tag(frame, 12) && is_tag(frame, 16) && !is_tag(frame, 20)),
    ("three tags", |frame| is_tag(frame, 12) && is_tag(frame, 16) && is_tag(frame, 20)),
    ("ipv4 options", |frame| packet_v4(frame).is_some_and(|(header, _)| header.len() > 20)),
    ("ipv4 first fragment", |frame| {
        packet_v4(frame).is_some_and(|(header, _)| word(header, 6) == Some(0x2000))
    }),
    ("ipv4 later fragment", |frame| {
        packet_v4(frame).is_some_and(|(header, _)| header[6] & 31 != 0 || header[7] != 0)
    }),
    ("ipv6 first fragment", |frame| {
        carries_v6(frame, 44)
            && body(frame, 44).is_some_and(|body| word(body, 2).is_some_and(|field| field == 1))
    }),
    ("ipv6 later fragment", |frame| {
        carries_v6(frame, 44)
            && body(frame, 44).is_some_and(|body| word(body, 2).is_some_and(|field| field >= 8))
    }),
    ("ipv4 longer than the frame", |frame| {
        word(frame, 12) == Some(0x0800)
            && frame.len() >= 34
            && word(frame, 16).is_some_and(|length| usize::from(length) > frame.len() - 14)
    }),
    ("ipv6 longer than the frame", |frame| {
        word(frame, 12) == Some(0x86dd)
            && frame.len() >= 54
            && word(frame, 18).is_some_and(|length| usize::from(length) > frame.len() - 54)
    }),
    ("mapped source", |frame| source_begins(frame, MAPPED)),
    ("compatible source", |frame| source_begins(frame, [0; 12])),
    ("translated source", |frame| {
        source_begins(frame, [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0])
    }),
    ("6to4 source", |frame| packet_v6(frame).is_some_and(|(header, _)| header[8..10] == [32, 2])),
    ("hop-by-hop options", |frame| carries_v6(frame, 0)),
    ("routing header", |frame| carries_v6(frame, 43)),
    ("authentication header", |frame| carries_v6(frame, 51)),
    ("destination options", |frame| carries_v6(frame, 60)),
    ("mobility header", |frame| carries_v6(frame, 135)),
    ("extension cut off", |frame| is_shorter(frame, 0, 8) || is_shorter(frame, 60, 8)),
    ("icmpv6 in ipv4", |frame| carries_v4(frame, 58)),
    ("icmp in ipv6", |frame| carries_v6(frame, 1)),
    ("tcp cut off", |frame| is_shorter(frame, 6, 20)),
    ("udp cut off", |frame| is_shorter(frame, 17, 8)),
    ("icmp cut off", |frame| is_shorter(frame, 1, 8) || is_shorter(frame, 58, 8)),
    ("ipip", |frame| carries_v4(frame, 4) || carries_v6(frame, 4)),
    ("6in4", |frame| carries_v4(frame, 41)),
    ("6in6", |frame| carries_v6(frame, 41)),
    ("gre of ipv4", |frame| gre_of(frame, 0x0800)),
    ("gre of ipv6", |frame| gre_of(frame, 0x86dd)),
    ("gre of ethernet", |frame| gre_of(frame, 0x6558)),
    ("gre of what is not read", |frame| gre_of(frame, 0x88be)),
];

#[test]
fn every_class_of_frames_comes_up() {
    const MADE: usize = 200_000;
    let mut random = Random::new(15);
    let mut seen = [0_u32; CLASSES.len()];
    let mut lengths = [0_u32; 200];
    for _ in 0..MADE {
        let frame = frame(&mut random);
        for ((_, is_of), seen) in CLASSES.iter().zip(&mut seen) {
            *seen += u32::from(is_of(&frame));
        }
        if let Some(count) = lengths.get_mut(frame.len()) {
            *count += 1;
        }
    }
    for ((class, _), seen) in CLASSES.iter().zip(seen) {
        println!("{seen:8} {class}");
        assert!(seen >= 40, "{class}: {seen} of {MADE} frames");
    }
    let longest = 14 + 40 + 20 + 20;
    assert!(lengths[14..=longest].iter().all(|count| *count > 0), "each length: {lengths:?}");
}

/// Which of the nested pairs of lists an address is in.
fn nested(policy: &OraclePolicy, source: IpAddr) -> Vec<&'static str> {
    let lengths = |lists: &[OracleList]| -> Vec<u32> {
        let networks = lists.iter().flat_map(|list| &list.networks);
        networks.filter(|network| holds(network, source)).map(|(_, length)| *length).collect()
    };
    let (allow, deny) = (lengths(&policy.allow), lengths(&policy.deny));
    let mut found = Vec::new();
    for (allow, deny) in allow.iter().flat_map(|allow| deny.iter().map(move |deny| (*allow, *deny)))
    {
        found.extend(match (source, allow.cmp(&deny)) {
            (IpAddr::V4(_), Ordering::Less) => Some("v4, denied inside allowed"),
            (IpAddr::V4(_), Ordering::Greater) => Some("v4, allowed inside denied"),
            (IpAddr::V6(_), Ordering::Less) if deny > 64 => Some("v6, denied inside, beyond /64"),
            (IpAddr::V6(_), Ordering::Greater) if allow > 64 => {
                Some("v6, allowed inside, beyond /64")
            }
            (IpAddr::V6(_), Ordering::Less) => Some("v6, denied inside allowed"),
            (IpAddr::V6(_), Ordering::Greater) => Some("v6, allowed inside denied"),
            (_, Ordering::Equal) => Some("the same network"),
        });
    }
    found
}

fn holds((network, length): &(IpAddr, u32), source: IpAddr) -> bool {
    match (network, source) {
        (IpAddr::V4(network), IpAddr::V4(source)) => {
            let differ = network.to_bits() ^ source.to_bits();
            differ.checked_shr(32 - length).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(source)) => {
            let differ = network.to_bits() ^ source.to_bits();
            differ.checked_shr(128 - length).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[test]
fn lists_nest_both_ways() {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 1..=POLICIES {
        let mut random = Random::new(seed);
        let policy = policy(&mut random);
        for _ in 0..FRAMES {
            let source = if chance(&mut random, 1, 2) {
                IpAddr::V4(address_v4(&mut random))
            } else {
                IpAddr::V6(address_v6(&mut random))
            };
            for pair in nested(&policy, source) {
                *seen.entry(pair).or_default() += 1;
            }
        }
    }
    println!("{seen:?}");
    assert_eq!(seen.len(), 7, "{seen:?}");
    assert!(seen.values().all(|count| *count >= 20), "{seen:?}");
}
