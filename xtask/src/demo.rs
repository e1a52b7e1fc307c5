//! `cargo xtask demo`: real traffic through the whole of Seawall, in a world of network namespaces.

use std::{env, os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context as _, Result};
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

/// Builds, then becomes the demo, so that a signal from the terminal reaches it directly.
pub fn run(options: &Options) -> Result<()> {
    build::run()?;
    let demo = shell::target()?.join("release/seawall-demo");
    let elevation = shell::elevation_with(&["TERM"]).context("network namespaces need root")?;
    shell::step("demo");
    let mut words = elevation.iter().map(String::as_str);
    let mut command = match words.next() {
        Some(first) => {
            let mut command = Command::new(first);
            command.args(words).arg(&demo);
            command
        }
        None => Command::new(&demo),
    };
    if options.keep {
        command.arg("--keep");
    }
    if options.down {
        command.arg("--down");
    }
    command.env("PATH", shell::path_of_root());
    // The demo's own children must not load the libraries of the cargo that started us.
    for (name, _) in env::vars_os() {
        if name == "LD_LIBRARY_PATH" {
            command.env_remove(name);
        }
    }
    let error = command.exec();
    Err(error).with_context(|| format!("could not start {}", demo.display()))
}
