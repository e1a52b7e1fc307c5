//! One backend is filled to its quota, then the next: what is not needed stays idle.

use super::Candidate;

/// The first with room, in the order of the configuration.
pub fn pick(candidates: &[Candidate]) -> Option<usize> {
    candidates.iter().position(|one| one.quota == 0 || one.in_flight < one.quota)
}
