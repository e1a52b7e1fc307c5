//! `seawall feeds`: the deny lists that others keep.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{print, updates};
use crate::{control, status};

/// Show the feeds, or fetch them now.
#[derive(Args, Debug)]
pub struct FeedsArgs {
    #[command(subcommand)]
    verb: FeedsVerb,
}

#[derive(Debug, Subcommand)]
enum FeedsVerb {
    /// Show each feed: its copy, its age, how its updates went.
    Status(StatusArgs),
    /// Fetch a feed now, or all of them, and put what is new in force.
    Update(UpdateArgs),
}

#[derive(Args, Debug)]
struct StatusArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = control::SOCKET)]
    socket: PathBuf,
}

#[derive(Args, Debug)]
struct UpdateArgs {
    /// The feed's name; all feeds without one.
    #[arg(value_name = "NAME", required_if_eq("force", "true"))]
    name: Option<String>,
    /// Take a copy that shrinks or grows too much, covers a protected address or is as wide as the internet:
    /// look at it first.
    #[arg(long)]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = control::SOCKET)]
    socket: PathBuf,
}

/// Asks the daemon and prints.
pub fn run(args: &FeedsArgs) -> anyhow::Result<()> {
    match &args.verb {
        FeedsVerb::Status(args) => {
            let feeds = control::status(&args.socket)?.feeds;
            if args.json {
                return print(&(serde_json::to_string_pretty(&feeds)? + "\n"));
            }
            print(&status::render_feeds(&feeds, updates::now_epoch_s()))
        }
        FeedsVerb::Update(args) => {
            let reports = control::update_feeds(&args.socket, args.name.clone(), args.force)?;
            updates::report("feed", &reports, args.json)
        }
    }
}
