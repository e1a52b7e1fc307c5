//! `seawall detach`: the filter comes off, on purpose.

use std::path::PathBuf;

use clap::Args;

use super::{lists::To, print, show_changed};
use crate::{
    config::Config,
    control::{self, Changed, ClientError, Request},
    datapath,
};

/// Take the filter off every interface, and end the daemon where one runs: nothing is filtered from then on.
/// Bans, buckets and counters are gone. Stopping the daemon leaves the filter in force.
#[derive(Args, Debug)]
pub struct DetachArgs {
    /// The configuration file, which says where the filter is pinned; read where no daemon runs.
    #[arg(long, value_name = "FILE", default_value = "/etc/seawall/seawall.yaml")]
    config: PathBuf,
    /// Where the filter is pinned, where there is no configuration any more.
    #[arg(long, value_name = "FOLDER", conflicts_with = "config")]
    pin_path: Option<PathBuf>,
    #[command(flatten)]
    to: To,
}

/// Asks the daemon; where none answers, removes what an earlier one left.
pub fn run(args: &DetachArgs) -> anyhow::Result<()> {
    let changed = match control::ask(&args.to.socket, &Request::Detach {}) {
        Ok(changed) => changed,
        Err(ClientError::Connect { .. }) => left(args)?,
        Err(error) => return Err(error.into()),
    };
    if changed.changed.is_empty() && !args.to.json {
        return print("nothing was attached\n");
    }
    show_changed(&args.to, &changed)
}

fn left(args: &DetachArgs) -> anyhow::Result<Changed> {
    let pin_path = match &args.pin_path {
        Some(pin_path) => pin_path.clone(),
        None => Config::load(&args.config)?.packet.pin_path,
    };
    Ok(Changed::detached(&datapath::detach(&pin_path)?))
}
