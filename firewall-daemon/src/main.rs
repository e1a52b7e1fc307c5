//! The `seawall` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use mimalloc::MiMalloc;

// A request asks for memory some fifty times (docs/adr/0019).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    firewall_daemon::cli::main()
}
