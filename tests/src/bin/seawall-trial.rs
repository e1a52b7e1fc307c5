//! The trial: `cargo xtask trial` builds and runs it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    seawall_tests::trial::main()
}
