//! `Meter`: one thread's counters, written by that thread alone and read by the reporting thread.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{
    BackendFigures, BehaviourFigures, Figures, LabelCount, NO_ROUTE, RequestCount, RolloutFigures,
    RouteFigures, add_rows,
    cells::{BackendCells, DurationCells, RouteCells},
};
use crate::{
    authorise::Kind,
    browser::CrossSite,
    context::Protocol,
    identity::{Denied, Method, introspection::Outcome},
    login::LoginError,
    policy::LeakKind,
    rejection::{Flood, Rejection, UpstreamFailure},
    sanitise::{self, Change, Sanitised},
    tls::HandshakeFailure,
    validate::{Verdict, fault::Fault},
};

/// Relaxed atomics: each counter stands for itself, and no core waits for another.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields of Figures say what each one is")]
pub struct Meter {
    requests: [Box<[AtomicU64]>; 2],
    durations: DurationCells,
    routes: Box<[(Arc<str>, RouteCells)]>,
    no_route: RouteCells,
    backends: Mutex<Backends>,
    rejections: [AtomicU64; Rejection::ALL.len()],
    authenticated: [AtomicU64; Method::ALL.len()],
    denied: [AtomicU64; Denied::COUNT],
    logins_failed: [AtomicU64; LoginError::ALL.len()],
    pub logins_begun: AtomicU64,
    pub logins_completed: AtomicU64,
    pub logouts_front: AtomicU64,
    pub logouts_back: AtomicU64,
    pub logouts_frame: AtomicU64,
    forbidden: [AtomicU64; Kind::ALL.len()],
    cross_site: [AtomicU64; CrossSite::ALL.len()],
    sanitised: [AtomicU64; sanitise::Verdict::ALL.len()],
    sanitise_changes: [AtomicU64; Change::ALL.len()],
    sanitise_faults: [AtomicU64; Fault::ALL.len()],
    validation_faults: [AtomicU64; Fault::ALL.len()],
    answer_faults: [AtomicU64; Fault::ALL.len()],
    pub preflights: AtomicU64,
    pub cookies_hardened: AtomicU64,
    introspections: [AtomicU64; Outcome::ALL.len()],
    leaks: [AtomicU64; LeakKind::ALL.len()],
    pub leaks_unscanned: AtomicU64,
    http2_floods: [AtomicU64; Flood::ALL.len()],
    upstream_failures: [AtomicU64; UpstreamFailure::ALL.len()],
    pub tokens_cached: AtomicU64,
    pub tokens_verified: AtomicU64,
    pub token_keys_wanted: AtomicU64,
    tls_handshakes_ok: AtomicU64,
    tls_resumptions: AtomicU64,
    tls_failures: [AtomicU64; HandshakeFailure::ALL.len()],
    pub connections_accepted: AtomicU64,
    pub connections_moved: AtomicU64,
    pub connections_refused: AtomicU64,
    pub connections_refused_address: AtomicU64,
    pub connections_refused_proxy: AtomicU64,
    pub client_addresses_untracked: AtomicU64,
    pub connections_idle_closed: AtomicU64,
    pub connections_active: AtomicU64,
    pub upstream_connections_opened: AtomicU64,
    pub upstream_connections_reused: AtomicU64,
    pub upstream_connections_active: AtomicU64,
    pub upstream_retries: AtomicU64,
    pub upstream_requests_refused: AtomicU64,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
    pub upstream_errors_replaced: AtomicU64,
    pub tunnels_opened: AtomicU64,
    pub tunnels_active: AtomicU64,
    pub tunnels_idle_closed: AtomicU64,
    pub tunnels_revoked: AtomicU64,
    pub responses_compressed: AtomicU64,
    pub access_lines_lost: AtomicU64,
}

/// Those in use, and what those that are gone have counted. Locked where one comes or goes and by
/// the reporting thread, never in a request.
#[derive(Debug, Default)]
struct Backends {
    live: Vec<Arc<BackendCells>>,
    gone: Vec<BackendFigures>,
}

impl Meter {
    /// Counters for a thread that serves these routes, in this order.
    #[must_use]
    pub fn new(routes: impl IntoIterator<Item = Arc<str>>) -> Self {
        let statuses = || (0..STATUSES).map(|_| AtomicU64::new(0)).collect();
        Self {
            requests: [statuses(), statuses()],
            durations: DurationCells::default(),
            routes: routes.into_iter().map(|name| (name, RouteCells::default())).collect(),
            no_route: RouteCells::default(),
            backends: Mutex::default(),
            rejections: std::array::from_fn(|_| AtomicU64::default()),
            authenticated: Default::default(),
            denied: std::array::from_fn(|_| AtomicU64::new(0)),
            logins_failed: Default::default(),
            logins_begun: AtomicU64::default(),
            logins_completed: AtomicU64::default(),
            logouts_front: AtomicU64::default(),
            logouts_back: AtomicU64::default(),
            logouts_frame: AtomicU64::default(),
            forbidden: Default::default(),
            cross_site: Default::default(),
            sanitised: Default::default(),
            sanitise_changes: Default::default(),
            sanitise_faults: Default::default(),
            validation_faults: Default::default(),
            answer_faults: Default::default(),
            preflights: AtomicU64::default(),
            cookies_hardened: AtomicU64::default(),
            introspections: Default::default(),
            leaks: Default::default(),
            leaks_unscanned: AtomicU64::default(),
            http2_floods: Default::default(),
            upstream_failures: Default::default(),
            tokens_cached: AtomicU64::default(),
            tokens_verified: AtomicU64::default(),
            token_keys_wanted: AtomicU64::default(),
            tls_handshakes_ok: AtomicU64::default(),
            tls_resumptions: AtomicU64::default(),
            tls_failures: Default::default(),
            connections_accepted: AtomicU64::default(),
            connections_moved: AtomicU64::default(),
            connections_refused: AtomicU64::default(),
            connections_refused_address: AtomicU64::default(),
            connections_refused_proxy: AtomicU64::default(),
            client_addresses_untracked: AtomicU64::default(),
            connections_idle_closed: AtomicU64::default(),
            connections_active: AtomicU64::default(),
            upstream_connections_opened: AtomicU64::default(),
            upstream_connections_reused: AtomicU64::default(),
            upstream_connections_active: AtomicU64::default(),
            upstream_retries: AtomicU64::default(),
            upstream_requests_refused: AtomicU64::default(),
            bytes_in: AtomicU64::default(),
            bytes_out: AtomicU64::default(),
            upstream_errors_replaced: AtomicU64::default(),
            tunnels_opened: AtomicU64::default(),
            tunnels_active: AtomicU64::default(),
            tunnels_idle_closed: AtomicU64::default(),
            tunnels_revoked: AtomicU64::default(),
            responses_compressed: AtomicU64::default(),
            access_lines_lost: AtomicU64::default(),
        }
    }

    /// Counts one answer; `route` is the route's place in the policy.
    pub fn request(&self, protocol: Protocol, status: u16, duration_us: u64, route: Option<usize>) {
        let slot = usize::from(status.clamp(STATUS_MIN, STATUS_MAX) - STATUS_MIN);
        one(&self.requests[protocol as usize][slot]);
        self.durations.record(duration_us);
        let cells = route.and_then(|place| self.routes.get(place)).map(|(_, cells)| cells);
        cells.unwrap_or(&self.no_route).request(protocol, status, duration_us);
    }

    /// Counters for a backend that comes into use.
    #[must_use]
    pub fn backend(&self, upstream: &Arc<str>, backend: String) -> Arc<BackendCells> {
        let cells = Arc::new(BackendCells::new(upstream.clone(), backend));
        let mut backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        backends.collect();
        backends.live.push(cells.clone());
        cells
    }

    /// Counts one refusal.
    pub fn rejection(&self, rejection: Rejection) {
        one(&self.rejections[rejection as usize]);
    }

    /// Counts one request without a good credential.
    pub fn denied(&self, denied: Denied) {
        one(&self.denied[denied.number()]);
    }

    /// Counts one login or logout that did not come to its end.
    pub fn login_failed(&self, error: LoginError) {
        one(&self.logins_failed[error as usize]);
    }

    /// Counts one request whose sender is known.
    pub fn authenticated(&self, method: Method) {
        one(&self.authenticated[method as usize]);
    }

    /// Counts one request that no rule lets pass.
    pub fn forbidden(&self, kind: Kind) {
        one(&self.forbidden[kind as usize]);
    }

    /// Counts one request of a page that may not.
    pub fn cross_site(&self, refused: CrossSite) {
        one(&self.cross_site[refused as usize]);
    }

    /// Counts one question about a token.
    pub fn introspected(&self, outcome: Outcome) {
        one(&self.introspections[outcome as usize]);
    }

    /// Counts one find in an answer.
    pub fn leak(&self, kind: LeakKind) {
        one(&self.leaks[kind as usize]);
    }

    /// Counts one request whose texts were looked at.
    pub fn sanitised(&self, sanitised: &Sanitised) {
        one(&self.sanitised[sanitised.verdict as usize]);
        sanitised.changes.all().for_each(|change| one(&self.sanitise_changes[change as usize]));
        if let Some(invalid) = &sanitised.invalid {
            one(&self.sanitise_faults[invalid.fault as usize]);
        }
    }

    /// Counts one request that was looked at; `route` is the route's place in the policy.
    pub fn validated(&self, route: Option<usize>, verdict: Verdict, fault: Option<Fault>) {
        if let Some((_, cells)) = route.and_then(|place| self.routes.get(place)) {
            cells.validated(verdict);
        }
        if let Some(fault) = fault {
            one(&self.validation_faults[fault as usize]);
        }
    }

    /// Counts one answer that was looked at, likewise.
    pub fn answer_validated(&self, route: Option<usize>, verdict: Verdict, fault: Option<Fault>) {
        if let Some((_, cells)) = route.and_then(|place| self.routes.get(place)) {
            cells.answer_validated(verdict);
        }
        if let Some(fault) = fault {
            one(&self.answer_faults[fault as usize]);
        }
    }

    /// Counts one connection that ended for a flood.
    pub fn flood(&self, flood: Flood) {
        one(&self.http2_floods[flood as usize]);
    }

    /// Counts one failure of the upstream.
    pub fn upstream_failure(&self, failure: UpstreamFailure) {
        one(&self.upstream_failures[failure as usize]);
    }

    /// Counts one TLS handshake that ended well.
    pub fn tls_handshake(&self, resumed: bool) {
        one(&self.tls_handshakes_ok);
        if resumed {
            one(&self.tls_resumptions);
        }
    }

    /// Counts one TLS handshake that did not.
    pub fn tls_failure(&self, failure: HandshakeFailure) {
        one(&self.tls_failures[failure as usize]);
    }

    /// The counters as they stand.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let labels = |names: &mut dyn Iterator<Item = &'static str>, counters: &[AtomicU64]| {
            names
                .zip(counters)
                .map(|(label, counter)| LabelCount {
                    label: label.to_owned(),
                    count: read(counter),
                })
                .filter(|count| count.count > 0)
                .collect()
        };
        let mut requests = Vec::new();
        for (protocol, statuses) in
            [Protocol::Http1, Protocol::Http2].into_iter().zip(&self.requests)
        {
            for (status, counter) in (STATUS_MIN..).zip(statuses) {
                let count = read(counter);
                if count > 0 {
                    requests.push(RequestCount {
                        status,
                        protocol: protocol.label().to_owned(),
                        count,
                    });
                }
            }
        }
        Figures {
            requests,
            request_duration: self.durations.histogram(),
            rejections: labels(&mut Rejection::ALL.iter().map(|one| one.label()), &self.rejections),
            authenticated: labels(
                &mut Method::ALL.into_iter().map(Method::label),
                &self.authenticated,
            ),
            denied: labels(&mut Denied::all().map(Denied::label), &self.denied),
            logins_failed: labels(
                &mut LoginError::ALL.into_iter().map(LoginError::label),
                &self.logins_failed,
            ),
            logins_begun: read(&self.logins_begun),
            logins_completed: read(&self.logins_completed),
            logouts_front: read(&self.logouts_front),
            logouts_back: read(&self.logouts_back),
            logouts_frame: read(&self.logouts_frame),
            cross_site: labels(
                &mut CrossSite::ALL.into_iter().map(CrossSite::label),
                &self.cross_site,
            ),
            sanitised: labels(
                &mut sanitise::Verdict::ALL.into_iter().map(sanitise::Verdict::label),
                &self.sanitised,
            ),
            sanitise_changes: labels(
                &mut Change::ALL.into_iter().map(Change::label),
                &self.sanitise_changes,
            ),
            sanitise_faults: labels(
                &mut Fault::ALL.into_iter().map(Fault::label),
                &self.sanitise_faults,
            ),
            validation_faults: labels(
                &mut Fault::ALL.into_iter().map(Fault::label),
                &self.validation_faults,
            ),
            answer_faults: labels(
                &mut Fault::ALL.into_iter().map(Fault::label),
                &self.answer_faults,
            ),
            preflights: read(&self.preflights),
            cookies_hardened: read(&self.cookies_hardened),
            introspections: labels(
                &mut Outcome::ALL.into_iter().map(Outcome::label),
                &self.introspections,
            ),
            leaks: labels(&mut LeakKind::ALL.into_iter().map(LeakKind::label), &self.leaks),
            leaks_unscanned: read(&self.leaks_unscanned),
            forbidden: labels(&mut Kind::ALL.into_iter().map(Kind::label), &self.forbidden),
            tokens_cached: read(&self.tokens_cached),
            tokens_verified: read(&self.tokens_verified),
            token_keys_wanted: read(&self.token_keys_wanted),
            tls_handshakes_ok: read(&self.tls_handshakes_ok),
            tls_handshakes_failed: self.tls_failures.iter().map(read).sum(),
            tls_failures: labels(
                &mut HandshakeFailure::ALL.iter().map(|one| one.label()),
                &self.tls_failures,
            ),
            tls_resumptions: read(&self.tls_resumptions),
            tls_unknown_names: 0,
            // Likewise the keys: no thread owns them.
            api_keys: 0,
            api_keys_refused: 0,
            sessions: 0,
            sessions_refused: 0,
            connections_accepted: read(&self.connections_accepted),
            connections_moved: read(&self.connections_moved),
            connections_refused: read(&self.connections_refused),
            connections_refused_address: read(&self.connections_refused_address),
            connections_refused_proxy: read(&self.connections_refused_proxy),
            client_addresses_untracked: read(&self.client_addresses_untracked),
            connections_idle_closed: read(&self.connections_idle_closed),
            connections_active: read(&self.connections_active),
            upstream_connections_opened: read(&self.upstream_connections_opened),
            upstream_connections_reused: read(&self.upstream_connections_reused),
            upstream_connections_active: read(&self.upstream_connections_active),
            http2_floods: labels(&mut Flood::ALL.iter().map(|one| one.label()), &self.http2_floods),
            upstream_failures: labels(
                &mut UpstreamFailure::ALL.iter().map(|one| one.label()),
                &self.upstream_failures,
            ),
            upstream_retries: read(&self.upstream_retries),
            upstream_requests_refused: read(&self.upstream_requests_refused),
            // The threads share them: see `Router`.
            rollouts: RolloutFigures::default(),
            // Likewise: see `Rates`.
            rates: Vec::new(),
            rate_store: None,
            session_store: None,
            behaviour: BehaviourFigures::default(),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            upstream_errors_replaced: read(&self.upstream_errors_replaced),
            tunnels_opened: read(&self.tunnels_opened),
            tunnels_active: read(&self.tunnels_active),
            tunnels_idle_closed: read(&self.tunnels_idle_closed),
            tunnels_revoked: read(&self.tunnels_revoked),
            responses_compressed: read(&self.responses_compressed),
            access_lines_lost: read(&self.access_lines_lost),
            // Likewise: see `Events` and `Router`.
            events: Vec::new(),
            verdicts: Vec::new(),
            // Of the exporter, which all threads share.
            spans_exported: 0,
            spans_dropped_queue: 0,
            spans_dropped_export: 0,
            routes: self.route_rows(),
            backends: self.backend_rows(),
            // The threads share them: see `SharedUpstream`.
            upstreams: Vec::new(),
            standings: Vec::new(),
        }
    }

    fn route_rows(&self) -> Vec<RouteFigures> {
        let mut rows = Vec::new();
        let named = self.routes.iter().filter_map(|(name, cells)| cells.figures(name));
        for row in named.chain(self.no_route.figures(NO_ROUTE)) {
            add_rows(&mut rows, &[row]);
        }
        rows
    }

    fn backend_rows(&self) -> Vec<BackendFigures> {
        let mut backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        backends.collect();
        let mut rows = backends.gone.clone();
        for cells in &backends.live {
            add_rows(&mut rows, &[cells.figures()]);
        }
        rows
    }
}

impl Backends {
    /// Keeps the counts of those that nobody uses any more.
    fn collect(&mut self) {
        for cells in self.live.extract_if(.., |cells| Arc::strong_count(cells) == 1) {
            add_rows(&mut self.gone, &[cells.figures()]);
        }
    }
}

/// Adds one.
pub fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

const STATUS_MIN: u16 = 100;
const STATUS_MAX: u16 = 599;
const STATUSES: usize = (STATUS_MAX - STATUS_MIN + 1) as usize;
