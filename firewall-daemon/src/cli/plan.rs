//! `seawall plan`: what a file would change.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::print;
use crate::{
    config::{CONFIG_BYTES_MAX, Config},
    control::{self, PlanAsk, Request},
    plan::{self, Plan},
};

/// Show what a configuration file would change, and which sources seen lately would start or stop being
/// dropped. Nothing is changed.
#[derive(Args, Debug)]
pub struct PlanArgs {
    /// The configuration file. It is read as if it stood in the place of the daemon's own.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = control::SOCKET)]
    socket: PathBuf,
}

/// Asks the daemon and prints.
pub fn run(args: &PlanArgs) -> anyhow::Result<()> {
    let file = args.file.display().to_string();
    let ask = PlanAsk { text: read(&args.file)?, file: file.clone() };
    let plan: Plan = control::ask(&args.socket, &Request::Plan(ask))?;
    if args.json {
        return print(&(serde_json::to_string_pretty(&plan)? + "\n"));
    }
    print(&plan::render(&plan, &file))
}

/// The file's text, of which the daemon takes no more than a configuration may have. What can be said
/// here is said here: what is no configuration is an error of the file.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    let config = Config::load(path)?;
    let text = String::from_utf8(config.text.to_vec());
    text.with_context(|| format!("{}: expected UTF-8 of {CONFIG_BYTES_MAX} bytes", path.display()))
}
