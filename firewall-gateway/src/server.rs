//! The threads of a worker: one runtime each, nothing shared but counters and the policy.

mod spread;

mod thread;

use std::{
    fs::File,
    io::{self, BufReader, Seek as _},
    sync::{Arc, mpsc},
    thread::JoinHandle,
};

use tokio::sync::watch;

use self::{spread::Spread, thread::Shared};
use crate::{
    access_log::AccessLog,
    answer::{AnswerError, AnswerTable},
    behaviour::{Behaviour, offence::Offence},
    clients::Clients,
    countries::Countries,
    events::{Events, EventsError, Reach, Senders},
    figures::{Figures, Meter, add_rows},
    identity::{
        Identities, IdentityError,
        api_key::{handed, store::KeyStore},
        jwt::Issuers,
        session::{self, shared::Sharing, store::SessionStore},
    },
    limits::LimitError,
    listener::BoundListener,
    login::{LoginFault, Logins},
    policy::{BackendPolicy, ChallengePolicy, GatewayPolicy, TicketKey},
    rate::{RateError, Rates},
    route::{RouteError, Router},
    tls::{Acceptor, CertificateFacts, TlsError},
    trace::export::{Exporter, TraceCounts, Tracer},
    upstream::{self, SharedUpstream, UpstreamError},
};

/// Serves `policy` on `listeners`; returns once every thread accepts.
///
/// # Errors
/// A policy that cannot be served, or a thread that cannot be started; nothing is served then.
pub fn serve(policy: &GatewayPolicy, listeners: Vec<BoundListener>) -> Result<Gateway, ServeError> {
    serve_handed(policy, listeners, Handed::default())
}

/// What a worker could not open itself.
#[derive(Debug, Default)]
pub struct Handed {
    /// Where lines of requests go.
    pub access_log: Option<File>,
    /// The API keys.
    pub keys: Option<File>,
    /// Where events go.
    pub events: Option<File>,
    /// The sessions.
    pub sessions: Option<File>,
    /// The country database.
    pub countries: Option<File>,
}

/// The same, with what the daemon handed over.
///
/// # Errors
/// As [`serve`].
pub fn serve_handed(
    policy: &GatewayPolicy,
    listeners: Vec<BoundListener>,
    handed: Handed,
) -> Result<Gateway, ServeError> {
    if listeners.is_empty() {
        return Err(ServeError::NoListener);
    }
    let (mut shared, _) = shared(policy, handed.access_log)?;
    if let Some(mut keys) = handed.keys {
        // The position is shared with the one who wrote.
        keys.rewind().map_err(ServeError::Keys)?;
        handed::read(BufReader::new(keys), &shared.identities.keys).map_err(ServeError::Keys)?;
    }
    if let Some(mut sessions) = handed.sessions {
        sessions.rewind().map_err(ServeError::Sessions)?;
        let store = &shared.identities.sessions;
        session::handed::read(BufReader::new(sessions), store).map_err(ServeError::Sessions)?;
    }
    if let Some(file) = handed.countries {
        shared.countries.replace(file).map_err(ServeError::Countries)?;
    }
    if let Some(store) = &policy.rate_store {
        shared.rates.connect(store).map_err(ServeError::Thread)?;
    }
    if let Some(store) = &policy.session_store {
        shared.identities.sessions.share(store).map_err(ServeError::Thread)?;
    }
    let acceptor = shared.acceptor.clone();
    let traces = Arc::new(TraceCounts::default());
    let mut exporter = None;
    if let Some(policy) = &policy.traces {
        let (tracer, thread) = Tracer::start(policy, traces.clone()).map_err(ServeError::Thread)?;
        shared.tracer = Some(tracer);
        exporter = Some(thread);
    }
    let mut meters = Vec::new();
    let mut senders = None;
    if let Some(events) = &shared.events {
        let meter = Arc::new(Meter::new([]));
        let (upstreams, limits) = (&shared.upstreams, &shared.limits);
        let reach = Reach { upstreams, limits, meter: &meter };
        senders = Some(events.start(handed.events, &reach).map_err(ServeError::Thread)?);
        meters.push(meter);
    }
    let threads =
        listeners.iter().map(|listener| listener.shape.thread).max().unwrap_or_default() + 1;
    let mut by_thread: Vec<Vec<BoundListener>> = (0..threads).map(|_| Vec::new()).collect();
    for listener in listeners {
        by_thread[usize::from(listener.shape.thread)].push(listener);
    }
    let (drain, _) = watch::channel(false);
    let mut gateway = Gateway {
        threads: Vec::new(),
        checks: None,
        meters,
        router: shared.router.clone(),
        identities: shared.identities.clone(),
        countries: shared.countries.clone(),
        logins: shared.logins.clone(),
        rates: shared.rates.clone(),
        behaviour: shared.behaviour.clone(),
        upstreams: shared.upstreams.clone(),
        drain,
        traces,
        exporter,
        events: shared.events.clone(),
        senders,
        acceptor,
    };
    let (started, starts) = mpsc::channel();
    let spreads = Spread::over(by_thread.len());
    for (listeners, spread) in by_thread.into_iter().zip(spreads) {
        let meter = Arc::new(Meter::new(shared.router.names()));
        gateway.meters.push(meter.clone());
        let (shared, drain, started) = (shared.clone(), gateway.drain.subscribe(), started.clone());
        let thread = std::thread::Builder::new().name("gateway".to_owned());
        let handle =
            thread.spawn(move || thread::run(shared, listeners, spread, meter, drain, &started));
        gateway.threads.push(handle.map_err(ServeError::Thread)?);
    }
    drop(started);
    for _ in &gateway.threads {
        match starts.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(ServeError::Thread(error)),
            Err(_) => return Err(ServeError::Thread(io::Error::other("it ended while starting"))),
        }
    }
    if upstream::is_wanted(&gateway.upstreams) {
        let (upstreams, drain) = (gateway.upstreams.clone(), gateway.drain.subscribe());
        let thread = std::thread::Builder::new().name("gateway-checks".to_owned());
        let handle = thread.spawn(move || upstream::check_health(&upstreams, drain));
        gateway.checks = Some(handle.map_err(ServeError::Thread)?);
    }
    Ok(gateway)
}

/// Whether a policy can be served, without serving it; and what there is to say of its certificates,
/// in their order.
///
/// # Errors
/// The part of the policy that cannot be served.
pub fn check(policy: &GatewayPolicy) -> Result<Vec<CertificateFacts>, ServeError> {
    shared(policy, None).map(|(_, facts)| facts)
}

fn shared(
    policy: &GatewayPolicy,
    access_log: Option<File>,
) -> Result<(Shared, Vec<CertificateFacts>), ServeError> {
    policy.limits.validate()?;
    let upstreams = policy.upstreams.iter().map(|policy| SharedUpstream::new(policy).map(Arc::new));
    let events = policy.events.as_ref().map(|it| Events::new(it, policy.upstreams.len()));
    let events = events.transpose()?.map(Arc::new);
    let (acceptor, facts) = Acceptor::new(policy)?;
    let identities = Arc::new(Identities::new(policy)?);
    let shared = Shared {
        limits: Arc::new(policy.limits.clone()),
        clients: Arc::new(Clients::new(&policy.clients, &policy.limits)),
        behaviour: policy
            .behaviour
            .as_ref()
            .map(|it| Behaviour::new(it, &policy.clients, events.clone()))
            .transpose()
            .map_err(|_| ServeError::Behaviour)?
            .map(Arc::new),
        acceptor,
        router: Arc::new(Router::new(policy)?),
        access_log: Arc::new(
            AccessLog::new(&policy.access_log, access_log).told_on(events.is_some()),
        ),
        tracer: None,
        events,
        logins: Arc::new(Logins::new(policy, identities.sessions.clone())?),
        identities,
        rates: Arc::new(Rates::new(policy)?),
        countries: Arc::default(),
        answers: Arc::new(AnswerTable::new(policy)?),
        upstreams: upstreams.collect::<Result<_, _>>()?,
        connections: Arc::default(),
    };
    Ok((shared, facts))
}

/// A gateway that is serving. Dropping it begins the drain, as [`Gateway::drain`] does.
pub struct Gateway {
    threads: Vec<JoinHandle<()>>,
    /// The thread of the active checks.
    checks: Option<JoinHandle<()>>,
    meters: Vec<Arc<Meter>>,
    router: Arc<Router>,
    identities: Arc<Identities>,
    countries: Arc<Countries>,
    logins: Arc<Logins>,
    rates: Arc<Rates>,
    behaviour: Option<Arc<Behaviour>>,
    upstreams: Arc<[Arc<SharedUpstream>]>,
    drain: watch::Sender<bool>,
    traces: Arc<TraceCounts>,
    exporter: Option<Exporter>,
    events: Option<Arc<Events>>,
    senders: Option<Senders>,
    acceptor: Acceptor,
}

impl Gateway {
    /// Everything counted so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let mut sum = Figures::default();
        for meter in &self.meters {
            sum.add(&meter.figures());
        }
        sum.rollouts = self.router.rollouts();
        sum.rates = self.rates.figures();
        sum.rate_store = self.rates.store_figures();
        sum.session_store = self.identities.sessions.sharing().map(Sharing::figures);
        if let Some(behaviour) = &self.behaviour {
            sum.behaviour = behaviour.figures();
        }
        self.traces.add_to(&mut sum);
        if let Some(events) = &self.events {
            sum.events = events.figures();
        }
        sum.verdicts = self.router.verdicts();
        (sum.api_keys, sum.api_keys_refused) = self.identities.keys.counts();
        (sum.sessions, sum.sessions_refused) = self.identities.sessions.counts();
        for upstream in self.upstreams.iter() {
            add_rows(&mut sum.upstreams, &[upstream.figures()]);
            add_rows(&mut sum.standings, &upstream.standings());
        }
        // Counted where the certificate is chosen, which no thread owns.
        sum.tls_unknown_names = self.acceptor.unknown_names();
        sum
    }

    /// Whose tokens are taken, and their keys.
    #[must_use]
    pub fn issuers(&self) -> &Issuers {
        &self.identities.issuers
    }

    /// Who is told of decisions, where somebody is.
    #[must_use]
    pub fn events(&self) -> Option<&Arc<Events>> {
        self.events.as_ref()
    }

    /// Whom the supervisor is to be told of, where addresses are scored; once.
    #[must_use]
    pub fn offences(&self) -> Option<mpsc::Receiver<Offence>> {
        self.behaviour.as_ref()?.offences()
    }

    /// The API keys, which may change while it serves.
    #[must_use]
    pub fn keys(&self) -> &KeyStore {
        &self.identities.keys
    }

    /// The sessions, likewise.
    #[must_use]
    pub fn sessions(&self) -> &SessionStore {
        &self.identities.sessions
    }

    /// Which country an address is in.
    #[must_use]
    pub fn countries(&self) -> &Countries {
        &self.countries
    }

    /// Where people log in.
    #[must_use]
    pub fn logins(&self) -> &Logins {
        &self.logins
    }

    /// Puts other backends in place of an upstream's; what is in flight to one that goes finishes.
    /// Whether there is such an upstream.
    pub fn set_backends(&self, name: &str, backends: &[BackendPolicy]) -> bool {
        let upstream = self.upstreams.iter().find(|upstream| *upstream.name == *name);
        if let Some(upstream) = upstream {
            upstream.set_backends(backends);
        }
        upstream.is_some()
    }

    /// Shows these to an authority that looks whether a name is ours, and no others.
    pub fn show(&self, challenges: &[ChallengePolicy]) {
        self.acceptor.show(challenges);
    }

    /// Replaces the keys of session tickets.
    pub fn replace_ticket_keys(&self, keys: &[TicketKey]) {
        self.acceptor.replace_ticket_keys(keys);
    }

    /// Accepts nothing more; what is in flight may finish within `drain_timeout_ms`.
    pub fn drain(&self) {
        self.drain.send_replace(true);
    }

    /// Whether a thread has ended: after a drain as it should, otherwise through a defect.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Whether all threads have ended.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Drains, and waits for the end.
    pub fn finish(mut self) -> Figures {
        self.drain();
        for thread in self.threads.drain(..).chain(self.checks.take()) {
            // A thread that panicked has said so on stderr.
            let _ended = thread.join();
        }
        if let Some(senders) = self.senders.take() {
            senders.finish();
        }
        if let Some(exporter) = self.exporter.take() {
            exporter.finish();
        }
        self.figures()
    }
}

/// Why a gateway does not serve.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ServeError {
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Route(#[from] RouteError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("gateway.rate_limits: {0}")]
    Rate(#[from] RateError),
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error(transparent)]
    Events(#[from] EventsError),
    #[error("the API keys that the daemon handed over cannot be read: {0}")]
    Keys(io::Error),
    #[error("the country database that the daemon handed over cannot be read: {0}")]
    Countries(io::Error),
    #[error("the sessions that the daemon handed over cannot be read: {0}")]
    Sessions(io::Error),
    #[error("gateway.behaviour: the kernel has no randomness to give")]
    Behaviour,
    #[error(transparent)]
    Login(#[from] LoginFault),
    #[error("the gateway was given no listening socket")]
    NoListener,
    #[error("a gateway thread cannot be started: {0}")]
    Thread(io::Error),
}
