//! One backend as one thread sees it: its pool, and how a connection to it is made.

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use http::{Request, Response, uri::Scheme};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::client::TlsStream;

use super::{
    Lease, SentBody, SharedUpstream,
    multiplex::{Connection, Multiplex},
    pool::{Line, Pool},
    tls::Tls,
};
use crate::{
    figures::{BackendCells, Meter, one},
    limits::UPSTREAM_HEADER_BYTES_MAX,
    policy::BackendProtocol,
    read_ahead::ReadAhead,
    rejection::UpstreamFailure,
};

/// A server, and the connections to it.
pub struct Backend {
    address: SocketAddr,
    tls: Option<Tls>,
    ways: Ways,
    cells: Arc<BackendCells>,
    meter: Arc<Meter>,
}

/// The connections of one thread.
enum Ways {
    Http1(Rc<Pool>),
    Http2(Rc<Multiplex>),
}

impl Backend {
    /// A backend without a connection yet.
    #[must_use]
    pub fn new(upstream: &SharedUpstream, address: SocketAddr, meter: Arc<Meter>) -> Self {
        let cells = meter.backend(&upstream.name, address.to_string());
        let ways = match upstream.delivery.protocol {
            BackendProtocol::Http1 => Ways::Http1(Rc::new(Pool::new(upstream.connections_max))),
            BackendProtocol::Http2 => {
                Ways::Http2(Rc::new(Multiplex::new(upstream.connections_max)))
            }
        };
        Self { address, tls: upstream.tls.clone(), ways, cells, meter }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes connections that were idle for too long.
    pub fn sweep(&self, now: Instant) {
        match &self.ways {
            Ways::Http1(pool) => pool.sweep(now),
            Ways::Http2(multiplex) => multiplex.sweep(now),
        }
    }

    /// The right to use a connection: a kept one where there is one and it may be, or a new one.
    ///
    /// # Errors
    /// None was free before the deadline, or it could not be made.
    pub async fn lease(
        &self,
        now: Instant,
        deadline: Instant,
        may_reuse: bool,
    ) -> Result<Lease, UpstreamFailure> {
        let in_flight = self.cells.begin(now.into_std());
        let line = match &self.ways {
            Ways::Http1(pool) => self.own(pool, now, deadline, may_reuse).await,
            // One that failed a request is not among those there are.
            Ways::Http2(multiplex) => {
                let connect = async || self.multiplexed().await;
                let stream = multiplex.stream(deadline, connect).await;
                stream.map(|(stream, reused)| (Line::Shared(stream), reused))
            }
        };
        let (line, reused) = line.inspect_err(|_| in_flight.failed())?;
        if reused {
            one(&self.meter.upstream_connections_reused);
        }
        Ok(Lease::new(line, in_flight, reused))
    }

    async fn own(
        &self,
        pool: &Rc<Pool>,
        now: Instant,
        deadline: Instant,
        may_reuse: bool,
    ) -> Result<(Line, bool), UpstreamFailure> {
        let permit =
            timeout_at(deadline, pool.permit()).await.map_err(|_| UpstreamFailure::NoConnection)?;
        if may_reuse {
            while let Some(mut sender) = pool.idle(now) {
                if sender.is_ready()
                    || timeout_at(deadline, sender.ready()).await.is_ok_and(|ready| ready.is_ok())
                {
                    return Ok((Line::Own { sender, permit, pool: pool.clone() }, true));
                }
            }
        }
        let sender = timeout_at(deadline, Box::pin(self.connect()))
            .await
            .map_err(|_| UpstreamFailure::ConnectTimeout)??;
        Ok((Line::Own { sender, permit, pool: pool.clone() }, false))
    }

    /// Asks over a connection of its own, in no pool.
    pub async fn ask_once(&self, request: Request<SentBody>) -> Option<Response<Incoming>> {
        match &self.ways {
            Ways::Http1(_) => self.connect().await.ok()?.send_request(request).await.ok(),
            Ways::Http2(_) => self.multiplexed().await.ok()?.send(request).await.ok(),
        }
    }

    async fn connect(&self) -> Result<http1::SendRequest<SentBody>, UpstreamFailure> {
        let tcp = self.dial().await?;
        match &self.tls {
            Some(tls) => self.speak(self.shake_hands(tls, tcp).await?).await,
            None => self.speak(tcp).await,
        }
    }

    async fn multiplexed(&self) -> Result<Connection, UpstreamFailure> {
        let tcp = self.dial().await?;
        match &self.tls {
            Some(tls) => {
                let stream = self.shake_hands(tls, tcp).await?;
                Connection::begin(stream, Scheme::HTTPS, &self.meter).await
            }
            None => Connection::begin(tcp, Scheme::HTTP, &self.meter).await,
        }
    }

    async fn dial(&self) -> Result<TcpStream, UpstreamFailure> {
        let tcp = TcpStream::connect(self.address).await.map_err(|_| UpstreamFailure::Connect)?;
        // A request is written whole; waiting for more only adds delay.
        tcp.set_nodelay(true).map_err(|_| UpstreamFailure::Connect)?;
        Ok(tcp)
    }

    async fn shake_hands(
        &self,
        tls: &Tls,
        tcp: TcpStream,
    ) -> Result<TlsStream<ReadAhead<TcpStream>>, UpstreamFailure> {
        tls.connect(tcp).await.map_err(|error| {
            tracing::warn!(%error, backend = %self.address, "the TLS handshake with a backend failed");
            UpstreamFailure::Tls
        })
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
