//! Times as they are typed: 30s, 10m, 2h, 7d.

/// The longest: ten years. What is longer is for good.
const SECONDS_MAX: u64 = 10 * 365 * 86_400;

/// Reads a time in seconds.
///
/// # Errors
///
/// What was expected and what was found.
pub fn parse(text: &str) -> Result<u64, String> {
    let expected = "expected a time such as 30s, 10m, 2h or 7d";
    let wrong = || format!("{expected}, found {:?}", text.chars().take(32).collect::<String>());
    let unit = match text.bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        Some(_) | None => return Err(wrong()),
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    seconds
        .filter(|seconds| (1..=SECONDS_MAX).contains(seconds))
        .ok_or_else(|| format!("{expected}, of 1s to 3650d, found {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn times() {
        for (text, expected) in [
            ("1s", 1),
            ("30s", 30),
            ("10m", 600),
            ("2h", 7_200),
            ("7d", 604_800),
            ("3650d", 315_360_000),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        for text in
            ["", "s", "10", "2 h", "-1h", "+1h", "1.5h", "1w", "2h30m", "0s", "3651d", "\u{e4}s"]
        {
            let error = parse(text).expect_err(text);
            assert!(error.starts_with("expected a time such as 30s, 10m, 2h or 7d"), "{error}");
        }
        assert!(parse("99999999999999999999d").is_err());
    }
}
