//! Traces: how many requests are traced, and who is told.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Where spans go, over OTLP/HTTP in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracePolicy {
    /// The collector.
    pub collector: SocketAddr,
    /// Its path, `/v1/traces` as a rule.
    pub path: String,
    /// Of a hundred requests so many are traced.
    pub sample_percent: u8,
    /// What the gateway is called in traces.
    pub service_name: String,
}
