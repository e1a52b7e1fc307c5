//! `seawall session`: sessions of people who logged in.

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use super::{
    lists::{To, time},
    print, print_changed,
};
use crate::control::{self, Request, SessionsRevoked, SessionsShown};

/// Show the sessions of people who logged in, and take them back.
#[derive(Args, Debug)]
pub struct SessionArgs {
    #[command(subcommand)]
    verb: SessionVerb,
}

#[derive(Debug, Subcommand)]
enum SessionVerb {
    /// Show the sessions, without what is secret of them.
    List {
        /// Of this consumer alone.
        #[arg(value_name = "CONSUMER")]
        consumer: Option<String>,
        #[command(flatten)]
        to: To,
    },
    /// Take sessions back at once, on open connections too.
    Revoke {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        to: To,
    },
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Which {
    /// These, as `session list` shows them: all of them or none.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All of this consumer.
    #[arg(long, value_name = "CONSUMER")]
    consumer: Option<String>,
    /// All.
    #[arg(long)]
    all: bool,
}

/// Asks the daemon and prints.
pub fn run(args: SessionArgs) -> anyhow::Result<()> {
    match args.verb {
        SessionVerb::Revoke { which, to } => {
            let which = match which {
                Which { all: true, .. } => SessionsRevoked::All {},
                Which { consumer: Some(consumer), .. } => SessionsRevoked::Consumer { consumer },
                Which { ids, .. } => SessionsRevoked::Ids { ids },
            };
            print_changed(&to, &Request::SessionRevoke { which })
        }
        SessionVerb::List { consumer, to } => {
            let shown: SessionsShown =
                control::ask(&to.socket, &Request::SessionList { consumer })?;
            if to.json {
                return print(&(serde_json::to_string_pretty(&shown)? + "\n"));
            }
            print(&text(&shown)?)
        }
    }
}

fn text(shown: &SessionsShown) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for one in &shown.sessions {
        let (consumer, login) = (one.consumer.escape_debug(), &one.login);
        let [since, used, until] =
            [one.created_epoch_s, one.used_epoch_s, one.idle_ends_epoch_s].map(time);
        writeln!(
            text,
            "{} {consumer:<24} {login:<12} {:<15} since {since} used {used} until {until}",
            one.id, one.address
        )?;
    }
    match shown.total as usize - shown.sessions.len() {
        0 => writeln!(text, "{} sessions", shown.total)?,
        more => writeln!(text, "{} sessions, {more} of them not shown", shown.total)?,
    }
    Ok(text)
}
