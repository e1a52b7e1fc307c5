//! Policies.

use std::net::IpAddr;

use super::{PORTS, address_v4, address_v6, chance, networks, one_of};
use crate::{
    oracle::{
        Letters, Networks, OracleAction, OracleCountries, OracleLimits, OracleList, OraclePass,
        OraclePer, OraclePolicy, OraclePortLimit, OracleProtocol, OracleRate, OracleRule,
        OracleService, OracleSynCookies, OracleTokens,
    },
    random::Random,
};

const COUNTRIES: [Letters; 4] = [*b"CN", *b"DE", *b"FR", *b"US"];

/// What limits, limiting rules and SYN cookies a policy has. None of them lets time play a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limiting {
    /// None.
    None,
    /// Such as no test exceeds.
    Huge,
    /// A few packets or frames, and one token a second: as long as the frames of a test arrive
    /// within a second, nothing is refilled. The bytes are fewer a second than a configuration may
    /// ask.
    Small,
}

/// A policy with no limits.
pub fn policy(random: &mut Random) -> OraclePolicy {
    policy_with(random, Limiting::None)
}

/// A policy with such limits.
pub fn policy_with(random: &mut Random, limiting: Limiting) -> OraclePolicy {
    let sets: Vec<(String, Networks)> = (0..random.below(4))
        .map(|index| {
            let count = 1 + random.below(4);
            (format!("set-{index}"), networks(random, count))
        })
        .collect();
    let mut policy = OraclePolicy {
        protected: lists(random, "protected", 2, 2),
        allow: lists(random, "allow", 3, 2),
        deny: lists(random, "deny", 4, 4),
        bans: (0..random.below(5)).map(|_| address(random)).collect(),
        shadow: chance(random, 1, 4),
        sets,
        default_drop: chance(random, 1, 4),
        pass: OraclePass {
            malformed: chance(random, 1, 4),
            non_ip: chance(random, 1, 2),
            tcp_flags: chance(random, 1, 3),
            fragments: chance(random, 1, 2),
        },
        ..OraclePolicy::default()
    };
    for list in &mut policy.deny {
        list.shadow = chance(random, 1, 3);
    }
    if chance(random, 1, 2) {
        geo(random, &mut policy);
    }
    if chance(random, 1, 3) {
        let tcp = [(22, 22), (443, 443), (8000, 8010)];
        let tcp = tcp.map(|(first, last)| OracleService::Tcp(first, last));
        let udp = [(53, 53), (8000, 8005)].map(|(first, last)| OracleService::Udp(first, last));
        let all = tcp.into_iter().chain(udp).chain([OracleService::IcmpEcho]);
        policy.public = all.filter(|_| chance(random, 1, 2)).collect();
    }
    policy.rules =
        (0..random.below(9)).map(|index| rule(random, &policy, limiting, index)).collect();
    if limiting != Limiting::None {
        policy.limits = limits(random, limiting, !policy.geo.is_empty());
        if chance(random, 2, 3) {
            policy.syn_cookies = Some(OracleSynCookies {
                ports: [22, 80, 443].into_iter().filter(|_| chance(random, 2, 3)).collect(),
                threshold_pps: if limiting == Limiting::Small { 1 } else { 10_000_000 },
            });
        }
        policy.syn_cookies.take_if(|cookies| cookies.ports.is_empty());
    }
    policy
}

fn address(random: &mut Random) -> IpAddr {
    if chance(random, 1, 2) { address_v4(random).into() } else { address_v6(random).into() }
}

fn lists(random: &mut Random, name: &str, below: u64, most: u64) -> Vec<OracleList> {
    (0..random.below(below))
        .map(|index| {
            let count = 1 + random.below(most);
            OracleList {
                name: format!("{name}-{index}"),
                shadow: false,
                networks: networks(random, count),
            }
        })
        .collect()
}

/// A database in which no network is there twice, and what of it is dropped.
fn geo(random: &mut Random, policy: &mut OraclePolicy) {
    let count = 4 + random.below(20);
    let mut within = networks(random, count);
    within.sort();
    within.dedup();
    policy.geo = within.into_iter().map(|network| (network, one_of(random, &COUNTRIES))).collect();
    let named: Vec<Letters> = COUNTRIES.into_iter().filter(|_| chance(random, 1, 2)).collect();
    let only = chance(random, 1, 3);
    if named.is_empty() || chance(random, 1, 5) {
        return;
    }
    policy.shadow_countries = COUNTRIES
        .into_iter()
        .filter(|country| named.contains(country) != only && chance(random, 1, 3))
        .collect();
    policy.countries =
        if only { OracleCountries::Only(named) } else { OracleCountries::Block(named) };
}

/// A rule that asks something.
fn rule(random: &mut Random, policy: &OraclePolicy, limiting: Limiting, index: u64) -> OracleRule {
    let protocol = match random.below(16) {
        0..6 => OracleProtocol::Tcp,
        6..9 => OracleProtocol::Udp,
        9 | 10 => OracleProtocol::Icmp,
        11 | 12 => OracleProtocol::Icmpv6,
        // The program takes 1, 6, 17 and 58 for the protocols of that name, each in its own family.
        13 => OracleProtocol::Number(one_of(random, &[0, 4, 41, 47, 50, 132])),
        _ => OracleProtocol::Any,
    };
    let mut rule = OracleRule { name: format!("rule-{index}"), protocol, ..OracleRule::default() };
    match protocol {
        OracleProtocol::Tcp | OracleProtocol::Udp if chance(random, 2, 3) => {
            rule.ports = (0..=random.below(3)).map(|_| ports(random)).collect();
        }
        OracleProtocol::Icmp if chance(random, 1, 2) => rule.icmp_types = vec![8, 0],
        OracleProtocol::Icmpv6 if chance(random, 1, 2) => rule.icmp_types = vec![128, 1, 4],
        _ => {}
    }
    if protocol == OracleProtocol::Tcp && chance(random, 1, 3) {
        (rule.flags_set, rule.flags_clear) =
            one_of(random, &[(0x02, 0x10), (0x10, 0), (0, 0x12), (0x12, 0), (0x08, 0xe1)]);
    }
    let any = protocol == OracleProtocol::Any;
    if !policy.sets.is_empty() && chance(random, if any { 4 } else { 1 }, 5) {
        let names = policy.sets.iter().map(|(name, _)| name.clone());
        rule.sources = names.filter(|_| chance(random, 2, 3)).collect();
    }
    if !policy.geo.is_empty() && chance(random, 1, 4) {
        rule.countries = vec![one_of(random, &COUNTRIES)];
    }
    if any && rule.sources.is_empty() && rule.countries.is_empty() {
        rule.protocol = OracleProtocol::Udp;
    }
    rule.action = match random.below(5) {
        0 | 1 => OracleAction::Pass,
        2 | 3 => OracleAction::Drop,
        _ if limiting == Limiting::None => OracleAction::Pass,
        _ => {
            let per = one_of(random, &[OraclePer::Source, OraclePer::Prefix, OraclePer::Rule]);
            OracleAction::Limit(per, rate(random, limiting))
        }
    };
    rule
}

fn ports(random: &mut Random) -> (u16, u16) {
    let first = one_of(random, &PORTS);
    (first, first + one_of(random, &[0, 0, 1, 5, 500]))
}

/// Countries are limited where there is a database.
fn limits(random: &mut Random, limiting: Limiting, countries: bool) -> OracleLimits {
    let some =
        |random: &mut Random, times: u64| chance(random, times, 8).then(|| rate(random, limiting));
    OracleLimits {
        source: some(random, 2),
        prefix: some(random, 1),
        country: some(random, 2 * u64::from(countries)),
        syn: some(random, 1),
        udp: some(random, 1),
        icmp: some(random, 1),
        other: some(random, 1),
        ports: [(true, 22), (true, 80), (true, 443), (true, 8005), (false, 53), (false, 443)]
            .into_iter()
            .filter_map(|(tcp, port)| {
                some(random, 4).map(|rate| OraclePortLimit { tcp, port, rate })
            })
            .collect(),
    }
}

fn rate(random: &mut Random, limiting: Limiting) -> OracleRate {
    let kind = random.below(3);
    let (packets, bytes) = match limiting {
        Limiting::None | Limiting::Huge => {
            let (packets, bytes) = (10_000_000, 100_000_000_000);
            (
                OracleTokens { rate: packets, burst: packets },
                OracleTokens { rate: bytes, burst: bytes },
            )
        }
        Limiting::Small => (
            OracleTokens { rate: 1, burst: 1 + random.below(8) },
            OracleTokens { rate: 1, burst: 1_600 + random.below(2_000) },
        ),
    };
    OracleRate { packets: (kind != 0).then_some(packets), bytes: (kind != 1).then_some(bytes) }
}
