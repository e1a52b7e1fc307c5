//! What is known about one request from its first byte to its log line.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::rejection::Rejection;

/// One request. Everything that the log line or a later stage needs is here.
#[derive(Debug)]
pub struct RequestContext {
    /// 128 random bits as hex: ours alone, so a client cannot choose what stands in our logs.
    pub id: String,
    /// The client's address.
    pub peer: SocketAddr,
    /// The protocol between client and gateway.
    pub protocol: Protocol,
    /// `1.2` or `1.3`.
    pub tls_version: &'static str,
    /// When the request's headers were complete.
    pub start: Instant,
    /// The route that took it.
    pub route: Option<Arc<str>>,
    /// Method, bounded and escaped.
    pub method: String,
    /// Path without the query, bounded and escaped.
    pub path: String,
    /// The backend that answered.
    pub backend: Option<SocketAddr>,
    /// From sending to the upstream until its headers.
    pub upstream_duration: Option<Duration>,
    /// Why the request was refused, if it was.
    pub rejection: Option<Rejection>,
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
