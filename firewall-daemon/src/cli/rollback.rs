//! `seawall rollback`: takes back the change that waits, or goes back to what was in force.

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, value_parser};

use super::{apply::tell, print};
use crate::{
    control::{self, HistoryShown, Request, RollbackAsk},
    status,
};

/// Take back the change that waits to be confirmed; where none waits, go back to the configuration before
/// the one in force, or to one of the last 16.
#[derive(Args, Debug)]
pub struct RollbackArgs {
    /// Its number in the history.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..), conflicts_with = "list")]
    to: Option<u32>,
    /// Show the history; nothing is changed.
    #[arg(long)]
    list: bool,
    /// Do not ask whether it cuts protected addresses.
    #[arg(long)]
    no_guard: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = control::SOCKET)]
    socket: PathBuf,
}

/// Asks the daemon and prints.
pub fn run(args: &RollbackArgs) -> anyhow::Result<()> {
    if args.list {
        let history: HistoryShown = control::ask(&args.socket, &Request::History {})?;
        if args.json {
            return print(&(serde_json::to_string_pretty(&history)? + "\n"));
        }
        return print(&lines(&history));
    }
    let ask = RollbackAsk { to: args.to, guard: !args.no_guard };
    tell(&control::ask(&args.socket, &Request::Rollback(ask))?, args.json)
}

fn lines(history: &HistoryShown) -> String {
    let mut text = String::new();
    for record in history.records.iter().rev() {
        let lost = match record.files_not_kept {
            0 => String::new(),
            lost => format!(", {lost} without a copy"),
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{:>6}  {}  {:<8}  by {}, {} files{lost}",
            record.number,
            status::utc(record.at_epoch_s.saturating_mul(1_000_000_000)),
            record.verb,
            record.who,
            record.files
        );
    }
    if let Some(left) = history.confirm_left_s {
        let _ = writeln!(text, "a change waits to be confirmed for {left} s more");
    }
    text
}
