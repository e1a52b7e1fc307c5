//! What the verbs of backends ask.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// `backend add`, `backend drain`, `backend remove`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendAsk {
    /// What is to become of it.
    pub change: BackendVerb,
    /// The name of its upstream.
    pub upstream: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What is to become of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BackendVerb {
    /// It gets requests; one that drains or was removed gets them again.
    Add {
        /// Its share, beside the others' weights.
        weight: u32,
        /// Requests at once, where the upstream balances by quota; 0 is any number.
        quota: u32,
    },
    /// It gets no new requests.
    Drain,
    /// It is no backend any more; what is in flight finishes.
    Remove,
}

/// A weight or a quota at most, as in the configuration.
pub const WEIGHT_MAX: u32 = 1_000;
/// See [`WEIGHT_MAX`].
pub const QUOTA_MAX: u32 = 1_000_000;
