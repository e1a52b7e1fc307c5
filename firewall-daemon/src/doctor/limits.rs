//! What the daemon may use: files and locked memory.

use std::fs;

use super::{Finding, Level};

/// A gateway has two files for a connection; below this it refuses clients before its own bounds do.
const FILES_MIN: u64 = 4_096;
/// The tables of a large policy; only kernels before 5.11 ask.
const LOCKED_BYTES_MIN: u64 = 512 << 20;

/// Of the daemon, or of this process where there is none.
pub fn examine(daemon: Option<u32>) -> Vec<Finding> {
    let whose = daemon.map_or("this shell's".to_owned(), |pid| format!("the daemon's ({pid})"));
    let process = daemon.map_or("self".to_owned(), |pid| pid.to_string());
    let text = fs::read_to_string(format!("/proc/{process}/limits")).unwrap_or_default();
    vec![files(&text, &whose, daemon.is_some()), locked(&text, &whose)]
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

fn locked(text: &str, whose: &str) -> Finding {
    let expected =
        format!("{LOCKED_BYTES_MIN} bytes or more, which only kernels before 5.11 ask for");
    let (check, remedy) =
        ("locked memory", "LimitMEMLOCK=infinity in the unit, or: ulimit -l unlimited");
    match soft(text, "Max locked memory") {
        Some(limit) if limit >= LOCKED_BYTES_MIN => Finding::ok(check, &expected, shown(limit)),
        Some(limit) => {
            let found = format!("{limit} bytes, {whose} limit");
            Finding::not(Level::Notice, check, &expected, found, remedy)
        }
        None => Finding::not(Level::Notice, check, &expected, "unknown", remedy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let text = |files: &str, locked: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units\n\
                 Max open files            {files}                 524288               files\n\
                 Max locked memory         {locked}              8388608              bytes\n"
            )
        };
        use Level::{Notice, Ok, Warning};
        for (number, bytes, daemon, levels) in [
            ("65536", "unlimited", true, [Ok, Ok]),
            ("1024", "8388608", true, [Warning, Notice]),
            ("1024", "8388608", false, [Notice, Notice]),
            ("4096", "536870912", false, [Ok, Ok]),
            ("many", "", false, [Notice, Ok]),
        ] {
            let text = text(number, bytes);
            let found = [files(&text, "its", daemon).level, locked(&text, "its").level];
            // The empty column makes the next one the first.
            let expected = if bytes.is_empty() { [levels[0], Notice] } else { levels };
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(files("", "its", true).level, Notice);
    }
}
