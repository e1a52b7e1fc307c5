//! A moment for people.

use std::time::{SystemTime, UNIX_EPOCH};

const SECOND_NS: u64 = 1_000_000_000;
const DAY_S: u64 = 86_400;

/// Nanoseconds since 1970 as a moment of UTC, to the microsecond (RFC 3339).
#[must_use]
pub fn utc(time_epoch_ns: u64) -> String {
    let (seconds, rest_ns) = (time_epoch_ns / SECOND_NS, time_epoch_ns % SECOND_NS);
    let (year, month, day) = date(seconds / DAY_S);
    let (hours, minutes) = (seconds % DAY_S / 3_600, seconds % 3_600 / 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{:02}.{:06}Z",
        seconds % 60,
        rest_ns / 1_000
    )
}

/// Seconds since 1970; zero on a clock that is set before.
#[must_use]
pub fn now_epoch_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Seconds since 1970 as a day of UTC.
#[must_use]
pub fn day(epoch_s: u64) -> String {
    let (year, month, day) = date(epoch_s / DAY_S);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day of so many days after 1970-01-01. Years are counted from March on, so that a leap
/// day is the last of its year, and in eras of 400 of them, which all have as many days.
fn date(days: u64) -> (u64, u64, u64) {
    const ERA_DAYS: u64 = 146_097;
    /// From 0000-03-01 to 1970-01-01.
    const BEFORE_1970_DAYS: u64 = 719_468;
    let days = days + BEFORE_1970_DAYS;
    let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    let leap_days = |day: u64| day / 1_460 + day / 146_096 - day / 36_524;
    let year_of_era = (day_of_era - leap_days(day_of_era)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on, months have 31, 30, 31, 30, 31 days, again and again.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_700_000_000, "2023-11-14T22:13:20"),
            (1_709_164_800, "2024-02-29T00:00:00"),
            (1_735_689_599, "2024-12-31T23:59:59"),
            (1_735_689_600, "2025-01-01T00:00:00"),
            (4_107_542_400, "2100-03-01T00:00:00"),
        ] {
            let found = utc(seconds * SECOND_NS + 1_002_003);
            assert_eq!(found, format!("{expected}.001002Z"));
        }
        // Every day is the one after the last.
        let mut last = date(0);
        for days in 1..80_000 {
            let next = date(days);
            let (year, month, day) = next;
            let follows = next == (last.0, last.1, last.2 + 1)
                || next == (last.0, last.1 + 1, 1)
                || next == (last.0 + 1, 1, 1) && last.1 == 12 && last.2 == 31;
            assert!(follows && (1..=12).contains(&month) && day <= 31 && year >= 1970, "{days}");
            last = next;
        }
    }
}
