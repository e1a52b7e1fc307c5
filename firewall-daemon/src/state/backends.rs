//! What verbs changed of the backends.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Changes of backends at most.
pub const BACKEND_CHANGES_MAX: usize = 1_024;

/// A backend that a verb added, drains or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendChange {
    /// The name of its upstream.
    pub upstream: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it is beside the configuration.
    pub state: BackendState,
    /// It gets no new requests.
    pub draining: bool,
    /// Who changed it.
    pub who: String,
    /// When, in seconds since 1970.
    pub changed_epoch_s: u64,
}

/// What a backend is beside the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BackendState {
    /// It is one that the configuration does not name.
    Added {
        /// Its weight.
        weight: u32,
        /// Its quota; 0 is any number.
        quota: u32,
    },
    /// It is none, whatever the configuration says.
    Removed,
    /// It is as the configuration says.
    Configured,
}
