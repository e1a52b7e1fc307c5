//! `seawall completions`: what a shell needs to complete this command line.

use clap::Args;
use clap_complete::{Shell, generate};

use super::print;

/// Print a script by which a shell completes verbs and options. The Debian package installs those of bash,
/// zsh and fish.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    generate(args.shell, &mut super::command(), "seawall", &mut script);
    print(&String::from_utf8(script)?)
}
