//! The audit log: who changed what, when and why, in a file that only grows and whose records are chained.
//!
//! A record is one line of JSON in printable ASCII. Its `hash` is the SHA-256 of every byte of the line before
//! it, and `prev`, which is among them, is the hash of the record before: who changes, removes or reorders a
//! record must rewrite all that follow. The last sequence and hash stand in a file beside it (`.head`), so a
//! tail that was cut off is seen too. What this cannot see is a root who rewrites all of it; the last hash, kept
//! on another host, shows that as well.

use serde::{Deserialize, Serialize};

mod chain;
mod entry;
mod error;
mod files;
mod head;
mod live;
mod log;
mod tail;
mod text;
mod verify;
mod when;

pub use chain::Hash;
pub use entry::Entry;
pub use error::AuditError;
pub use files::{Line, Lines, in_order};
pub use log::{Figures, Log};
pub use text::render;
pub use verify::{Fault, Finding, Verdict, verify};
pub use when::{WhenError, since};

/// Its name in the state folder.
pub const FILE: &str = "audit.log";
/// Where the log is, where nothing else is configured.
pub const PATH: &str = "/var/lib/seawall/audit.log";

/// A record's line has at most so many bytes; the bounds of its fields keep it below.
pub const LINE_BYTES_MAX: usize = 32 << 10;
/// A field that says what was done, what was before or what after has at most so many bytes.
pub const TEXT_BYTES_MAX: usize = 1_024;
/// A reason has at most so many bytes.
pub const REASON_BYTES_MAX: usize = 512;
/// A name (of a user, a feed, a verb) has at most so many bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// A file of this size is put aside, and the next one begins.
pub const FILE_BYTES_MAX: u64 = 16 << 20;
/// So many files are kept, the one that is written among them: 256 MiB, half a million records or more.
pub const FILES_MAX: usize = 16;
/// So many records wait for a file that can be written again; more are counted and named in the daemon's log.
pub const OWED_MAX: usize = 1_024;

/// Who made a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The daemon by itself.
    Daemon,
    /// A feed that was refreshed on its schedule.
    Feed(String),
    /// A caller on the control socket, as the kernel knows it.
    User(Peer),
}

/// A caller on the control socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// The user's name; nothing where the host knows none.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub name: String,
    /// The user.
    pub uid: u32,
    /// The user's group.
    pub gid: u32,
    /// The process.
    pub pid: u32,
}

impl Who {
    /// A caller, with the name that the host has for the user.
    #[must_use]
    pub fn user(uid: u32, gid: u32, pid: u32) -> Self {
        let found = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid));
        let name = found.ok().flatten().map(|user| user.name).unwrap_or_default();
        Self::User(Peer { name, uid, gid, pid })
    }
}

/// What is to be recorded. An empty text is left out; a long one is cut and ends in `...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who made the change.
    pub who: Who,
    /// The verb: `ban`, `deny add`, `reload`.
    pub verb: String,
    /// What it was done to, with its arguments.
    pub what: String,
    /// The comment or reason.
    pub why: String,
    /// What was so before.
    pub before: String,
    /// What is so now.
    pub after: String,
}

impl Record {
    /// A record of what was done, without reason, before and after.
    #[must_use]
    pub fn new(who: Who, verb: &str, what: &str) -> Self {
        Self {
            who,
            verb: verb.to_owned(),
            what: what.to_owned(),
            why: String::new(),
            before: String::new(),
            after: String::new(),
        }
    }
}

#[cfg(test)]
mod tests;
