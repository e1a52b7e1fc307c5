//! The clock: certificates, bans with an end and the audit log lean on it.

use std::path::Path;

use super::{Finding, Level, run};

/// What systemd-timesyncd touches when it has set the clock.
const TIMESYNCD: &str = "/run/systemd/timesync/synchronized";

/// `yes` or `no`, or why that is not known.
pub fn ask() -> Result<String, String> {
    if Path::new(TIMESYNCD).exists() {
        return Ok("yes".to_owned());
    }
    run("timedatectl", &["show", "--property=NTPSynchronized", "--value"])
}

pub fn judge(answer: &Result<String, String>) -> Finding {
    let (check, expected) = ("clock", "a clock that is synchronised");
    match answer.as_deref().map(str::trim) {
        Ok("yes") => Finding::ok(check, expected, "synchronised"),
        Ok("no") => Finding::not(
            Level::Warning,
            check,
            expected,
            "not synchronised",
            "timedatectl set-ntp true",
        ),
        Ok(other) => unknown(check, expected, &format!("timedatectl says {other:?}")),
        Err(why) => unknown(check, expected, why),
    }
}

fn unknown(check: &str, expected: &str, why: &str) -> Finding {
    let found = format!("unknown whether it is: {why}");
    Finding::not(Level::Notice, check, expected, found, "compare with a clock you trust: date -u")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        for (answer, level) in [
            (Ok("yes\n".to_owned()), Level::Ok),
            (Ok("no\n".to_owned()), Level::Warning),
            (Ok(String::new()), Level::Notice),
            (Err("timedatectl does not run".to_owned()), Level::Notice),
        ] {
            assert_eq!(judge(&answer).level, level, "{answer:?}");
        }
    }
}
