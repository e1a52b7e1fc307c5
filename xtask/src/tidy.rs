//! `cargo xtask tidy`: rules about the tree itself, each broken one named with its file.

mod tree;

mod files;

mod modules;

mod crates;

mod words;

use anyhow::{Result, bail};

use crate::shell;

/// Checks every rule, shows all that is broken, and fails when anything is.
pub fn run() -> Result<()> {
    shell::step("tidy: rules about the tree");
    let tree = tree::read(&shell::workspace()?)?;
    let problems: Vec<String> = [
        files::check(&tree),
        modules::check(&tree),
        crates::check(&tree)?,
        words::check_links(&tree),
        words::check_codemap(&tree),
    ]
    .concat();
    for problem in &problems {
        eprintln!("  {problem}");
    }
    if !problems.is_empty() {
        bail!("tidy found {} problem(s)", problems.len());
    }
    Ok(())
}
