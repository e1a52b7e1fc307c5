//! One client connection: HTTP within limits that are all written down, until it ends or drains.

mod activity;

mod scan;

mod wire;

use std::{net::SocketAddr, pin::pin, rc::Rc, sync::Arc, time::Duration};

use http::Method;
use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

pub use self::activity::Activity;
use self::{activity::Expiry, wire::Wire};
use crate::{
    context::{Protocol, request_id},
    figures::Meter,
    limits::{self, Limits},
    observe::Observation,
    pipeline,
    rejection::Rejection,
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
    /// The way to the API server.
    pub upstream: Rc<Upstream>,
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
}

/// Serves a connection to its end.
pub async fn serve(accepted: Accepted, client: Rc<Client>, mut drain: watch::Receiver<bool>) {
    let wire = TokioIo::new(Wire::new(accepted.stream, client.activity.clone()));
    let service = {
        let client = client.clone();
        service_fn(move |request| {
            let answer = pipeline::run(request, client.clone());
            async move { Ok::<_, std::convert::Infallible>(answer.await) }
        })
    };
    let mut draining = false;
    // The two kinds of connection share no trait, so the same few lines stand twice.
    let (ended, seen) = match accepted.protocol {
        Protocol::Http1 => {
            let mut connection =
                pin!(http1_builder(&client.limits).serve_connection(wire, service));
            loop {
                tokio::select! {
                    ended = connection.as_mut() => break (ended.err(), None),
                    _ = drain.wait_for(|on| *on), if !draining => {
                        draining = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    expiry = expiry(&client) => match expiry {
                        Expiry::Quiet => connection.as_mut().graceful_shutdown(),
                        Expiry::Cut(rejection) => break (None, rejection),
                    },
                }
            }
        }
        Protocol::Http2 => {
            let mut connection =
                pin!(http2_builder(&client.limits).serve_connection(wire, service));
            loop {
                tokio::select! {
                    ended = connection.as_mut() => break (ended.err(), None),
                    _ = drain.wait_for(|on| *on), if !draining => {
                        draining = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    expiry = expiry(&client) => match expiry {
                        Expiry::Quiet => connection.as_mut().graceful_shutdown(),
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

fn http1_builder(limits: &Limits) -> http1::Builder {
    let hard_stop = limits::HEADER_HARD_STOP_FACTOR;
    let header_bytes = (limits.header_bytes_max * hard_stop) as usize;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .max_headers((limits.headers_max * hard_stop) as usize)
        .max_header_size(header_bytes)
        .max_buf_size(header_bytes.max(limits::HTTP1_BUFFER_BYTES_MIN))
        // hyper's clock starts while the connection is idle; ours (activity.rs) tells waiting for
        // a request from waiting for the rest of one. hyper's stays as the outer bound.
        .header_read_timeout(Duration::from_millis(
            limits.header_timeout_ms + limits.idle_timeout_ms,
        ))
        // A client that closes has left: its request ends and frees the upstream's connection.
        .half_close(false)
        .keep_alive(true)
        .pipeline_flush(false);
    builder
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

async fn expiry(client: &Client) -> Expiry {
    loop {
        let (deadline, _) = client.activity.deadline(&client.limits);
        sleep_until(deadline).await;
        let (deadline, expiry) = client.activity.deadline(&client.limits);
        if deadline <= Instant::now() {
            client.activity.expired(expiry);
            return expiry;
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
    let Ok(id) = request_id() else { return };
    let mut observation = Observation::begin(client, id, &Method::GET, "", Arc::default());
    observation.context.method.clear();
    observation.refused(rejection);
    observation.answered();
}
