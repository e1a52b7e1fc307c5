//! Sliding-window counter: what passed in this window, and of the one before as large a part as still lies within the
//! last window's length. Two numbers, and no jump at the end of a window; it takes what passed in the window before
//! for evenly spread.

use super::algorithm::{Algorithm, Quota};

/// See above.
#[derive(Clone, Copy, Debug)]
pub struct SlidingCounter {
    /// How many, and how long the windows are.
    pub quota: Quota,
}

/// What passed in the window of this number, and in the one before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    window: u64,
    units: u64,
    before: u64,
}

impl SlidingCounter {
    fn used(&self, state: &Used, now_ns: u64) -> Used {
        let window = now_ns / self.quota.window_ns;
        let (units, before) = match window.saturating_sub(state.window) {
            0 => (state.units, state.before),
            1 => (0, state.units),
            _ => (0, 0),
        };
        Used { window, units, before }
    }

    // Units times nanoseconds: nothing is rounded.
    fn weight(&self, used: Used, now_ns: u64) -> u128 {
        let rest_ns = self.quota.window_ns - now_ns % self.quota.window_ns;
        u128::from(used.before) * u128::from(rest_ns) + self.quota.takes(used.units)
    }

    /// When so many units of a window before have faded to what is left beside them, from that window's end on.
    fn faded_ns(&self, before: u64, left: u64) -> u64 {
        let rest = self.quota.takes(left) / u128::from(before.max(1));
        self.quota.window_ns.saturating_sub(u64::try_from(rest).unwrap_or(u64::MAX))
    }
}

impl Algorithm for SlidingCounter {
    type State = Used;

    fn ask(&self, state: &mut Used, now_ns: u64, cost: u64) -> Result<u64, u64> {
        let used = self.used(state, now_ns);
        let wanted = self.weight(used, now_ns) + self.quota.takes(cost);
        if wanted <= self.quota.takes(self.quota.units) {
            return Ok(0);
        }
        let window_ns = self.quota.window_ns;
        let begin_ns = now_ns - now_ns % window_ns;
        let at_ns = match self.quota.units.checked_sub(used.units.saturating_add(cost)) {
            Some(left) => begin_ns.saturating_add(self.faded_ns(used.before, left)),
            // In this window there is no room any more.
            None => begin_ns
                .saturating_add(window_ns)
                .saturating_add(self.faded_ns(used.units, self.quota.units.saturating_sub(cost))),
        };
        Err(at_ns.saturating_sub(now_ns))
    }

    fn charge(&self, state: &mut Used, now_ns: u64, cost: u64) {
        let used = self.used(state, now_ns);
        *state = Used { units: used.units.saturating_add(cost), ..used };
    }

    fn left(&self, state: &mut Used, now_ns: u64) -> u64 {
        let all = self.quota.takes(self.quota.units);
        let used = self.used(state, now_ns);
        self.quota.whole(all.saturating_sub(self.weight(used, now_ns)))
    }

    fn fresh_at_ns(&self, state: &Used) -> u64 {
        let windows = match (state.units, state.before) {
            (0, 0) => return 0,
            (0, _) => 1,
            (_, _) => 2,
        };
        state.window.saturating_add(windows).saturating_mul(self.quota.window_ns)
    }
}
