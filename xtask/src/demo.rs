//! `cargo xtask demo`: real traffic through the whole of Seawall, in a world of network namespaces.

use anyhow::Result;
use clap::Args;

use crate::{build, shell};

/// Options of `cargo xtask demo`.
#[derive(Args)]
pub struct Options {
    /// Leave the world up at the end, and print commands to try.
    #[arg(long)]
    keep: bool,
    /// Take down every world that `--keep` left up.
    #[arg(long, conflicts_with = "keep")]
    down: bool,
}

/// Builds, then becomes the demo.
pub fn run(options: &Options) -> Result<()> {
    build::run()?;
    shell::step("demo");
    let flags = [("--keep", options.keep), ("--down", options.down)];
    let arguments: Vec<_> =
        flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag.into()).collect();
    shell::become_program(&shell::target()?.join("release/seawall-demo"), &arguments, &["TERM"])
}
