//! The benchmark: `cargo xtask bench packet` builds and runs it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    seawall_tests::bench::main()
}
