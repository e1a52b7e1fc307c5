//! Manual pages: one a verb, `seawall.1` and `seawall-VERB.1`.

use anyhow::Result;
use clap::Command;
use clap_mangen::Man;

use super::command_line::verbs;

/// What stands in the middle of a page's head.
const MANUAL: &str = "Seawall";

/// File name and content of each.
///
/// # Errors
/// A page is not text.
pub fn pages(command: Command) -> Result<Vec<(String, String)>> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add(&command, &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, pages: &mut Vec<(String, String)>) -> Result<()> {
    let version = command.get_version().unwrap_or(env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).manual(MANUAL).source(format!("seawall {version}"));
    let mut page = Vec::new();
    man.render(&mut page)?;
    pages.push((man.get_filename(), String::from_utf8(page)?));
    for verb in verbs(command) {
        add(verb, pages)?;
    }
    Ok(())
}
