//! What the verbs of a safe change ask, and what they are answered.

use serde::{Deserialize, Serialize};

/// A change that is not confirmed is taken back after so many seconds at least.
pub const CONFIRM_S_MIN: u64 = 5;
/// And at most.
pub const CONFIRM_S_MAX: u64 = 3_600;

/// `plan`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanAsk {
    /// The file's name, for errors. It is not read: the daemon may not see what the caller sees.
    pub file: String,
    /// Its content.
    pub text: String,
}

/// `apply`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyAsk {
    /// The file's name, for errors.
    pub file: String,
    /// Its content.
    pub text: String,
    /// Taken back unless confirmed within so many seconds.
    pub confirm_s: Option<u64>,
    /// Whether protected addresses are asked about.
    pub guard: bool,
    /// Why, in the words of the caller.
    pub why: Option<String>,
}

/// `rollback`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackAsk {
    /// To which of the history; to the one before without it.
    pub to: Option<u32>,
    /// Whether protected addresses are asked about.
    pub guard: bool,
}

/// What came into force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The generation in force; nothing where nothing was to change.
    pub generation: Option<u32>,
    /// Its number in the history; nothing where it waits to be confirmed, or could not be kept.
    pub history: Option<u32>,
    /// It is taken back after so many seconds.
    pub confirm_s: Option<u64>,
    /// What else there is to know.
    pub notes: Vec<String>,
}

/// `rollback --list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryShown {
    /// The oldest first.
    pub records: Vec<HistoryLine>,
    /// Seconds that are left to confirm a change; nothing where none waits.
    pub confirm_left_s: Option<u64>,
}

/// A configuration that was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryLine {
    /// What `--to` takes.
    pub number: u32,
    /// When it came into force, in seconds since 1970.
    pub at_epoch_s: u64,
    /// Who put it in force.
    pub who: String,
    /// By which verb.
    pub verb: String,
    /// Lists and databases that it names.
    pub files: u64,
    /// Those without a copy: too large, or changing while they were copied.
    pub files_not_kept: u64,
}
