//! `GatewayPolicy`: everything a worker needs, handed over whole and never changed afterwards.

pub mod access_log;

pub mod answer;

pub mod traces;

mod tls;

pub mod upstream;

pub mod delivery;

pub mod route;

pub mod identity;

pub mod authorise;

pub mod browser;
pub mod rate;

pub mod rollout;

pub mod sanitise;
pub mod scrub;

pub mod jwt;

pub mod validate;

pub mod login;

pub mod introspection;

mod clients;

mod behaviour;

mod events;

mod verdict;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::{
    access_log::AccessLogPolicy,
    answer::AnswerPolicy,
    authorise::{Day, OwnerPolicy, RulePolicy, TimePolicy},
    behaviour::{
        BehaviourPolicy, BudgetLimitPolicy, BudgetPolicy, ChallengePagePolicy, ConsumerScorePolicy,
        RefusalPolicy, Thresholds,
    },
    browser::{CookiePolicy, CorsPolicy, CsrfPolicy, CsrfTokenPolicy, SameSite},
    clients::{AddressHeader, ClientsPolicy, ProxyProtocol, RequestRate},
    delivery::{
        BackendProtocol, BalancePolicy, BreakerPolicy, DeliveryPolicy, EjectionPolicy, HashKey,
        HealthPolicy, HedgePolicy, RetryPolicy, SheddingPolicy, StickyCookiePolicy,
    },
    events::{EventsPolicy, SyslogPolicy, WebhookPolicy},
    identity::{ApiKeyPolicy, ConsumerPolicy, FailuresPolicy},
    introspection::IntrospectionPolicy,
    jwt::{ClaimHeader, JwtPolicy, KeyOrigin, KeyText},
    login::{ClientAuthentication, LoginPolicy, ProviderPolicy, SecretText, SessionStorePolicy},
    rate::{Counted, KeyPart, RateAlgorithm, RatePolicy, RateStorePolicy, RouteRates},
    rollout::{
        CanaryPolicy, ForwardPolicy, MirrorPolicy, OverridePolicy, SharePolicy, Source, Sticky,
    },
    route::{
        AuthenticationPolicy, ClientCertificateUse, HeaderCondition, HeaderTest, RouteAction,
        RouteLimits, RoutePolicy,
    },
    sanitise::{ControlCharacters, SanitisePolicy, UnicodeForm, Unwanted},
    scrub::{LeakAction, LeakKind, ScrubPolicy},
    tls::{
        CertificatePolicy, ChallengePolicy, ClientCertificatePolicy, TICKET_KEY_BYTES, TicketKey,
        TlsPolicy, TlsVersion, UnknownName,
    },
    traces::TracePolicy,
    upstream::{BackendPolicy, UpstreamPolicy, UpstreamTlsPolicy},
    validate::{Against, DocumentPolicy, Undocumented, ValidationMode, ValidationPolicy},
    verdict::{OnFailure, VerdictForm, VerdictPolicy, VerdictServicePolicy},
};
use crate::limits::Limits;

/// What a worker serves: it can read no file, so certificates travel as their text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayPolicy {
    /// TLS towards the clients.
    pub tls: TlsPolicy,
    /// Where requests can go; a route names one by its place here.
    pub upstreams: Vec<UpstreamPolicy>,
    /// Which request goes where: the first that matches, in this order.
    pub routes: Vec<RoutePolicy>,
    /// Whose tokens are taken; a route names one of them.
    #[serde(default)]
    pub jwts: Vec<JwtPolicy>,
    /// Where people log in; a route names one of them.
    #[serde(default)]
    pub logins: Vec<LoginPolicy>,
    /// Who is asked about tokens; a route names one by its place here.
    #[serde(default)]
    pub introspections: Vec<IntrospectionPolicy>,
    /// Who has API keys, and what these may have.
    #[serde(default)]
    pub consumers: Vec<ConsumerPolicy>,
    /// How many keys that do not hold are borne.
    #[serde(default)]
    pub authentication_failures: FailuresPolicy,
    /// How often things may be done; a route names some of these, or those hold that hold everywhere.
    #[serde(default)]
    pub rates: Vec<RatePolicy>,
    /// Where hosts count together, where some of them do.
    #[serde(default)]
    pub rate_store: Option<RateStorePolicy>,
    /// Where hosts share sessions, where they do.
    #[serde(default)]
    pub session_store: Option<SessionStorePolicy>,
    /// What APIs take; a route names one of them.
    #[serde(default)]
    pub openapi: Vec<DocumentPolicy>,
    /// The country database, where rules or limits ask for it: a file that the daemon opens.
    #[serde(default)]
    pub countries: Option<PathBuf>,
    /// Whom to believe about a client's address, and what one address may have.
    pub clients: ClientsPolicy,
    /// How clients are scored; not at all where it is left out.
    #[serde(default)]
    pub behaviour: Option<BehaviourPolicy>,
    /// How answers look, where a route says nothing else.
    #[serde(default)]
    pub answers: AnswerPolicy,
    /// What is written of each request.
    #[serde(default)]
    pub access_log: AccessLogPolicy,
    /// Which decisions are told as events; none where it is left out.
    #[serde(default)]
    pub events: Option<EventsPolicy>,
    /// Who may be asked about requests; a route names one by its place here.
    #[serde(default)]
    pub verdict_services: Vec<VerdictServicePolicy>,
    /// Where traces go; nowhere where it is left out.
    #[serde(default)]
    pub traces: Option<TracePolicy>,
    /// Sizes, counts and times.
    pub limits: Limits,
    /// How the worker writes its lines.
    pub log: LogPolicy,
}

impl GatewayPolicy {
    /// Whose tokens are verified: those of requests, and those of logins.
    pub fn issuers(&self) -> impl Iterator<Item = &JwtPolicy> {
        self.jwts.iter().chain(self.logins.iter().map(|login| &login.jwt))
    }

    /// Gives an issuer its keys; of one that is not there they are nobody's.
    pub fn set_keys(&mut self, jwt: &str, keys: KeyText) {
        let logins = self.logins.iter_mut().map(|login| &mut login.jwt);
        if let Some(found) = self.jwts.iter_mut().chain(logins).find(|found| found.name == jwt) {
            found.keys = Some(keys);
        }
    }

    /// Gives a login what its provider says of itself; where there is none of this name it is nobody's.
    pub fn set_provider(&mut self, login: &str, provider: ProviderPolicy) {
        if let Some(found) = self.logins.iter_mut().find(|found| found.name() == login) {
            found.provider = Some(provider);
        }
    }
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
