//! The demo: `cargo xtask demo` builds and runs it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    seawall_tests::demo::main()
}
