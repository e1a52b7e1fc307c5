//! The command line: one verb, one file.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser, Subcommand};

mod run;
mod check;
mod status;
mod routes;
mod replay;
mod explain;
mod watch;
mod top;
mod doctor;
mod plan;
mod apply;
mod confirm;
mod rollback;
mod feeds;
mod updates;
mod geo_data;
mod duration;
mod lists;
mod ban;
mod geo;
mod limit;
mod backend;
mod key;
mod session;
mod audit;
mod completions;
mod detach;

use crate::{
    config::ConfigError,
    control::{self, Changed, ListKind, Request},
    daemon::ChangeError,
    explain::ExplainError,
    policy::PolicyError,
};

/// Stands in front of a public API: drops in the kernel what should never arrive, and checks every
/// request of what does.
#[derive(Debug, Parser)]
#[command(name = "seawall", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::RunArgs),
    Check(check::CheckArgs),
    Status(status::StatusArgs),
    Routes(routes::RoutesArgs),
    Explain(explain::ExplainArgs),
    Watch(watch::WatchArgs),
    Top(top::TopArgs),
    Doctor(doctor::DoctorArgs),
    Feeds(feeds::FeedsArgs),
    Replay(replay::ReplayArgs),
    Plan(plan::PlanArgs),
    Apply(apply::ApplyArgs),
    Confirm(confirm::ConfirmArgs),
    Rollback(rollback::RollbackArgs),
    /// Drop what comes from prefixes, beside those of the configuration.
    Deny(lists::ListArgs),
    /// Let pass what comes from prefixes, beside those of the configuration.
    Allow(lists::ListArgs),
    Ban(ban::BanArgs),
    Unban(ban::UnbanArgs),
    Bans(ban::BansArgs),
    Geo(geo::GeoArgs),
    Limit(limit::LimitArgs),
    Backend(backend::BackendArgs),
    Backends(backend::BackendsArgs),
    Key(key::KeyArgs),
    Session(session::SessionArgs),
    Audit(audit::AuditArgs),
    Completions(completions::CompletionsArgs),
    Detach(detach::DetachArgs),
    /// The gateway's worker process; the daemon starts it.
    #[command(hide = true)]
    GatewayWorker,
}

/// Runs the command: 0 where all went well, 1 where it could not be done, 2 where it was asked for
/// in a wrong way, by a flag or by the content of a file.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Run(args) => run::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Status(args) => status::run(&args),
        Verb::Routes(args) => routes::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Watch(args) => watch::run(&args),
        Verb::Top(args) => top::run(&args),
        Verb::Doctor(args) => match doctor::run(&args) {
            Ok(true) => Ok(()),
            // The findings say it all.
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Verb::Feeds(args) => feeds::run(&args),
        Verb::Replay(args) => replay::run(&args),
        Verb::Plan(args) => plan::run(&args),
        Verb::Apply(args) => apply::run(&args),
        Verb::Confirm(args) => confirm::run(&args),
        Verb::Rollback(args) => rollback::run(&args),
        Verb::Deny(args) => lists::run(ListKind::Deny, args),
        Verb::Allow(args) => lists::run(ListKind::Allow, args),
        Verb::Ban(args) => ban::ban(args),
        Verb::Unban(args) => ban::unban(args),
        Verb::Bans(args) => ban::bans(&args),
        Verb::Geo(args) => geo::run(args),
        Verb::Limit(args) => limit::run(args),
        Verb::Backend(args) => backend::change(args),
        Verb::Backends(args) => backend::show(&args),
        Verb::Key(args) => key::run(args),
        Verb::Session(args) => session::run(args),
        Verb::Audit(args) => audit::run(&args),
        Verb::Completions(args) => completions::run(&args),
        Verb::Detach(args) => detach::run(&args),
        Verb::GatewayWorker => return firewall_gateway::worker::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("seawall: {error}");
            ExitCode::from(exit_code(&error))
        }
    }
}

/// The command line as data: the reference, the manual pages and the completions are made from it.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Writes to standard output.
fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Asks for a change, and prints what came into force.
fn print_changed(to: &lists::To, request: &Request) -> anyhow::Result<()> {
    show_changed(to, &control::ask(&to.socket, request)?)
}

fn show_changed(to: &lists::To, changed: &Changed) -> anyhow::Result<()> {
    if to.json {
        return print(&(serde_json::to_string_pretty(changed)? + "\n"));
    }
    let notes = changed.notes.iter().map(|note| format!("note: {note}"));
    let lines: Vec<String> = changed.changed.iter().cloned().chain(notes).collect();
    print(&(lines.join("\n") + "\n"))
}

/// Whether it is only that whoever reads has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(error) = error.downcast_ref::<ConfigError>() {
        return error.exit_code();
    }
    if let Some(error) = error.downcast_ref::<ExplainError>() {
        return error.exit_code();
    }
    if let Some(error) = error.downcast_ref::<ChangeError>() {
        return error.exit_code();
    }
    error.downcast_ref::<PolicyError>().map_or(1, PolicyError::exit_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_typed_wrong_is_a_usage_error() {
        for arguments in [
            &["seawall"][..],
            &["seawall", "walk"],
            &["seawall", "check"],
            &["seawall", "check", "a", "b"],
            &["seawall", "run", "--config"],
            &["seawall", "run", "extra"],
            &["seawall", "status", "--jsn"],
            &["seawall", "watch", "--count", "0"],
            &["seawall", "watch", "--json", "--pcap", "drops.pcapng"],
            &["seawall", "watch", "extra"],
            &["seawall", "watch", "--reason", "rude"],
            &["seawall", "watch", "--country", "de"],
            &["seawall", "watch", "--source", "203.0.113.7/24"],
            &["seawall", "watch", "--protocol", "sctp"],
            &["seawall", "top", "extra"],
            &["seawall", "top", "--interval", "0s"],
            &["seawall", "top", "--interval", "2h"],
            &["seawall", "doctor", "extra"],
            &["seawall", "doctor", "--config"],
            &["seawall", "plan"],
            &["seawall", "plan", "a", "b"],
            &["seawall", "apply"],
            &["seawall", "apply", "a", "--confirm"],
            &["seawall", "apply", "a", "--confirm", "4s"],
            &["seawall", "apply", "a", "--confirm", "3601s"],
            &["seawall", "apply", "a", "--confirm", "2h"],
            &["seawall", "apply", "a", "--confirm", "soon"],
            &["seawall", "apply", "a", "--confirm", "5s", "--confirm", "6s"],
            &["seawall", "confirm", "now"],
            &["seawall", "rollback", "3"],
            &["seawall", "rollback", "--to", "-1"],
            &["seawall", "rollback", "--to", "0"],
            &["seawall", "rollback", "--to", "3", "--list"],
            &["seawall", "feeds"],
            &["seawall", "feeds", "update", "--force"],
            &["seawall", "feeds", "update", "a", "b"],
            &["seawall", "feeds", "status", "a"],
            &["seawall", "geo"],
            &["seawall", "geo", "lookup"],
            &["seawall", "geo", "lookup", "203.0.113.0/24"],
            &["seawall", "geo", "update", "--url", "https://a/", "--from", "b"],
            &["seawall", "geo", "update", "extra"],
            &["seawall", "deny"],
            &["seawall", "deny", "add"],
            &["seawall", "deny", "add", "203.0.113.7/24"],
            &["seawall", "deny", "add", "example.com"],
            &["seawall", "deny", "add", "203.0.113.7", "--for", "2"],
            &["seawall", "deny", "remove"],
            &["seawall", "deny", "list", "extra"],
            &["seawall", "allow", "add", "::ffff:203.0.113.7"],
            &["seawall", "ban"],
            &["seawall", "ban", "203.0.113.0/24"],
            &["seawall", "ban", "203.0.113.7", "--for", "0s"],
            &["seawall", "unban"],
            &["seawall", "bans", "extra"],
            &["seawall", "geo", "block"],
            &["seawall", "geo", "block", "de"],
            &["seawall", "geo", "only", "XX"],
            &["seawall", "geo", "show", "DE"],
            &["seawall", "limit", "set", "source"],
            &["seawall", "limit", "set", "tcp", "--rate-pps", "1", "--burst-packets", "1"],
            &["seawall", "limit", "set", "source", "--rate-pps", "1"],
            &["seawall", "limit", "set", "source", "--burst-packets", "1"],
            &["seawall", "limit", "set", "source", "--rate-pps", "-1", "--burst-packets", "1"],
            &["seawall", "limit", "clear"],
            &["seawall", "backend"],
            &["seawall", "backend", "add", "api"],
            &["seawall", "backend", "add", "api", "10.0.0.1"],
            &["seawall", "backend", "add", "api", "10.0.0.1:80", "--weight", "0"],
            &["seawall", "backend", "drain", "api", "example.com:80"],
            &["seawall", "backend", "remove", "api"],
            &["seawall", "backends", "api"],
            &["seawall", "key"],
            &["seawall", "key", "create"],
            &["seawall", "key", "create", "shop", "--network", "203.0.113.7/24"],
            &["seawall", "key", "create", "shop", "--for", "2"],
            &["seawall", "key", "rotate"],
            &["seawall", "key", "rotate", "a", "--grace", "0s"],
            &["seawall", "key", "revoke"],
            &["seawall", "key", "list", "a", "b"],
            &["seawall", "session", "revoke"],
            &["seawall", "session", "revoke", "a", "--all"],
            &["seawall", "session", "list", "a", "b"],
            &["seawall", "audit"],
            &["seawall", "audit", "remove"],
            &["seawall", "audit", "verify", "a", "b"],
            &["seawall", "audit", "show", "--last", "0"],
            &["seawall", "audit", "show", "--since", "yesterday"],
            &["seawall", "audit", "show", "--verb"],
            &["seawall", "explain"],
            &["seawall", "explain", "203.0.113.7", "203.0.113.8"],
            &["seawall", "explain", "203.0.113.0/24"],
            &["seawall", "explain", "example.com"],
            &["seawall", "explain", "203.0.113.7", "--packet", "00"],
            &["seawall", "explain", "--packet"],
            &["seawall", "explain", "--packet", "00", "--port", "53"],
            &["seawall", "explain", "--packet", "00", "--protocol", "udp"],
            &["seawall", "explain", "203.0.113.7", "--port", "0"],
            &["seawall", "explain", "203.0.113.7", "--port", "65536"],
            &["seawall", "explain", "203.0.113.7", "--protocol", "sctp"],
            &["seawall", "completions"],
            &["seawall", "completions", "tcsh"],
        ] {
            let error = Cli::try_parse_from(arguments).expect_err("it is wrong");
            assert_eq!(error.exit_code(), 2, "{arguments:?}");
        }
    }
}
