//! Writes the documents that are made from the program; `cargo xtask reference` and `cargo xtask package` call it.

#![forbid(unsafe_code)]

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use seawall_tests::reference;

#[derive(Parser)]
#[command(about = "Writes the documents that are made from the program.")]
struct Arguments {
    /// The workspace.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    workspace: PathBuf,
    /// Write manual pages into this folder, in place of the reference.
    #[arg(long, value_name = "FOLDER")]
    manual: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.manual {
        Some(folder) => reference::write_manual(&arguments.workspace, folder),
        None => reference::write_command_line(&arguments.workspace),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
