//! Token bucket arithmetic in its GCRA form: integers only, one word a bucket.
//!
//! The word is the theoretical arrival time (ITU-T I.371): when the bucket would be full again. It has
//! 48 bits of quarters of a nanosecond and so comes round every 19 hours. A bucket is never further
//! ahead of now than its window of at most an hour: whatever seems to be is old, and full by now. The
//! 16 bits above say whose bucket it is, in a table where strangers share a row.

/// Units of the word in one nanosecond.
pub const UNITS_PER_NS: u64 = 4;
const UNITS_PER_S: u64 = 1_000_000_000 * UNITS_PER_NS;

/// Bits of the arrival time in a word.
pub const TIME_BITS: u32 = 48;
/// The arrival time in a word.
pub const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
/// The longest time that a bucket takes to fill up: a small part of the 19 hours.
pub const WINDOW_S_MAX: u64 = 3_600;

/// How far the clocks of two CPUs may be apart, and how old the time may be that a packet is judged at: a
/// tick of the slowest kernel (100 Hz) and to spare. A bucket so far beyond its window is one that another
/// CPU has just emptied, not an old one.
pub const CLOCK_SLACK: u64 = UNITS_PER_S / 40;

/// Bits behind the point in [`Rate::cost`]: a byte at 100 GB/s takes a 25th of a unit.
const FRACTION_BITS: u32 = 16;

/// A rate and a burst, as the arithmetic wants them. All zero: no limit.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units that one packet or byte takes, with 16 bits behind the point.
    pub cost: u64,
    /// Units that the whole burst takes.
    pub window: u64,
}

impl Rate {
    /// No limit.
    pub const OFF: Self = Self { cost: 0, window: 0 };

    /// `rate` packets or bytes a second, and `burst` of them at once from a full bucket. Both are at
    /// least 1; a burst of more than [`WINDOW_S_MAX`] seconds is cut to that.
    #[must_use]
    pub fn new(rate: u64, burst: u64) -> Self {
        let rate = u128::from(rate.max(1));
        let burst = u128::from(burst.max(1));
        // Up to fifteen million a second whole units are exact enough, and a burst is then exact to the
        // packet; above that a unit is too much for one byte.
        let whole = (u128::from(UNITS_PER_S) + rate / 2) / rate;
        let cost = if whole >= 256 {
            whole << FRACTION_BITS
        } else {
            ((u128::from(UNITS_PER_S) << FRACTION_BITS) / rate).max(1)
        };
        let window = ((cost * burst).div_ceil(1 << FRACTION_BITS))
            .min(u128::from(WINDOW_S_MAX * UNITS_PER_S));
        Self { cost: cost as u64, window: (window as u64).max(1) }
    }

    /// Whether there is a limit at all.
    #[must_use]
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.window != 0
    }

    /// How far ahead of now a bucket can be.
    #[must_use]
    #[inline(always)]
    pub fn window(&self) -> u64 {
        self.window
    }

    /// The bucket's next arrival time when `amount` packets or bytes conform, nothing when they do not.
    #[must_use]
    #[inline(always)]
    pub fn take(&self, amount: u64, word: u64, now_units: u64) -> Option<u64> {
        let ahead = word.wrapping_sub(now_units) & TIME_MASK;
        let ahead = if ahead > self.window + CLOCK_SLACK { 0 } else { ahead };
        let cost = (amount * self.cost + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS;
        let next = ahead + cost;
        (next <= self.window).then_some(now_units.wrapping_add(next) & TIME_MASK)
    }
}

/// A limit on packets, on bytes, or on both.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Of packets.
    pub packets: Rate,
    /// Of bytes, link header included.
    pub bytes: Rate,
}

impl Limit {
    /// No limit.
    pub const OFF: Self = Self { packets: Rate::OFF, bytes: Rate::OFF };

    /// Whether there is a limit at all.
    #[must_use]
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.packets.is_on() || self.bytes.is_on()
    }
}

/// One where a word says nothing: its bucket is full, so that another may take its place. `window_max`
/// is the longest window of all limits in force. The sign of a difference: a comparison would become a
/// branch, and a flood's is anyone's guess.
#[must_use]
#[inline(always)]
pub fn is_full(word: u64, now_units: u64, window_max: u64) -> u64 {
    // Zero is one turn of the clock ahead.
    let ahead = word.wrapping_sub(now_units).wrapping_sub(1) & TIME_MASK;
    (window_max + CLOCK_SLACK - 1).wrapping_sub(ahead) >> 63
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(rate: Rate, packets: u64, amount: u64, step_ns: u64) -> u64 {
        let mut word = 0;
        let mut passed = 0;
        for packet in 0..packets {
            let now = (1_000_000 + packet * step_ns) * UNITS_PER_NS;
            if let Some(next) = rate.take(amount, word, now) {
                word = next;
                passed += 1;
            }
        }
        passed
    }

    #[test]
    fn burst_then_rate() {
        // (rate, burst, packets, amount of each, ns between packets, passed)
        for (rate, burst, packets, amount, step_ns, expected) in [
            (1_000, 1, 1_000, 1, 0, 1),
            (1_000, 50, 1_000, 1, 0, 50),
            (1_000, 1, 1_000, 1, 1_000_000, 1_000),
            (1_000, 1, 2_000, 1, 500_000, 1_000),
            (1_000, 10, 10_000, 1, 100_000, 1_009),
            (3_000_000, 2, 3_000_000, 1, 100, 900_001),
            (1, 1, 10, 1, 999_999_999, 5),
            (1_500, 1_500, 10, 1_500, 1_001_000_000, 10),
            (100_000_000_000, 1_000_000, 1_000_000, 1_000, 1, 101_000),
            (1_000_000, 10_000, 1_000, 1_000, 0, 10),
            (1_000_000, 10_000, 1_000, 10_001, 1_000_000_000, 0),
        ] {
            let seen = passed(Rate::new(rate, burst), packets, amount, step_ns);
            let tolerated = expected / 200;
            assert!(
                seen.abs_diff(expected) <= tolerated,
                "{rate}/s burst {burst}: {seen} of {packets} passed, expected {expected}"
            );
        }
    }

    #[test]
    fn the_clock_may_come_round() {
        let rate = Rate::new(10, 10);
        for now in [0, 5, TIME_MASK - 3, TIME_MASK, TIME_MASK + 7, u64::MAX / 2] {
            let mut word = now & TIME_MASK;
            let passed = (0..20).filter(|_| {
                let next = rate.take(1, word, now);
                word = next.unwrap_or(word);
                next.is_some()
            });
            assert_eq!(passed.count(), 10, "at {now}");
            assert_eq!(is_full(word, now, rate.window()), 0);
            assert_eq!(is_full(word, now + UNITS_PER_S, rate.window()), 1);
            assert_eq!(is_full(word, now + rate.window() + (1 << 46), rate.window()), 1);
        }
        assert_eq!(is_full(0, 0, 1), 1);
    }

    #[test]
    fn a_bucket_of_other_rates_is_full_at_worst() {
        let (slow, fast) = (Rate::new(1, 3_600), Rate::new(1_000, 10));
        let mut word = 0;
        for _ in 0..3_600 {
            word = slow.take(1, word, 0).expect("the burst");
        }
        assert_eq!(slow.take(1, word, 0), None);
        assert!(fast.take(10, word, 0).is_some(), "what cannot be its own is not held against it");
    }

    #[test]
    fn extremes_do_not_overflow() {
        for (rate, burst) in [
            (1, 10_000_000),
            (10_000_000, 1),
            (10_000_000, 10_000_000),
            (1_000, 100_000_000_000),
            (100_000_000_000, 1_600),
            (0, 0),
        ] {
            let rate = Rate::new(rate, burst);
            assert!(rate.is_on() && rate.window() <= WINDOW_S_MAX * UNITS_PER_S);
            assert!(rate.take(1, u64::MAX, u64::MAX).is_some());
            let _ = rate.take(1 << 16, 0, u64::MAX);
        }
        assert!(!Limit::OFF.is_on());
    }
}
