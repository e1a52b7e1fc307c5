//! `seawall deny` and `seawall allow`: entries beside those of the configuration.

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, Subcommand};
use ipnetwork::IpNetwork;

use super::{duration, print, print_changed};
use crate::{
    control::{self, ListAdd, ListKind, ListRemove, ListShown, Prefix, Request},
    policy::prefix,
    status::utc,
};

/// Change a list: what verbs add lies beside the configuration, whose file stays as it is.
#[derive(Args, Debug)]
pub struct ListArgs {
    #[command(subcommand)]
    verb: ListVerb,
}

#[derive(Debug, Subcommand)]
enum ListVerb {
    /// Add prefixes: all of them or none. In force when the command returns, and after a restart.
    Add {
        /// Addresses and prefixes.
        #[arg(value_name = "PREFIX", value_parser = prefix::parse, required = true)]
        prefixes: Vec<IpNetwork>,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
        /// For how long: 30s, 10m, 2h, 7d [default: for good].
        #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
        for_s: Option<u64>,
        #[command(flatten)]
        to: To,
    },
    /// Remove prefixes that were added: all of them or none.
    Remove {
        /// Addresses and prefixes.
        #[arg(value_name = "PREFIX", value_parser = prefix::parse, required = true)]
        prefixes: Vec<IpNetwork>,
        #[command(flatten)]
        to: To,
    },
    /// Show what was added, and which lists the configuration has.
    List {
        #[command(flatten)]
        to: To,
    },
}

/// Whom to ask, and how to print.
#[derive(Args, Debug)]
pub struct To {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = control::SOCKET)]
    pub socket: PathBuf,
}

/// Asks the daemon and prints.
pub fn run(list: ListKind, args: ListArgs) -> anyhow::Result<()> {
    let of = |prefixes: Vec<IpNetwork>| prefixes.into_iter().map(Prefix).collect();
    match args.verb {
        ListVerb::Add { prefixes, comment, for_s, to } => {
            let ask = ListAdd { list, prefixes: of(prefixes), comment, for_s };
            print_changed(&to, &Request::ListAdd(ask))
        }
        ListVerb::Remove { prefixes, to } => {
            print_changed(&to, &Request::ListRemove(ListRemove { list, prefixes: of(prefixes) }))
        }
        ListVerb::List { to } => {
            let shown: ListShown = control::ask(&to.socket, &Request::ListShow { list })?;
            if to.json {
                return print(&(serde_json::to_string_pretty(&shown)? + "\n"));
            }
            print(&text(&shown)?)
        }
    }
}

fn text(shown: &ListShown) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for entry in &shown.entries {
        let until = match entry.expires_epoch_s {
            Some(end) => format!("until {}", time(end)),
            None => "for good".to_owned(),
        };
        let comment = entry.comment.as_deref().unwrap_or_default().escape_debug();
        let line =
            format!("{:<18} {until:<26} {:<8} {comment}", entry.prefix.to_string(), entry.who);
        writeln!(text, "{}", line.trim_end())?;
    }
    if shown.entries.is_empty() {
        writeln!(text, "no verb added anything")?;
    }
    for list in &shown.configured {
        let (name, file) = (&list.name, list.file.display());
        writeln!(text, "list {} has {} prefixes: {file}", name.escape_debug(), list.prefixes)?;
    }
    Ok(text)
}

/// A time, to the second.
pub fn time(epoch_s: u64) -> String {
    utc(epoch_s.saturating_mul(1_000_000_000)).replace(".000000", "")
}
