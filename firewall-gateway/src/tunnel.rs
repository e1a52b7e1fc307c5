//! Two connections that have left HTTP behind, such as a WebSocket: bytes go both ways until one side
//! ends, neither has said anything for too long, or the client's credential is taken back.

use std::{
    cell::Cell,
    future::pending,
    io,
    pin::Pin,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes},
    time::{Instant, sleep_until},
};

use crate::{
    figures::{Meter, one},
    identity::held::Held,
    limits::TUNNEL_BUFFER_BYTES,
    observe::Observation,
    upstream::Lease,
};

/// The backend's side, agreed to.
pub struct Opening {
    /// Its connection, when it has said its last word of HTTP.
    pub upgraded: OnUpgrade,
    /// One of the connections that the backend may have, to the end.
    pub lease: Lease,
    /// Without a byte either way.
    pub idle: Duration,
    /// What its client was recognised by, where that can be taken back.
    pub held: Option<Box<Held>>,
}

/// What waits for the client's connection to say its last word of HTTP.
pub struct Tunnel {
    opening: Opening,
    observation: Box<Observation>,
    active: Active,
}

impl Tunnel {
    /// A tunnel whose end is the end of the request.
    #[must_use]
    pub fn new(opening: Opening, observation: Box<Observation>) -> Self {
        let active = Active::begin(observation.meter().clone());
        Self { opening, observation, active }
    }

    /// Carries bytes to the end. `first` came from the client already.
    pub async fn carry<IO: AsyncRead + AsyncWrite + Unpin>(self, client: IO, first: Bytes) {
        let Self { opening, mut observation, active: _active } = self;
        let Opening { upgraded, lease: _lease, idle, mut held } = opening;
        let Ok(upstream) = upgraded.await else { return };
        let moved = Rc::new(Moved {
            at: Cell::new(Instant::now()),
            bytes_in: Cell::default(),
            bytes_out: Cell::default(),
        });
        let mut client = Counted { inner: client, first, moved: moved.clone() };
        let mut upstream = TokioIo::new(upstream);
        let size = TUNNEL_BUFFER_BYTES;
        {
            let carried = copy_bidirectional_with_sizes(&mut client, &mut upstream, size, size);
            let taken_back = async {
                match &mut held {
                    Some(held) => held.taken_back().await,
                    None => pending().await,
                }
            };
            tokio::pin!(carried, taken_back);
            loop {
                let deadline = moved.at.get() + idle;
                tokio::select! {
                    biased;
                    // How it ended says nothing that either side has not seen.
                    _ended = &mut carried => break,
                    () = &mut taken_back => {
                        one(&observation.meter().tunnels_revoked);
                        break;
                    }
                    () = sleep_until(deadline) => {
                        if moved.at.get() + idle <= Instant::now() {
                            one(&observation.meter().tunnels_idle_closed);
                            break;
                        }
                    }
                }
            }
        }
        observation.carried(moved.bytes_in.get(), moved.bytes_out.get());
        observation.answered();
    }
}

/// Counted while it is open, however it ends.
struct Active(Arc<Meter>);

impl Active {
    fn begin(meter: Arc<Meter>) -> Self {
        one(&meter.tunnels_opened);
        one(&meter.tunnels_active);
        Self(meter)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.tunnels_active.fetch_sub(1, Relaxed);
    }
}

struct Moved {
    at: Cell<Instant>,
    bytes_in: Cell<u64>,
    bytes_out: Cell<u64>,
}

impl Moved {
    fn more(&self, count: &Cell<u64>, bytes: usize) {
        count.set(count.get() + bytes as u64);
        self.at.set(Instant::now());
    }
}

/// The client's side.
struct Counted<S> {
    inner: S,
    first: Bytes,
    moved: Rc<Moved>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if this.first.is_empty() {
            ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
        } else {
            let room = buffer.remaining().min(this.first.len());
            buffer.put_slice(&this.first.split_to(room));
        }
        this.moved.more(&this.moved.bytes_in, buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, bytes))?;
        this.moved.more(&this.moved.bytes_out, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
