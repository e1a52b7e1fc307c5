//! The `seawall` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    firewall_daemon::cli::main()
}
