//! How updates that were asked for ended.

use std::{
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use super::print;
use crate::status::{FeedResult, UpdateReport};

/// Prints a line each; an error where one was refused.
pub fn report(what: &str, reports: &[UpdateReport], json: bool) -> anyhow::Result<()> {
    let refused: Vec<&UpdateReport> =
        reports.iter().filter(|report| report.result == FeedResult::Refused).collect();
    let errors: Vec<String> = refused
        .iter()
        .map(|report| format!("{what} {}: {}", report.name, report.text.escape_debug()))
        .collect();
    if json {
        print(&(serde_json::to_string_pretty(reports)? + "\n"))?;
    } else {
        let mut text = String::new();
        for report in reports {
            let result = match report.result {
                FeedResult::New => "in force",
                FeedResult::Unchanged => "unchanged",
                FeedResult::Refused => continue,
            };
            writeln!(text, "{what} {}: {result}: {}", report.name, report.text)?;
        }
        print(&text)?;
    }
    anyhow::ensure!(errors.is_empty(), "{}", errors.join("\nseawall: "));
    Ok(())
}

/// Seconds since 1970.
pub fn now_epoch_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
