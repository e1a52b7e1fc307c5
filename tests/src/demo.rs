//! The demo: a server behind Seawall, clients of every kind, real traffic, and what each of them saw
//! beside what the policy says.

mod cast;

mod stage;

mod story;

mod live;

mod measure;

mod outcome;

mod report;

use std::{process::ExitCode, time::Instant};

use anyhow::{Result, ensure};
use clap::Parser;

use crate::{ending, requirement, sweep};

#[derive(Parser)]
#[command(
    name = "seawall-demo",
    about = "Real traffic through the whole of Seawall, in network namespaces."
)]
struct Arguments {
    /// Leave the world up at the end, and print commands to try.
    #[arg(long)]
    keep: bool,
    /// Take down every world that --keep left up.
    #[arg(long, conflicts_with = "keep")]
    down: bool,
}

/// Runs the demo; a difference between what was seen and what the policy says is a failure.
pub fn main() -> ExitCode {
    ending::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<bool> {
    ensure!(requirement::is_root(), "network namespaces and BPF need root: run `cargo xtask demo`");
    if arguments.down {
        report::taken_down(&sweep::kept());
        return Ok(true);
    }
    let start = Instant::now();
    report::opening();
    let mut stage = stage::Stage::set()?;
    report::cast(&stage.world);
    let outcome = story::play(&stage)?;
    let agrees = report::outcome(&outcome);
    if arguments.keep {
        stage.keep()?;
        report::kept(&stage);
        return Ok(agrees);
    }
    let left = stage.clear()?;
    report::ending(&left, start.elapsed());
    Ok(agrees && left.is_empty())
}
