//! Figures of the request path: cumulative, bounded, mergeable; written without a lock.

mod meter;

mod behaviour;

mod events;

mod rollout;
mod rate;
mod cells;

mod red;

mod standing;

use serde::{Deserialize, Serialize};

pub use behaviour::{BehaviourFigures, ScoreFigures};
pub(crate) use cells::{BackendCells, InFlight};
pub use events::{SinkFigures, VerdictFigures};
pub use meter::Meter;
pub(crate) use meter::one;
pub use rate::{RateFigures, StoreFigures};
pub(crate) use red::add_rows;
pub use red::{BackendFigures, NO_ROUTE, OTHER, RouteFigures, STATUS_CLASSES, replace_rows};
pub use rollout::{CanaryFigures, MirrorFigures, RolloutFigures, SplitFigures};
pub use standing::{BackendStanding, UpstreamStanding};

/// Everything a worker has counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Answers by exact status and protocol; at most 500 statuses times two protocols.
    pub requests: Vec<RequestCount>,
    /// From the end of the request's headers to the last byte of the answer.
    pub request_duration: DurationHistogram,
    /// Refusals by label; the labels are those of `Rejection`.
    pub rejections: Vec<LabelCount>,
    /// Requests whose sender is known, by how; the labels are those of `Method`.
    pub authenticated: Vec<LabelCount>,
    /// API keys that a worker knows, ended ones among them: a gauge.
    pub api_keys: u64,
    /// API keys that found no room.
    pub api_keys_refused: u64,
    /// Sessions that a worker knows, ended ones among them until they are swept: a gauge.
    pub sessions: u64,
    /// Sessions that found no room.
    pub sessions_refused: u64,
    /// Browsers that were sent to a provider.
    pub logins_begun: u64,
    /// Those that came back, and were logged in.
    pub logins_completed: u64,
    /// Logins and logouts that did not come to their end, by reason; the labels are those of `LoginError`.
    pub logins_failed: Vec<LabelCount>,
    /// Browsers that logged out.
    pub logouts_front: u64,
    /// Logouts that a provider told of.
    pub logouts_back: u64,
    /// Those that a frame of a provider's page asked for.
    pub logouts_frame: u64,
    /// Requests without a good credential, by reason; the labels are those of `Denied`.
    pub denied: Vec<LabelCount>,
    /// Requests that no rule of their route lets pass, by what did not hold; the labels are those of `Kind`.
    pub forbidden: Vec<LabelCount>,
    /// Requests of pages that may not, by reason; the labels are those of `CrossSite`.
    pub cross_site: Vec<LabelCount>,
    /// Requests whose texts were looked at, by what became of them; the labels are those of `sanitise::Verdict`.
    #[serde(default)]
    pub sanitised: Vec<LabelCount>,
    /// Those that were changed, by kind; the labels are those of `sanitise::Change`.
    #[serde(default)]
    pub sanitise_changes: Vec<LabelCount>,
    /// Those that were refused, by fault; the labels are those of `Fault`.
    #[serde(default)]
    pub sanitise_faults: Vec<LabelCount>,
    /// Requests that do not look as their API's document says, by fault; the labels are those of `Fault`.
    pub validation_faults: Vec<LabelCount>,
    /// Answers of upstreams that do not, likewise.
    pub answer_faults: Vec<LabelCount>,
    /// Preflights that were answered for a route.
    pub preflights: u64,
    /// Cookies of upstreams that were changed or removed.
    pub cookies_hardened: u64,
    /// Questions about tokens, by what came of them.
    #[serde(default)]
    pub introspections: Vec<LabelCount>,
    /// What answers said that they should not, by kind.
    #[serde(default)]
    pub leaks: Vec<LabelCount>,
    /// Answers of which the end was not looked through.
    #[serde(default)]
    pub leaks_unscanned: u64,
    /// Tokens that a thread remembered.
    pub tokens_cached: u64,
    /// Tokens that were looked at whole, good or not.
    pub tokens_verified: u64,
    /// Tokens that made us ask for newer keys.
    pub token_keys_wanted: u64,
    /// TLS handshakes that ended well.
    pub tls_handshakes_ok: u64,
    /// TLS handshakes that did not, for whatever reason.
    pub tls_handshakes_failed: u64,
    /// The same by reason; the labels are those of `HandshakeFailure`.
    pub tls_failures: Vec<LabelCount>,
    /// Of those that ended well, the ones in which an earlier session went on.
    pub tls_resumptions: u64,
    /// Clients that named a host which no certificate carries.
    pub tls_unknown_names: u64,
    /// Connections taken from a listening socket.
    pub connections_accepted: u64,
    /// Of those, the ones that a thread with fewer connections serves.
    pub connections_moved: u64,
    /// Connections closed at once because `connections_max` was reached, or the kernel had no room to watch them.
    pub connections_refused: u64,
    /// Connections closed at once because their address had as many as it may have.
    pub connections_refused_address: u64,
    /// Connections closed at once because they did not begin with a trusted PROXY header.
    pub connections_refused_proxy: u64,
    /// Connections closed because they asked for nothing for too long.
    pub connections_idle_closed: u64,
    /// Connections open at this moment (a gauge).
    pub connections_active: u64,
    /// Connections opened to the upstream.
    pub upstream_connections_opened: u64,
    /// Requests that went over a connection opened earlier.
    pub upstream_connections_reused: u64,
    /// Connections to the upstream open at this moment (a gauge).
    pub upstream_connections_active: u64,
    /// Connections and requests of addresses that the full table of addresses could not hold.
    pub client_addresses_untracked: u64,
    /// HTTP/2 connections ended for a flood, by kind; the labels are those of `Flood`.
    pub http2_floods: Vec<LabelCount>,
    /// Failures of the upstream by kind; the labels are those of `UpstreamFailure`.
    pub upstream_failures: Vec<LabelCount>,
    /// Requests sent a second time because a reused connection had died.
    pub upstream_retries: u64,
    /// Requests that a backend gave back unread (HTTP/2: a stream refused, or after its last).
    pub upstream_requests_refused: u64,
    /// What became of routes with more than one upstream.
    pub rollouts: RolloutFigures,
    /// What each limit has decided; at most `RATE_LIMITS_MAX` of them.
    pub rates: Vec<RateFigures>,
    /// How the store of limits is, where there is one.
    pub rate_store: Option<StoreFigures>,
    /// How the store of sessions is, where hosts share them.
    pub session_store: Option<StoreFigures>,
    /// What clients did, and what it led to.
    pub behaviour: BehaviourFigures,
    /// Body bytes from clients.
    pub bytes_in: u64,
    /// Body bytes to clients.
    pub bytes_out: u64,
    /// Answers of upstreams with a status from 500 on that gave way to ours.
    pub upstream_errors_replaced: u64,
    /// Connections that left HTTP behind.
    pub tunnels_opened: u64,
    /// Those open at this moment (a gauge).
    pub tunnels_active: u64,
    /// Those closed because neither side said anything for too long.
    pub tunnels_idle_closed: u64,
    /// Those closed because the credential of their client was taken back or is over.
    pub tunnels_revoked: u64,
    /// Answers sent compressed.
    pub responses_compressed: u64,
    /// Lines of the access log that could not be written.
    pub access_lines_lost: u64,
    /// What became of events; at most one row for each kind of sink.
    pub events: Vec<SinkFigures>,
    /// What came of questions about requests; at most `VERDICT_SERVICES_MAX` rows.
    pub verdicts: Vec<VerdictFigures>,
    /// Spans that the collector took.
    pub spans_exported: u64,
    /// Spans dropped as the queue was full.
    pub spans_dropped_queue: u64,
    /// Spans dropped as the collector did not take them.
    pub spans_dropped_export: u64,
    /// Each route that was asked for, in the order of their names.
    pub routes: Vec<RouteFigures>,
    /// Each backend, in the order of the upstreams' names.
    pub backends: Vec<BackendFigures>,
    /// How each upstream stands, in the order of their names.
    pub upstreams: Vec<UpstreamStanding>,
    /// How each backend stands, in the order of the upstreams' names.
    pub standings: Vec<BackendStanding>,
}

/// The rows of figures, which may be too many for one message.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "the fields of Figures say what each one is")]
pub struct FigureRows {
    pub routes: Vec<RouteFigures>,
    pub backends: Vec<BackendFigures>,
    pub upstreams: Vec<UpstreamStanding>,
    pub standings: Vec<BackendStanding>,
}

/// Answers of one status and protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestCount {
    /// 100 to 599; 499 where the client left before an answer.
    pub status: u16,
    /// `h1` or `h2`.
    pub protocol: String,
    /// How many.
    pub count: u64,
}

/// A count with the label of one of our enums.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelCount {
    /// The label.
    pub label: String,
    /// How many.
    pub count: u64,
}

/// Durations in fixed buckets; not cumulative over the buckets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DurationHistogram {
    /// One count for each of [`DURATION_BOUNDS_US`], and one for what is above the last.
    pub buckets: Vec<u64>,
    /// Sum of all durations.
    pub sum_us: u64,
}

/// Upper bounds, inclusive: 100 us to 30 s.
pub const DURATION_BOUNDS_US: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 5_000_000, 30_000_000];

impl Default for DurationHistogram {
    fn default() -> Self {
        Self { buckets: vec![0; DURATION_BOUNDS_US.len() + 1], sum_us: 0 }
    }
}

impl DurationHistogram {
    fn add(&mut self, other: &Self) {
        for (ours, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *ours = ours.saturating_add(*theirs);
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }
}

impl Figures {
    /// Takes the rows out.
    pub fn take_rows(&mut self) -> FigureRows {
        FigureRows {
            routes: std::mem::take(&mut self.routes),
            backends: std::mem::take(&mut self.backends),
            upstreams: std::mem::take(&mut self.upstreams),
            standings: std::mem::take(&mut self.standings),
        }
    }

    /// Puts rows in place of those that are there.
    pub fn put_rows(&mut self, rows: FigureRows) {
        let FigureRows { routes, backends, upstreams, standings } = rows;
        (self.routes, self.backends) = (routes, backends);
        (self.upstreams, self.standings) = (upstreams, standings);
    }

    /// Adds another thread's or a retired worker's figures.
    pub fn add(&mut self, other: &Figures) {
        let same = |ours: &RequestCount, theirs: &RequestCount| {
            (ours.status, &ours.protocol) == (theirs.status, &theirs.protocol)
        };
        add_each(&mut self.requests, &other.requests, same, |ours, theirs| {
            ours.count = ours.count.saturating_add(theirs.count);
        });
        self.request_duration.add(&other.request_duration);
        add_rows(&mut self.routes, &other.routes);
        add_rows(&mut self.backends, &other.backends);
        add_rows(&mut self.upstreams, &other.upstreams);
        add_rows(&mut self.standings, &other.standings);
        add_labels(&mut self.rejections, &other.rejections);
        add_labels(&mut self.authenticated, &other.authenticated);
        // Workers know the same keys.
        self.api_keys = self.api_keys.max(other.api_keys);
        self.sessions = self.sessions.max(other.sessions);
        add_labels(&mut self.logins_failed, &other.logins_failed);
        add_labels(&mut self.denied, &other.denied);
        add_labels(&mut self.forbidden, &other.forbidden);
        add_labels(&mut self.sanitised, &other.sanitised);
        add_labels(&mut self.sanitise_changes, &other.sanitise_changes);
        add_labels(&mut self.sanitise_faults, &other.sanitise_faults);
        add_labels(&mut self.validation_faults, &other.validation_faults);
        add_labels(&mut self.answer_faults, &other.answer_faults);
        add_labels(&mut self.cross_site, &other.cross_site);
        add_labels(&mut self.leaks, &other.leaks);
        add_labels(&mut self.introspections, &other.introspections);
        add_labels(&mut self.http2_floods, &other.http2_floods);
        self.rollouts.add(&other.rollouts);
        rate::add(&mut self.rates, &other.rates);
        rate::add_store(&mut self.rate_store, other.rate_store);
        rate::add_store(&mut self.session_store, other.session_store);
        self.behaviour.add(&other.behaviour);
        events::add_sinks(&mut self.events, &other.events);
        events::add_verdicts(&mut self.verdicts, &other.verdicts);
        add_labels(&mut self.upstream_failures, &other.upstream_failures);
        add_labels(&mut self.tls_failures, &other.tls_failures);
        for (ours, theirs) in [
            (&mut self.preflights, other.preflights),
            (&mut self.cookies_hardened, other.cookies_hardened),
            (&mut self.leaks_unscanned, other.leaks_unscanned),
            (&mut self.api_keys_refused, other.api_keys_refused),
            (&mut self.sessions_refused, other.sessions_refused),
            (&mut self.logins_begun, other.logins_begun),
            (&mut self.logins_completed, other.logins_completed),
            (&mut self.logouts_front, other.logouts_front),
            (&mut self.logouts_back, other.logouts_back),
            (&mut self.logouts_frame, other.logouts_frame),
            (&mut self.tokens_cached, other.tokens_cached),
            (&mut self.tokens_verified, other.tokens_verified),
            (&mut self.token_keys_wanted, other.token_keys_wanted),
            (&mut self.tls_handshakes_ok, other.tls_handshakes_ok),
            (&mut self.tls_handshakes_failed, other.tls_handshakes_failed),
            (&mut self.tls_resumptions, other.tls_resumptions),
            (&mut self.tls_unknown_names, other.tls_unknown_names),
            (&mut self.connections_accepted, other.connections_accepted),
            (&mut self.connections_moved, other.connections_moved),
            (&mut self.connections_refused, other.connections_refused),
            (&mut self.connections_refused_address, other.connections_refused_address),
            (&mut self.connections_refused_proxy, other.connections_refused_proxy),
            (&mut self.client_addresses_untracked, other.client_addresses_untracked),
            (&mut self.connections_idle_closed, other.connections_idle_closed),
            (&mut self.connections_active, other.connections_active),
            (&mut self.upstream_connections_opened, other.upstream_connections_opened),
            (&mut self.upstream_connections_reused, other.upstream_connections_reused),
            (&mut self.upstream_connections_active, other.upstream_connections_active),
            (&mut self.upstream_retries, other.upstream_retries),
            (&mut self.upstream_requests_refused, other.upstream_requests_refused),
            (&mut self.upstream_errors_replaced, other.upstream_errors_replaced),
            (&mut self.tunnels_opened, other.tunnels_opened),
            (&mut self.tunnels_active, other.tunnels_active),
            (&mut self.tunnels_idle_closed, other.tunnels_idle_closed),
            (&mut self.tunnels_revoked, other.tunnels_revoked),
            (&mut self.responses_compressed, other.responses_compressed),
            (&mut self.access_lines_lost, other.access_lines_lost),
            (&mut self.spans_exported, other.spans_exported),
            (&mut self.spans_dropped_queue, other.spans_dropped_queue),
            (&mut self.spans_dropped_export, other.spans_dropped_export),
            (&mut self.bytes_in, other.bytes_in),
            (&mut self.bytes_out, other.bytes_out),
        ] {
            *ours = ours.saturating_add(theirs);
        }
    }

    /// The same figures with the gauges at zero: what a worker that has ended leaves behind.
    #[must_use]
    pub fn retired(mut self) -> Figures {
        self.connections_active = 0;
        self.api_keys = 0;
        self.sessions = 0;
        self.upstream_connections_active = 0;
        self.rollouts.retire();
        self.rates.iter_mut().for_each(RateFigures::retire);
        self.events.iter_mut().for_each(SinkFigures::retire);
        for store in [&mut self.rate_store, &mut self.session_store].into_iter().flatten() {
            store.up = 0;
        }
        self.behaviour.retire();
        for backend in &mut self.backends {
            backend.in_flight = 0;
        }
        self.upstreams.iter_mut().for_each(UpstreamStanding::retire);
        self.standings.iter_mut().for_each(BackendStanding::retire);
        self
    }
}

fn add_labels(ours: &mut Vec<LabelCount>, theirs: &[LabelCount]) {
    let same = |ours: &LabelCount, theirs: &LabelCount| ours.label == theirs.label;
    add_each(ours, theirs, same, |ours, theirs| {
        ours.count = ours.count.saturating_add(theirs.count);
    });
}

/// Adds each of `theirs` to the one of `ours` that is the same; one that is not there is put behind.
fn add_each<T: Clone>(
    ours: &mut Vec<T>,
    theirs: &[T],
    same: impl Fn(&T, &T) -> bool,
    add: impl Fn(&mut T, &T),
) {
    for theirs in theirs {
        match ours.iter_mut().find(|ours| same(ours, theirs)) {
            Some(ours) => add(ours, theirs),
            None => ours.push(theirs.clone()),
        }
    }
}
