//! `--since`: a moment, or so long ago.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::status::utc;

const SECOND_NS: u64 = 1_000_000_000;

/// What is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a moment such as 2026-11-25, 2026-11-25T06:30 or 2026-11-25T06:30:00Z (UTC), or so long ago, such as 90s, 30m, 2h or 7d; found {found:?}"
)]
pub struct WhenError {
    found: String,
}

/// The earliest moment that is meant, written as records write theirs: such texts sort as their moments do.
///
/// # Errors
///
/// Where it is no time.
pub fn since(text: &str) -> Result<String, WhenError> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    since_at(text, now_s).ok_or_else(|| WhenError { found: text.to_owned() })
}

fn since_at(text: &str, now_s: u64) -> Option<String> {
    if let Some(ago_s) = ago_s(text) {
        return Some(utc(now_s.saturating_sub(ago_s).saturating_mul(SECOND_NS)));
    }
    moment(text)
}

fn ago_s(text: &str) -> Option<u64> {
    let digits = text.get(..text.len().checked_sub(1)?)?;
    let unit_s = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3_600,
        b'd' => 86_400,
        _ => return None,
    };
    digits.parse::<u32>().ok().map(|number| u64::from(number) * unit_s)
}

/// A moment that is written in part means its beginning.
fn moment(text: &str) -> Option<String> {
    const WHOLE: &str = "0000-01-01T00:00:00";
    let text = text.strip_suffix('Z').unwrap_or(text);
    if !matches!(text.len(), 10 | 13 | 16 | 19) {
        return None;
    }
    let whole = format!("{text}{}", WHOLE.get(text.len()..)?);
    let shaped = whole.bytes().zip(WHOLE.bytes()).all(|(found, shape)| match shape {
        b'0' | b'1' => found.is_ascii_digit(),
        mark => found == mark,
    });
    let part = |from: usize, most: u32| {
        whole.get(from..from + 2)?.parse::<u32>().ok().filter(|part| *part <= most)
    };
    let (month, day) = (part(5, 12).filter(|month| *month > 0), part(8, 31).filter(|day| *day > 0));
    let parts = (month, day, part(11, 23), part(14, 59), part(17, 59));
    (shaped && matches!(parts, (Some(_), Some(_), Some(_), Some(_), Some(_))))
        .then(|| format!("{whole}.000000Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        const NOW_S: u64 = 1_735_689_599;
        for (text, expected) in [
            ("0s", Some("2024-12-31T23:59:59.000000Z")),
            ("59m", Some("2024-12-31T23:00:59.000000Z")),
            ("2h", Some("2024-12-31T21:59:59.000000Z")),
            ("365d", Some("2024-01-01T23:59:59.000000Z")),
            ("4294967295d", Some("1970-01-01T00:00:00.000000Z")),
            ("2026-11-25", Some("2026-11-25T00:00:00.000000Z")),
            ("2026-11-25T06:30", Some("2026-11-25T06:30:00.000000Z")),
            ("2026-11-25T06:30:07Z", Some("2026-11-25T06:30:07.000000Z")),
            ("", None),
            ("h", None),
            ("-1h", None),
            ("2w", None),
            ("4294967296d", None),
            ("2026-13-01", None),
            ("2026-00-01", None),
            ("2026-11-32", None),
            ("2026-11-25T24:00", None),
            ("2026-11-25 06:30", None),
            ("2026/11/25", None),
            ("yesterday", None),
            ("\u{e4}", None),
            ("2026-11-2\u{e4}", None),
        ] {
            assert_eq!(since_at(text, NOW_S).as_deref(), expected, "{text:?}");
        }
    }
}
