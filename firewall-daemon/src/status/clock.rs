//! A moment for people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use firewall_gateway::date::{civil, rfc3339};

const DAY_S: u64 = 86_400;

/// Nanoseconds since 1970 as a moment of UTC, to the microsecond (RFC 3339).
#[must_use]
pub fn utc(time_epoch_ns: u64) -> String {
    rfc3339(UNIX_EPOCH + Duration::from_nanos(time_epoch_ns))
}

/// Seconds since 1970; zero on a clock that is set before.
#[must_use]
pub fn now_epoch_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Seconds since 1970 as a day of UTC.
#[must_use]
pub fn day(epoch_s: u64) -> String {
    let (year, month, day) = civil(epoch_s / DAY_S);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use firewall_gateway::date::civil as date;

    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

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
