//! What `key` asks for, and what it is answered.

use firewall_gateway::identity::api_key::{store::GrantPolicy, text::KeyText};
use serde::{Deserialize, Serialize};

use super::Prefix;

/// Keys that are listed in one answer; how many there are is always told.
pub const KEYS_LISTED_MAX: usize = 16_384;

/// `key create`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyCreate {
    /// Whose it is to be.
    pub consumer: String,
    /// Of its consumer's scopes these alone; none is all.
    pub scopes: Vec<String>,
    /// For these routes alone; none is all.
    pub routes: Vec<String>,
    /// From these networks alone; none is anywhere.
    pub networks: Vec<Prefix>,
    /// For how long; for good without it.
    pub for_s: Option<u64>,
    /// What for.
    pub comment: Option<String>,
}

/// `key rotate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRotate {
    /// Which.
    pub id: String,
    /// For how long it still holds.
    pub grace_s: u64,
}

/// A key, the one time that it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCreated {
    /// Which it is, from now on.
    pub id: String,
    /// Whose.
    pub consumer: String,
    /// The key.
    pub key: KeyText,
    /// When it ends.
    pub ends_epoch_s: Option<u64>,
    /// What else there is to know.
    pub notes: Vec<String>,
}

/// `key list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysShown {
    /// How many there are.
    pub total: u64,
    /// The first [`KEYS_LISTED_MAX`], in order of id.
    pub keys: Vec<KeyShown>,
}

/// A key that was given out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyShown {
    /// Which.
    pub id: String,
    /// `good`, `replaced` (it holds until its grace time is over), `expired`, `revoked` or `consumer_unknown`.
    pub state: String,
    /// What it is good for.
    pub grant: GrantPolicy,
    /// When it was made, in seconds since 1970.
    pub created_epoch_s: u64,
    /// When it ends.
    pub ends_epoch_s: Option<u64>,
    /// When it was revoked.
    pub revoked_epoch_s: Option<u64>,
    /// When it was used last, to the minute.
    pub used_epoch_s: Option<u64>,
    /// The key that takes its place.
    pub replaced_by: Option<String>,
    /// Who made it.
    pub who: String,
    /// What for.
    pub comment: Option<String>,
}
