//! `cargo xtask test`: every test, on the release build, the privileged ones as root.

use std::env;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{build, setup, shell};

/// Options of `cargo xtask test`.
#[derive(Args, Default)]
pub struct Options {
    /// Run only the tests whose name contains this.
    filter: Option<String>,
    /// Write what a browser saw into docs/screenshots.
    #[arg(long)]
    screenshots: bool,
}

/// Builds, then tests. In CI a test that cannot run is a failure; elsewhere it says that it did not.
pub fn run(options: &Options) -> Result<()> {
    setup::test()?;
    build::run()?;
    shell::step("test: every test of the workspace, release");
    let mut command = shell::cargo()?;
    command.args(["test", "--locked", "--release", "--workspace"]);
    command.args(["--exclude", "firewall-ebpf", "--exclude", "bench-ebpf"]);
    command.args(&options.filter);
    if env::var_os("CI").is_some() {
        command.env("SEAWALL_TESTS_STRICT", "1");
    }
    command.env("PATH", shell::path_of_root());
    if options.screenshots {
        command.env("SEAWALL_SCREENSHOTS", shell::workspace()?.join("docs/screenshots"));
    }
    match shell::elevation_with(&["CI", "SEAWALL_TESTS_STRICT", "SEAWALL_SCREENSHOTS"]) {
        Ok(words) if words.is_empty() => {}
        // Building stays with the user; only the test binaries run as root.
        Ok(words) => {
            command.env(runner_variable()?, words.join(" "));
        }
        Err(error) => {
            shell::notice(&format!("the tests that need root will be SKIPPED: {error:#}"))
        }
    }
    shell::run(&mut command)
}

/// The variable by which cargo learns what to put before a test binary of the host.
fn runner_variable() -> Result<String> {
    let version = shell::output(std::process::Command::new("rustc").arg("-vV"))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc -vV names no host")?;
    Ok(format!("CARGO_TARGET_{}_RUNNER", host.to_uppercase().replace('-', "_")))
}
