//! The `gateway` section as it is written.

mod delivery;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::{
        Entries,
        answers::{
            AccessLogDocument, CompressionDocument, ResponseHeadersDocument, TracesDocument,
            UpstreamErrorsDocument,
        },
        behaviour::BehaviourDocument,
        clients::ClientsDocument,
        consumers::{ConsumerDocument, FailuresDocument},
        events::{GatewayEventsDocument, VerdictServiceDocument},
        introspection::IntrospectionDocument,
        jwt::JwtDocument,
        login::{LoginDocument, SessionStoreDocument},
        rates::{RateLimitDocument, RateStoreDocument},
        routes::RouteDocument,
        tls::{AcmeDocument, CertificateDocument, TlsDocument},
        validate::OpenApiDocument,
    },
    scalar::{Address, FilePath, Given, Name, Number},
};

pub use self::delivery::{
    BackendDocument, BalanceDocument, BreakerDocument, EjectionDocument, HashDocument, HashOn,
    HealthDocument, HedgeDocument, ProtocolDocument, RequestsMax, RetriesDocument, Status,
    StickyCookieDocument,
};

/// `gateway`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayDocument {
    pub listen: Entries<Address>,
    pub certificate: FilePath,
    pub private_key: FilePath,
    pub ocsp: Option<FilePath>,
    #[serde(default)]
    pub certificates: Given<Entries<CertificateDocument>>,
    #[serde(default)]
    pub acme: Given<AcmeDocument>,
    #[serde(default)]
    pub tls: TlsDocument,
    pub user: Option<Spanned<String>>,
    pub threads: Option<Number<1, 64>>,
    pub upstream: Option<Spanned<SoleUpstreamDocument>>,
    pub upstreams: Option<Entries<UpstreamDocument>>,
    pub routes: Option<Entries<RouteDocument>>,
    pub jwt: Option<Spanned<BTreeMap<Name, JwtDocument>>>,
    pub logins: Option<Spanned<BTreeMap<Name, LoginDocument>>>,
    pub session_store: Option<Spanned<SessionStoreDocument>>,
    pub consumers: Option<Entries<ConsumerDocument>>,
    pub authentication_failures: Option<Spanned<FailuresDocument>>,
    #[serde(default)]
    pub introspections: Given<Entries<IntrospectionDocument>>,
    #[serde(default)]
    pub rate_limits: Given<Entries<RateLimitDocument>>,
    pub rate_store: Option<Spanned<RateStoreDocument>>,
    #[serde(default)]
    pub openapi: Given<Entries<OpenApiDocument>>,
    pub response_headers: Option<ResponseHeadersDocument>,
    pub upstream_errors: Option<UpstreamErrorsDocument>,
    pub compression: Option<CompressionDocument>,
    #[serde(default)]
    pub access_log: AccessLogDocument,
    pub traces: Option<TracesDocument>,
    #[serde(default)]
    pub events: Given<Spanned<GatewayEventsDocument>>,
    #[serde(default)]
    pub verdict_services: Given<Entries<VerdictServiceDocument>>,
    #[serde(default)]
    pub clients: ClientsDocument,
    #[serde(default)]
    pub behaviour: Given<BehaviourDocument>,
    #[serde(default)]
    pub limits: GatewayLimitsDocument,
}

/// `gateway.upstream`: one server, and every request goes there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoleUpstreamDocument {
    pub address: Address,
    pub server_name: Spanned<String>,
    pub ca: FilePath,
    pub connections_max: Option<ConnectionsMax>,
}

/// An entry of `gateway.upstreams`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamDocument {
    pub name: Spanned<Name>,
    pub backends: Entries<BackendDocument>,
    pub host: Option<Spanned<String>>,
    pub tls: Option<UpstreamTlsDocument>,
    #[serde(default)]
    pub protocol: ProtocolDocument,
    pub connections_max: Option<ConnectionsMax>,
    #[serde(default)]
    pub balance: BalanceDocument,
    pub hash: Option<Spanned<HashDocument>>,
    pub sticky_cookie: Option<StickyCookieDocument>,
    pub slow_start_ms: Option<WaitMs>,
    pub health: Option<HealthDocument>,
    pub ejection: Option<EjectionDocument>,
    pub breaker: Option<BreakerDocument>,
    pub retries: Option<RetriesDocument>,
    pub hedge: Option<Spanned<HedgeDocument>>,
    pub requests_max: Option<RequestsMax>,
    pub queue_max: Option<Number<0, 1_000_000>>,
    pub queue_timeout_ms: Option<WaitMs>,
    pub connect_timeout_ms: Option<WaitMs>,
    pub response_timeout_ms: Option<WaitMs>,
    pub request_timeout_ms: Option<WaitMs>,
}

/// `tls` of an upstream.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTlsDocument {
    pub server_name: Spanned<String>,
    pub ca: FilePath,
}

/// Connections to a backend, for each thread.
pub type ConnectionsMax = Number<1, 65_536>;

/// A wait of at most an hour.
pub type WaitMs = Number<1, 3_600_000>;

/// `gateway.limits`; what is left out has the default of [`firewall_gateway::limits::Limits`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayLimitsDocument {
    pub connections_max: Option<Number<1, 1_000_000>>,
    pub header_bytes_max: Option<Number<1_024, 262_144>>,
    pub headers_max: Option<Number<1, 1_000>>,
    pub body_bytes_max: Option<Number<0, 1_099_511_627_776>>,
    pub header_timeout_ms: Option<WaitMs>,
    pub body_timeout_ms: Option<WaitMs>,
    pub idle_timeout_ms: Option<WaitMs>,
    pub tls_handshake_timeout_ms: Option<WaitMs>,
    pub upstream_connect_timeout_ms: Option<WaitMs>,
    pub upstream_response_timeout_ms: Option<WaitMs>,
    pub drain_timeout_ms: Option<WaitMs>,
    pub tunnel_idle_timeout_ms: Option<WaitMs>,
    pub http2_streams_max: Option<Number<1, 10_000>>,
    pub body_gather_bytes: Option<Number<0, 1_048_576>>,
    pub bytes_per_s_min: Option<Number<1, 1_048_576>>,
    pub sessions_max: Option<Number<1, 1_000_000>>,
}
