//! What the daemon may use: files. Of locked memory no kernel that Seawall runs on asks: maps are charged to the
//! control group since 5.11.

use std::fs;

use super::{Finding, Level};

/// A gateway has two files for a connection; below this it refuses clients before its own bounds do.
const FILES_MIN: u64 = 4_096;

/// Of the daemon, or of this process where there is none.
pub fn examine(daemon: Option<u32>) -> Finding {
    let whose = daemon.map_or("this shell's".to_owned(), |pid| format!("the daemon's ({pid})"));
    let process = daemon.map_or("self".to_owned(), |pid| pid.to_string());
    let text = fs::read_to_string(format!("/proc/{process}/limits")).unwrap_or_default();
    files(&text, &whose, daemon.is_some())
}

/// The soft limit in a line of /proc/PID/limits.
fn soft(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

fn shown(limit: u64) -> String {
    if limit == u64::MAX { "unlimited".to_owned() } else { limit.to_string() }
}

fn files(text: &str, whose: &str, daemon: bool) -> Finding {
    let (check, expected) = ("open files", format!("{FILES_MIN} or more"));
    let remedy = "LimitNOFILE=65536 in the unit, or: ulimit -n 65536";
    match soft(text, "Max open files") {
        Some(limit) if limit >= FILES_MIN => Finding::ok(check, &expected, shown(limit)),
        Some(limit) => {
            let level = if daemon { Level::Warning } else { Level::Notice };
            Finding::not(level, check, &expected, format!("{limit}, {whose} limit"), remedy)
        }
        None => Finding::not(Level::Notice, check, &expected, "unknown", remedy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        use Level::{Notice, Ok, Warning};
        for (number, daemon, level) in [
            ("65536", true, Ok),
            ("unlimited", true, Ok),
            ("4096", false, Ok),
            ("1024", true, Warning),
            ("1024", false, Notice),
            ("many", false, Notice),
        ] {
            let text = format!(
                "Limit                     Soft Limit           Hard Limit           Units\n\
                 Max open files            {number}                 524288               files\n"
            );
            assert_eq!(files(&text, "its", daemon).level, level, "{text}");
        }
        assert_eq!(files("", "its", true).level, Notice);
    }
}
