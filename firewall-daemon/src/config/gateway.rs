//! The gateway's configuration.

use std::{net::SocketAddr, path::PathBuf};

use firewall_gateway::{
    limits::Limits,
    policy::{
        AccessLogPolicy, AnswerPolicy, BackendPolicy, ClientsPolicy, ConsumerPolicy,
        DeliveryPolicy, EventsPolicy, FailuresPolicy, IntrospectionPolicy, RatePolicy,
        RateStorePolicy, RoutePolicy, TracePolicy, VerdictServicePolicy,
    },
};

use super::{
    BehaviourConfig, JwtConfig, LoginConfig, SessionStoreConfig,
    tls::{AcmeConfig, CertificateConfig, TlsConfig},
};

/// The `gateway` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// Where clients connect.
    pub listen: Vec<SocketAddr>,
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub private_key: PathBuf,
    /// OCSP response, DER.
    pub ocsp: Option<PathBuf>,
    /// More certificates, each for the names in it.
    pub certificates: Vec<CertificateConfig>,
    /// A certificate from an authority, where one is wanted.
    pub acme: Option<AcmeConfig>,
    /// Versions, names, tickets, certificates of clients.
    pub tls: TlsConfig,
    /// The worker's unprivileged user.
    pub user: String,
    /// Threads of the worker.
    pub threads: u16,
    /// Where requests can go.
    pub upstreams: Vec<UpstreamConfig>,
    /// Which request goes where: the first that matches.
    pub routes: Vec<RoutePolicy>,
    /// Whose tokens are taken.
    pub jwts: Vec<JwtConfig>,
    /// The country database of the packet filter, where something asks for it.
    pub countries: Option<PathBuf>,
    /// Who is asked about tokens.
    pub introspections: Vec<IntrospectionConfig>,
    /// Where people log in.
    pub logins: Vec<LoginConfig>,
    /// Who has API keys.
    pub consumers: Vec<ConsumerPolicy>,
    /// How many keys that do not hold are borne.
    pub authentication_failures: FailuresPolicy,
    /// How often things may be done.
    pub rates: Vec<RatePolicy>,
    /// Where hosts count together, where some do.
    pub rate_store: Option<RateStoreConfig>,
    /// Where hosts share sessions, where they do.
    pub session_store: Option<SessionStoreConfig>,
    /// What APIs take.
    pub openapi: Vec<OpenApiConfig>,
    /// Whom to believe about a client's address, and what one address may have.
    pub clients: ClientsPolicy,
    /// How clients that offend are scored; not at all where it is left out.
    pub behaviour: Option<BehaviourConfig>,
    /// How answers look.
    pub answers: AnswerPolicy,
    /// What is written of requests.
    pub access_log: AccessLogPolicy,
    /// Which decisions are told as events, where some are.
    pub events: Option<EventsSinks>,
    /// Who may be asked about requests.
    pub verdict_services: Vec<VerdictServicePolicy>,
    /// Where traces go.
    pub traces: Option<TracePolicy>,
    /// Where the key of sticky cookies is kept.
    pub sticky_key: PathBuf,
    /// Sizes, counts and waits.
    pub limits: Limits,
}

/// An entry of `gateway.openapi`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenApiConfig {
    /// Its name in routes.
    pub name: String,
    /// The document, YAML or JSON.
    pub file: PathBuf,
    /// What stands before its paths, where it is not what the document says.
    pub base_path: Option<String>,
}

/// `gateway.events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsSinks {
    /// What the worker is told; neither the secret nor what is this host's is in it.
    pub policy: EventsPolicy,
    /// Who tells; this host where nothing is said.
    pub source: Option<String>,
    /// Where what signs stands.
    pub secret: Option<PathBuf>,
}

/// An entry of `gateway.introspections`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntrospectionConfig {
    /// What the worker is told; the secret is not in it.
    pub policy: IntrospectionPolicy,
    /// Where the secret stands.
    pub secret: Option<PathBuf>,
}

/// `gateway.rate_store`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateStoreConfig {
    /// What the worker is told; the password is not in it.
    pub policy: RateStorePolicy,
    /// Where the password stands.
    pub password: Option<PathBuf>,
}

/// An entry of `gateway.upstreams`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// Its name.
    pub name: String,
    /// Its servers that are named by their addresses.
    pub backends: Vec<BackendPolicy>,
    /// Names whose addresses are servers too.
    pub names: Vec<BackendName>,
    /// The `Host` they are asked for.
    pub host: String,
    /// How they prove who they are; nothing where they are spoken to in plain text.
    pub tls: Option<UpstreamTlsConfig>,
    /// Connections to each of them, for each thread.
    pub connections_max: u32,
    /// How requests reach them; the key of sticky cookies is not in it.
    pub delivery: DeliveryPolicy,
}

/// A name of `backends`: each of its addresses is a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendName {
    /// The name.
    pub name: String,
    /// The port of all of them.
    pub port: u16,
    /// How often it is looked up.
    pub refresh_s: u64,
    /// The weight of each.
    pub weight: u32,
    /// The quota of each; 0 is any number.
    pub quota: u32,
}

/// TLS to an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTlsConfig {
    /// The name in its certificate.
    pub server_name: String,
    /// Who may have signed its certificate, PEM.
    pub ca: PathBuf,
}
