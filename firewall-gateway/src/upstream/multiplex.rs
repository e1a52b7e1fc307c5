//! One thread's HTTP/2 connections to a backend, each of which carries many requests at once: the first is
//! filled before the next is opened, and one that the backend leaves gets nothing more.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use http::{
    Request, Response,
    header::{CONNECTION, HOST},
    uri::{Authority, Scheme, Uri},
};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http2},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::SentBody;
use crate::{
    figures::{Meter, one},
    limits::{
        HTTP2_FRAME_BYTES_MAX, HTTP2_HEADER_TABLE_BYTES, HTTP2_SEND_BUFFER_BYTES,
        UPSTREAM_HEADER_BYTES_MAX, UPSTREAM_HTTP2_CONNECTION_WINDOW_BYTES,
        UPSTREAM_HTTP2_PING_INTERVAL_MS, UPSTREAM_HTTP2_PING_TIMEOUT_MS,
        UPSTREAM_HTTP2_RESETS_REMEMBERED_MAX, UPSTREAM_HTTP2_STREAM_WINDOW_BYTES,
        UPSTREAM_HTTP2_STREAMS_MAX, UPSTREAM_IDLE_TIMEOUT_MS,
    },
    rejection::UpstreamFailure,
};

/// The connections that take requests, at most `connections_max`. One that takes no more is not among them:
/// what is in flight holds it.
pub struct Multiplex {
    connections: RefCell<Vec<Rc<Connection>>>,
    connections_max: usize,
    /// One is opened at a time: those that wait for it find room on it.
    opening: Cell<bool>,
    /// How often it was in vain, and why the last time: what waited with it has waited in vain too.
    failed: Cell<(u64, UpstreamFailure)>,
    changed: Notify,
}

/// A connection that speaks HTTP/2.
pub struct Connection {
    sender: http2::SendRequest<SentBody>,
    scheme: Scheme,
    streams: Cell<u32>,
    /// What the backend takes at once, as far as it has said so.
    streams_max: Box<dyn Fn() -> usize>,
    used: Cell<Instant>,
    leaving: Cell<bool>,
}

/// The right to one request on a connection.
pub struct Stream {
    connection: Rc<Connection>,
    of: Rc<Multiplex>,
}

impl Multiplex {
    /// No connection yet.
    #[must_use]
    pub fn new(connections_max: u32) -> Self {
        Self {
            connections: RefCell::default(),
            connections_max: connections_max as usize,
            opening: Cell::new(false),
            failed: Cell::new((0, UpstreamFailure::Connect)),
            changed: Notify::new(),
        }
    }

    /// A place on a connection, and whether that was there before; `connect` makes one where none has room.
    ///
    /// # Errors
    /// No place was free before the deadline, or the connection could not be made.
    pub async fn stream(
        self: &Rc<Self>,
        deadline: Instant,
        connect: impl AsyncFn() -> Result<Connection, UpstreamFailure>,
    ) -> Result<(Stream, bool), UpstreamFailure> {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Before the look: what changes from here on is not missed.
            changed.as_mut().enable();
            if let Some(stream) = self.place() {
                return Ok((stream, true));
            }
            if let Some(opening) = Opening::begin(self) {
                let opened = match timeout_at(deadline, Box::pin(connect())).await {
                    Ok(opened) => opened,
                    Err(_) => Err(UpstreamFailure::ConnectTimeout),
                };
                let opened = opened.inspect_err(|failure| opening.fail(*failure))?;
                let connection = Rc::new(opened);
                self.connections.borrow_mut().push(connection.clone());
                return Ok((Stream::on(connection, self), false));
            }
            let (failures, _) = self.failed.get();
            if timeout_at(deadline, changed).await.is_err() {
                return Err(match self.opening.get() {
                    true => UpstreamFailure::ConnectTimeout,
                    false => UpstreamFailure::NoConnection,
                });
            }
            match self.failed.get() {
                (now, failure) if now != failures => return Err(failure),
                _ => {}
            }
        }
    }

    /// Closes what was idle too long, and forgets what takes no more requests.
    pub fn sweep(&self, now: Instant) {
        let idle = Duration::from_millis(UPSTREAM_IDLE_TIMEOUT_MS);
        self.connections.borrow_mut().retain(|connection| {
            let is_idle = connection.streams.get() == 0
                && now.saturating_duration_since(connection.used.get()) >= idle;
            connection.is_open() && !is_idle
        });
    }

    /// The first with room: what the others are not needed for, they are closed for in time.
    fn place(self: &Rc<Self>) -> Option<Stream> {
        let connections = self.connections.borrow();
        let found = connections.iter().find(|connection| connection.has_room())?;
        Some(Stream::on(found.clone(), self))
    }
}

impl Connection {
    /// Begins HTTP/2 over a stream that is ready for it.
    ///
    /// # Errors
    /// The stream takes nothing.
    pub async fn begin(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        scheme: Scheme,
        meter: &Arc<Meter>,
    ) -> Result<Self, UpstreamFailure> {
        let tasks = Tasks(Rc::new(Open::begin(meter.clone())));
        let (sender, connection) = http2::Builder::new(tasks)
            .timer(TokioTimer::new())
            .initial_max_send_streams(UPSTREAM_HTTP2_STREAMS_MAX as usize)
            .initial_stream_window_size(UPSTREAM_HTTP2_STREAM_WINDOW_BYTES)
            .initial_connection_window_size(UPSTREAM_HTTP2_CONNECTION_WINDOW_BYTES)
            .max_frame_size(HTTP2_FRAME_BYTES_MAX)
            .max_header_list_size(UPSTREAM_HEADER_BYTES_MAX as u32)
            .header_table_size(HTTP2_HEADER_TABLE_BYTES)
            .max_send_buf_size(HTTP2_SEND_BUFFER_BYTES)
            .max_concurrent_reset_streams(UPSTREAM_HTTP2_RESETS_REMEMBERED_MAX)
            .keep_alive_interval(Duration::from_millis(UPSTREAM_HTTP2_PING_INTERVAL_MS))
            .keep_alive_timeout(Duration::from_millis(UPSTREAM_HTTP2_PING_TIMEOUT_MS))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| UpstreamFailure::Connect)?;
        let connection = Rc::new(RefCell::new(connection));
        // The task's alone: when it ends, whatever waits for the connection has to learn of it.
        let asked = Rc::downgrade(&connection);
        tokio::task::spawn_local(async move {
            let ended = poll_fn(|cx| Pin::new(&mut *connection.borrow_mut()).poll(cx)).await;
            if let Err(error) = ended {
                tracing::debug!(%error, "an upstream connection ended");
            }
        });
        Ok(Self {
            sender,
            scheme,
            streams: Cell::new(0),
            streams_max: Box::new(move || {
                let asked = asked.upgrade();
                let asked = asked.as_ref().and_then(|asked| asked.try_borrow().ok());
                asked.map_or(0, |asked| asked.current_max_send_streams())
            }),
            used: Cell::new(Instant::now()),
            leaving: Cell::new(false),
        })
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// None came; the request is given back where nothing of it was sent.
    pub async fn send(
        &self,
        mut request: Request<SentBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<SentBody>>> {
        self.address(&mut request);
        self.sender.clone().try_send_request(request).await
    }

    // HTTP/2 has the host in `:authority`, and no header that is about the connection.
    fn address(&self, request: &mut Request<SentBody>) {
        request.headers_mut().remove(CONNECTION);
        let Some(host) = request.headers_mut().remove(HOST) else { return };
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Authority::try_from(host.as_bytes()).ok();
        // A host that is none leaves a target that the library refuses to send.
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    }

    fn is_open(&self) -> bool {
        !self.leaving.get() && !self.sender.is_closed()
    }

    fn has_room(&self) -> bool {
        let streams = self.streams.get();
        streams < UPSTREAM_HTTP2_STREAMS_MAX
            && self.is_open()
            && (streams as usize) < (self.streams_max)()
    }
}

impl Stream {
    fn on(connection: Rc<Connection>, of: &Rc<Multiplex>) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        Self { connection, of: of.clone() }
    }

    /// The connection that it is on.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Its connection takes no more requests; those in flight on it may still be answered.
    pub fn leave(&self) {
        self.connection.leaving.set(true);
        self.of.connections.borrow_mut().retain(|other| !Rc::ptr_eq(other, &self.connection));
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.streams.set(self.connection.streams.get() - 1);
        self.connection.used.set(Instant::now());
        self.of.changed.notify_one();
    }
}

/// The right to open a connection; given back however that ends.
struct Opening<'a>(&'a Multiplex);

impl<'a> Opening<'a> {
    fn begin(of: &'a Multiplex) -> Option<Self> {
        of.connections.borrow_mut().retain(|connection| connection.is_open());
        let may = !of.opening.get() && of.connections.borrow().len() < of.connections_max;
        may.then(|| {
            of.opening.set(true);
            Self(of)
        })
    }

    fn fail(&self, failure: UpstreamFailure) {
        let (failures, _) = self.0.failed.get();
        self.0.failed.set((failures + 1, failure));
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.opening.set(false);
        self.0.changed.notify_waiters();
    }
}

/// Runs the library's tasks of one connection on its thread; the connection is open for as long as one of
/// them is.
#[derive(Clone)]
struct Tasks(Rc<Open>);

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, future: F) {
        let open = self.0.clone();
        tokio::task::spawn_local(async move {
            future.await;
            drop(open);
        });
    }
}

struct Open(Arc<Meter>);

impl Open {
    fn begin(meter: Arc<Meter>) -> Self {
        one(&meter.upstream_connections_opened);
        one(&meter.upstream_connections_active);
        Self(meter)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.upstream_connections_active.fetch_sub(1, Relaxed);
    }
}
