//! One backend as one thread sees it: its pool, and how a connection to it is made.

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};

use super::{Lease, Pool, SentBody, tls::Tls};
use crate::{
    figures::{BackendCells, Meter, one},
    limits::UPSTREAM_HEADER_BYTES_MAX,
    rejection::UpstreamFailure,
};

/// A server, and the connections to it.
pub struct Backend {
    address: SocketAddr,
    tls: Option<Tls>,
    pool: Rc<Pool>,
    cells: Arc<BackendCells>,
    meter: Arc<Meter>,
}

impl Backend {
    /// A backend without a connection yet.
    #[must_use]
    pub fn new(
        upstream: &Arc<str>,
        address: SocketAddr,
        tls: Option<Tls>,
        pool: Rc<Pool>,
        meter: Arc<Meter>,
    ) -> Self {
        let cells = meter.backend(upstream, address.to_string());
        Self { address, tls, pool, cells, meter }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes connections that were idle for too long.
    pub fn sweep(&self, now: Instant) {
        self.pool.sweep(now);
    }

    /// The right to use a connection: a kept one where there is one and it may be, or a new one.
    ///
    /// # Errors
    /// None was free before the deadline, or it could not be made.
    pub async fn lease(
        &self,
        deadline: Instant,
        may_reuse: bool,
    ) -> Result<Lease, UpstreamFailure> {
        let in_flight = self.cells.begin();
        match self.connection(deadline, may_reuse).await {
            Ok(Connection { sender, permit, reused }) => {
                Ok(Lease::new(sender, permit, self.pool.clone(), in_flight, reused))
            }
            Err(failure) => {
                in_flight.failed();
                Err(failure)
            }
        }
    }

    async fn connection(
        &self,
        deadline: Instant,
        may_reuse: bool,
    ) -> Result<Connection, UpstreamFailure> {
        let permit = timeout_at(deadline, self.pool.permit())
            .await
            .map_err(|_| UpstreamFailure::NoConnection)?;
        if may_reuse {
            while let Some(mut sender) = self.pool.idle(Instant::now()) {
                if timeout_at(deadline, sender.ready()).await.is_ok_and(|ready| ready.is_ok()) {
                    self.meter.upstream_connections_reused.fetch_add(1, Relaxed);
                    return Ok(Connection { sender, permit, reused: true });
                }
            }
        }
        let sender = timeout_at(deadline, Box::pin(self.connect()))
            .await
            .map_err(|_| UpstreamFailure::ConnectTimeout)??;
        Ok(Connection { sender, permit, reused: false })
    }

    /// A connection of its own, in no pool.
    ///
    /// # Errors
    /// It could not be made.
    pub async fn connect(&self) -> Result<http1::SendRequest<SentBody>, UpstreamFailure> {
        let tcp = TcpStream::connect(self.address).await.map_err(|_| UpstreamFailure::Connect)?;
        // A request is written whole; waiting for more only adds delay.
        tcp.set_nodelay(true).map_err(|_| UpstreamFailure::Connect)?;
        match &self.tls {
            Some(tls) => {
                let stream = tls.connect(tcp).await.map_err(|error| {
                    tracing::warn!(%error, backend = %self.address, "the TLS handshake with a backend failed");
                    UpstreamFailure::Tls
                })?;
                self.speak(stream).await
            }
            None => self.speak(tcp).await,
        }
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<http1::SendRequest<SentBody>, UpstreamFailure> {
        let (sender, connection) = http1::Builder::new()
            .max_header_size(UPSTREAM_HEADER_BYTES_MAX)
            .max_buf_size(UPSTREAM_HEADER_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| UpstreamFailure::Connect)?;
        one(&self.meter.upstream_connections_opened);
        one(&self.meter.upstream_connections_active);
        let meter = self.meter.clone();
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "an upstream connection ended");
            }
            meter.upstream_connections_active.fetch_sub(1, Relaxed);
        });
        Ok(sender)
    }
}

struct Connection {
    sender: http1::SendRequest<SentBody>,
    permit: Option<OwnedSemaphorePermit>,
    reused: bool,
}
