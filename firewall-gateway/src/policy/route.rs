//! A route: which requests it takes, and what becomes of them.

use serde::{Deserialize, Serialize};

use super::{
    AnswerPolicy, ApiKeyPolicy,
    authorise::RulePolicy,
    browser::{CookiePolicy, CorsPolicy, CsrfPolicy},
    rate::RouteRates,
    rollout::ForwardPolicy,
    sanitise::SanitisePolicy,
    scrub::ScrubPolicy,
    validate::ValidationPolicy,
    verdict::VerdictPolicy,
};

/// One route. A request must match each thing that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutePolicy {
    /// Its name in metrics and the log.
    pub name: String,
    /// Host names without a port, in lower case; `*.` before a name takes every name below it.
    /// None takes every host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Path pattern; see [`crate::route::Pattern`].
    pub path: String,
    /// Methods; none takes each that is served. `GET` takes `HEAD` along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// What its headers must say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderCondition>,
    /// What becomes of the client's certificate.
    #[serde(default)]
    pub client_certificate: ClientCertificateUse,
    /// Protocols that its clients may change to, such as `websocket`; see [`crate::upgrade`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upgrades: Vec<String>,
    /// Credentials of which a request must have one; none is asked for where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authentication: Vec<AuthenticationPolicy>,
    /// Rules of which one must hold; where there is none, everyone may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorise: Vec<RulePolicy>,
    /// Which pages of other sites may read its answers; what is said of it is the upstream's where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsPolicy>,
    /// Whose pages may change something; anyone's where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csrf: Option<CsrfPolicy>,
    /// What is added to the upstream's cookies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookies: Option<CookiePolicy>,
    /// How often.
    #[serde(default)]
    pub rates: RouteRates,
    /// In which form the texts of its requests go on; as they came where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sanitise: Option<SanitisePolicy>,
    /// What its requests must look like; anything where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<ValidationPolicy>,
    /// Who is asked about each request; nobody where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictPolicy>,
    /// Statuses of the upstream's answers that are offences of the client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offences: Vec<u16>,
    /// What becomes of the requests.
    pub action: RouteAction,
    /// Where it differs from the gateway's limits.
    #[serde(default, skip_serializing_if = "RouteLimits::is_empty")]
    pub limits: RouteLimits,
    /// What its answers should not say; they are not looked through where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scrub: Option<ScrubPolicy>,
    /// How its answers look; what it leaves out is as the gateway's.
    #[serde(default)]
    pub answers: AnswerPolicy,
}

impl RoutePolicy {
    /// A route that takes a path of every host to an upstream.
    #[must_use]
    pub fn to_upstream(name: &str, path: &str, upstream: usize) -> Self {
        Self {
            name: name.to_owned(),
            hosts: Vec::new(),
            path: path.to_owned(),
            methods: Vec::new(),
            headers: Vec::new(),
            client_certificate: ClientCertificateUse::default(),
            upgrades: Vec::new(),
            authentication: Vec::new(),
            authorise: Vec::new(),
            cors: None,
            csrf: None,
            cookies: None,
            rates: RouteRates::default(),
            sanitise: None,
            validate: None,
            verdict: None,
            offences: Vec::new(),
            action: RouteAction::Forward(ForwardPolicy::to(upstream)),
            limits: RouteLimits::default(),
            scrub: None,
            answers: AnswerPolicy::default(),
        }
    }
}

/// What a route does with the certificate that a client may have shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificateUse {
    /// The upstream does not learn of it.
    None,
    /// The upstream learns of it.
    #[default]
    Optional,
    /// The same, and without one the request is refused.
    Required,
}

/// A credential that a route takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AuthenticationPolicy {
    /// A token, as the settings of this name ask for it.
    Jwt(String),
    /// A key of a consumer.
    ApiKey(ApiKeyPolicy),
    /// A certificate of a consumer, where the request brings no other credential.
    Certificate,
    /// A token that the service at this place stands for.
    Introspection(usize),
    /// A session of the login of this name.
    Session(String),
}

/// What a header must say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderCondition {
    /// Its name, in lower case.
    pub name: String,
    /// What must hold.
    pub test: HeaderTest,
}

/// A condition on a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderTest {
    /// It is there, whatever it says.
    Present,
    /// It is not there.
    Absent,
    /// It is there, and says this wherever it stands.
    Value(String),
}

/// What becomes of the requests of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RouteAction {
    /// They go to upstreams.
    Forward(ForwardPolicy),
    /// They are told to go elsewhere.
    Redirect {
        /// Where to; see [`crate::route::Redirect`].
        to: String,
        /// 301, 302, 307 or 308.
        status: u16,
    },
    /// They are told to come again.
    Maintenance {
        /// The answer's `Retry-After`.
        retry_after_s: u32,
        /// Words for the client, instead of ours.
        detail: Option<String>,
    },
}

/// Limits of one route; what is not set is as the gateway has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteLimits {
    /// See `Limits::body_bytes_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes_max: Option<u64>,
    /// See `Limits::body_timeout_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_timeout_ms: Option<u64>,
    /// See `Limits::body_gather_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_gather_bytes: Option<u32>,
    /// See `Limits::upstream_connect_timeout_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_connect_timeout_ms: Option<u64>,
    /// See `Limits::upstream_response_timeout_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_response_timeout_ms: Option<u64>,
}

impl RouteLimits {
    /// Whether the route has the gateway's limits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}
