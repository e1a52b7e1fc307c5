//! `seawall apply`: puts a file in force.

use std::path::PathBuf;

use clap::Args;

use super::{plan::read, print};
use crate::control::{self, Applied, ApplyAsk, CONFIRM_S_MAX, CONFIRM_S_MIN, Request};

/// Put a configuration file in force; it replaces the daemon's own. With --confirm it is taken back by
/// itself unless `seawall confirm` comes in time, and the daemon's file is replaced only then.
#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// The configuration file. It is read as if it stood in the place of the daemon's own.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Take it back after this time (5s to 1h) unless it is confirmed.
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    confirm: Option<u64>,
    /// Do not ask whether it cuts protected addresses. Use it with --confirm.
    #[arg(long)]
    no_guard: bool,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = control::SOCKET)]
    socket: PathBuf,
}

/// Asks the daemon and prints.
pub fn run(args: &ApplyArgs) -> anyhow::Result<()> {
    let ask = ApplyAsk {
        file: args.file.display().to_string(),
        text: read(&args.file)?,
        confirm_s: args.confirm,
        guard: !args.no_guard,
        why: args.why.clone(),
    };
    tell(&control::ask(&args.socket, &Request::Apply(ask))?, args.json)
}

/// What came into force, as JSON or as lines.
pub(super) fn tell(applied: &Applied, json: bool) -> anyhow::Result<()> {
    if json {
        return print(&(serde_json::to_string_pretty(applied)? + "\n"));
    }
    let mut lines = Vec::new();
    if let Some(generation) = applied.generation {
        let kept =
            applied.history.map_or(String::new(), |number| format!(", {number} in the history"));
        lines.push(format!("generation {generation} is in force{kept}"));
    }
    if let Some(seconds) = applied.confirm_s {
        lines.push(format!("it is taken back in {seconds} s: `seawall confirm` keeps it"));
    }
    lines.extend(applied.notes.iter().cloned());
    print(&(lines.join("\n") + "\n"))
}

fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!(
            "expected {CONFIRM_S_MIN}s to {CONFIRM_S_MAX}s, such as 60s, 5m or 1h, found {text:?}"
        )
    };
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    let seconds = seconds.filter(|found| (CONFIRM_S_MIN..=CONFIRM_S_MAX).contains(found));
    seconds.ok_or_else(wrong)
}
