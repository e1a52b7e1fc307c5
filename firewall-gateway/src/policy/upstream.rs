//! An upstream: backends that serve the same, and how they are reached.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Servers of one service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamPolicy {
    /// Its name in routes, metrics and the log.
    pub name: String,
    /// Its servers, at least one.
    pub backends: Vec<BackendPolicy>,
    /// The `Host` that they are asked for.
    pub host: String,
    /// TLS to them; nothing where they are spoken to in plain text.
    pub tls: Option<UpstreamTlsPolicy>,
    /// Connections to each of them, per thread.
    pub connections_max: u32,
}

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendPolicy {
    /// Where it listens.
    pub address: SocketAddr,
}

/// How an upstream proves who it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTlsPolicy {
    /// The name its certificate must carry.
    pub server_name: String,
    /// The only authorities that may have signed its certificate, as PEM.
    pub ca_pem: String,
}
