//! The gateway's configuration.

use std::{net::SocketAddr, path::PathBuf};

use firewall_gateway::{
    limits::Limits,
    policy::{
        AccessLogPolicy, AnswerPolicy, BackendPolicy, ClientsPolicy, ConsumerPolicy,
        FailuresPolicy, RoutePolicy, TracePolicy,
    },
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
    /// The worker's unprivileged user.
    pub user: String,
    /// Threads of the worker.
    pub threads: u16,
    /// Where requests can go.
    pub upstreams: Vec<UpstreamConfig>,
    /// Which request goes where: the first that matches.
    pub routes: Vec<RoutePolicy>,
    /// Whom to believe about a client's address, and what one address may have.
    pub clients: ClientsPolicy,
    /// Who uses the API.
    pub consumers: Vec<ConsumerPolicy>,
    /// How many credentials that do not hold are borne.
    pub authentication_failures: FailuresPolicy,
    /// How answers look.
    pub answers: AnswerPolicy,
    /// What is written of requests.
    pub access_log: AccessLogPolicy,
    /// Where traces go.
    pub traces: Option<TracePolicy>,
    /// Sizes, counts and waits.
    pub limits: Limits,
}

/// An entry of `gateway.upstreams`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// Its name.
    pub name: String,
    /// Its servers.
    pub backends: Vec<BackendPolicy>,
    /// The `Host` they are asked for.
    pub host: String,
    /// How they prove who they are; nothing where they are spoken to in plain text.
    pub tls: Option<UpstreamTlsConfig>,
    /// Connections to each of them, for each thread.
    pub connections_max: u32,
}

/// TLS to an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTlsConfig {
    /// The name in its certificate.
    pub server_name: String,
    /// Who may have signed its certificate, PEM.
    pub ca: PathBuf,
}
