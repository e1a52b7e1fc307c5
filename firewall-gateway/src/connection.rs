//! One client connection: HTTP within limits that are all written down, until it ends or drains.

mod activity;

mod scan;

mod frames;

mod batch;

mod received;

mod sent;

mod streams;

mod wire;

mod http1;

use std::{
    cell::Cell,
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{HeaderValue, StatusCode, Uri, header};
use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    sync::watch,
    time::{Instant, Sleep, sleep_until},
};

pub use self::{activity::Activity, streams::Unread};
use self::{activity::Expiry, batch::Batch, streams::Streams, wire::Wire};
use crate::{
    access_log::AccessLog,
    answer::AnswerTable,
    behaviour::Behaviour,
    clients::Clients,
    clients::ja4::Stack,
    context::{Protocol, RequestId},
    countries::Countries,
    events::Events,
    figures::{Meter, one},
    identity::Identifier,
    limits::{self, Limits},
    login::Logins,
    observe::Observation,
    pipeline,
    rate::Rates,
    rejection::Rejection,
    route::Router,
    tls::{Accepted, ClientCertificate},
    trace::export::Tracer,
    tunnel::Tunnel,
    upstream::Upstream,
};

/// What the requests of one connection have in common.
pub struct Client {
    /// The client's address, where a proxy said so; otherwise who connected.
    pub peer: SocketAddr,
    /// Whether it is who connected: no proxy brought it.
    pub direct: bool,
    /// What its TLS stack looks like.
    pub ja4: Option<Rc<str>>,
    /// What of it a `User-Agent` could contradict, until one has.
    pub stack: Cell<Option<Stack>>,
    /// Whom to believe, and what an address may have.
    pub clients: Arc<Clients>,
    /// How addresses are scored, where they are.
    pub behaviour: Option<Arc<Behaviour>>,
    /// What ALPN settled on.
    pub protocol: Protocol,
    /// `1.2` or `1.3`.
    pub tls_version: &'static str,
    /// Who the client is, where it showed a certificate that was verified.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// Sizes, counts and times.
    pub limits: Arc<Limits>,
    /// Which request goes where.
    pub router: Arc<Router>,
    /// Which country an address is in.
    pub countries: Arc<Countries>,
    /// Who sends requests.
    pub identifier: Rc<Identifier>,
    /// Where people log in.
    pub logins: Arc<Logins>,
    /// How often they may.
    pub rates: Arc<Rates>,
    /// How answers look.
    pub answers: Arc<AnswerTable>,
    /// Where lines of requests go.
    pub access_log: Arc<AccessLog>,
    /// Where spans of requests go.
    pub tracer: Option<Tracer>,
    /// Who is told of decisions.
    pub events: Option<Arc<Events>>,
    /// The ways there.
    pub upstreams: Rc<[Upstream]>,
    /// The thread's counters.
    pub meter: Arc<Meter>,
    /// What the connection is doing.
    pub activity: Rc<Activity>,
    /// What becomes of it when HTTP is over.
    pub tunnel: Cell<Option<Box<Tunnel>>>,
}

impl Client {
    /// Whether the connection ends with this refusal. HTTP/2 frames keep requests apart; on
    /// HTTP/1 the rest of a refused request would be read as the next one.
    #[must_use]
    pub fn ends_after(&self, rejection: Rejection) -> bool {
        match self.protocol {
            // How these are framed is not in doubt.
            Protocol::Http1
                if matches!(rejection, Rejection::MethodNotAllowed | Rejection::InputMalformed) =>
            {
                false
            }
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
    let streams = Streams::new(Duration::from_millis(client.limits.idle_timeout_ms));
    let service = {
        let (client, streams) = (client.clone(), streams.clone());
        service_fn(move |request| {
            client.activity.called();
            let (client, unread) = (client.clone(), streams.called());
            // Made in its box, which is there before: it has 6 KiB to be moved, most of them empty.
            let room = Box::new_uninit();
            Box::into_pin(Box::write(room, async move {
                let last = client.clone();
                let mut answer = pipeline::run(request, client, unread).await;
                let switches = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
                if last.ends_with_next_answer() && !switches {
                    answer
                        .headers_mut()
                        .insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            }))
        })
    };
    let (ended, seen) = match accepted.protocol {
        Protocol::Http1 => http1::serve(wire, service, &client, drain).await,
        Protocol::Http2 => {
            let mut draining = false;
            let mut watch = Watch::new(&client);
            let batch = Batch::new(wire);
            let io = TokioIo::new(batch.hand());
            // Boxed: HTTP/1 connections are not to have room for one.
            let mut connection =
                Box::pin(http2_builder(&client, streams).serve_connection(io, service));
            loop {
                tokio::select! {
                    biased;
                    ended = poll_fn(|cx| batch.poll(cx, |cx| connection.as_mut().poll(cx))) => {
                        break (ended.ok().and_then(Result::err), None);
                    }
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
    client.activity.input_ended();
    observe_unseen(&client, true);
    if let Some(rejection) = seen.or_else(|| headless(&client, ended.as_ref())) {
        observe_headless(&client, rejection);
    }
    if let Some(error) = ended {
        tracing::debug!(%error, peer = %client.peer, "a client connection ended");
    }
}

fn http2_builder(client: &Client, streams: Streams) -> http2::Builder<Streams> {
    let limits = &client.limits;
    let mut builder = http2::Builder::new(streams);
    // A browser that is told of it opens its WebSockets so, and no other way.
    if client.router.has_upgrades() {
        builder.enable_connect_protocol();
    }
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
        observe_unseen(self.client, false);
        loop {
            let (deadline, expiry) = activity.deadline(&self.client.limits);
            // Moving the timer later can wait until it fires: most requests never touch it.
            if deadline < self.sleep.deadline() || self.sleep.is_elapsed() {
                self.sleep.as_mut().reset(deadline);
            }
            // Before it fires nothing is due, which spares a look at the clock.
            ready!(self.sleep.as_mut().poll(cx));
            if deadline <= Instant::now() {
                if expiry == Expiry::Quiet {
                    one(&self.client.meter.connections_idle_closed);
                }
                return Poll::Ready(activity.expired(expiry));
            }
        }
    }
}

// What ended the connection beside its requests.
fn headless(client: &Client, ended: Option<&hyper::Error>) -> Option<Rejection> {
    let flood = client.activity.flood();
    if let Some(flood) = flood {
        client.meter.flood(flood);
    }
    match (flood, client.activity.is_malformed()) {
        (None, false) => ended.and_then(refusal),
        // Requests that are in flight report it themselves.
        _ if client.activity.is_busy() => None,
        (Some(_), _) => Some(Rejection::Http2Flood),
        (None, true) => Some(Rejection::RequestMalformed),
    }
}

fn observe_unseen(client: &Client, connection_ended: bool) {
    for rejection in client.activity.unseen(connection_ended) {
        observe_headless(client, rejection);
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
    let mut observation =
        Observation::begin(client, id, None, Uri::default(), Arc::default(), Rc::default());
    observation.refused(rejection);
    observation.answered();
}
