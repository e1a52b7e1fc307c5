//! Times of the week, in UTC.

use crate::policy::{Day, TimePolicy};

/// Whether a moment is within a time.
#[must_use]
pub fn within(time: &TimePolicy, epoch_s: u64) -> bool {
    // A clock that is not set tells no time, so none is within.
    if epoch_s == 0 {
        return false;
    }
    let (days, minute) = (epoch_s / 86_400, epoch_s / 60 % 1_440);
    let (from, to) = (u64::from(time.from_min), u64::from(time.to_min));
    if from < to {
        return is_on(time, days) && (from..to).contains(&minute);
    }
    // Over midnight: the day is that on which it began.
    (is_on(time, days) && minute >= from)
        || (days.checked_sub(1).is_some_and(|before| is_on(time, before)) && minute < to)
}

fn is_on(time: &TimePolicy, days_since_1970: u64) -> bool {
    // 1970-01-01 was a Thursday.
    let day = Day::ALL[((days_since_1970 + 3) % 7) as usize];
    time.days.is_empty() || time.days.contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_and_days() {
        // 2026-11-25 is a Wednesday.
        let at = |day: u64, hour: u64, minute: u64| {
            let days = 20_782 + day;
            days * 86_400 + hour * 3_600 + minute * 60
        };
        let time =
            |days: &[Day], from_min, to_min| TimePolicy { days: days.to_vec(), from_min, to_min };
        let office = time(&[Day::Mon, Day::Wed], 8 * 60, 18 * 60);
        let night = time(&[Day::Wed], 22 * 60, 6 * 60);
        let whole = time(&[Day::Wed], 0, 1_440);
        for (time, at, expected) in [
            (&office, at(0, 7, 59), false),
            (&office, at(0, 8, 0), true),
            (&office, at(0, 17, 59), true),
            (&office, at(0, 18, 0), false),
            (&office, at(1, 12, 0), false),
            (&office, at(5, 12, 0), true),
            (&night, at(0, 21, 59), false),
            (&night, at(0, 22, 0), true),
            (&night, at(1, 5, 59), true),
            (&night, at(1, 6, 0), false),
            (&night, at(0, 5, 0), false),
            (&night, at(1, 22, 0), false),
            (&whole, at(0, 0, 0), true),
            (&whole, at(0, 23, 59), true),
            (&whole, at(1, 0, 0), false),
            (&time(&[], 0, 1_440), at(3, 1, 1), true),
            (&time(&[], 0, 1_440), 0, false),
        ] {
            assert_eq!(within(time, at), expected, "{time:?} {at:?}");
        }
    }
}
