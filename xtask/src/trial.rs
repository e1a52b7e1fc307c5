//! `cargo xtask trial`: generated frames, judged by the loaded program and by a second implementation of the
//! verdict, until one differs or all agree.

use anyhow::Result;
use clap::Args;

use crate::{build, shell};

/// Options of `cargo xtask trial`.
#[derive(Args)]
pub struct Options {
    /// How many frames.
    #[arg(long, default_value_t = 10_000_000)]
    frames: u64,
    /// The seed of the first policy and its frames; the next policy has the next number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One object of JSON instead of lines to read.
    #[arg(long)]
    json: bool,
}

/// Builds, then becomes the trial.
pub fn run(options: &Options) -> Result<()> {
    build::run()?;
    shell::step("trial");
    let numbers = [("--frames", options.frames), ("--seed", options.seed)];
    let mut arguments: Vec<_> = numbers
        .into_iter()
        .flat_map(|(flag, number)| [flag.into(), number.to_string().into()])
        .collect();
    if options.json {
        arguments.push("--json".into());
    }
    shell::become_program(&shell::target()?.join("release/seawall-trial"), &arguments, &["TERM"])
}
