//! The request's way to an upstream: a backend in turn, verified TLS, a pooled connection, at most
//! one retry.

mod backend;

mod pool;

mod tls;

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout};

pub use self::pool::{Lease, Pool};
use self::{backend::Backend, tls::Tls};
use crate::{
    body::{BodyError, BodyFate},
    figures::{Meter, one},
    limits::Limits,
    policy::{BackendPolicy, RouteLimits, UpstreamPolicy},
    rejection::UpstreamFailure,
};

/// An upstream as one thread sees it.
pub struct Upstream {
    host: HeaderValue,
    backends: Vec<Backend>,
    next: Cell<usize>,
    limits: Arc<Limits>,
    meter: Arc<Meter>,
}

/// A body as it goes to the upstream.
pub type SentBody = UnsyncBoxBody<Bytes, BodyError>;

/// An answer whose body is still to be read, and the lease of the connection it comes over.
pub type Answer = (Response<Incoming>, Lease);

impl Upstream {
    /// The upstream of one thread, without a connection yet.
    #[must_use]
    pub fn new(shared: &SharedUpstream, limits: Arc<Limits>, meter: Arc<Meter>) -> Self {
        let backend = |policy: &BackendPolicy| {
            let (tls, meter) = (shared.tls.clone(), meter.clone());
            let pool = Rc::new(Pool::new(shared.connections_max));
            Backend::new(&shared.name, policy.address, tls, pool, meter)
        };
        Self {
            host: shared.host.clone(),
            backends: shared.backends.iter().map(backend).collect(),
            next: Cell::default(),
            limits,
            meter,
        }
    }

    /// The `Host` its backends are asked for.
    #[must_use]
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Closes connections that were idle for too long.
    pub fn sweep(&self, now: Instant) {
        for backend in &self.backends {
            backend.sweep(now);
        }
    }

    /// Sends a request to the next backend, and waits for the head of its answer, as long as its route
    /// has it or else the gateway.
    ///
    /// # Errors
    /// What went wrong on the way; a request without a body whose method may be repeated was then
    /// sent twice if its first connection was a kept one.
    pub async fn send(
        &self,
        request: Request<SentBody>,
        fate: &Arc<BodyFate>,
        limits: &RouteLimits,
    ) -> Result<Answer, UpstreamFailure> {
        let backend = self.next_backend().ok_or(UpstreamFailure::NoConnection)?;
        let again = repeatable(&request);
        let mut lease = backend.lease(self.connect_deadline(limits), true).await?;
        let reused = lease.is_reused();
        match (self.exchange(&mut lease, request, fate, limits).await, again) {
            // A kept connection may die between two requests. A request without a body that may be
            // repeated (RFC 9110, 9.2.2) goes out once more, over a connection that is new.
            (Err(Lost::Connection), Some(request)) if reused => {
                drop(lease);
                // Boxed, as connecting is: the way that every request goes stays small.
                Box::pin(self.send_again(backend, request, fate, limits)).await
            }
            (Err(lost), _) => Err(lost.failure()),
            (Ok(answer), _) => Ok((answer, lease)),
        }
    }

    async fn send_again(
        &self,
        backend: &Backend,
        request: Request<SentBody>,
        fate: &Arc<BodyFate>,
        limits: &RouteLimits,
    ) -> Result<Answer, UpstreamFailure> {
        one(&self.meter.upstream_retries);
        let mut lease = backend.lease(self.connect_deadline(limits), false).await?;
        let answer =
            self.exchange(&mut lease, request, fate, limits).await.map_err(Lost::failure)?;
        Ok((answer, lease))
    }

    fn next_backend(&self) -> Option<&Backend> {
        let next = self.next.get();
        self.next.set(next.wrapping_add(1));
        self.backends.get(next.checked_rem(self.backends.len())?)
    }

    fn connect_deadline(&self, limits: &RouteLimits) -> Instant {
        let wait_ms = limits.upstream_connect_timeout_ms;
        let wait_ms = wait_ms.unwrap_or(self.limits.upstream_connect_timeout_ms);
        Instant::now() + Duration::from_millis(wait_ms)
    }

    async fn exchange(
        &self,
        lease: &mut Lease,
        request: Request<SentBody>,
        fate: &Arc<BodyFate>,
        limits: &RouteLimits,
    ) -> Result<Response<Incoming>, Lost> {
        let outcome = self.answer(lease, request, fate, limits).await;
        match &outcome {
            Ok(answer) => lease.in_flight().answered(answer.status().as_u16()),
            // Where the client's body was the cause, the backend did nothing wrong.
            Err(_) if fate.rejection().is_some() => {}
            Err(_) => lease.in_flight().failed(),
        }
        outcome
    }

    async fn answer(
        &self,
        lease: &mut Lease,
        request: Request<SentBody>,
        fate: &Arc<BodyFate>,
        limits: &RouteLimits,
    ) -> Result<Response<Incoming>, Lost> {
        let sent = lease.sender().send_request(request);
        tokio::pin!(sent);
        let wait_ms = limits.upstream_response_timeout_ms;
        let wait_ms = wait_ms.unwrap_or(self.limits.upstream_response_timeout_ms);
        let wait = Duration::from_millis(wait_ms);
        let mut seen_bytes = 0;
        loop {
            match timeout(wait, &mut sent).await {
                Ok(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    return Err(Lost::Answer);
                }
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) if error.is_parse() || error.is_user() => return Err(Lost::Answer),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "an upstream connection failed under a request");
                    return Err(Lost::Connection);
                }
                // While the client's body moves the upstream owes no answer; the body has its own
                // deadline.
                Err(_) if !fate.is_complete() && fate.bytes() > seen_bytes => {
                    seen_bytes = fate.bytes()
                }
                Err(_) => return Err(Lost::Time),
            }
        }
    }
}

/// What all threads share: never changed, so nothing is locked.
pub struct SharedUpstream {
    name: Arc<str>,
    host: HeaderValue,
    backends: Vec<BackendPolicy>,
    tls: Option<Tls>,
    connections_max: u32,
}

impl SharedUpstream {
    /// Prepares an upstream of a policy.
    ///
    /// # Errors
    /// The part that cannot be used.
    pub fn new(policy: &UpstreamPolicy) -> Result<Self, UpstreamError> {
        let wrong = |error| UpstreamError { name: policy.name.clone(), error };
        if policy.backends.is_empty() {
            return Err(wrong(UpstreamFault::NoBackend));
        }
        let host = HeaderValue::from_str(&policy.host)
            .map_err(|_| wrong(UpstreamFault::Host(policy.host.clone())))?;
        let tls = policy.tls.as_ref().map(Tls::new).transpose().map_err(wrong)?;
        let connections_max = policy.connections_max.max(1);
        let name = policy.name.as_str().into();
        Ok(Self { name, host, backends: policy.backends.clone(), tls, connections_max })
    }
}

/// A policy whose upstream cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("gateway upstream {name:?}: {error}")]
pub struct UpstreamError {
    name: String,
    error: UpstreamFault,
}

/// What of it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum UpstreamFault {
    #[error("backends: expected at least one, found none")]
    NoBackend,
    #[error("host: expected a host name or an address, found {0:?}")]
    Host(String),
    #[error("ca: expected one or more certificates in PEM: {0}")]
    Ca(String),
    #[error("server_name: expected a host name or an address, found {0:?}")]
    Name(String),
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

enum Lost {
    Connection,
    Answer,
    Time,
}

impl Lost {
    fn failure(self) -> UpstreamFailure {
        match self {
            Self::Connection | Self::Answer => UpstreamFailure::Request,
            Self::Time => UpstreamFailure::ResponseTimeout,
        }
    }
}

fn repeatable(request: &Request<SentBody>) -> Option<Request<SentBody>> {
    let idempotent = [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE];
    if !request.body().is_end_stream() || !idempotent.contains(request.method()) {
        return None;
    }
    let mut copy = Request::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}
