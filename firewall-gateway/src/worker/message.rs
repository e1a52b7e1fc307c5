//! The closed set of messages between supervisor and worker: JSON, one a packet.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{
    behaviour::offence::Offence,
    figures::{BackendFigures, BackendStanding, Figures, RouteFigures, UpstreamStanding},
    identity::{
        api_key::store::{KeyChange, KeyUse},
        session::record::SessionChange,
    },
    policy::{BackendPolicy, ChallengePolicy, KeyText, ProviderPolicy, TicketKey},
};

/// What the supervisor says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ToWorker {
    /// The first message; with it come a memory file with the policy, the listening sockets in the
    /// order of `listeners`, the access log's file, and the files of the API keys, of the sessions, of events and the country
    /// database, where there are such.
    Start {
        /// The policy's length in its file.
        policy_bytes: u64,
        /// One entry a socket.
        listeners: Vec<ListenerShape>,
        /// Whether the access log's file comes along.
        access_log: bool,
        /// Whether the file of the API keys comes along.
        api_keys: bool,
        /// Whether the file of events comes along.
        events: bool,
        /// Whether the file of the sessions comes along.
        sessions: bool,
        /// Whether the country database comes along.
        countries: bool,
    },
    /// The keys of session tickets from now on, the current one first.
    TicketKeys {
        /// At most `TICKET_KEYS_MAX`.
        keys: Vec<TicketKey>,
    },
    /// What is shown to an authority that looks whether a name is ours, from now on; nothing after.
    Challenges {
        /// Counts these messages; the answer has it too.
        number: u64,
        /// At most `CHALLENGES_MAX`.
        challenges: Vec<ChallengePolicy>,
    },
    /// Other backends of one upstream, in place of those it had.
    Backends {
        /// Its name.
        upstream: String,
        /// All of them.
        backends: Vec<BackendPolicy>,
    },
    /// The keys of an issuer of tokens, in place of those before.
    Keys {
        /// The issuer's name in the policy.
        jwt: String,
        /// Its keys.
        keys: KeyText,
    },
    /// A newer country database comes along.
    Countries {},
    /// What becomes of API keys, at once: at most `KEY_CHANGES_AT_ONCE`.
    ApiKeys(Vec<KeyChange>),
    /// What becomes of sessions, at once: at most `SESSION_CHANGES_AT_ONCE`.
    Sessions(Vec<SessionChange>),
    /// What the provider of a login says of itself, in place of what it said before.
    Provider {
        /// The login's name in the policy.
        login: String,
        /// Its endpoints.
        provider: Box<ProviderPolicy>,
    },
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
    /// How some upstreams stand, likewise.
    Upstreams(Vec<UpstreamStanding>),
    /// How some backends stand, likewise.
    Standings(Vec<BackendStanding>),
    /// The challenges of the message with this number are shown: an authority may look.
    Shown {
        /// See [`ToWorker::Challenges`].
        number: u64,
    },
    /// A token named a key of this issuer that is not there: newer ones may be.
    KeysWanted {
        /// The issuer's name in the policy.
        jwt: String,
    },
    /// When API keys were used last: at most `KEY_USES_AT_ONCE`.
    ApiKeysUsed(Vec<KeyUse>),
    /// Somebody has logged in, or out.
    SessionsChanged(Box<SessionChange>),
    /// When sessions were used last: at most `KEY_USES_AT_ONCE`.
    SessionsUsed(Vec<KeyUse>),
    /// Addresses that are to be banned: at most `OFFENCES_AT_ONCE`.
    Offences(Vec<Offence>),
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

/// The largest messages are that of the challenges, some 1,000 bytes for each of 100, and that of an issuer's
/// keys, up to twice `JWT_KEYS_TEXT_BYTES_MAX`. The default socket
/// buffer of the kernel (212,992 bytes) must hold the packet.
pub const MESSAGE_BYTES_MAX: usize = 192 * 1024;

/// The kernel passes at most SCM_MAX_FD descriptors in one message.
pub const MESSAGE_SOCKETS_MAX: usize = 253;

/// Listening sockets leave room for the policy, the access log, the API keys, the sessions, events and the country database.
pub const LISTENER_SOCKETS_MAX: usize = MESSAGE_SOCKETS_MAX - 6;
