//! Power of two choices: chance names two, the one with the shorter wait takes the request.
//!
//! Looking at all and taking the best would send every thread's next request to the same backend.

use super::Candidate;

/// The better of two.
pub fn pick(candidates: &[Candidate], chance: u64) -> Option<usize> {
    let count = candidates.len() as u64;
    let first = chance.checked_rem(count)?;
    // One of the others, each as likely.
    let second = match count {
        1 => first,
        _ => (first + 1 + (chance >> 32) % (count - 1)) % count,
    };
    let (first, second) = (first as usize, second as usize);
    let better = match (candidates.get(first), candidates.get(second)) {
        (Some(one), Some(other)) if shorter(other, one) => second,
        _ => first,
    };
    Some(better)
}

// (in flight + 1) * latency / weight, without the division.
fn shorter(one: &Candidate, other: &Candidate) -> bool {
    let wait = |of: &Candidate| (u128::from(of.in_flight) + 1) * u128::from(of.latency_us.max(1));
    wait(one) * u128::from(other.weight) < wait(other) * u128::from(one.weight)
}
