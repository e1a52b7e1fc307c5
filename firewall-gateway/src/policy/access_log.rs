//! What is written of each request, in which form and where.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The access log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessLogPolicy {
    /// The form of a line.
    pub format: AccessFormat,
    /// What of a request is written, in this order; of the combined form, `query` alone counts.
    pub fields: Vec<AccessField>,
    /// The file, opened by the supervisor for each worker; standard error where there is none.
    pub file: Option<PathBuf>,
}

impl Default for AccessLogPolicy {
    fn default() -> Self {
        Self { format: AccessFormat::Json, fields: DEFAULT_FIELDS.to_vec(), file: None }
    }
}

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessFormat {
    /// A JSON object.
    Json,
    /// The combined form of Apache and nginx.
    Combined,
    /// No line at all.
    Off,
}

/// One thing about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum AccessField {
    RequestId,
    TraceId,
    Peer,
    Client,
    Method,
    Host,
    Path,
    Query,
    Route,
    Backend,
    Status,
    Protocol,
    Tls,
    Ja4,
    BytesIn,
    BytesOut,
    DurationUs,
    UpstreamDurationUs,
    Rejection,
    Denied,
    /// What of its texts was changed.
    Sanitised,
    /// What its answer says that it should not.
    Leaks,
    Consumer,
    Credential,
    Score,
    ConsumerScore,
    UserAgent,
    Referer,
}

impl AccessField {
    /// All of them.
    pub const ALL: [AccessField; 28] = [
        Self::RequestId,
        Self::TraceId,
        Self::Peer,
        Self::Client,
        Self::Method,
        Self::Host,
        Self::Path,
        Self::Query,
        Self::Route,
        Self::Backend,
        Self::Status,
        Self::Protocol,
        Self::Tls,
        Self::Ja4,
        Self::BytesIn,
        Self::BytesOut,
        Self::DurationUs,
        Self::UpstreamDurationUs,
        Self::Rejection,
        Self::Denied,
        Self::Sanitised,
        Self::Leaks,
        Self::Consumer,
        Self::Credential,
        Self::Score,
        Self::ConsumerScore,
        Self::UserAgent,
        Self::Referer,
    ];

    /// Its name in the configuration and in a line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RequestId => "request_id",
            Self::TraceId => "trace_id",
            Self::Peer => "peer",
            Self::Client => "client",
            Self::Method => "method",
            Self::Host => "host",
            Self::Path => "path",
            Self::Query => "query",
            Self::Route => "route",
            Self::Backend => "backend",
            Self::Status => "status",
            Self::Protocol => "protocol",
            Self::Tls => "tls",
            Self::Ja4 => "ja4",
            Self::BytesIn => "bytes_in",
            Self::BytesOut => "bytes_out",
            Self::DurationUs => "duration_us",
            Self::UpstreamDurationUs => "upstream_duration_us",
            Self::Rejection => "rejection",
            Self::Denied => "denied",
            Self::Sanitised => "sanitised",
            Self::Leaks => "leaks",
            Self::Consumer => "consumer",
            Self::Credential => "credential",
            Self::Score => "score",
            Self::ConsumerScore => "consumer_score",
            Self::UserAgent => "user_agent",
            Self::Referer => "referer",
        }
    }
}

/// Nothing here is more than an administrator needs to find a request again.
pub const DEFAULT_FIELDS: [AccessField; 24] = [
    AccessField::RequestId,
    AccessField::TraceId,
    AccessField::Peer,
    AccessField::Client,
    AccessField::Method,
    AccessField::Path,
    AccessField::Route,
    AccessField::Backend,
    AccessField::Status,
    AccessField::Protocol,
    AccessField::Tls,
    AccessField::Ja4,
    AccessField::BytesIn,
    AccessField::BytesOut,
    AccessField::DurationUs,
    AccessField::UpstreamDurationUs,
    AccessField::Rejection,
    AccessField::Denied,
    AccessField::Sanitised,
    AccessField::Leaks,
    AccessField::Consumer,
    AccessField::Credential,
    AccessField::Score,
    AccessField::ConsumerScore,
];
