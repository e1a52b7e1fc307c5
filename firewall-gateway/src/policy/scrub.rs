//! What a backend's answers should not say.

use serde::{Deserialize, Serialize};

/// What a route looks for in its answers, and what becomes of what is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScrubPolicy {
    /// What becomes of it.
    pub action: LeakAction,
    /// What is looked for.
    pub kinds: Vec<LeakKind>,
    /// Bytes of an answer that are looked through.
    pub bytes_max: u32,
}

/// What becomes of a find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeakAction {
    /// It is counted and logged.
    Report,
    /// It is covered with asterisks too.
    Mask,
    /// The answer is not let out where a find is in its first bytes, and covered where it comes later.
    Block,
}

/// A kind of find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeakKind {
    /// Lines of a stack trace.
    StackTrace,
    /// What a database says of a statement.
    SqlError,
    /// An IPv4 address of the inside.
    InternalAddress,
    /// A private key, or a key of a service.
    Secret,
    /// The number of a payment card.
    CardNumber,
}

impl LeakKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::StackTrace, Self::SqlError, Self::InternalAddress, Self::Secret, Self::CardNumber];
}
