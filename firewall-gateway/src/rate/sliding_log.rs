//! Sliding-window log: so many in any window, wherever it begins. The only one that is exact for every window, and the
//! only one that remembers each request: its memory is the limit's number of them, and the limit bounds it.

use std::collections::VecDeque;

use super::algorithm::{Algorithm, Quota};

/// See above.
#[derive(Clone, Copy, Debug)]
pub struct SlidingLog {
    /// How many, in any time of this length.
    pub quota: Quota,
}

/// What passed within the last window, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    units: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at_ns: u64,
    units: u64,
}

#[cfg(test)]
impl Log {
    /// How many are remembered.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }
}

impl SlidingLog {
    fn over_ns(&self, entry: Entry) -> u64 {
        entry.at_ns.saturating_add(self.quota.window_ns)
    }

    fn forget(&self, state: &mut Log, now_ns: u64) {
        while let Some(entry) = state.entries.pop_front_if(|entry| self.over_ns(*entry) <= now_ns) {
            state.units = state.units.saturating_sub(entry.units);
        }
    }
}

impl Algorithm for SlidingLog {
    type State = Log;

    fn ask(&self, state: &mut Log, now_ns: u64, cost: u64) -> Result<u64, u64> {
        self.forget(state, now_ns);
        let wanted = state.units.saturating_add(cost);
        let Some(mut over) = wanted.checked_sub(self.quota.units).filter(|over| *over > 0) else {
            return Ok(0);
        };
        for entry in &state.entries {
            over = over.saturating_sub(entry.units);
            if over == 0 {
                return Err(self.over_ns(*entry).saturating_sub(now_ns));
            }
        }
        // What costs more than the limit never passes; the configuration has none of it.
        Err(self.quota.window_ns)
    }

    fn charge(&self, state: &mut Log, now_ns: u64, cost: u64) {
        self.forget(state, now_ns);
        state.units = state.units.saturating_add(cost);
        let full = state.entries.len() as u64 >= self.quota.units;
        match state.entries.back_mut() {
            // What is known only later may be more than was left, and is remembered all the same.
            Some(newest) if full || newest.at_ns == now_ns => {
                newest.at_ns = now_ns;
                newest.units = newest.units.saturating_add(cost);
            }
            _ => state.entries.push_back(Entry { at_ns: now_ns, units: cost }),
        }
    }

    fn left(&self, state: &mut Log, now_ns: u64) -> u64 {
        self.forget(state, now_ns);
        self.quota.units.saturating_sub(state.units)
    }

    fn fresh_at_ns(&self, state: &Log) -> u64 {
        state.entries.back().map_or(0, |newest| self.over_ns(*newest))
    }
}
