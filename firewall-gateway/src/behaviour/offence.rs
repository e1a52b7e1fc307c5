//! What the supervisor is told of an address that is to be banned.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::signal::Signal;

/// An address whose score is that of a ban, or that goes on over a budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offence {
    /// An IPv4 address, or any of an IPv6 /64.
    pub address: IpAddr,
    /// Its score, rounded; 0 where it is to be banned for a budget.
    pub score: u32,
    /// What it did since it had none: each signal once.
    pub signals: Vec<SignalCount>,
    /// The request that decided; nothing where it was a handshake.
    pub request: String,
    /// What it is to be banned for in place of a score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

/// A budget that is used up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Of which limit.
    pub limit: String,
    /// How often that has refused the address within one wait.
    pub refusals: u32,
    /// When it lets something pass again.
    pub for_s: u64,
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
