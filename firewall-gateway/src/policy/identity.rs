//! Consumers, and where their keys stand in a request.

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// Someone who uses the API: a customer, a service, a partner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerPolicy {
    /// Its name in the log, in rules and for the upstream.
    pub name: String,
    /// What its credentials may have at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Where it comes from; none is anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<IpNetwork>,
    /// Names of certificates that are its; see [`crate::identity::certificate`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
}

/// Credentials that did not hold, a minute; more is refused with 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailuresPolicy {
    /// Of one IPv4 address or IPv6 /64.
    pub address_per_min: u32,
    /// Of one IPv4 /24 or IPv6 /48.
    pub network_per_min: u32,
    /// Of credentials that are a consumer's, and do not hold.
    pub consumer_per_min: u32,
}

impl Default for FailuresPolicy {
    fn default() -> Self {
        Self { address_per_min: 60, network_per_min: 600, consumer_per_min: 600 }
    }
}

/// Where a key stands in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyPolicy {
    /// A header of this name, in lower case.
    pub header: Option<String>,
    /// `Authorization: Bearer`.
    pub bearer: bool,
    /// `Authorization: Basic`.
    pub basic: bool,
    /// Whether the upstream gets the key too.
    pub keep: bool,
}
