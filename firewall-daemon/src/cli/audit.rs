//! `seawall audit`: what was changed, by whom and why; and whether the log says so still.

use clap::{Args, Subcommand};

mod show;
mod verify;

/// Show and verify the audit log. Reads files and needs no daemon.
#[derive(Args, Debug)]
pub struct AuditArgs {
    #[command(subcommand)]
    verb: AuditVerb,
}

#[derive(Debug, Subcommand)]
enum AuditVerb {
    Show(show::ShowArgs),
    Verify(verify::VerifyArgs),
}

/// Does what is asked.
pub fn run(args: &AuditArgs) -> anyhow::Result<()> {
    match &args.verb {
        AuditVerb::Show(args) => show::run(args),
        AuditVerb::Verify(args) => verify::run(args),
    }
}
