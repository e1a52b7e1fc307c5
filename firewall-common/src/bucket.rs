//! Token bucket arithmetic in its GCRA form: one word, integers only.
//!
//! The word is the theoretical arrival time (ITU-T I.371): when the bucket would be full again. It
//! counts sixteenths of a nanosecond, so that ten million packets a second are off by less than
//! 0.1 %; a machine may be up for 36 years before the word overflows.

/// Units of the word in one nanosecond.
pub const UNITS_PER_NS: u64 = 16;

const UNITS_PER_S: u64 = 1_000_000_000 * UNITS_PER_NS;

/// A rate and a burst, as the arithmetic wants them. All zero: no limit.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units between two packets at the rate.
    pub interval: u64,
    /// How far ahead of now the word may be for one more packet to conform.
    pub tolerance: u64,
}

impl Rate {
    /// No limit.
    pub const OFF: Self = Self { interval: 0, tolerance: 0 };

    /// `rate_pps` packets a second, and `burst_packets` at once from a full bucket; both at least 1.
    #[must_use]
    pub fn new(rate_pps: u32, burst_packets: u32) -> Self {
        let interval = (UNITS_PER_S / u64::from(rate_pps.max(1))).max(1);
        Self { interval, tolerance: interval * (u64::from(burst_packets.max(1)) - 1) }
    }

    /// Whether packets are limited at all.
    #[must_use]
    #[inline(always)]
    pub fn is_on(self) -> bool {
        self.interval != 0
    }

    /// The bucket's next word when a packet at `now_units` conforms, nothing when it does not.
    #[must_use]
    #[inline(always)]
    pub fn take(self, word: u64, now_units: u64) -> Option<u64> {
        let word = if word > now_units { word } else { now_units };
        (word - now_units <= self.tolerance).then_some(word + self.interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(rate: Rate, packets: u64, step_ns: u64) -> u64 {
        let mut word = 0;
        let mut passed = 0;
        for packet in 0..packets {
            if let Some(next) = rate.take(word, (1_000_000 + packet * step_ns) * UNITS_PER_NS) {
                word = next;
                passed += 1;
            }
        }
        passed
    }

    #[test]
    fn burst_then_rate() {
        // (rate, burst, packets, ns between packets, passed)
        for (rate, burst, packets, step_ns, expected) in [
            (1_000, 1, 1_000, 0, 1),
            (1_000, 50, 1_000, 0, 50),
            (1_000, 1, 1_000, 1_000_000, 1_000),
            (1_000, 1, 2_000, 500_000, 1_000),
            (1_000, 10, 10_000, 100_000, 1_009),
            (3_000_000, 2, 3_000_000, 100, 900_001),
            (1, 1, 10, 999_999_999, 5),
        ] {
            let seen = passed(Rate::new(rate, burst), packets, step_ns);
            let tolerated = expected / 1_000;
            assert!(
                seen.abs_diff(expected) <= tolerated,
                "{rate}/s burst {burst}: {seen} of {packets} passed, expected {expected}"
            );
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        for (rate, burst) in [(1, 10_000_000), (10_000_000, 1), (10_000_000, 10_000_000), (0, 0)] {
            let rate = Rate::new(rate, burst);
            assert!(rate.is_on());
            assert!(rate.take(u64::MAX / 2, u64::MAX / 2).is_some());
        }
        assert!(!Rate::OFF.is_on());
    }
}
