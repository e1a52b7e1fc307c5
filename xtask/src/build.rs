//! `cargo xtask build`: everything, in the one profile that the demo, the tests and the package share.

use anyhow::Result;

use crate::{ebpf, shell};

/// Sets up, builds the XDP program, then the workspace.
pub fn run() -> Result<()> {
    ebpf::run()?;
    shell::step("build: the workspace, release");
    shell::run(shell::cargo()?.args(["build", "--quiet", "--locked", "--release"]))
}
