//! One client connection: HTTP within limits that are all written down, until it ends or drains.

mod activity;

mod scan;

mod wire;

mod http1;

use std::{
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{HeaderValue, Uri, header};
use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    sync::watch,
    time::{Instant, Sleep, sleep_until},
};

pub use self::activity::Activity;
use self::{activity::Expiry, wire::Wire};
use crate::{
    context::{Protocol, RequestId},
    figures::{Meter, one},
    limits::{self, Limits},
    observe::Observation,
    pipeline,
    rejection::Rejection,
    route::Router,
    tls::Accepted,
    upstream::Upstream,
};

/// What the requests of one connection have in common.
pub struct Client {
    /// The client's address.
    pub peer: SocketAddr,
    /// What ALPN settled on.
    pub protocol: Protocol,
    /// `1.2` or `1.3`.
    pub tls_version: &'static str,
    /// Sizes, counts and times.
    pub limits: Arc<Limits>,
    /// Which request goes where.
    pub router: Arc<Router>,
    /// The ways there.
    pub upstreams: Rc<[Upstream]>,
    /// The thread's counters.
    pub meter: Arc<Meter>,
    /// What the connection is doing.
    pub activity: Rc<Activity>,
}

impl Client {
    /// Whether the connection ends with this refusal. HTTP/2 frames keep requests apart; on
    /// HTTP/1 the rest of a refused request would be read as the next one.
    #[must_use]
    pub fn ends_after(&self, rejection: Rejection) -> bool {
        match self.protocol {
            Protocol::Http1 => {
                matches!(rejection.status().as_u16(), 400 | 405 | 408 | 413 | 417 | 431)
            }
            Protocol::Http2 => false,
        }
    }

    /// Whether the answer to a request is the last one; HTTP/2 says so by itself.
    #[must_use]
    pub fn ends_with_next_answer(&self) -> bool {
        self.protocol == Protocol::Http1 && self.activity.is_draining()
    }
}

/// How a connection ended: hyper's error, and what a client did wrong that no request can tell.
type Ending = (Option<hyper::Error>, Option<Rejection>);

/// Serves a connection to its end.
pub async fn serve(accepted: Accepted, client: Rc<Client>, mut drain: watch::Receiver<bool>) {
    let wire = Wire::new(accepted.stream, client.activity.clone());
    let service = {
        let client = client.clone();
        service_fn(move |request| {
            let client = client.clone();
            // Made in its box: it is too large to be moved there.
            Box::pin(async move {
                let last = client.clone();
                let mut answer = pipeline::run(request, client).await;
                if last.ends_with_next_answer() {
                    answer
                        .headers_mut()
                        .insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            })
        })
    };
    let (ended, seen) = match accepted.protocol {
        Protocol::Http1 => http1::serve(wire, service, &client, drain).await,
        Protocol::Http2 => {
            let mut draining = false;
            let mut watch = Watch::new(&client);
            let io = TokioIo::new(wire);
            let mut connection = pin!(http2_builder(&client.limits).serve_connection(io, service));
            loop {
                tokio::select! {
                    biased;
                    ended = connection.as_mut() => break (ended.err(), None),
                    _ = drain.wait_for(|on| *on), if !draining => {
                        draining = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    expiry = poll_fn(|cx| watch.poll(cx)) => match expiry {
                        Expiry::Quiet | Expiry::Park => connection.as_mut().graceful_shutdown(),
                        Expiry::Cut(rejection) => break (None, rejection),
                    },
                }
            }
        }
    };
    if let Some(rejection) = seen.or_else(|| ended.as_ref().and_then(refusal)) {
        observe_headless(&client, rejection);
    }
    if let Some(error) = ended {
        tracing::debug!(%error, peer = %client.peer, "a client connection ended");
    }
}

fn http2_builder(limits: &Limits) -> http2::Builder<LocalExecutor> {
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.http2_streams_max)
        .max_header_list_size(limits.header_bytes_max * limits::HEADER_HARD_STOP_FACTOR)
        .max_pending_accept_reset_streams(limits::HTTP2_PENDING_RESETS_MAX)
        .max_local_error_reset_streams(limits::HTTP2_ERROR_RESETS_MAX)
        .initial_stream_window_size(limits::HTTP2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::HTTP2_CONNECTION_WINDOW_BYTES)
        .max_frame_size(limits::HTTP2_FRAME_BYTES_MAX)
        .max_send_buf_size(limits::HTTP2_SEND_BUFFER_BYTES)
        .header_table_size(limits::HTTP2_HEADER_TABLE_BYTES)
        .keep_alive_interval(Duration::from_millis(limits::HTTP2_PING_INTERVAL_MS))
        .keep_alive_timeout(Duration::from_millis(limits::HTTP2_PING_TIMEOUT_MS));
    builder
}

/// Streams of a connection stay on its thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Waits for the connection's deadline, wherever that has moved.
struct Watch<'a> {
    client: &'a Client,
    sleep: Pin<Box<Sleep>>,
}

impl<'a> Watch<'a> {
    fn new(client: &'a Client) -> Self {
        let (deadline, _) = client.activity.deadline(&client.limits);
        Self { client, sleep: Box::pin(sleep_until(deadline)) }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Expiry> {
        let activity = &self.client.activity;
        loop {
            let (deadline, expiry) = activity.deadline(&self.client.limits);
            if deadline <= Instant::now() {
                if expiry == Expiry::Quiet {
                    one(&self.client.meter.connections_idle_closed);
                }
                return Poll::Ready(activity.expired(expiry));
            }
            // Moving the timer later can wait until it fires: most requests never touch it.
            if deadline < self.sleep.deadline() || self.sleep.is_elapsed() {
                self.sleep.as_mut().reset(deadline);
            }
            ready!(self.sleep.as_mut().poll(cx));
        }
    }
}

// What hyper answered or ended by itself, before there was a request to answer.
fn refusal(error: &hyper::Error) -> Option<Rejection> {
    if error.is_parse_too_large() {
        return Some(Rejection::HeadersTooLarge);
    }
    if error.is_parse() {
        return Some(Rejection::RequestMalformed);
    }
    error.is_timeout().then_some(Rejection::HeaderTimeout)
}

fn observe_headless(client: &Client, rejection: Rejection) {
    let Ok(id) = RequestId::random() else { return };
    let mut observation = Observation::begin(client, id, None, Uri::default(), Arc::default());
    observation.refused(rejection);
    observation.answered();
}
