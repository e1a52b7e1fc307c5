//! The small TLS API server that the gateway protects.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use api_server::{cli, server};
use clap::Parser;

fn main() -> ExitCode {
    // clap ends with 2 on wrong usage; whatever fails later is a 1.
    let arguments = cli::Arguments::parse();
    // A closed stderr must not end the server, as reporting it on stderr would.
    tracing_subscriber::fmt().with_writer(std::io::stderr).log_internal_errors(false).init();
    match server::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("api-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}
