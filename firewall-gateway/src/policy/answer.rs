//! How answers look to a client: headers, errors of upstreams, compression.

use serde::{Deserialize, Serialize};

/// What is asked of answers; a route's own wishes stand above the gateway's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerPolicy {
    /// Whether [`STRICT_HEADERS`] are there where the upstream sets none of that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// What becomes of single headers; of two rules with one name the later stands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderRule>,
    /// What becomes of an upstream's statuses from 500 on; [`UpstreamErrors::Replace`] where
    /// nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_errors: Option<UpstreamErrors>,
    /// Which answers are compressed; none where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<CompressionPolicy>,
}

/// One header of answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderRule {
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub action: HeaderAction,
}

/// What becomes of a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderAction {
    /// It has this value, whatever the upstream says.
    Set(String),
    /// It has this value where the upstream sets none.
    Default(String),
    /// It is not there.
    Remove,
}

/// What becomes of an upstream's statuses from 500 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamErrors {
    /// The status stays; headers and body are ours, since such bodies show stack traces and paths.
    Replace,
    /// They pass as they are.
    Keep,
}

/// Which answers are compressed with gzip, where the client takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompressionPolicy {
    /// Media types such as `application/json`, or `text/*`. None compresses nothing.
    pub types: Vec<String>,
    /// Shorter bodies are left as they are.
    pub bytes_min: u64,
    /// Whether answers that set a cookie or that somebody with credentials asked for are compressed
    /// too: their length then tells of secrets beside what an attacker can repeat (BREACH).
    pub secrets: bool,
}

/// Headers for an API: nothing of an answer is run, framed, guessed at or shown elsewhere.
pub const STRICT_HEADERS: [(&str, &str); 7] = [
    ("strict-transport-security", "max-age=31536000"),
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];
