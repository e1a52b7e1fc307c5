//! Failures of the upstream, as the metric names them, and what a client is told of each.

use super::Rejection;

/// What went wrong between the gateway and the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the labels below say what each one is")]
pub enum UpstreamFailure {
    Connect,
    ConnectTimeout,
    Tls,
    NoConnection,
    Request,
    ResponseTimeout,
    ResponseBody,
    NoBackend,
    QueueFull,
    QueueTimeout,
    BreakerOpen,
}

impl UpstreamFailure {
    /// All of them, in the order of their numbers.
    pub const ALL: [UpstreamFailure; 11] = [
        UpstreamFailure::Connect,
        UpstreamFailure::ConnectTimeout,
        UpstreamFailure::Tls,
        UpstreamFailure::NoConnection,
        UpstreamFailure::Request,
        UpstreamFailure::ResponseTimeout,
        UpstreamFailure::ResponseBody,
        UpstreamFailure::NoBackend,
        UpstreamFailure::QueueFull,
        UpstreamFailure::QueueTimeout,
        UpstreamFailure::BreakerOpen,
    ];

    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Tls => "tls",
            Self::NoConnection => "no_connection",
            Self::Request => "request",
            Self::ResponseTimeout => "response_timeout",
            Self::ResponseBody => "response_body",
            Self::NoBackend => "no_backend",
            Self::QueueFull => "queue_full",
            Self::QueueTimeout => "queue_timeout",
            Self::BreakerOpen => "breaker_open",
        }
    }

    /// What the client is told.
    #[must_use]
    pub fn rejection(self) -> Rejection {
        match self {
            Self::Connect | Self::Tls | Self::Request | Self::ResponseBody => {
                Rejection::UpstreamFailed
            }
            Self::ConnectTimeout | Self::ResponseTimeout => Rejection::UpstreamTimeout,
            Self::NoConnection
            | Self::NoBackend
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::BreakerOpen => Rejection::UpstreamBusy,
        }
    }
}
