//! `cargo xtask build`: everything, in the one profile that the demo and the tests share; and what is installed, in its own.

mod compiler;

use compiler::USE;
pub use compiler::{COUNT, Compiler};

use std::path::PathBuf;

use anyhow::Result;

use crate::{ebpf, shell};

/// Sets up, builds the XDP program, then the workspace.
pub fn run() -> Result<()> {
    ebpf::run()?;
    shell::step("build: the workspace, release");
    shell::run(shell::cargo()?.args(["build", "--quiet", "--locked", "--release"]))
}

/// The same for these programs alone, as they are installed; answers in which folder they are. docs/adr/0040 and 0044.
pub fn dist(programs: &[&str]) -> Result<PathBuf> {
    ebpf::run()?;
    let compiler = Compiler::find()?;
    let profile = compiler.profile()?;
    let mut flags = Vec::new();
    if profile.is_file() {
        flags.push(format!("-Cprofile-use={}", profile.display()));
        flags.extend(USE.map(str::to_owned));
    } else {
        shell::notice(&format!(
            "there is no profile for {compiler}: without one a request takes a tenth more processor time. \
             `cargo xtask profile` makes {}",
            profile.display()
        ));
    }
    shell::step("build: what is installed, with optimisation across crates");
    shell::run(&mut compiler.dist(programs, &flags)?)?;
    Ok(compiler.dist_folder(&shell::target()?))
}
