//! `seawall doctor`: what of the machine keeps the filter from working.

use std::path::PathBuf;

use clap::Args;

use super::print;
use crate::doctor::{self, Level};

/// Look for what keeps the filter from working on this machine: each finding with its remedy. It ends
/// with 1 where a finding is a warning or an error.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "/etc/seawall/seawall.yaml")]
    config: PathBuf,
}

/// Examines and prints; whether nothing is worse than a notice.
pub fn run(args: &DoctorArgs) -> anyhow::Result<bool> {
    let report = doctor::examine(&args.config);
    if args.json {
        print(&(serde_json::to_string_pretty(&report)? + "\n"))?;
    } else {
        print(&doctor::render(&report))?;
    }
    Ok(report.level <= Level::Notice)
}
