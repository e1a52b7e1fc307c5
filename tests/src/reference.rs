//! The documents that are made from the program: the reference of the command line, and the manual pages.

mod command_line;

mod manual;

mod configuration;

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

pub use command_line::markdown;

/// Where the reference of the command line is, from the workspace.
pub const COMMAND_LINE: &str = "docs/reference/cli.md";
/// Where the reference of the configuration is.
const CONFIGURATION: &str = "docs/reference/config.md";

/// Writes the reference of the command line into a workspace.
///
/// # Errors
/// The file cannot be written.
pub fn write_command_line(workspace: &Path) -> Result<()> {
    write(&workspace.join(COMMAND_LINE), &markdown(firewall_daemon::cli::command()))
}

/// Writes a manual page for every verb, and one for the configuration, into a folder.
///
/// # Errors
/// A file cannot be read or written.
pub fn write_manual(workspace: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("could not make the folder {}", folder.display()))?;
    for (name, page) in manual::pages(firewall_daemon::cli::command())? {
        write(&folder.join(name), &page)?;
    }
    let source = workspace.join(CONFIGURATION);
    let text = fs::read_to_string(&source)
        .with_context(|| format!("could not read {}", source.display()))?;
    write(&folder.join("seawall.yaml.5"), &configuration::page(&text))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
}

#[cfg(test)]
mod tests;
