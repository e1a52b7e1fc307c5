//! A record as it stands in the log.

use serde::{Deserialize, Serialize};

use super::{
    NAME_BYTES_MAX, Peer, REASON_BYTES_MAX, Record, TEXT_BYTES_MAX, Who,
    chain::{self, Hash},
    text,
};

/// A record of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Counted from 1, over all files.
    pub seq: u64,
    /// When, UTC to the microsecond (RFC 3339).
    pub at: String,
    /// Who made the change.
    pub who: Who,
    /// The verb.
    pub verb: String,
    /// What it was done to.
    pub what: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What was so before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub before: String,
    /// What is so now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub after: String,
    /// The hash of the record before; zeros before the first.
    pub prev: Hash,
    /// Of the line's bytes before it.
    #[serde(default, skip_serializing)]
    pub hash: Hash,
}

impl Entry {
    /// The entry and its line for a record, each text bounded.
    pub(super) fn seal(record: &Record, at: &str, seq: u64, prev: Hash) -> (String, Hash) {
        let entry = Self {
            seq,
            at: at.to_owned(),
            who: bounded_who(&record.who),
            verb: text::bounded(&record.verb, NAME_BYTES_MAX),
            what: text::bounded(&record.what, TEXT_BYTES_MAX),
            why: text::bounded(&record.why, REASON_BYTES_MAX),
            before: text::bounded(&record.before, TEXT_BYTES_MAX),
            after: text::bounded(&record.after, TEXT_BYTES_MAX),
            prev,
            hash: Hash::default(),
        };
        // Strings and numbers alone: there is nothing that could not be written.
        let object = serde_json::to_string(&entry).unwrap_or_default();
        chain::seal(&text::ascii(&object))
    }

    /// Reads a line without its line feed; what is wrong with it where it is none. Its hash may be wrong.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        if let Some(byte) = line.iter().find(|byte| !(b' '..=b'~').contains(*byte)) {
            return Err(format!("found the byte 0x{byte:02x}"));
        }
        if chain::hash_of_line(line).is_none() {
            return Err("found a line that does not end in its hash".to_owned());
        }
        serde_json::from_slice(line).map_err(|error| error.to_string())
    }

    /// What a person calls who it was.
    #[must_use]
    pub fn who_text(&self) -> String {
        match &self.who {
            Who::Daemon => "daemon".to_owned(),
            Who::Feed(name) => format!("feed {name}"),
            Who::User(Peer { name, uid, .. }) if name.is_empty() => format!("uid {uid}"),
            Who::User(Peer { name, .. }) => name.clone(),
        }
    }
}

fn bounded_who(who: &Who) -> Who {
    match who {
        Who::Daemon => Who::Daemon,
        Who::Feed(name) => Who::Feed(text::bounded(name, NAME_BYTES_MAX)),
        Who::User(peer) => {
            Who::User(Peer { name: text::bounded(&peer.name, NAME_BYTES_MAX), ..peer.clone() })
        }
    }
}
