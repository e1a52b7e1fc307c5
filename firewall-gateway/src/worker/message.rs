//! The closed set of messages between supervisor and worker: JSON, one a packet.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{
    figures::{BackendFigures, Figures, RouteFigures},
    identity::api_key::store::{KeyChange, KeyUse},
    policy::GatewayPolicy,
};

/// What the supervisor says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "one is sent in the life of a worker")]
pub enum ToWorker {
    /// The first message; the listening sockets come with it, in the order of `listeners`, and
    /// behind them the access log's file, where the policy names one, and the file of the keys.
    Start {
        /// What to serve.
        policy: GatewayPolicy,
        /// One entry a socket.
        listeners: Vec<ListenerShape>,
        /// Whether a file of keys comes along.
        keys: bool,
    },
    /// What becomes of API keys, at once.
    Keys(Vec<KeyChange>),
    /// Accept nothing more, finish what is in flight, say `Drained`, end.
    Drain,
}

/// What the worker says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FromWorker {
    /// The accept loops run; `sandbox` names each thing that holds the worker in.
    Ready {
        /// For example `uid=997`, `no_new_privs`, `landlock=fully_enforced`.
        sandbox: Vec<String>,
    },
    /// It cannot start and ends.
    Failed {
        /// What was expected, what was found, what to do.
        error: String,
    },
    /// Everything counted since this worker started; its rows follow in messages of their own.
    Figures(Box<Figures>),
    /// Some routes' figures: each row in place of an earlier one of its name.
    Routes(Vec<RouteFigures>),
    /// Some backends' figures, likewise.
    Backends(Vec<BackendFigures>),
    /// When API keys were used last.
    KeysUsed(Vec<KeyUse>),
    /// Nothing is in flight any more, or the drain time is over; the worker ends.
    Drained,
}

/// What a handed-over socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerShape {
    /// The thread that accepts from it, from 0.
    pub thread: u16,
    /// The address it is bound to.
    pub address: SocketAddr,
}

/// Two certificate chains and a key of the largest kind in use take some 40 KB; the default socket
/// buffer of the kernel (212,992 bytes) must hold the packet.
pub const MESSAGE_BYTES_MAX: usize = 192 * 1024;

/// The kernel passes at most SCM_MAX_FD descriptors in one message.
pub const MESSAGE_SOCKETS_MAX: usize = 253;

/// Listening sockets leave room for the access log and the keys.
pub const LISTENER_SOCKETS_MAX: usize = MESSAGE_SOCKETS_MAX - 2;
