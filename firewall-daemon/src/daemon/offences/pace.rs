//! So many bans a second and no more, whatever workers say.

use std::time::Instant;

/// A second's worth may come at once.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    left: f64,
    at: Instant,
}

impl Pace {
    /// Nothing was taken yet.
    pub fn new(now: Instant) -> Self {
        Self { left: f64::INFINITY, at: now }
    }

    /// Takes one, if there is one left of so many a second.
    pub fn take(&mut self, per_s: u32, now: Instant) -> bool {
        let per_s = f64::from(per_s);
        let passed_s = now.saturating_duration_since(self.at).as_secs_f64();
        // The bound may have been lowered meanwhile.
        self.left = (self.left + passed_s * per_s).min(per_s);
        self.at = now;
        let is_left = self.left >= 1.0;
        if is_left {
            self.left -= 1.0;
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_more_are_taken_than_there_are_in_a_second() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut taken = |per_s: u32, after_ms: u64| {
            (0..1_000).filter(|_| pace.take(per_s, start + Duration::from_millis(after_ms))).count()
        };
        for (per_s, after_ms, expected) in [
            (100, 0, 100),
            (100, 0, 0),
            (100, 500, 50),
            (100, 10_000, 100),
            (1, 10_000, 0),
            (1, 20_000, 1),
            (10, 20_500, 5),
        ] {
            assert_eq!(taken(per_s, after_ms), expected, "{per_s} after {after_ms} ms");
        }
    }
}
