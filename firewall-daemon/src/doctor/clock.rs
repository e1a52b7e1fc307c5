//! The clock: certificates, bans with an end and the audit log lean on it.

use std::path::Path;

use super::{Finding, Level, run};

/// What systemd-timesyncd touches when it has set the clock.
const TIMESYNCD: &str = "/run/systemd/timesync/synchronized";
/// What chronyc prints with `-c` in a line, separated by commas; the last says whether a leap second comes, or
/// that the clock follows nobody.
const CHRONY_COLUMNS: usize = 14;
const NOT_SYNCHRONISED: &str = "Not synchronised";

/// Whether it is synchronised, or why that is not known. Without systemd the one who sets the clock is asked: what
/// the kernel itself knows (adjtimex) is to be had by unsafe code alone.
pub fn ask() -> Result<bool, String> {
    if Path::new(TIMESYNCD).exists() {
        return Ok(true);
    }
    let systemd = run("timedatectl", &["show", "--property=NTPSynchronized", "--value"]);
    let systemd = match systemd.and_then(|text| of_timedatectl(&text)) {
        Ok(synchronised) => return Ok(synchronised),
        Err(why) => why,
    };
    let chrony = run("chronyc", &["-c", "tracking"]).and_then(|text| of_chronyc(&text));
    chrony.map_err(|why| format!("{systemd}; {why}"))
}

fn of_timedatectl(text: &str) -> Result<bool, String> {
    match text.trim() {
        "yes" => Ok(true),
        "no" => Ok(false),
        other => Err(format!("timedatectl says {other:?}")),
    }
}

fn of_chronyc(text: &str) -> Result<bool, String> {
    let columns: Vec<&str> = text.trim().split(',').collect();
    match columns.as_slice() {
        [.., leap] if columns.len() == CHRONY_COLUMNS => Ok(*leap != NOT_SYNCHRONISED),
        _ => Err(format!("chronyc says {:?}", text.trim())),
    }
}

pub fn judge(answer: &Result<bool, String>) -> Finding {
    let (check, expected) = ("clock", "a clock that is synchronised");
    match answer {
        Ok(true) => Finding::ok(check, expected, "synchronised"),
        Ok(false) => Finding::not(
            Level::Warning,
            check,
            expected,
            "not synchronised",
            "timedatectl set-ntp true; with chrony: chronyc makestep, and see chronyc sources",
        ),
        Err(why) => unknown(check, expected, why),
    }
}

fn unknown(check: &str, expected: &str, why: &str) -> Finding {
    let found = format!("unknown whether it is: {why}");
    let remedy = "ask what sets it: timedatectl, chronyc tracking or ntpq -c rv; or the kernel: adjtimex --print, \
                  whose status has not 64 in it; or compare with a clock you trust: date -u";
    Finding::not(Level::Notice, check, expected, found, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        for (answer, level) in [
            (Ok(true), Level::Ok),
            (Ok(false), Level::Warning),
            (Err("timedatectl does not run".to_owned()), Level::Notice),
        ] {
            assert_eq!(judge(&answer).level, level, "{answer:?}");
        }
    }

    #[test]
    fn what_the_tools_print() {
        assert_eq!(of_timedatectl("yes\n"), Ok(true));
        assert_eq!(of_timedatectl("no\n"), Ok(false));
        assert_eq!(of_timedatectl(""), Err("timedatectl says \"\"".to_owned()));
        let line = |leap: &str| {
            format!(
                "C0000201,192.0.2.1,3,1764066000.1,0.000001,0.0,0.0,-3.2,0.0,0.04,0.01,0.001,64.2,{leap}\n"
            )
        };
        assert_eq!(of_chronyc(&line("Normal")), Ok(true));
        assert_eq!(of_chronyc(&line("Insert second")), Ok(true));
        assert_eq!(of_chronyc(&line("Not synchronised")), Ok(false));
        assert!(of_chronyc("506 Cannot talk to daemon").is_err());
    }
}
