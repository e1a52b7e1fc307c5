//! Fixed window: so many in each window of the clock. Around the end of one, twice as many may pass: whoever cannot bear
//! that takes a sliding one.

use super::algorithm::{Algorithm, Quota};

/// See above.
#[derive(Clone, Copy, Debug)]
pub struct FixedWindow {
    /// How many, and how long the windows are.
    pub quota: Quota,
}

/// What passed in the window of this number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    window: u64,
    units: u64,
}

impl FixedWindow {
    fn used(&self, state: &Used, now_ns: u64) -> u64 {
        if state.window == now_ns / self.quota.window_ns { state.units } else { 0 }
    }
}

impl Algorithm for FixedWindow {
    type State = Used;

    fn ask(&self, state: &mut Used, now_ns: u64, cost: u64) -> Result<u64, u64> {
        if self.used(state, now_ns).saturating_add(cost) <= self.quota.units {
            return Ok(0);
        }
        Err(self.quota.window_ns - now_ns % self.quota.window_ns)
    }

    fn charge(&self, state: &mut Used, now_ns: u64, cost: u64) {
        let units = self.used(state, now_ns).saturating_add(cost);
        *state = Used { window: now_ns / self.quota.window_ns, units };
    }

    fn left(&self, state: &mut Used, now_ns: u64) -> u64 {
        self.quota.units.saturating_sub(self.used(state, now_ns))
    }

    fn fresh_at_ns(&self, state: &Used) -> u64 {
        if state.units == 0 {
            return 0;
        }
        state.window.saturating_add(1).saturating_mul(self.quota.window_ns)
    }
}
