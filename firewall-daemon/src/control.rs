//! The control socket: one JSON line asks, one JSON line answers.
//!
//! A unix socket, because the file system and the kernel then say who may speak and who does.

use serde::{Deserialize, Serialize};

use crate::status::Snapshot;

mod socket;
mod server;
mod client;

pub use client::{ClientError, status};
pub use server::serve;
pub use socket::{BindError, ControlSocket, bind};

/// Where the daemon listens, where nothing else is configured.
pub const SOCKET: &str = "/run/seawall/control.sock";
/// A request may have so many bytes.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;
/// An answer may have so many bytes.
pub const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// What may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The state of this moment. Always allowed.
    Status {},
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// What was asked for.
    Ok(Box<Snapshot>),
    /// What was wrong with the request.
    Error(String),
}
