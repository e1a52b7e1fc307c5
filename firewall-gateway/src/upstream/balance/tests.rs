//! 100,000 picks of each rule: what came out beside what was to be expected.

use std::collections::HashMap;

use http::{HeaderMap, HeaderValue, header};

use super::{Balancer, Candidate, Marks, digest, hash, sticky::Signer, sticky::is_tag};
use crate::{
    generated::cases,
    headers::cookie,
    limits::HASH_IN_FLIGHT_MIN,
    policy::{BalancePolicy, HashKey, StickyCookiePolicy},
};

const PICKS: u64 = 100_000;

#[test]
fn round_robin_is_exact() {
    for (weights, expected) in [
        (vec![1, 1, 1, 1], vec![25_000, 25_000, 25_000, 25_000]),
        (vec![5, 3, 2], vec![50_000, 30_000, 20_000]),
        (vec![1, 0, 3], vec![25_000, 75_000]),
        (vec![7], vec![100_000]),
    ] {
        let candidates = candidates(&weights);
        let mut balancer = Balancer::new(BalancePolicy::RoundRobin, 7);
        let counts = distribution(&candidates, |_| balancer.pick(&candidates, 0));
        shown("round robin", &weights, &counts, &expected);
        assert_eq!(counts, expected, "{weights:?}");
    }
}

#[test]
fn round_robin_spreads_a_weight() {
    let candidates = candidates(&[5, 1, 1]);
    let mut balancer = Balancer::new(BalancePolicy::RoundRobin, 7);
    let order: Vec<usize> = (0..7).filter_map(|_| balancer.pick(&candidates, 0)).collect();
    assert_eq!(order, [0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn least_busy_is_fair_among_equals_and_spares_the_slow() {
    let equal = candidates(&[1, 1, 1, 1]);
    let mut balancer = Balancer::new(BalancePolicy::LeastBusy, 7);
    let counts = distribution(&equal, |_| balancer.pick(&equal, 0));
    let expected = [25_000; 4];
    shown("least busy, equal", &[1; 4], &counts, &expected);
    // Four standard deviations of a binomial of 100,000 and a quarter are 548.
    assert!(near(&counts, &expected, 548), "{counts:?}");

    // One of four is slower: it takes a request only where chance names it twice, which it does not.
    let mut slow = candidates(&[1, 1, 1, 1]);
    slow[3].latency_us = 1_000;
    let counts = distribution(&slow, |_| balancer.pick(&slow, 0));
    let expected = [33_333, 33_333, 33_333, 0];
    shown("least busy, one slow", &[1; 4], &counts, &expected);
    assert!(near(&counts, &expected, 597), "{counts:?}");
}

#[test]
fn least_busy_levels_what_is_in_flight() {
    // Nothing ever ends: what is in flight is the distribution itself.
    let mut candidates = candidates(&[1, 1, 2, 4]);
    let mut balancer = Balancer::new(BalancePolicy::LeastBusy, 7);
    let mut counts = vec![0_u64; 4];
    for _ in 0..PICKS {
        let place = balancer.pick(&candidates, 0).unwrap_or_default();
        candidates[place].in_flight += 1;
        counts[place] += 1;
    }
    let expected = [12_500, 12_500, 25_000, 50_000];
    shown("least busy, in flight", &[1, 1, 2, 4], &counts, &expected);
    // The heaviest is named in half of the pairs, so it can take no more than half.
    assert!(near(&counts, &expected, 600), "{counts:?}");
}

#[test]
fn hash_follows_the_weights_and_stays() {
    for (weights, expected) in [
        (vec![1, 1, 1, 1], vec![25_000, 25_000, 25_000, 25_000]),
        (vec![5, 3, 2], vec![50_000, 30_000, 20_000]),
    ] {
        let candidates = candidates(&weights);
        let counts = distribution(&candidates, |key| hash::pick(&candidates, key_of(key)));
        shown("hash", &weights, &counts, &expected);
        assert!(near(&counts, &expected, 640), "{weights:?}: {counts:?}");
    }
    // One of four goes: its keys move, and no other.
    let all = candidates(&[1, 1, 1, 1]);
    let left: Vec<Candidate> = all.iter().filter(|one| one.index != 2).copied().collect();
    let (mut moved, mut of_the_lost) = (0, 0);
    for key in 0..PICKS {
        let before = hash::pick(&all, key_of(key)).map(|place| all[place].index);
        let after = hash::pick(&left, key_of(key)).map(|place| left[place].index);
        of_the_lost += u64::from(before == Some(2));
        moved += u64::from(before != after);
    }
    println!("hash, one of four lost: {moved} of {PICKS} keys moved, {of_the_lost} were its own");
    assert_eq!(moved, of_the_lost);
}

#[test]
fn hash_keeps_a_key_where_little_is_in_flight() {
    let mut candidates = candidates(&[1, 1, 1, 1]);
    let home = hash::pick(&candidates, key_of(1)).unwrap_or_default();
    for in_flight in 0..HASH_IN_FLIGHT_MIN {
        candidates[home].in_flight = in_flight;
        assert_eq!(hash::pick(&candidates, key_of(1)), Some(home), "{in_flight}");
    }
    candidates[home].in_flight = HASH_IN_FLIGHT_MIN;
    assert_ne!(hash::pick(&candidates, key_of(1)), Some(home));
}

#[test]
fn hash_bounds_the_load_of_one_key() {
    // Everybody asks for the same, and nothing ends.
    let mut candidates = candidates(&[1, 1, 1, 1]);
    for _ in 0..PICKS {
        let place = hash::pick(&candidates, key_of(1)).unwrap_or_default();
        candidates[place].in_flight += 1;
    }
    let most = candidates.iter().map(|one| one.in_flight).max();
    println!("hash, one key: at most {most:?} of {PICKS} at one of four, expected 37500");
    assert_eq!(most, Some(37_500), "one and a half fair shares");
}

#[test]
fn quota_fills_one_after_the_other() {
    let mut candidates = candidates(&[1, 1, 1]);
    for (candidate, quota) in candidates.iter_mut().zip([40_000, 50_000, 5_000]) {
        candidate.quota = quota;
    }
    let mut balancer = Balancer::new(BalancePolicy::Quota, 7);
    let mut order = Vec::new();
    let mut refused = 0;
    for _ in 0..PICKS {
        match balancer.pick(&candidates, 0) {
            Some(place) => {
                candidates[place].in_flight += 1;
                order.push(place);
            }
            None => refused += 1,
        }
    }
    let counts: Vec<u64> = candidates.iter().map(|one| u64::from(one.in_flight)).collect();
    shown("quota", &[1; 3], &counts, &[40_000, 50_000, 5_000]);
    assert_eq!((counts, refused), (vec![40_000, 50_000, 5_000], 5_000));
    assert!(order.is_sorted(), "the next only when the one before is full");
}

#[test]
fn sticky_finds_its_backend_and_no_forgery_does() {
    let policy = StickyCookiePolicy { cookie: "lb".to_owned(), key_hex: "ab".repeat(32) };
    let signer = Signer::new(&policy, "api").ok();
    let signer = signer.as_ref();
    let address = |number: u64| std::net::SocketAddr::from(([10, 0, 0, number as u8], 80));
    let tags: Vec<String> =
        (0..4).filter_map(|number| Some(signer?.tag(address(number)))).collect();
    let mut counts = vec![0_u64; 4];
    for request in 0..PICKS {
        let sent = &tags[(request % 4) as usize];
        let found: Vec<usize> = (0..4).filter(|place| is_tag(&tags[*place], sent)).collect();
        assert_eq!(found, [(request % 4) as usize]);
        counts[found[0]] += 1;
    }
    shown("sticky", &[1; 4], &counts, &[25_000; 4]);
    let other = StickyCookiePolicy { cookie: "lb".to_owned(), key_hex: "ac".repeat(32) };
    for forged in [
        Signer::new(&other, "api").map(|signer| signer.tag(address(0))).unwrap_or_default(),
        Signer::new(&policy, "ap").map(|signer| signer.tag(address(0))).unwrap_or_default(),
        String::new(),
        "0".repeat(32),
        tags[0][..31].to_owned(),
        format!("{}0", tags[0]),
        "10.0.0.0:80".to_owned(),
    ] {
        assert!(!tags.iter().any(|tag| is_tag(tag, &forged)), "{forged:?}");
    }
    for (cookie, key_hex) in [
        ("", "ab".repeat(32)),
        ("a b", "ab".repeat(32)),
        ("lb", "ab".repeat(31)),
        ("lb", "x".repeat(64)),
    ] {
        let policy = StickyCookiePolicy { cookie: cookie.to_owned(), key_hex };
        assert!(Signer::new(&policy, "api").is_err(), "{policy:?}");
    }
}

#[test]
fn a_request_is_known_by_what_the_policy_says() {
    let peer = "192.0.2.7".parse().unwrap_or(std::net::Ipv4Addr::UNSPECIFIED).into();
    let mut headers = HeaderMap::new();
    headers.insert("x-tenant", HeaderValue::from_static("blue"));
    headers.append(header::COOKIE, HeaderValue::from_static("a=1; id=seven"));
    headers.append(header::COOKIE, HeaderValue::from_static("id=eight; xid=9"));
    let address = digest(&[192, 0, 2, 7]);
    for (key, expected) in [
        (HashKey::Address, address),
        (HashKey::Header("x-tenant".to_owned()), digest(b"blue")),
        (HashKey::Header("x-other".to_owned()), address),
        (HashKey::Cookie("id".to_owned()), digest(b"seven")),
        (HashKey::Cookie("d".to_owned()), address),
        (HashKey::Path, digest(b"/path")),
        (HashKey::Consumer, digest(b"shop")),
    ] {
        let balancer = Balancer::new(BalancePolicy::Hash(key.clone()), 7);
        let from = Marks { headers: &headers, path: "/path", client: peer, consumer: Some("shop") };
        assert_eq!(balancer.key(&from), expected, "{key:?}");
    }
    let balancer = Balancer::new(BalancePolicy::Hash(HashKey::Consumer), 7);
    let unknown = Marks { headers: &headers, path: "/path", client: peer, consumer: None };
    assert_eq!(balancer.key(&unknown), address);
    assert_eq!(cookie(&headers, "xid"), Some("9"));
}

/// A cookie's value is that of a pair that was sent.
#[test]
fn generated_cookies_are_read_within_their_lines() {
    let seeds = ["lb=abc; a=b", "a=b;lb=;lb=x", " lb = 1 ; xlb=2", "lb", "=;=;lb==="];
    let seeds = seeds.map(|seed| seed.as_bytes().to_vec());
    let mut found = 0;
    for bytes in cases(8, 50_000, &seeds) {
        let Ok(line) = HeaderValue::from_bytes(&bytes) else { continue };
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, line);
        let Some(value) = cookie(&headers, "lb") else { continue };
        found += 1;
        assert!(!value.contains(';') && value.trim() == value, "{value:?}");
        let line = headers[header::COOKIE].to_str().unwrap_or_default();
        let mut pairs = line.split(';').map(str::trim);
        assert!(
            pairs.any(|pair| pair.strip_prefix("lb=").map(str::trim) == Some(value)),
            "{line:?}"
        );
    }
    assert!(found > 1_000, "{found}");
}

/// Candidates with these weights; one of weight 0 is left out, and its place stays empty.
fn candidates(weights: &[u64]) -> Vec<Candidate> {
    let candidate = |(index, weight): (usize, &u64)| Candidate {
        index,
        weight: weight * 100,
        quota: 0,
        in_flight: 0,
        latency_us: 100,
        digest: digest(format!("10.0.0.{index}:8443").as_bytes()),
    };
    weights.iter().enumerate().map(candidate).filter(|one| one.weight > 0).collect()
}

fn distribution(candidates: &[Candidate], mut pick: impl FnMut(u64) -> Option<usize>) -> Vec<u64> {
    let mut counts: HashMap<usize, u64> = HashMap::new();
    for request in 0..PICKS {
        if let Some(place) = pick(request) {
            *counts.entry(place).or_default() += 1;
        }
    }
    (0..candidates.len()).map(|place| counts.get(&place).copied().unwrap_or_default()).collect()
}

fn key_of(request: u64) -> u64 {
    digest(&request.to_be_bytes())
}

fn near(counts: &[u64], expected: &[u64], off_max: u64) -> bool {
    counts.len() == expected.len()
        && counts.iter().zip(expected).all(|(count, expected)| count.abs_diff(*expected) <= off_max)
}

fn shown(rule: &str, weights: &[u64], counts: &[u64], expected: &[u64]) {
    println!("{rule}, weights {weights:?}: {counts:?}, expected {expected:?}");
}
