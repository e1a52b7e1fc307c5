//! `seawall confirm`: keeps the change that waits.

use std::path::PathBuf;

use clap::Args;

use super::apply::tell;
use crate::control::{self, Request};

/// Keep the change that `seawall apply --confirm` put in force.
#[derive(Args, Debug)]
pub struct ConfirmArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = control::SOCKET)]
    socket: PathBuf,
}

/// Asks the daemon and prints.
pub fn run(args: &ConfirmArgs) -> anyhow::Result<()> {
    tell(&control::ask(&args.socket, &Request::Confirm {})?, args.json)
}
