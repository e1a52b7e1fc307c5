//! The request's way to an upstream: a place in its queue, a backend, verified TLS, a pooled
//! connection; and another backend where one fails and the request may be repeated.

mod shared;

mod server;

mod balance;

mod queue;

mod slot;

mod breaker;

mod budget;

mod backend;

mod pool;

mod multiplex;

pub(crate) mod tls;

mod spare;

mod attempt;

mod hedge;

mod post;

mod health;

use std::{cell::RefCell, net::IpAddr, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::body::{Body, Incoming};
use tokio::time::Instant;

use self::{
    attempt::Attempt,
    backend::Backend,
    balance::{Balancer, Candidate, Marks, is_tag},
    server::{Server, Standing},
    slot::{Slot, Ticket},
    spare::Spare,
};
pub use self::{
    health::{is_wanted, run as check_health},
    pool::Lease,
    post::{Message, PostError, Reply},
    shared::SharedUpstream,
    slot::Hold,
};
use crate::{
    body::{BodyError, BodyFate, Whole},
    figures::{Meter, one},
    headers::cookie,
    limits::Limits,
    policy::{BackendProtocol, BalancePolicy, RouteLimits},
    rejection::UpstreamFailure,
    upgrade::Upgrade,
};

/// An upstream as one thread sees it.
pub struct Upstream {
    shared: Arc<SharedUpstream>,
    view: RefCell<View>,
    limits: Arc<Limits>,
    meter: Arc<Meter>,
}

/// The backends as the thread knows them, until others come or go.
struct View {
    version: u64,
    servers: Arc<[Arc<Server>]>,
    /// One for each server.
    backends: Vec<Rc<Backend>>,
    balancer: Balancer,
    /// Kept so that a request allocates none.
    candidates: Vec<Candidate>,
}

/// How long each step may take.
#[derive(Clone, Copy, Debug)]
struct Waits {
    connect: Duration,
    response: Duration,
    request: Duration,
}

/// A body as it goes to the upstream.
pub type SentBody = UnsyncBoxBody<Bytes, BodyError>;

/// What is known of a request beside the request itself.
#[derive(Clone, Copy)]
pub struct Sending<'a> {
    /// What becomes of its body.
    pub fate: &'a Arc<BodyFate>,
    /// The limits that its route has of its own.
    pub limits: &'a RouteLimits,
    /// Whose it is.
    pub client: IpAddr,
    /// Who sent it, where that is known.
    pub consumer: Option<&'a str>,
    /// What it asks to change to.
    pub upgrade: Option<&'a Upgrade>,
    /// Its body, where that is here whole.
    pub whole: Option<&'a Whole>,
    /// How long all attempts may take, where that is less than elsewhere.
    pub within: Option<Duration>,
}

/// An answer whose body is still to be read.
pub struct Answer {
    /// Its head, and its body as it comes.
    pub response: Response<Incoming>,
    /// The connection it comes over, and the request's place.
    pub lease: Lease,
    /// Tells the client which backend is its own.
    pub cookie: Option<HeaderValue>,
    /// Who answered.
    pub backend: SocketAddr,
    /// How long two parts of the body may be apart.
    pub wait: Duration,
}

impl Upstream {
    /// The upstream of one thread, without a connection yet.
    #[must_use]
    pub fn new(shared: &Arc<SharedUpstream>, limits: Arc<Limits>, meter: Arc<Meter>) -> Self {
        let view = View {
            version: 0,
            servers: Arc::new([]),
            backends: Vec::new(),
            balancer: Balancer::new(BalancePolicy::default(), 1),
            candidates: Vec::new(),
        };
        Self { shared: shared.clone(), view: RefCell::new(view), limits, meter }
    }

    /// The `Host` its backends are asked for.
    #[must_use]
    pub fn host(&self) -> &HeaderValue {
        &self.shared.host
    }

    /// What is spoken to its backends.
    #[must_use]
    pub fn protocol(&self) -> BackendProtocol {
        self.shared.delivery.protocol
    }

    /// Closes connections that were idle for too long, and those to backends that are gone.
    pub fn sweep(&self, now: Instant) {
        let mut view = self.view.borrow_mut();
        self.refresh(&mut view);
        for backend in &view.backends {
            backend.sweep(now);
        }
    }

    /// Sends a request to a backend, and waits for the head of its answer.
    ///
    /// # Errors
    /// What went wrong on the way, at the last backend that was tried.
    pub async fn send(
        &self,
        request: Request<SentBody>,
        sending: Sending<'_>,
    ) -> Result<Answer, UpstreamFailure> {
        let shared = &self.shared;
        if shared.breaker.as_ref().is_some_and(|breaker| !breaker.admits(shared.now_ms())) {
            return Err(UpstreamFailure::BreakerOpen);
        }
        // A second opening of another protocol is not the same again.
        let copy = repeatable(&request).filter(|_| sending.upgrade.is_none());
        let spare = sending.whole.map(|whole| Box::new(Spare::new(&request, whole)));
        let asked = self.asked(&request, copy.is_some(), &sending);
        let mut ticket = None;
        let found = shared.queue.wait(|| {
            if ticket.is_none() {
                ticket = Some(Ticket::take(shared)?);
            }
            self.choose(&asked, &[]).transpose()
        });
        let mut slot = found.await??;
        shared.budget.earn();
        let waits = self.waits(sending.limits, sending.within);
        let deadline = Instant::now() + waits.request;
        let attempt = Attempt::new(waits, deadline, sending, spare.as_deref(), &self.meter);
        let mut tried = Vec::new();
        let mut request = Some(request);
        loop {
            if request.is_none() {
                request = copy.as_ref().map(again);
            }
            let outcome;
            match self.hedge(&tried, copy.as_ref()) {
                None => outcome = attempt.run(&mut slot, &mut request, copy.as_ref()).await,
                Some((hedge, copy)) => {
                    // Boxed: no other request is to have room for a second one.
                    let request = &mut request;
                    let hedged =
                        self.hedged(hedge, &attempt, slot, request, copy, &asked, &mut tried);
                    (slot, outcome) = Box::pin(hedged).await;
                }
            }
            let repeat = match &outcome {
                Ok((response, _)) => {
                    let status = response.status().as_u16();
                    copy.is_some() && shared.delivery.retries.statuses.contains(&status)
                }
                Err(_) => request.is_some() || copy.is_some(),
            };
            let next = if repeat {
                tried.push(slot.server.address);
                self.another(&asked, &tried, deadline)
            } else {
                None
            };
            match (outcome, next) {
                (_, Some(next)) => slot = next,
                (Ok((response, mut lease)), None) => {
                    let (backend, cookie) = (slot.server.address, self.cookie(&slot, &asked));
                    if let Some(ticket) = ticket {
                        lease.carry(Hold::new(slot, ticket));
                    }
                    return Ok(Answer { response, lease, cookie, backend, wait: waits.response });
                }
                (Err(failure), None) => return Err(failure),
            }
        }
    }

    fn asked(&self, request: &Request<SentBody>, repeatable: bool, sending: &Sending<'_>) -> Asked {
        let mut view = self.view.borrow_mut();
        self.refresh(&mut view);
        let from = Marks {
            headers: request.headers(),
            path: request.uri().path(),
            client: sending.client,
            consumer: sending.consumer,
        };
        let key = view.balancer.key(&from);
        let signer = self.shared.signer.as_ref();
        let tag = signer.and_then(|signer| cookie(request.headers(), signer.cookie()));
        Asked { key, tag: tag.map(str::to_owned), repeatable }
    }

    /// A route's own waits come first, then those of the upstream, then the gateway's.
    fn waits(&self, route: &RouteLimits, within: Option<Duration>) -> Waits {
        let (delivery, limits) = (&self.shared.delivery, &self.limits);
        let connect_ms = route.upstream_connect_timeout_ms.or(delivery.connect_timeout_ms);
        let connect_ms = connect_ms.unwrap_or(limits.upstream_connect_timeout_ms);
        let response_ms = route.upstream_response_timeout_ms.or(delivery.response_timeout_ms);
        let response_ms = response_ms.unwrap_or(limits.upstream_response_timeout_ms);
        let request_ms = delivery.request_timeout_ms.unwrap_or(connect_ms + response_ms);
        let request = Duration::from_millis(request_ms);
        Waits {
            connect: Duration::from_millis(connect_ms),
            response: Duration::from_millis(response_ms),
            request: within.map_or(request, |within| within.min(request)),
        }
    }

    /// Another backend than those that were tried, if one is left and may be tried.
    fn another(&self, asked: &Asked, tried: &[SocketAddr], deadline: Instant) -> Option<Slot> {
        let shared = &self.shared;
        if tried.len() > shared.delivery.retries.attempts_max as usize || deadline <= Instant::now()
        {
            return None;
        }
        let slot = self.choose(asked, tried).ok()??;
        if shared.budget.spend(shared.now_ms()) {
            one(&shared.retries);
            Some(slot)
        } else {
            one(&shared.retries_refused);
            None
        }
    }

    /// A place at a backend; nothing where those that may be asked are full.
    fn choose(&self, asked: &Asked, tried: &[SocketAddr]) -> Result<Option<Slot>, UpstreamFailure> {
        let mut view = self.view.borrow_mut();
        self.refresh(&mut view);
        let View { servers, backends, balancer, candidates, .. } = &mut *view;
        let delivery = &self.shared.delivery;
        let now_ms = self.shared.now_ms();
        let slot = |index: usize, trial: bool| {
            let (server, backend) = (servers.get(index)?, backends.get(index)?);
            let bounded = delivery.balance == BalancePolicy::Quota;
            let slot = || Slot::new(backend.clone(), server.clone(), self.shared.clone(), trial);
            server.enter(bounded).then(slot)
        };
        candidates.clear();
        let mut others = 0;
        for (index, server) in servers.iter().enumerate() {
            if tried.contains(&server.address) {
                continue;
            }
            match server.standing(now_ms) {
                Standing::Up => {
                    candidates.push(server.candidate(index, now_ms, delivery.slow_start_ms));
                }
                // A retry is no moment for a trial.
                Standing::Trial
                    if tried.is_empty()
                        && server.try_again(now_ms, asked.repeatable, &delivery.ejection) =>
                {
                    match slot(index, true) {
                        Some(slot) => return Ok(Some(slot)),
                        None => server.give_up_trial(),
                    }
                }
                Standing::Trial | Standing::Ejected | Standing::Unwell => others += 1,
                Standing::Draining => {}
            }
        }
        if candidates.is_empty() {
            if others == 0 {
                return Err(UpstreamFailure::NoBackend);
            }
            // None is well: perhaps the checks are wrong, and refusing would be worse than trying.
            one(&self.shared.unwell_tried);
            for (index, server) in servers.iter().enumerate() {
                let draining = server.standing(now_ms) == Standing::Draining;
                if !draining && !tried.contains(&server.address) {
                    candidates.push(server.candidate(index, now_ms, 0));
                }
            }
        }
        if let Some(tag) = &asked.tag {
            let own = candidates.iter().find(|candidate| {
                let own = servers.get(candidate.index).and_then(|server| server.tag.as_ref());
                own.is_some_and(|own| is_tag(own, tag))
            });
            if let Some(own) = own
                && let Some(slot) = slot(own.index, false)
            {
                return Ok(Some(slot));
            }
        }
        // Another thread may fill one between the look and the step.
        while let Some(place) = balancer.pick(candidates, asked.key) {
            let Some(index) = candidates.get(place).map(|candidate| candidate.index) else { break };
            match slot(index, false) {
                Some(slot) => return Ok(Some(slot)),
                None => candidates.remove(place),
            };
        }
        Ok(None)
    }

    fn cookie(&self, slot: &Slot, asked: &Asked) -> Option<HeaderValue> {
        let (signer, tag) = (self.shared.signer.as_ref()?, slot.server.tag.as_ref()?);
        match &asked.tag {
            Some(known) if known == tag => None,
            _ => signer.set_cookie(tag),
        }
    }

    fn refresh(&self, view: &mut View) {
        let version = self.shared.version();
        if view.version == version {
            return;
        }
        let servers = self.shared.servers();
        let backend = |server: &Arc<Server>| {
            let known = view.backends.iter().find(|known| known.address() == server.address);
            known.cloned().unwrap_or_else(|| {
                Rc::new(Backend::new(&self.shared, server.address, self.meter.clone()))
            })
        };
        let backends = servers.iter().map(backend).collect();
        // Where the kernel has no randomness to give, the choice is no secret, and as fair.
        let seed = getrandom::u64().unwrap_or(1);
        let balancer = Balancer::new(self.shared.delivery.balance.clone(), seed);
        *view = View { version, servers, backends, balancer, candidates: Vec::new() };
    }
}

/// What of a request decides where it goes.
struct Asked {
    key: u64,
    tag: Option<String>,
    repeatable: bool,
}

/// A policy whose upstream cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("gateway upstream {name:?}: {error}")]
pub struct UpstreamError {
    name: String,
    error: UpstreamFault,
}

/// What of it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum UpstreamFault {
    #[error("backends: expected at least one, found none")]
    NoBackend,
    #[error("host: expected a host name or an address, found {0:?}")]
    Host(String),
    #[error("ca: expected one or more certificates in PEM: {0}")]
    Ca(String),
    #[error("server_name: expected a host name or an address, found {0:?}")]
    Name(String),
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    #[error("sticky: {0}")]
    Sticky(&'static str),
}

// A request without a body whose method may be repeated (RFC 9110, 9.2.2).
fn repeatable(request: &Request<SentBody>) -> Option<Request<SentBody>> {
    let idempotent = [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE];
    let may = request.body().is_end_stream() && idempotent.contains(request.method());
    may.then(|| again(request))
}

fn again(request: &Request<SentBody>) -> Request<SentBody> {
    let mut copy = Request::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}
