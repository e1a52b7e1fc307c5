//! Consistent hashing with bounded load: a key stays where it is when other backends come or go.
//!
//! Rendezvous hashing (Thaler and Ravishankar): each backend draws a number for each key, the highest
//! takes it. Where a backend leaves, its keys alone move; there is no ring to build, and at most 256
//! draws are some microseconds.

use super::Candidate;
use crate::limits::{HASH_IN_FLIGHT_MIN, HASH_LOAD_PERCENT_MAX};

/// The backend that draws the highest number for the key, of those that are not overloaded.
pub fn pick(candidates: &[Candidate], key: u64) -> Option<usize> {
    let in_flight: u64 = candidates.iter().map(|one| u64::from(one.in_flight)).sum();
    let weights: u64 = candidates.iter().map(|one| one.weight).sum();
    // One key that everybody asks for does not fill its backend while the others idle.
    let has_room = |one: &Candidate| {
        let share = u128::from(in_flight + 1) * u128::from(one.weight * HASH_LOAD_PERCENT_MAX);
        one.in_flight < HASH_IN_FLIGHT_MIN
            || u128::from(one.in_flight) * u128::from(weights) * 100 < share
    };
    let mut best: Option<(usize, f64)> = None;
    for (place, candidate) in candidates.iter().enumerate() {
        if !has_room(candidate) {
            continue;
        }
        let score = score(candidate, key);
        if best.is_none_or(|(_, highest)| score > highest) {
            best = Some((place, score));
        }
    }
    // The fair shares together are more than everything, so one always has room.
    best.map(|(place, _)| place)
}

/// A number for some bytes: the same in every worker, so that a client stays where it is after a
/// reload. That a client can choose it does no harm: the load is bounded.
#[must_use]
pub fn digest(bytes: &[u8]) -> u64 {
    // FNV-1a; `mix` makes up for its weak high bits.
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

// An exponential variable for each backend, with its weight as the rate: the shares are the weights.
fn score(candidate: &Candidate, key: u64) -> f64 {
    let drawn = mix(key ^ mix(candidate.digest));
    // 53 bits, the half so that it is neither 0 nor 1.
    let uniform = ((drawn >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    candidate.weight as f64 / -uniform.ln()
}

// The finalizer of SplitMix64.
fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
