//! What `session` asks for, and what it is answered.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Sessions that are listed in one answer; how many there are is always told.
pub const SESSIONS_LISTED_MAX: usize = 16_384;

/// `session revoke`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SessionsRevoked {
    /// These.
    Ids {
        /// As `session list` shows them.
        ids: Vec<String>,
    },
    /// All of a consumer.
    Consumer {
        /// Its name.
        consumer: String,
    },
    /// All.
    All {},
}

/// `session list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionsShown {
    /// How many there are.
    pub total: u64,
    /// The first [`SESSIONS_LISTED_MAX`], in order of id.
    pub sessions: Vec<SessionShown>,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionShown {
    /// Which: the first digits of the hash of its secret.
    pub id: String,
    /// The login that it comes from.
    pub login: String,
    /// Whose it is.
    pub consumer: String,
    /// From where they logged in.
    pub address: IpAddr,
    /// When, in seconds since 1970.
    pub created_epoch_s: u64,
    /// When it was used last, as far as workers have told: up to a minute ago.
    pub used_epoch_s: u64,
    /// When it ends if it is not used any more.
    pub idle_ends_epoch_s: u64,
    /// When it ends at the latest.
    pub ends_epoch_s: u64,
}
