//! `seawall audit verify`: whether the log is as it was written.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;

use crate::{audit, cli::print};

/// Verify the audit log: finds a record that was changed, removed, reordered, inserted or cut off, and where.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The log; older files and the head beside it are read too.
    #[arg(value_name = "FILE", default_value = audit::PATH)]
    file: PathBuf,
    /// Accept a log without a head beside it, such as a copy or an older file by itself.
    #[arg(long)]
    no_head: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Reads and prints: the end is 1 where anything is wrong.
pub fn run(args: &VerifyArgs) -> anyhow::Result<()> {
    let verdict = audit::verify(&args.file, !args.no_head)?;
    if args.json {
        let mut json = serde_json::to_string_pretty(&verdict)?;
        json.push('\n');
        print(&json)?;
    } else {
        print(&text(&verdict))?;
    }
    anyhow::ensure!(
        verdict.faults == 0,
        "the audit log is not as it was written: {} faults",
        verdict.faults
    );
    Ok(())
}

fn text(verdict: &audit::Verdict) -> String {
    let mut out = String::new();
    for finding in &verdict.findings {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{finding}");
    }
    let (records, files) = (verdict.records, verdict.files.len());
    let _ =
        writeln!(out, "{records} records in {files} files, {} to {}", verdict.first, verdict.last);
    let _ = writeln!(out, "last hash {}", verdict.hash);
    if !verdict.head {
        let _ =
            writeln!(out, "no head beside it: records that were cut off at the end are not seen");
    }
    out
}
