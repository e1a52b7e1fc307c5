//! The five algorithms as they are told: each remembers what passed and counts it anew, and no number is rounded.

use std::collections::VecDeque;

use super::arrivals::Shape;

pub trait Reference {
    /// Whether one that may pass can have to wait.
    const QUEUES: bool = false;

    /// The wait of a request that may pass now, in whole nanoseconds rounded up.
    fn ask(&self, now_ns: u64, cost: u64) -> Option<u64>;

    fn take(&mut self, now_ns: u64, cost: u64);
}

fn wide(number: u64) -> i128 {
    i128::from(number)
}

/// Token bucket: so many tokens, and so many more with each nanosecond; a token is as many parts as the window has
/// nanoseconds, so that each nanosecond brings a whole number of them.
pub struct Bucket {
    shape: Shape,
    parts: i128,
    at_ns: u64,
}

impl Bucket {
    pub fn new(shape: Shape) -> Self {
        Self { shape, parts: wide(shape.burst) * wide(shape.quota.window_ns), at_ns: 0 }
    }

    fn parts(&self, now_ns: u64) -> i128 {
        let most = wide(self.shape.burst) * wide(self.shape.quota.window_ns);
        most.min(self.parts + wide(now_ns - self.at_ns) * wide(self.shape.quota.units))
    }
}

impl Reference for Bucket {
    fn ask(&self, now_ns: u64, cost: u64) -> Option<u64> {
        (self.parts(now_ns) >= wide(cost) * wide(self.shape.quota.window_ns)).then_some(0)
    }

    fn take(&mut self, now_ns: u64, cost: u64) {
        self.parts = self.parts(now_ns) - wide(cost) * wide(self.shape.quota.window_ns);
        self.at_ns = now_ns;
    }
}

/// Leaky bucket: water that runs out evenly; who comes waits until what was there before has run out.
pub struct Queue {
    shape: Shape,
    water: i128,
    at_ns: u64,
}

impl Queue {
    pub fn new(shape: Shape) -> Self {
        Self { shape, water: 0, at_ns: 0 }
    }

    fn water(&self, now_ns: u64) -> i128 {
        0.max(self.water - wide(now_ns - self.at_ns) * wide(self.shape.quota.units))
    }
}

impl Reference for Queue {
    const QUEUES: bool = true;

    fn ask(&self, now_ns: u64, _cost: u64) -> Option<u64> {
        let (water, a_ns) = (self.water(now_ns), wide(self.shape.quota.units));
        let wait_ns = (water + a_ns - 1) / a_ns;
        (water <= wide(self.shape.wait_max_ns) * a_ns).then_some(wait_ns as u64)
    }

    fn take(&mut self, now_ns: u64, cost: u64) {
        self.water = self.water(now_ns) + wide(cost) * wide(self.shape.quota.window_ns);
        self.at_ns = now_ns;
    }
}

/// What passed, newest last; what is older than two windows is nobody's concern.
#[derive(Default)]
struct Passed(VecDeque<(u64, u64)>);

impl Passed {
    fn within(&self, fits: impl Fn(u64) -> bool) -> u64 {
        self.0.iter().filter(|(at_ns, _)| fits(*at_ns)).map(|(_, cost)| cost).sum()
    }

    fn push(&mut self, shape: Shape, now_ns: u64, cost: u64) {
        while self.0.front().is_some_and(|(at_ns, _)| at_ns + 2 * shape.quota.window_ns < now_ns) {
            self.0.pop_front();
        }
        self.0.push_back((now_ns, cost));
    }
}

/// Fixed window: those of the same window of the clock.
pub struct Windows(Shape, Passed);

impl Windows {
    pub fn new(shape: Shape) -> Self {
        Self(shape, Passed::default())
    }
}

impl Reference for Windows {
    fn ask(&self, now_ns: u64, cost: u64) -> Option<u64> {
        let window = |at_ns: u64| at_ns / self.0.quota.window_ns;
        let used = self.1.within(|at_ns| window(at_ns) == window(now_ns));
        (used + cost <= self.0.quota.units).then_some(0)
    }

    fn take(&mut self, now_ns: u64, cost: u64) {
        self.1.push(self.0, now_ns, cost);
    }
}

/// Sliding-window log: those less than a window ago.
pub struct Last(Shape, Passed);

impl Last {
    pub fn new(shape: Shape) -> Self {
        Self(shape, Passed::default())
    }
}

impl Reference for Last {
    fn ask(&self, now_ns: u64, cost: u64) -> Option<u64> {
        let used = self.1.within(|at_ns| now_ns - at_ns < self.0.quota.window_ns);
        (used + cost <= self.0.quota.units).then_some(0)
    }

    fn take(&mut self, now_ns: u64, cost: u64) {
        self.1.push(self.0, now_ns, cost);
    }
}

/// Sliding-window counter: those of this window, and of those of the one before the part of it that is less than a window
/// ago; a comparison of fractions, multiplied out.
pub struct Weighted(Shape, Passed);

impl Weighted {
    pub fn new(shape: Shape) -> Self {
        Self(shape, Passed::default())
    }
}

impl Reference for Weighted {
    fn ask(&self, now_ns: u64, cost: u64) -> Option<u64> {
        let length = self.0.quota.window_ns;
        let window = |at_ns: u64| at_ns / length;
        let now = self.1.within(|at_ns| window(at_ns) == window(now_ns));
        let before = self.1.within(|at_ns| window(at_ns) + 1 == window(now_ns));
        let part = wide(length) - wide(now_ns % length);
        let used = wide(before) * part + wide(now + cost) * wide(length);
        (used <= wide(self.0.quota.units) * wide(length)).then_some(0)
    }

    fn take(&mut self, now_ns: u64, cost: u64) {
        self.1.push(self.0, now_ns, cost);
    }
}
