//! `cargo xtask fuzz`: every parser of the gateway over seeds with faults in them, for as long as is asked.

use anyhow::Result;
use clap::Args;

use crate::shell;

/// Options of `cargo xtask fuzz`.
#[derive(Args)]
pub struct Options {
    /// Run only the parsers whose test has this in its name.
    filter: Option<String>,
    /// For so long each.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Other cases for each number; a failing one says which case it was.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the tests named `generated_`, one after the other.
pub fn run(options: &Options) -> Result<()> {
    shell::step("fuzz: every parser, release");
    let mut command = shell::cargo()?;
    command.args(["test", "--locked", "--release", "--workspace", "--lib"]);
    command.args(["--exclude", "firewall-ebpf", "--exclude", "bench-ebpf"]);
    command.args(["--", "generated_", "--nocapture", "--test-threads=1"]);
    command.args(&options.filter);
    command.env("SEAWALL_FUZZ_SECONDS", options.seconds.to_string());
    command.env("SEAWALL_FUZZ_SEED", options.seed.to_string());
    shell::run(&mut command)
}
