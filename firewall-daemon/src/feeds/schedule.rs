//! When a feed is asked for next. Time and chance are arguments.

use std::time::Duration;

/// After a failure it is asked again after so long, then after twice as long, up to its interval.
const RETRY: Duration = Duration::from_secs(60);
/// Doublings at most: the interval is shorter then.
const DOUBLINGS_MAX: u32 = 16;

/// How long to wait for the next try. `age` is the time since the server last confirmed the copy, where there is one; `failures`
/// how many tries went wrong since; `chance` from 0 to 1 spreads the hosts that were started together.
#[must_use]
pub fn wait(interval: Duration, age: Option<Duration>, failures: u32, chance: f64) -> Duration {
    let chance = chance.clamp(0.0, 1.0);
    if failures > 0 {
        let doubled = RETRY.saturating_mul(1 << (failures - 1).min(DOUBLINGS_MAX)).min(interval);
        return doubled.mul_f64(0.5 + chance / 2.0);
    }
    // Up to a tenth early, never late: an age that alerts at the interval stays quiet.
    let due = interval.mul_f64(1.0 - chance / 10.0);
    age.map_or(Duration::ZERO, |age| due.saturating_sub(age))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits() {
        const HOUR: u64 = 3_600;
        for (age_s, failures, chance, expected_s) in [
            (None, 0, 0.5, 0),
            (Some(0), 0, 0.0, HOUR),
            (Some(0), 0, 1.0, HOUR * 9 / 10),
            (Some(HOUR / 2), 0, 0.0, HOUR / 2),
            (Some(HOUR * 5), 0, 0.0, 0),
            (Some(0), 1, 1.0, 60),
            (None, 1, 0.0, 30),
            (None, 2, 1.0, 120),
            (None, 6, 1.0, 32 * 60),
            (None, 7, 1.0, HOUR),
            (None, u32::MAX, 0.0, HOUR / 2),
            (None, 1, 7.0, 60),
        ] {
            let wait =
                wait(Duration::from_secs(HOUR), age_s.map(Duration::from_secs), failures, chance);
            assert_eq!(wait.as_secs(), expected_s, "{age_s:?} {failures} {chance}");
        }
    }
}
