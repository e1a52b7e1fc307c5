//! `gateway.routes` as it is written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::{
        Entries,
        answers::{CompressionDocument, ResponseHeadersDocument, UpstreamErrorsDocument},
        authorise::RouteRuleDocument,
        browser::{CookiesDocument, CorsDocument, CsrfDocument},
        events::RouteVerdictDocument,
        gateway::WaitMs,
        jwt::AuthenticationDocument,
        sanitise::SanitiseDocument,
        scrub::ScrubDocument,
        tls::ClientCertificateDocument,
        validate::ValidateDocument,
    },
    scalar::{Flag, Given, Name, Number},
};

/// An entry of `gateway.routes`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteDocument {
    pub name: Spanned<Name>,
    #[serde(default)]
    pub hosts: Given<Entries<String>>,
    pub path: Spanned<String>,
    #[serde(default)]
    pub methods: Given<Entries<String>>,
    #[serde(default)]
    pub headers: Given<Entries<HeaderDocument>>,
    pub client_certificate: Option<Spanned<ClientCertificateDocument>>,
    #[serde(default)]
    pub upgrades: Given<Entries<String>>,
    #[serde(default)]
    pub authentication: Given<Entries<AuthenticationDocument>>,
    #[serde(default)]
    pub authorise: Given<Entries<RouteRuleDocument>>,
    pub cors: Option<Spanned<CorsDocument>>,
    pub csrf: Option<Spanned<CsrfDocument>>,
    pub cookies: Option<Spanned<CookiesDocument>>,
    pub scrub: Option<ScrubDocument>,
    #[serde(default)]
    pub rate_limits: Given<Entries<Name>>,
    pub cost: Option<Spanned<Number<1, 1_000_000>>>,
    pub sanitise: Option<Spanned<SanitiseDocument>>,
    pub validate: Option<Spanned<ValidateDocument>>,
    #[serde(default)]
    pub verdict: Given<RouteVerdictDocument>,
    #[serde(default)]
    pub offences: Given<Entries<OffenceStatus>>,
    pub upstream: Option<Spanned<Name>>,
    #[serde(default)]
    pub split: Given<Entries<ShareDocument>>,
    #[serde(default)]
    pub overrides: Given<Entries<OverrideDocument>>,
    pub sticky: Option<Spanned<StickyDocument>>,
    pub rewrite: Option<Spanned<String>>,
    pub mirror: Option<Spanned<MirrorDocument>>,
    pub canary: Option<Spanned<CanaryDocument>>,
    pub redirect: Option<Spanned<RedirectDocument>>,
    pub maintenance: Option<Spanned<MaintenanceDocument>>,
    #[serde(default)]
    pub limits: Given<RouteLimitsDocument>,
    pub response_headers: Option<ResponseHeadersDocument>,
    pub upstream_errors: Option<UpstreamErrorsDocument>,
    pub compression: Option<CompressionDocument>,
}

/// An entry of `offences`.
pub type OffenceStatus = Number<400, 499>;

/// An entry of `headers`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderDocument {
    pub name: Spanned<String>,
    pub value: Option<Spanned<String>>,
    pub present: Option<Flag>,
}

/// An entry of `split`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareDocument {
    pub upstream: Spanned<Name>,
    pub weight: Number<0, 10_000>,
}

/// An entry of `overrides`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideDocument {
    pub header: Option<Spanned<String>>,
    pub cookie: Option<Spanned<String>>,
    pub value: Spanned<String>,
    pub upstream: Spanned<Name>,
}

/// `sticky`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StickyDocument {
    pub by: StickyWord,
    pub name: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StickyWord {
    Address,
    Header,
    Cookie,
    Consumer,
}

/// `mirror`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorDocument {
    pub upstream: Spanned<Name>,
    pub percent: Option<Number<1, 100>>,
    pub body_bytes_max: Option<Number<0, 1_048_576>>,
}

/// `canary`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryDocument {
    pub upstream: Spanned<Name>,
    pub percent: Number<1, 100>,
    pub error_percent_max: Option<Number<0, 99>>,
    pub requests_min: Option<Number<1, 100_000>>,
    pub window_s: Option<Number<1, 3_600>>,
}

/// `redirect`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedirectDocument {
    pub to: Spanned<String>,
    pub status: Option<Number<301, 308>>,
}

/// `maintenance`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceDocument {
    pub retry_after_s: Number<1, 604_800>,
    pub detail: Option<Spanned<String>>,
}

/// `limits` of a route; what is left out is as in `gateway.limits`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteLimitsDocument {
    pub body_bytes_max: Option<Number<0, 1_099_511_627_776>>,
    pub body_timeout_ms: Option<WaitMs>,
    pub body_gather_bytes: Option<Number<0, 1_048_576>>,
    pub upstream_connect_timeout_ms: Option<WaitMs>,
    pub upstream_response_timeout_ms: Option<WaitMs>,
}
