//! `seawall run`: the daemon.

use std::{env, io, os::unix::process::CommandExt as _, path::PathBuf, process::Command};

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
    let lean = lean();
    let config = Config::load(&args.config)?;
    logging::start(config.log);
    if let Err(error) = lean {
        tracing::warn!(%error, "the allocator cannot be told to hold less: the daemon uses more memory");
    }
    daemon::run(config)
}

/// Read by the allocator before `main`: milliseconds until it gives memory back that nothing is in.
const PURGE_DELAY: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "0");

/// Starts this program anew, as the same process, unless it is told already: a daemon that has read lists and the
/// kernel's types would keep what held them for as long as it is quiet, in pages of 2 MiB. The worker has neither: it inherits
/// small pages alone (kernel 3.15), since what it lets go of it wants back with the next request.
fn lean() -> io::Result<()> {
    rustix::thread::disable_transparent_huge_pages(true)?;
    let (name, value) = PURGE_DELAY;
    if env::var_os(name).is_some() {
        return Ok(());
    }
    let mut words = env::args_os();
    // By its name, which `ps` shows.
    let mut again = Command::new(env::current_exe()?);
    again.arg0(words.next().unwrap_or_default()).args(words).env(name, value);
    Err(again.exec())
}
