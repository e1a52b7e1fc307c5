//! What the policy says of a request, stage by stage, for the operator who asks: by the functions that the
//! pipeline calls, with nothing counted, nothing used up and nothing sent.
//!
//! What only a worker knows is named and not asked: scores, what is left of a limit, how backends are.

mod stages;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::stages::explain;
use crate::{identity::IdentityError, route::RouteError};

/// A request that nobody sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// How it asks.
    pub method: String,
    /// For what: `https://HOST/PATH?QUERY`.
    pub url: String,
    /// Its headers beside `Host`.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Who connects.
    pub address: IpAddr,
    /// Who it is taken to be; what its headers show is asked where this says nothing.
    #[serde(default)]
    pub assumed: Option<Assumed>,
}

/// Somebody who was recognised, as it were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumed {
    /// The consumer.
    pub consumer: String,
    /// What it was granted.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// What it is.
    #[serde(default)]
    pub roles: Vec<String>,
    /// What its token says.
    #[serde(default)]
    pub claims: Map<String, Value>,
}

/// What the policy says of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestExplanation {
    /// `forward`, `redirect`, `preflight` or `refuse`.
    pub verdict: String,
    /// The status of an answer of ours; none of a request that goes on.
    pub status: Option<u16>,
    /// Why it is refused, as the metric and the log say it.
    pub reason: Option<String>,
    /// What exactly, as `denied` of the log says it; clients are never told.
    pub denied: Option<String>,
    /// The client, whom a trusted proxy may have named.
    pub client: Option<IpAddr>,
    /// The route that takes it.
    pub route: Option<String>,
    /// Where that route sends what it takes: names of upstreams.
    pub upstreams: Vec<String>,
    /// The path that they are asked for.
    pub path: Option<String>,
    /// Each stage that it came to, in their order.
    pub stages: Vec<StageSaid>,
}

/// What a stage says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSaid {
    /// Its name in `docs/request-path.md`.
    pub stage: String,
    /// In words.
    pub said: String,
}

/// A request that cannot be asked about.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ExplainError {
    #[error("request: expected a method such as GET, found {0:?}")]
    Method(String),
    #[error("request: expected https://HOST/PATH, found {0:?}")]
    Url(String),
    #[error("header: expected NAME: VALUE, found {0:?}")]
    Header(String),
    #[error("header: expected at most {HEADERS_MAX}, found {0}")]
    Headers(usize),
    #[error(transparent)]
    Route(#[from] RouteError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Headers of a question at most; how many a worker takes is for the policy to say.
pub const HEADERS_MAX: usize = 256;
