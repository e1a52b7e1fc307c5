//! The threads of a worker: one runtime each, nothing shared but counters and the policy.

mod thread;

use std::{
    fs::File,
    io::{self, BufReader},
    sync::{Arc, mpsc},
    thread::JoinHandle,
};

use tokio::sync::watch;

use self::thread::Shared;
use crate::{
    access_log::AccessLog,
    answer::{AnswerError, AnswerTable},
    clients::Clients,
    figures::{Figures, Meter},
    identity::{
        Identities,
        api_key::{handed, store::KeyStore},
    },
    limits::LimitError,
    listener::BoundListener,
    policy::GatewayPolicy,
    route::{RouteError, Router},
    tls::{Acceptor, TlsError},
    trace::export::{Exporter, TraceCounts, Tracer},
    upstream::{SharedUpstream, UpstreamError},
};

/// Serves `policy` on `listeners`; returns once every thread accepts.
///
/// # Errors
/// A policy that cannot be served, or a thread that cannot be started; nothing is served then.
pub fn serve(policy: &GatewayPolicy, listeners: Vec<BoundListener>) -> Result<Gateway, ServeError> {
    serve_handed(policy, listeners, Handed::default())
}

/// Files that are opened elsewhere.
#[derive(Debug, Default)]
pub struct Handed {
    /// Where lines of requests go; to standard error where there is none.
    pub access_log: Option<File>,
    /// The API keys; see [`crate::identity::api_key::handed`].
    pub keys: Option<File>,
}

/// The same, with files.
///
/// # Errors
/// As [`serve`], and where the keys cannot be read.
pub fn serve_handed(
    policy: &GatewayPolicy,
    listeners: Vec<BoundListener>,
    handed: Handed,
) -> Result<Gateway, ServeError> {
    if listeners.is_empty() {
        return Err(ServeError::NoListener);
    }
    let mut shared = shared(policy, handed.access_log)?;
    if let Some(keys) = handed.keys {
        handed::read(BufReader::new(keys), shared.identities.keys()).map_err(ServeError::Keys)?;
    }
    let traces = Arc::new(TraceCounts::default());
    let mut exporter = None;
    if let Some(policy) = &policy.traces {
        let (tracer, thread) = Tracer::start(policy, traces.clone()).map_err(ServeError::Thread)?;
        shared.tracer = Some(tracer);
        exporter = Some(thread);
    }
    let threads =
        listeners.iter().map(|listener| listener.shape.thread).max().unwrap_or_default() + 1;
    let mut by_thread: Vec<Vec<BoundListener>> = (0..threads).map(|_| Vec::new()).collect();
    for listener in listeners {
        by_thread[usize::from(listener.shape.thread)].push(listener);
    }
    let (drain, _) = watch::channel(false);
    let (router, identities) = (shared.router.clone(), shared.identities.clone());
    let (threads, meters) = (Vec::new(), Vec::new());
    let mut gateway = Gateway { threads, meters, router, identities, drain, traces, exporter };
    let (started, starts) = mpsc::channel();
    for listeners in by_thread {
        let meter = Arc::new(Meter::new(shared.router.names()));
        gateway.meters.push(meter.clone());
        let (shared, drain, started) = (shared.clone(), gateway.drain.subscribe(), started.clone());
        let thread = std::thread::Builder::new().name("gateway".to_owned());
        let handle = thread.spawn(move || thread::run(shared, listeners, meter, drain, &started));
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
    Ok(gateway)
}

/// Whether a policy can be served, without serving it.
///
/// # Errors
/// The part of the policy that cannot be served.
pub fn check(policy: &GatewayPolicy) -> Result<(), ServeError> {
    shared(policy, None).map(|_| ())
}

fn shared(policy: &GatewayPolicy, access_log: Option<File>) -> Result<Shared, ServeError> {
    policy.limits.validate()?;
    let upstreams = policy.upstreams.iter().map(SharedUpstream::new);
    Ok(Shared {
        limits: Arc::new(policy.limits.clone()),
        clients: Arc::new(Clients::new(&policy.clients, &policy.limits)),
        acceptor: Acceptor::new(policy)?,
        router: Arc::new(Router::new(policy)?),
        identities: Arc::new(Identities::new(policy)),
        access_log: Arc::new(AccessLog::new(&policy.access_log, access_log)),
        tracer: None,
        answers: Arc::new(AnswerTable::new(policy)?),
        upstreams: upstreams.collect::<Result<_, _>>()?,
        connections: Arc::default(),
    })
}

/// A gateway that is serving. Dropping it begins the drain, as [`Gateway::drain`] does.
#[derive(Debug)]
pub struct Gateway {
    threads: Vec<JoinHandle<()>>,
    meters: Vec<Arc<Meter>>,
    router: Arc<Router>,
    identities: Arc<Identities>,
    drain: watch::Sender<bool>,
    traces: Arc<TraceCounts>,
    exporter: Option<Exporter>,
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
        self.traces.add_to(&mut sum);
        (sum.api_keys, sum.api_keys_refused) = self.identities.keys().counts();
        sum
    }

    /// The API keys, which may change while it serves.
    #[must_use]
    pub fn keys(&self) -> &KeyStore {
        self.identities.keys()
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
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so on stderr.
            let _ended = thread.join();
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
    Answer(#[from] AnswerError),
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error("the API keys that the daemon handed over cannot be read: {0}")]
    Keys(io::Error),
    #[error("the gateway was given no listening socket")]
    NoListener,
    #[error("a gateway thread cannot be started: {0}")]
    Thread(io::Error),
}
