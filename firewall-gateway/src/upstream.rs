//! The request's way to the API server: verified TLS, a pooled connection, at most one retry.

mod pool;

use std::{
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::{
    body::{Body, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;

pub use self::pool::{Lease, Pool};
use crate::{
    body::{BodyError, BodyFate},
    figures::{Meter, one},
    limits::{Limits, UPSTREAM_HEADER_BYTES_MAX},
    policy::UpstreamPolicy,
    rejection::UpstreamFailure,
};

/// The upstream as one thread sees it.
pub struct Upstream {
    route: Arc<UpstreamRoute>,
    pool: Rc<Pool>,
    limits: Arc<Limits>,
    meter: Arc<Meter>,
}

/// A body as it goes to the upstream.
pub type SentBody = UnsyncBoxBody<Bytes, BodyError>;

/// An answer whose body is still to be read, and the lease of the connection it comes over.
pub type Answer = (Response<Incoming>, Lease);

impl Upstream {
    /// A pool of its own for one thread.
    #[must_use]
    pub fn new(route: Arc<UpstreamRoute>, limits: Arc<Limits>, meter: Arc<Meter>) -> Self {
        let pool = Pool::new(route.connections_max);
        Self { route, pool: Rc::new(pool), limits, meter }
    }

    /// The name the upstream is asked for.
    #[must_use]
    pub fn server_name(&self) -> &HeaderValue {
        &self.route.host
    }

    /// Closes connections that have been idle too long.
    pub fn sweep(&self, now: Instant) {
        self.pool.sweep(now);
    }

    /// Sends a request and waits for the headers of its answer.
    ///
    /// # Errors
    /// What failed; where the client's own body was the cause, its fate knows.
    pub async fn send(
        &self,
        request: Request<SentBody>,
        fate: &Arc<BodyFate>,
    ) -> Result<Answer, UpstreamFailure> {
        let again = repeatable(&request);
        let now = Instant::now();
        let connect_deadline = now + Duration::from_millis(self.limits.upstream_connect_timeout_ms);
        let mut lease = self.lease(connect_deadline, true).await?;
        let reused = lease.is_reused();
        match (self.exchange(&mut lease, request, fate).await, again) {
            // A kept connection may die between two requests. A request without a body that may be
            // repeated (RFC 9110, 9.2.2) goes out once more, over a connection that is new.
            (Err(Lost::Connection), Some(request)) if reused => {
                drop(lease);
                // Boxed, as connecting is: the way that every request goes stays small.
                Box::pin(self.send_again(request, fate)).await
            }
            (Err(lost), _) => Err(lost.failure()),
            (Ok(answer), _) => Ok((answer, lease)),
        }
    }

    async fn send_again(
        &self,
        request: Request<SentBody>,
        fate: &Arc<BodyFate>,
    ) -> Result<Answer, UpstreamFailure> {
        one(&self.meter.upstream_retries);
        let wait = Duration::from_millis(self.limits.upstream_connect_timeout_ms);
        let mut lease = self.lease(Instant::now() + wait, false).await?;
        let answer = self.exchange(&mut lease, request, fate).await.map_err(Lost::failure)?;
        Ok((answer, lease))
    }

    async fn lease(&self, deadline: Instant, may_reuse: bool) -> Result<Lease, UpstreamFailure> {
        let permit = timeout_at(deadline, self.pool.permit())
            .await
            .map_err(|_| UpstreamFailure::NoConnection)?;
        if may_reuse {
            while let Some(mut sender) = self.pool.idle(Instant::now()) {
                if timeout_at(deadline, sender.ready()).await.is_ok_and(|ready| ready.is_ok()) {
                    self.meter.upstream_connections_reused.fetch_add(1, Relaxed);
                    return Ok(Lease::new(sender, permit, self.pool.clone(), true));
                }
            }
        }
        let sender = timeout_at(deadline, Box::pin(self.connect()))
            .await
            .map_err(|_| UpstreamFailure::ConnectTimeout)??;
        Ok(Lease::new(sender, permit, self.pool.clone(), false))
    }

    async fn connect(&self) -> Result<http1::SendRequest<SentBody>, UpstreamFailure> {
        let tcp = TcpStream::connect(self.route.policy_address)
            .await
            .map_err(|_| UpstreamFailure::Connect)?;
        // A request is written whole; waiting for more only adds delay.
        tcp.set_nodelay(true).map_err(|_| UpstreamFailure::Connect)?;
        let tls = self.route.connector.connect(self.route.name.clone(), tcp).await.map_err(|error| {
            tracing::warn!(%error, upstream = %self.route.policy_address, "the TLS handshake with the upstream failed");
            UpstreamFailure::Tls
        })?;
        let (sender, connection) = http1::Builder::new()
            .max_header_size(UPSTREAM_HEADER_BYTES_MAX)
            .max_buf_size(UPSTREAM_HEADER_BYTES_MAX)
            .handshake(TokioIo::new(tls))
            .await
            .map_err(|_| UpstreamFailure::Connect)?;
        one(&self.meter.upstream_connections_opened);
        one(&self.meter.upstream_connections_active);
        let meter = self.meter.clone();
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an upstream connection ended");
            }
            meter.upstream_connections_active.fetch_sub(1, Relaxed);
        });
        Ok(sender)
    }

    async fn exchange(
        &self,
        lease: &mut Lease,
        request: Request<SentBody>,
        fate: &Arc<BodyFate>,
    ) -> Result<Response<Incoming>, Lost> {
        let sent = lease.sender().send_request(request);
        tokio::pin!(sent);
        let wait = Duration::from_millis(self.limits.upstream_response_timeout_ms);
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
pub struct UpstreamRoute {
    policy_address: std::net::SocketAddr,
    connections_max: u32,
    name: ServerName<'static>,
    host: HeaderValue,
    connector: TlsConnector,
}

impl UpstreamRoute {
    /// Builds the TLS side once: only the policy's authorities vouch for the upstream.
    ///
    /// # Errors
    /// The policy's text that cannot be used.
    pub fn new(policy: &UpstreamPolicy) -> Result<Self, UpstreamError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(policy.ca_pem.as_bytes()) {
            let certificate = certificate.map_err(|error| UpstreamError::Ca(error.to_string()))?;
            roots.add(certificate).map_err(|error| UpstreamError::Ca(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(UpstreamError::Ca("it holds no certificate".to_owned()));
        }
        let name = |_| UpstreamError::Name(policy.server_name.clone());
        let server_name = ServerName::try_from(policy.server_name.clone()).map_err(name)?;
        let host = HeaderValue::from_str(&policy.server_name)
            .map_err(|_| UpstreamError::Name(policy.server_name.clone()))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| UpstreamError::Tls(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            policy_address: policy.address,
            connections_max: policy.connections_max.max(1),
            name: server_name,
            host,
            connector: TlsConnector::from(Arc::new(config)),
        })
    }
}

/// A policy whose upstream cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum UpstreamError {
    #[error("gateway.upstream.ca: expected one or more certificates in PEM: {0}")]
    Ca(String),
    #[error("gateway.upstream.server_name: expected a host name or an address, found {0:?}")]
    Name(String),
    #[error("gateway.upstream: TLS cannot be set up: {0}")]
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
