//! A moment as lines write it, in UTC; the daemon writes its own with the same arithmetic.

use std::time::{SystemTime, UNIX_EPOCH};

/// `2026-11-25T10:59:07.123456Z`.
#[must_use]
pub fn rfc3339(at: SystemTime) -> String {
    let Moment { year, month, day, hour, minute, second, micros } = Moment::of(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// `25/Nov/2026:10:59:07 +0000`.
#[must_use]
pub fn common_log(at: SystemTime) -> String {
    let Moment { year, month, day, hour, minute, second, .. } = Moment::of(at);
    let name = MONTHS.get(month as usize - 1).copied().unwrap_or("???");
    format!("{day:02}/{name}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
}

struct Moment {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    micros: u32,
}

impl Moment {
    fn of(at: SystemTime) -> Self {
        // A clock before 1970 is not set; the line still has its other fields.
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        Self { year, month, day, hour, minute, second, micros: since.subsec_micros() }
    }
}

/// Year, month and day of so many days after 1970-01-01. Years begin in March here, so that the leap
/// day is a year's last; 400 years have 146,097 days.
#[must_use]
pub fn civil(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments() {
        for (second, exact, common) in [
            (0, "1970-01-01T00:00:00.000005Z", "01/Jan/1970:00:00:00 +0000"),
            (951_782_400, "2000-02-29T00:00:00.000005Z", "29/Feb/2000:00:00:00 +0000"),
            (951_868_799, "2000-02-29T23:59:59.000005Z", "29/Feb/2000:23:59:59 +0000"),
            (1_798_761_599, "2026-12-31T23:59:59.000005Z", "31/Dec/2026:23:59:59 +0000"),
            (4_107_542_400, "2100-03-01T00:00:00.000005Z", "01/Mar/2100:00:00:00 +0000"),
        ] {
            let at = UNIX_EPOCH + Duration::from_micros(second * 1_000_000 + 5);
            assert_eq!(rfc3339(at), exact);
            assert_eq!(common_log(at), common);
        }
    }
}
