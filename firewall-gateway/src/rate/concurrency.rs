//! So many at once: what is in flight, and no rate.

use super::algorithm::{Algorithm, IN_USE};

/// See above.
#[derive(Clone, Copy, Debug)]
pub struct Concurrency {
    /// The most at once.
    pub units: u64,
}

impl Concurrency {
    /// One of them has ended.
    pub fn release(state: &mut u64) {
        *state = state.saturating_sub(1);
    }
}

impl Algorithm for Concurrency {
    /// In flight.
    type State = u64;

    fn ask(&self, state: &mut u64, _now_ns: u64, cost: u64) -> Result<u64, u64> {
        // When one of the others ends nobody knows.
        if state.saturating_add(cost) <= self.units { Ok(0) } else { Err(AGAIN_NS) }
    }

    fn charge(&self, state: &mut u64, _now_ns: u64, cost: u64) {
        *state = state.saturating_add(cost);
    }

    fn left(&self, state: &mut u64, _now_ns: u64) -> u64 {
        self.units.saturating_sub(*state)
    }

    fn fresh_at_ns(&self, state: &u64) -> u64 {
        if *state > 0 { IN_USE } else { 0 }
    }
}

const AGAIN_NS: u64 = 1_000_000_000;
