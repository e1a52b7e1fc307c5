//! `seawall key`: API keys.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use ipnetwork::IpNetwork;

use super::{
    duration,
    lists::{To, time},
    print, print_changed,
};
use crate::{
    control::{self, KeyCreate, KeyCreated, KeyRotate, KeysShown, Prefix, Request},
    policy::prefix,
};

/// Give out API keys and take them back. In force when the command returns, and after a restart.
#[derive(Args, Debug)]
pub struct KeyArgs {
    #[command(subcommand)]
    verb: KeyVerb,
}

#[derive(Debug, Subcommand)]
enum KeyVerb {
    /// Make a key and show it: this once, it is kept nowhere.
    Create {
        /// The consumer whose key it is, one of gateway.consumers.
        #[arg(value_name = "CONSUMER")]
        consumer: String,
        /// Of its consumer's scopes these alone [default: all].
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// For these routes alone [default: all].
        #[arg(long = "route", value_name = "ROUTE")]
        routes: Vec<String>,
        /// From these networks alone [default: anywhere].
        #[arg(long = "network", value_name = "PREFIX", value_parser = prefix::parse)]
        networks: Vec<IpNetwork>,
        /// For how long: 30s, 10m, 2h, 7d [default: for good].
        #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
        for_s: Option<u64>,
        /// What for.
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
        #[command(flatten)]
        to: To,
    },
    /// Show the keys, without what is secret of them.
    List {
        /// Of this consumer alone.
        #[arg(value_name = "CONSUMER")]
        consumer: Option<String>,
        #[command(flatten)]
        to: To,
    },
    /// Make a key in the place of another, which holds for a while yet.
    Rotate {
        /// The eight characters behind sw_.
        #[arg(value_name = "ID")]
        id: String,
        /// For how long the old one still holds: 30s, 10m, 2h, 7d.
        #[arg(long = "grace", value_name = "TIME", default_value = "1d", value_parser = duration::parse)]
        grace_s: u64,
        #[command(flatten)]
        to: To,
    },
    /// Take keys back at once, on open connections too: all of them or none.
    Revoke {
        /// The eight characters behind sw_.
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        to: To,
    },
}

/// Asks the daemon and prints.
pub fn run(args: KeyArgs) -> anyhow::Result<()> {
    match args.verb {
        KeyVerb::Create { consumer, scopes, routes, networks, for_s, comment, to } => {
            let networks = networks.into_iter().map(Prefix).collect();
            let ask = KeyCreate { consumer, scopes, routes, networks, for_s, comment };
            show_created(&to, &Request::KeyCreate(ask))
        }
        KeyVerb::Rotate { id, grace_s, to } => {
            show_created(&to, &Request::KeyRotate(KeyRotate { id, grace_s }))
        }
        KeyVerb::Revoke { ids, to } => print_changed(&to, &Request::KeyRevoke { ids }),
        KeyVerb::List { consumer, to } => {
            let shown: KeysShown = control::ask(&to.socket, &Request::KeyList { consumer })?;
            if to.json {
                return print(&(serde_json::to_string_pretty(&shown)? + "\n"));
            }
            print(&text(&shown)?)
        }
    }
}

fn show_created(to: &To, request: &Request) -> anyhow::Result<()> {
    let created: KeyCreated = control::ask(&to.socket, request)?;
    if to.json {
        return print(&(serde_json::to_string_pretty(&created)? + "\n"));
    }
    let mut text = format!("{}\n", created.key.reveal());
    let until =
        created.ends_epoch_s.map_or("for good".to_owned(), |end| format!("until {}", time(end)));
    writeln!(text, "key {} of {}, {until}; it is not shown again", created.id, created.consumer)?;
    for note in &created.notes {
        writeln!(text, "note: {note}")?;
    }
    print(&text)
}

fn text(shown: &KeysShown) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for key in &shown.keys {
        let moment = |at: Option<u64>, none: &str| at.map_or(none.to_owned(), time);
        let until = moment(key.revoked_epoch_s.or(key.ends_epoch_s), "for good");
        let used = moment(key.used_epoch_s, "never");
        let comment = key.comment.as_deref().unwrap_or_default().escape_debug();
        let line = format!(
            "{} {:<16} {:<16} until {until:<20} used {used:<20} {:<8} {comment}",
            key.id, key.grant.consumer, key.state, key.who
        );
        writeln!(text, "{}", line.trim_end())?;
    }
    match shown.total as usize - shown.keys.len() {
        0 => writeln!(text, "{} keys", shown.total)?,
        more => writeln!(text, "{} keys, {more} of them not shown", shown.total)?,
    }
    Ok(text)
}
