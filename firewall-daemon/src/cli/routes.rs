//! `seawall routes`: what the gateway makes of which requests, and how it went.

use std::path::PathBuf;

use clap::Args;

use super::print;
use crate::{
    control::{self, Request},
    status::{self, RoutesShown},
};

/// Show the gateway's routes in the order in which they are tried, with what was counted of each.
#[derive(Args, Debug)]
pub struct RoutesArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = control::SOCKET)]
    socket: PathBuf,
}

/// Asks the daemon and prints.
pub fn run(args: &RoutesArgs) -> anyhow::Result<()> {
    let shown: RoutesShown = control::ask(&args.socket, &Request::Routes {})?;
    if args.json {
        return print(&(serde_json::to_string_pretty(&shown)? + "\n"));
    }
    print(&status::render_routes(&shown))
}
