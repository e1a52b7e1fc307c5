//! Limits and arrivals by chance, the same for the same seed.

use crate::{generated::Generator, rate::algorithm::Quota};

/// Keys that the arrivals are of.
pub const KEYS: u64 = 4;

/// A limit.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub quota: Quota,
    pub burst: u64,
    pub wait_max_ns: u64,
    pub begin_ns: u64,
}

impl Shape {
    /// Small and large limits; windows that no number of units divides, and for every second seed one that it does.
    pub fn of(seed: u64) -> Self {
        let mut random = Generator::new(seed + 1_000);
        let units = 4 + random.below(40) as u64;
        let window_ns = 1_000_003 + random.below(2_000_000_000) as u64;
        let window_ns = if seed.is_multiple_of(2) { window_ns } else { window_ns / units * units };
        Self {
            quota: Quota { units, window_ns },
            burst: 4 + random.below(60) as u64,
            wait_max_ns: random.below(window_ns as usize) as u64,
            begin_ns: 1_800_000_000_000_000_000 + random.below(2_000_000_000) as u64,
        }
    }

    /// What passes at once where nothing was used.
    pub fn most(&self, queues: bool) -> u64 {
        if queues { 1 } else { self.quota.units.min(self.burst) }
    }
}

/// Requests: mostly a little more than fit, at times many at once, at times a pause.
pub struct Arrivals {
    random: Generator,
    mean_ns: usize,
}

impl Arrivals {
    pub fn new(seed: u64, shape: Shape) -> Self {
        // Costs are 2 on average.
        let mean_ns = shape.quota.window_ns * 2 / shape.quota.units / KEYS;
        Self { random: Generator::new(seed), mean_ns: mean_ns as usize }
    }

    /// Whose, how long after the one before, and what it costs.
    pub fn next(&mut self) -> (u64, u64, u64) {
        let step_ns = match self.random.below(100) {
            0..20 => 0,
            20..22 => self.random.below(self.mean_ns * 60),
            _ => self.random.below(self.mean_ns),
        };
        (self.random.below(KEYS as usize) as u64, step_ns as u64, 1 + self.random.below(3) as u64)
    }
}
