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
    small_pages();
    daemon::run(config)
}

/// Of what a quiet daemon and its worker hold, most was pages of 2 MiB of which they use a few: the allocator asks
/// for those. The worker inherits this (kernel 3.15).
fn small_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::warn!(%error, "large pages cannot be refused: the daemon will use more memory");
    }
}
