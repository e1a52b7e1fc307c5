//! An upstream: backends that serve the same, and how they are reached.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::DeliveryPolicy;

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
    /// Ports that backends may have which are not there yet: the worker reaches no others later on.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// How requests reach the backends.
    #[serde(default)]
    pub delivery: DeliveryPolicy,
}

impl UpstreamPolicy {
    /// The ports that its backends have or may have.
    pub fn ways(&self) -> impl Iterator<Item = u16> {
        let backends = self.backends.iter().map(|backend| backend.address.port());
        backends.chain(self.ports.iter().copied())
    }
}

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendPolicy {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its share of the requests, beside the others' weights.
    #[serde(default = "one")]
    pub weight: u32,
    /// Requests at once, with [`BalancePolicy::Quota`](super::BalancePolicy::Quota); 0 is any number.
    #[serde(default)]
    pub quota: u32,
    /// It gets no new requests; those in flight finish.
    #[serde(default)]
    pub draining: bool,
}

impl BackendPolicy {
    /// A backend like any other.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, weight: 1, quota: 0, draining: false }
    }
}

fn one() -> u32 {
    1
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
