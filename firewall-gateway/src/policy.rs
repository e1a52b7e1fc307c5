//! `GatewayPolicy`: everything a worker needs, handed over whole and never changed afterwards.

pub mod access_log;

pub mod answer;

pub mod traces;

pub mod upstream;

pub mod route;

pub mod identity;

pub mod rollout;

mod clients;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::{
    access_log::AccessLogPolicy,
    answer::AnswerPolicy,
    clients::{AddressHeader, ClientsPolicy, ProxyProtocol, RequestRate},
    identity::{
        ApiKeyPolicy, AuthenticationPolicy, ConsumerPolicy, Day, FailuresPolicy, MethodPolicy,
        OwnerPolicy, RulePolicy, TimePolicy,
    },
    rollout::{
        CanaryPolicy, ForwardPolicy, MirrorPolicy, OverridePolicy, SharePolicy, Source, Sticky,
    },
    route::{HeaderCondition, HeaderTest, RouteAction, RouteLimits, RoutePolicy},
    traces::TracePolicy,
    upstream::{BackendPolicy, UpstreamPolicy, UpstreamTlsPolicy},
};
use crate::limits::Limits;

/// What a worker serves: it can read no file, so certificates travel as their text.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayPolicy {
    /// The certificate chain, leaf first, as PEM.
    pub certificate_pem: String,
    /// The private key of the leaf, as PEM.
    pub private_key_pem: String,
    /// Where requests can go; a route names one by its place here.
    pub upstreams: Vec<UpstreamPolicy>,
    /// Which request goes where: the first that matches, in this order.
    pub routes: Vec<RoutePolicy>,
    /// Whom to believe about a client's address, and what one address may have.
    pub clients: ClientsPolicy,
    /// Who uses the API, and what their credentials may have.
    #[serde(default)]
    pub consumers: Vec<ConsumerPolicy>,
    /// How many credentials that do not hold are borne.
    #[serde(default)]
    pub authentication_failures: FailuresPolicy,
    /// How answers look, where a route says nothing else.
    #[serde(default)]
    pub answers: AnswerPolicy,
    /// What is written of each request.
    #[serde(default)]
    pub access_log: AccessLogPolicy,
    /// Where traces go; nowhere where it is left out.
    #[serde(default)]
    pub traces: Option<TracePolicy>,
    /// Sizes, counts and times.
    pub limits: Limits,
    /// How the worker writes its lines.
    pub log: LogPolicy,
}

/// How much is written, and in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogPolicy {
    /// The least important level that is written.
    pub level: LogLevel,
    /// The form of a line.
    pub format: LogFormat,
}

/// Importance of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

// The key must not reach a log through a `{policy:?}` somewhere.
impl fmt::Debug for GatewayPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GatewayPolicy")
            .field("certificate_pem", &format_args!("{} bytes", self.certificate_pem.len()))
            .field("private_key_pem", &"redacted")
            .field("upstreams", &self.upstreams)
            .field("routes", &self.routes)
            .field("clients", &self.clients)
            .field("consumers", &self.consumers)
            .field("authentication_failures", &self.authentication_failures)
            .field("answers", &self.answers)
            .field("access_log", &self.access_log)
            .field("traces", &self.traces)
            .field("limits", &self.limits)
            .field("log", &self.log)
            .finish()
    }
}
