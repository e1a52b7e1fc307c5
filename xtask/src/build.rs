//! `cargo xtask build`: everything, in the one profile that the demo and the tests share; and what is installed, in its own.

use anyhow::Result;

use crate::{ebpf, shell};

/// Sets up, builds the XDP program, then the workspace.
pub fn run() -> Result<()> {
    ebpf::run()?;
    shell::step("build: the workspace, release");
    shell::run(shell::cargo()?.args(["build", "--quiet", "--locked", "--release"]))
}

/// The same for these programs alone, as they are installed: docs/adr/0040.
pub fn dist(programs: &[&str]) -> Result<()> {
    ebpf::run()?;
    shell::step("build: what is installed, with optimisation across crates");
    let mut command = shell::cargo()?;
    command.args(["build", "--quiet", "--locked", "--profile", "dist", "--workspace"]);
    command.args(["--exclude", "firewall-ebpf", "--exclude", "bench-ebpf"]);
    command.args(programs.iter().flat_map(|program| ["--bin", program]));
    shell::run(&mut command)
}
