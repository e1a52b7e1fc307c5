//! `seawall audit show`: the records, those that are asked for.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    audit::{self, AuditError, Entry, Lines, Peer, Who},
    cli::print,
};

/// So many records may be asked for with `--last`.
const LAST_MAX: u32 = 1_000_000;

/// Show the records of the audit log, oldest first.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// The log; older files beside it are read too.
    #[arg(value_name = "FILE", default_value = audit::PATH)]
    file: PathBuf,
    /// Print the records as they are in the log: a line of JSON each.
    #[arg(long)]
    json: bool,
    /// The last so many alone.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(LAST_MAX)))]
    last: Option<u32>,
    /// Those since a moment (UTC, 2026-11-25T06:30) or so long ago (2h, 7d).
    #[arg(long, value_name = "TIME", value_parser = audit::since)]
    since: Option<String>,
    /// Those of a verb, such as `ban`.
    #[arg(long, value_name = "VERB")]
    verb: Option<String>,
    /// Those of a user (name or number), of a feed (its name), or of `daemon`.
    #[arg(long, value_name = "WHO")]
    who: Option<String>,
}

/// Reads and prints. A line that is no record is named on standard error, and the end is 1.
pub fn run(args: &ShowArgs) -> anyhow::Result<()> {
    let read = |path: &Path, error: &std::io::Error| AuditError::Read {
        path: path.to_path_buf(),
        reason: error.to_string(),
    };
    let files = audit::in_order(&args.file).map_err(|error| read(&args.file, &error))?;
    if files.is_empty() {
        let reason = "there is none; `seawall audit show FILE` names another".to_owned();
        return Err(AuditError::Read { path: args.file.clone(), reason }.into());
    }
    let last = args.last.map(|last| last as usize);
    let mut kept = VecDeque::new();
    let mut unreadable = 0_u64;
    for path in files {
        let mut lines = Lines::open(&path).map_err(|error| read(&path, &error))?;
        while let Some(line) = lines.next_line().map_err(|error| read(&path, &error))? {
            let Ok(entry) = serde_json::from_slice::<Entry>(&line.bytes) else {
                eprintln!("seawall: {} line {} is no record", path.display(), line.number);
                unreadable += 1;
                continue;
            };
            if !wanted(args, &entry) {
                continue;
            }
            let text = if args.json {
                // A record is printable ASCII; a line that someone changed may not be.
                let mut text = String::from_utf8_lossy(&line.bytes).into_owned();
                text.push('\n');
                text
            } else {
                audit::render(&entry)
            };
            match last {
                None => print(&text)?,
                Some(last) => {
                    if kept.len() == last {
                        kept.pop_front();
                    }
                    kept.push_back(text);
                }
            }
        }
    }
    print(&kept.into_iter().collect::<String>())?;
    anyhow::ensure!(
        unreadable == 0,
        "{unreadable} lines are no records; `seawall audit verify` says what is wrong with them"
    );
    Ok(())
}

fn wanted(args: &ShowArgs, entry: &Entry) -> bool {
    let since = args.since.as_ref().is_none_or(|since| entry.at >= *since);
    let verb = args.verb.as_ref().is_none_or(|verb| entry.verb == *verb);
    let who = args.who.as_ref().is_none_or(|who| match &entry.who {
        Who::Daemon => who == "daemon",
        Who::Feed(name) => who == name || entry.who_text() == *who,
        Who::User(Peer { name, uid, .. }) => who == name || *who == uid.to_string(),
    });
    since && verb && who
}
