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
}
