//! How a program of the harness ends.

use std::process::ExitCode;

use anyhow::Result;

/// Success where all held that was looked at; an error is said, and is a failure too.
pub fn exit_code(held: Result<bool>) -> ExitCode {
    match held {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
