//! Tokens of one issuer: what must be true of them, and what they say of a request.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::identity::jwt::Algorithm;

/// What is asked of tokens, under the name that routes call it by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtPolicy {
    /// Its name in routes, in metrics and in the log.
    pub name: String,
    /// What `iss` says, to the letter.
    pub issuer: String,
    /// One of these is in `aud`.
    pub audiences: Vec<String>,
    /// The only algorithms; each key has those of them that are its own.
    pub algorithms: Vec<Algorithm>,
    /// The keys; none where they were never fetched yet. They travel to a worker by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeyText>,
    /// Where the keys come from.
    pub origin: KeyOrigin,
    /// What `typ` may say, in lower case and without `application/`; empty takes a token without
    /// `typ` too, and those of [`crate::limits::JWT_TYPES`].
    pub types: Vec<String>,
    /// What `azp` may say; empty does not ask.
    pub authorized_parties: Vec<String>,
    /// How far the issuer's clock may be from ours.
    pub leeway_s: u32,
    /// The age from `iat` on that a token may have; nothing does not ask.
    pub age_max_s: Option<u32>,
    /// Claims that must be there beside `iss`, `aud`, `exp` and the consumer's.
    pub claims_required: Vec<String>,
    /// The claim that names the consumer.
    pub consumer_claim: String,
    /// The claim with the scopes; nothing looks for `scope`, then for `scp`.
    pub scopes_claim: Option<String>,
    /// The claim with the roles; nothing has none.
    pub roles_claim: Option<String>,
    /// Headers that backends are told claims in.
    pub headers: Vec<ClaimHeader>,
}

/// A header that says to backends what a claim says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimHeader {
    /// The header, in lower case.
    pub name: String,
    /// The claim, or a path to it.
    pub claim: String,
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyOrigin {
    /// The configuration, or a file that it names.
    Local,
    /// The issuer's JWKS endpoint.
    Fetched {
        /// A hash of its address: keys of another one are not these, whatever the issuer is called.
        endpoint: String,
        /// Keys that the endpoint has not confirmed for so long are not believed any more.
        stale_max_s: u32,
    },
}

/// Keys as they are written: a JWK, a set of them, or PEM.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyText {
    /// The text.
    pub text: String,
    /// When the issuer last said that these are its keys, in seconds since 1970; 0 where nobody is
    /// asked.
    pub confirmed_epoch_s: u64,
}

// It may hold a shared secret.
impl fmt::Debug for KeyText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyText")
            .field("text", &format_args!("{} bytes", self.text.len()))
            .field("confirmed_epoch_s", &self.confirmed_epoch_s)
            .finish()
    }
}
