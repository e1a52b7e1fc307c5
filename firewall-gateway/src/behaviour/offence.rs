//! What the supervisor is told of an address that is to be banned.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::signal::Signal;

/// An address whose score is that of a ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offence {
    /// An IPv4 address, or any of an IPv6 /64.
    pub address: IpAddr,
    /// Its score, rounded.
    pub score: u32,
    /// What it did since it had none: each signal once.
    pub signals: Vec<SignalCount>,
    /// The request that decided; nothing where it was a handshake.
    pub request: String,
}

/// How often it did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalCount {
    /// What.
    pub signal: Signal,
    /// How often; 255 is that often and more.
    pub count: u8,
}
