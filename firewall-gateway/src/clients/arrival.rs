//! The first moments of a connection: whose it is, and whether that address may have one more.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{net::TcpStream, time::timeout};

use super::{Clients, addresses::Seat, opening::Opening};
use crate::{
    figures::{Meter, one},
    limits::PROXY_HEADER_TIMEOUT_MS,
};

/// A connection that may go on to TLS.
pub struct Arrival {
    /// What TLS is spoken over.
    pub opening: Opening,
    /// The client, where a proxy said so; otherwise who connected.
    pub peer: SocketAddr,
    /// Whether it is who connected: no proxy said that it brings another.
    pub direct: bool,
    /// Held as long as the connection lasts.
    pub seat: Option<Seat>,
}

impl Arrival {
    /// Takes a connection in; none where it was refused, which is counted.
    pub async fn take(
        stream: TcpStream,
        connected: SocketAddr,
        clients: &Clients,
        meter: &Meter,
    ) -> Option<Self> {
        let mut opening = Opening::new(stream);
        let peer = match said_by_proxy(&mut opening, connected, clients).await {
            Ok(said) => said,
            Err(error) => {
                tracing::debug!(%error, peer = %connected, "a connection without a PROXY header");
                one(&meter.connections_refused_proxy);
                return None;
            }
        };
        let direct = peer.is_none();
        let peer = peer.unwrap_or(connected);
        match clients.connection(peer.ip(), meter) {
            Ok(seat) => Some(Self { opening, peer, direct, seat }),
            Err(_) => {
                one(&meter.connections_refused_address);
                None
            }
        }
    }
}

// A header is read from trusted proxies alone: to anyone else it would be a choice of address.
async fn said_by_proxy(
    opening: &mut Opening,
    connected: SocketAddr,
    clients: &Clients,
) -> io::Result<Option<SocketAddr>> {
    if !clients.proxy_header_required() {
        return Ok(None);
    }
    if !clients.trusts(connected.ip()) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let wait = Duration::from_millis(PROXY_HEADER_TIMEOUT_MS);
    timeout(wait, opening.proxy_header()).await?
}
