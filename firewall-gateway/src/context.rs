//! What is known about one request from its first byte to its log line.

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderValue;

use crate::{
    access_log::Details, clients::forwarded::Origin, identity::Identity, rejection::Rejection,
    rollout::Choice, route::Missing, trace::TraceContext,
};

/// One request. Everything that the log line or a later stage needs is here.
#[derive(Debug)]
pub struct RequestContext {
    /// 128 random bits as hex: ours alone, so a client cannot choose what stands in our logs.
    pub id: String,
    /// Who connected, or whom a PROXY header named.
    pub peer: SocketAddr,
    /// The client, which a trusted proxy may have named in a header.
    pub origin: Origin,
    /// What its TLS stack looks like.
    pub ja4: Option<Rc<str>>,
    /// The protocol between client and gateway.
    pub protocol: Protocol,
    /// `1.2` or `1.3`.
    pub tls_version: &'static str,
    /// When the request's headers were complete.
    pub start: Instant,
    /// The route that took it.
    pub route: Option<Arc<str>>,
    /// Who asks, where that is known.
    pub identity: Option<Identity>,
    /// Why they are not known or may not: for the log, never for the client.
    pub denied: Option<Arc<str>>,
    /// How they could say who they are.
    pub challenges: Vec<HeaderValue>,
    /// Where it went.
    pub choice: Option<Choice>,
    /// Method, bounded and escaped.
    pub method: String,
    /// Path without the query, bounded and escaped.
    pub path: String,
    /// What the log was asked to show beside.
    pub details: Details,
    /// Its place in a trace, where traces are made.
    pub trace: Option<TraceContext>,
    /// When it was sent to the upstream.
    pub upstream_sent: Option<Instant>,
    /// From sending to the upstream until its headers.
    pub upstream_duration: Option<Duration>,
    /// Why the request was refused, if it was.
    pub rejection: Option<Rejection>,
    /// When the client may try again, where that is known.
    pub retry_after: Option<Duration>,
    /// Methods that are served where this one is not.
    pub allow: Option<String>,
    /// Words for the client instead of those of the refusal.
    pub detail: Option<Arc<str>>,
}

impl RequestContext {
    /// No route takes the request.
    pub fn unrouted(&mut self, missing: Missing) -> Rejection {
        match missing {
            Missing::Path => Rejection::RouteMissing,
            Missing::Method(served) => {
                self.allow = Some(served.text());
                Rejection::MethodNotAllowed
            }
        }
    }
}

/// The protocol between client and gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 or 1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http2 => "h2",
        }
    }
}

/// A fresh request id.
///
/// # Errors
/// The kernel has no randomness to give; the request is then refused, since an id that could be
/// guessed or repeated is worse than none.
pub fn request_id() -> Result<String, getrandom::Error> {
    let mut random = [0u8; 16];
    getrandom::fill(&mut random)?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}
