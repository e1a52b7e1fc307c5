//! `seawall run`: the daemon.

use std::path::PathBuf;

use clap::Args;

use crate::{config::Config, daemon, logging};

/// Run the daemon: attach the packet filter and start the gateway. SIGHUP reloads; SIGTERM stops, and leaves
/// the filter in force.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "/etc/seawall/seawall.yaml")]
    config: PathBuf,
}

/// Runs until a signal ends it.
pub fn run(args: &RunArgs) -> anyhow::Result<()> {
    let config = Config::load(&args.config)?;
    logging::start(config.log);
    daemon::run(config)
}
