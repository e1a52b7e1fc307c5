//! `cargo xtask reference`: writes docs/reference/cli.md anew, from the program.

use std::{path::Path, process::Command};

use anyhow::Result;

use crate::{ebpf, shell};

/// Builds what writes it, then lets it write.
pub fn run() -> Result<()> {
    ebpf::run()?;
    shell::step("reference: docs/reference/cli.md");
    build()?;
    write(&["--workspace".as_ref(), &shell::workspace()?])
}

/// Builds the program that knows the command line; it embeds the XDP program like the daemon.
pub fn build() -> Result<()> {
    let build = ["build", "--quiet", "--locked", "--release", "--package", "seawall-tests"];
    shell::run(shell::cargo()?.args(build).args(["--bin", "seawall-reference"]))
}

/// Writes a manual page for every verb, and that of the configuration, into a folder.
pub fn manual(folder: &Path) -> Result<()> {
    write(&["--workspace".as_ref(), &shell::workspace()?, "--manual".as_ref(), folder])
}

fn write(arguments: &[&Path]) -> Result<()> {
    let program = shell::target()?.join("release/seawall-reference");
    shell::run(Command::new(program).args(arguments))
}
