//! The control socket: one JSON line asks, one JSON line answers.
//!
//! A unix socket, because the file system and the kernel then say who may speak and who does.

use std::{net::IpAddr, path::PathBuf};

use firewall_gateway::explain::{self as request, RequestExplanation};
use serde::{Deserialize, Serialize};

use crate::{
    explain::{ExplainError, Explanation, Subject},
    geo::update::From,
    guard::Session,
    plan::Plan,
    status::{EventLine, RoutesShown, Snapshot, UpdateReport},
};

mod socket;
mod caller;
mod safe;
mod asks;
mod backends;
mod api_keys;
mod sessions;
mod server;
mod dispatch;
mod watchers;
mod client;
mod watch;

pub use api_keys::{KEYS_LISTED_MAX, KeyCreate, KeyCreated, KeyRotate, KeyShown, KeysShown};
pub use asks::{
    BANS_LISTED_MAX, BanAdd, BanShown, BansShown, Changed, Configured, CountryCode, GeoAsk,
    GeoShown, LimitSet, LimitsShown, ListAdd, ListKind, ListRemove, ListShown, NAMED_MAX, Prefix,
};
pub use backends::{BackendAsk, BackendVerb, QUOTA_MAX, WEIGHT_MAX};
pub use caller::Caller;
pub use client::{ClientError, ask, explain, explain_request, status, update_feeds, update_geo};
pub use safe::{
    Applied, ApplyAsk, CONFIRM_S_MAX, CONFIRM_S_MIN, HistoryLine, HistoryShown, PlanAsk,
    RollbackAsk,
};
pub use server::serve;
pub use sessions::{SESSIONS_LISTED_MAX, SessionShown, SessionsRevoked, SessionsShown};
pub use socket::{BindError, ControlSocket, bind};
pub use watch::{Watch, watch};
pub use watchers::{WATCHERS_MAX, Watchers};

/// Where the daemon listens, where nothing else is configured.
pub const SOCKET: &str = "/run/seawall/control.sock";
/// A request may have so many bytes: a configuration of 1 MiB, its quotes and line feeds written as two.
pub const REQUEST_BYTES_MAX: usize = 4 << 20;
/// An answer may have so many bytes.
pub const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// What a caller sends: what it asks for, and where it sits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked<R = Request> {
    /// What.
    #[serde(flatten)]
    pub request: R,
    /// The SSH session that the command was typed in: no change may cut it, and it may not be at port 22.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The state of this moment. Always allowed.
    Status {},
    /// The gateway's routes.
    Routes {},
    /// What the gateway's policy in force says of a request.
    ExplainRequest {
        /// The request.
        question: Box<request::Question>,
    },
    /// What the policy in force says of a packet.
    Explain {
        /// The packet, or whose.
        subject: Subject,
    },
    /// What a configuration would change.
    Plan(PlanAsk),
    /// Puts a configuration in force.
    Apply(ApplyAsk),
    /// Keeps the change that waits.
    Confirm {},
    /// Takes back the change that waits, or goes back to what was in force.
    Rollback(RollbackAsk),
    /// What can be gone back to.
    History {},
    /// Fetch a feed now, or all of them.
    FeedsUpdate {
        /// Its name.
        feed: Option<String>,
        /// Take the copy although the guard doubts it.
        force: bool,
    },
    /// Fetch the databases now.
    GeoUpdate {
        /// The country database from this URL.
        url: Option<String>,
        /// The country database from this file.
        file: Option<PathBuf>,
        /// Take it although it is suspicious.
        force: bool,
    },
    /// Adds to the list `deny` or `allow`.
    ListAdd(ListAdd),
    /// Removes from it what was added.
    ListRemove(ListRemove),
    /// What is on it.
    ListShow {
        /// Which.
        list: ListKind,
    },
    /// Bans sources.
    Ban(BanAdd),
    /// Ends bans.
    Unban {
        /// Whose.
        addresses: Vec<IpAddr>,
    },
    /// The bans that go on.
    Bans {},
    /// Changes the countries.
    Geo {
        /// How.
        change: GeoAsk,
    },
    /// The countries.
    GeoShow {},
    /// Changes a limit.
    Limit(LimitSet),
    /// The limits.
    LimitShow {},
    /// Adds, drains or removes a backend of the gateway.
    Backend(BackendAsk),
    /// Makes an API key.
    KeyCreate(KeyCreate),
    /// Makes one in the place of another.
    KeyRotate(KeyRotate),
    /// Takes keys back.
    KeyRevoke {
        /// Which.
        ids: Vec<String>,
    },
    /// The keys.
    KeyList {
        /// Of this consumer alone.
        consumer: Option<String>,
    },
    /// Takes sessions back.
    SessionRevoke {
        /// Which.
        which: SessionsRevoked,
    },
    /// The sessions.
    SessionList {
        /// Of this consumer alone.
        consumer: Option<String>,
    },
    /// The events as they come, a line each, until the caller leaves.
    Watch {},
    /// Takes the filter off and ends the daemon.
    Detach {},
}

/// What is answered; what `T` is depends on the verb.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// What was asked for.
    Ok(T),
    /// What was wrong with the request.
    Error(String),
}

/// What a watcher is told: each is a line of its own, as an [`Answer`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watched<E = Box<EventLine>> {
    /// The first line: events follow.
    Begin {
        /// Where they come from.
        interfaces: Vec<String>,
        /// One drop in so many becomes an event.
        sample_one_in: u32,
    },
    /// An event.
    Event(E),
    /// So many events are missing here: the watcher was too slow.
    Lost {
        /// How many.
        events: u64,
    },
    /// The last line: the daemon stops.
    Stopped {},
}

/// Does what is asked, a method a verb. It may take its time: it is not called on a thread that others
/// wait for.
pub trait Handler: Send + Sync + 'static {
    /// The state of this moment.
    fn status(&self) -> Snapshot;

    /// The gateway's routes.
    ///
    /// # Errors
    ///
    /// Where there is no gateway.
    fn routes(&self) -> Result<RoutesShown, String>;

    /// What the policy in force says of a packet.
    ///
    /// # Errors
    ///
    /// Where it is none, or the kernel does not answer.
    fn explain(&self, subject: &Subject) -> Result<Explanation, ExplainError>;

    /// What the gateway's policy in force says of a request.
    ///
    /// # Errors
    ///
    /// Where it is none, or there is no gateway.
    fn explain_request(&self, question: &request::Question) -> Result<RequestExplanation, String>;

    /// What a configuration would change.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn plan(&self, caller: &Caller, ask: &PlanAsk) -> Result<Plan, String>;

    /// Puts a configuration in force.
    ///
    /// # Errors
    ///
    /// Why it is not, and what to do; nothing has changed.
    fn apply(&self, caller: &Caller, ask: &ApplyAsk) -> Result<Applied, String>;

    /// Keeps the change that waits.
    ///
    /// # Errors
    ///
    /// Where none waits, or its file cannot be written; it waits on then.
    fn confirm(&self, caller: &Caller) -> Result<Applied, String>;

    /// Takes back the change that waits, or goes back to what was in force.
    ///
    /// # Errors
    ///
    /// Why not; nothing has changed.
    fn rollback(&self, caller: &Caller, ask: &RollbackAsk) -> Result<Applied, String>;

    /// What can be gone back to.
    fn history(&self) -> HistoryShown;

    /// Fetches a feed, or all of them.
    ///
    /// # Errors
    ///
    /// Where there is no such feed.
    fn update_feeds(
        &self,
        who: &Caller,
        feed: Option<&str>,
        force: bool,
    ) -> Result<Vec<UpdateReport>, String>;

    /// Fetches the databases, or takes the country database from elsewhere.
    ///
    /// # Errors
    ///
    /// Where there is none to fetch.
    fn update_geo(
        &self,
        who: &Caller,
        from: &From,
        force: bool,
    ) -> Result<Vec<UpdateReport>, String>;

    /// Adds to a list: all of it or nothing.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to do.
    fn list_add(&self, caller: &Caller, ask: &ListAdd) -> Result<Changed, String>;

    /// Removes from a list: all of it or nothing.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where it stands.
    fn list_remove(&self, caller: &Caller, ask: &ListRemove) -> Result<Changed, String>;

    /// What is on a list.
    ///
    /// # Errors
    ///
    /// Where it cannot be told.
    fn list_show(&self, list: ListKind) -> Result<ListShown, String>;

    /// Bans sources: in force when this returns.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to do.
    fn ban(&self, caller: &Caller, ask: &BanAdd) -> Result<Changed, String>;

    /// Ends bans.
    ///
    /// # Errors
    ///
    /// Where one is not banned.
    fn unban(&self, caller: &Caller, addresses: &[IpAddr]) -> Result<Changed, String>;

    /// The bans that go on.
    ///
    /// # Errors
    ///
    /// Where the kernel does not answer.
    fn bans(&self) -> Result<BansShown, String>;

    /// Changes the countries.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to do.
    fn geo(&self, caller: &Caller, ask: &GeoAsk) -> Result<Changed, String>;

    /// The countries.
    ///
    /// # Errors
    ///
    /// Where it cannot be told.
    fn geo_show(&self) -> Result<GeoShown, String>;

    /// Sets or clears a limit.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to do.
    fn limit(&self, caller: &Caller, ask: &LimitSet) -> Result<Changed, String>;

    /// The limits.
    ///
    /// # Errors
    ///
    /// Where it cannot be told.
    fn limit_show(&self) -> Result<LimitsShown, String>;

    /// Adds, drains or removes a backend of the gateway.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to do.
    fn backend(&self, caller: &Caller, ask: &BackendAsk) -> Result<Changed, String>;

    /// Makes an API key: it holds when this returns.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to do.
    fn key_create(&self, caller: &Caller, ask: &KeyCreate) -> Result<KeyCreated, String>;

    /// Makes a key in the place of another, which holds for a while yet.
    ///
    /// # Errors
    ///
    /// Where the other one does not hold.
    fn key_rotate(&self, caller: &Caller, ask: &KeyRotate) -> Result<KeyCreated, String>;

    /// Takes keys back: all of them or none.
    ///
    /// # Errors
    ///
    /// Where one is not there, or it is not on the disk.
    fn key_revoke(&self, caller: &Caller, ids: &[String]) -> Result<Changed, String>;

    /// The keys of a consumer, or all.
    fn key_list(&self, consumer: Option<&str>) -> KeysShown;

    /// Takes sessions back: all that are named or none.
    ///
    /// # Errors
    ///
    /// Where one is not there, or that is not on the disk.
    fn session_revoke(&self, caller: &Caller, which: &SessionsRevoked) -> Result<Changed, String>;

    /// The sessions of a consumer, or all.
    ///
    /// # Errors
    ///
    /// Where they cannot be read.
    fn session_list(&self, consumer: Option<&str>) -> Result<SessionsShown, String>;

    /// Takes the filter off and ends the daemon.
    ///
    /// # Errors
    ///
    /// Where a pin cannot be removed; the rest is removed all the same.
    fn detach(&self, caller: &Caller) -> Result<Changed, String>;

    /// The first line to a watcher.
    fn watch(&self) -> Watched;

    /// Those who watch.
    fn watchers(&self) -> &Watchers;
}
