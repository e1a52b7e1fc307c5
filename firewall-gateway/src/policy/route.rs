//! A route: which requests it takes, and where they go.

use serde::{Deserialize, Serialize};

/// One route. A request must match each thing that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutePolicy {
    /// Its name in metrics and the log.
    pub name: String,
    /// Host names without a port, in lower case; `*.` before a name takes every name below it.
    /// None takes every host.
    pub hosts: Vec<String>,
    /// Path pattern; see [`crate::route::Pattern`].
    pub path: String,
    /// The upstream's place in `GatewayPolicy::upstreams`.
    pub upstream: usize,
    /// What becomes of the client's certificate.
    pub client_certificate: ClientCertificateUse,
}

/// What a route does with the certificate that a client may have shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificateUse {
    /// The upstream does not learn of it.
    None,
    /// The upstream learns of it.
    Optional,
    /// The same, and without one the request is refused.
    Required,
}
