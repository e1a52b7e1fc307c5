//! Who is asked about tokens that say nothing by themselves.

use serde::{Deserialize, Serialize};

use super::login::SecretText;

/// A service of RFC 7662, and what its answers must say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntrospectionPolicy {
    /// Its name in routes, which call it by its place.
    pub name: String,
    /// The upstream's place in [`super::GatewayPolicy::upstreams`].
    pub upstream: usize,
    /// What is posted to.
    pub path: String,
    /// Who we are there.
    pub client_id: String,
    /// How we prove it; nothing where our id is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretText>,
    /// How long it is waited for.
    pub timeout_ms: u64,
    /// How long an answer is remembered.
    pub cache_s: u32,
    /// What `iss` says, to the letter; it is not asked for where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// One of these is in `aud`; none asks for none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// The claim that names the consumer.
    pub consumer_claim: String,
    /// The claim with the scopes; nothing looks for `scope`, then for `scp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes_claim: Option<String>,
    /// The claim with the roles; nothing has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles_claim: Option<String>,
}
