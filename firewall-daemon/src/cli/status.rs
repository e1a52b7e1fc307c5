//! `seawall status`: what is in force, what was counted, how it is.

use std::path::PathBuf;

use clap::Args;

use super::print;
use crate::{control, status};

/// Show the policy in force, the counters and the health of the daemon.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = control::SOCKET)]
    socket: PathBuf,
}

/// Asks the daemon and prints.
pub fn run(args: &StatusArgs) -> anyhow::Result<()> {
    let snapshot = control::status(&args.socket)?;
    let text = if args.json {
        let mut json = serde_json::to_string_pretty(&snapshot)?;
        json.push('\n');
        json
    } else {
        status::render(&snapshot)
    };
    print(&text)
}
