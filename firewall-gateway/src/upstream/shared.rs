//! What all threads share of an upstream: its backends, which come and go, and what is known of them.

use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use http::HeaderValue;

use super::{
    UpstreamError, UpstreamFault,
    balance::Signer,
    breaker::Breaker,
    budget::Budget,
    queue::Queue,
    server::{Server, Standing},
    tls::Tls,
};
use crate::{
    figures::{BackendStanding, UpstreamStanding, add_rows, one},
    policy::{BackendPolicy, DeliveryPolicy, UpstreamPolicy},
};

/// An upstream of a policy.
pub struct SharedUpstream {
    /// Its name.
    pub name: Arc<str>,
    /// The `Host` its backends are asked for.
    pub host: HeaderValue,
    /// TLS to them.
    pub tls: Option<Tls>,
    /// Connections to each of them, per thread.
    pub connections_max: u32,
    /// How requests reach them.
    pub delivery: DeliveryPolicy,
    /// Writes the cookies of sticky sessions.
    pub signer: Option<Signer>,
    /// What is in flight and what waits.
    pub queue: Queue,
    /// What retries may cost.
    pub budget: Budget,
    /// Refuses while most requests fail.
    pub breaker: Option<Breaker>,
    /// Requests sent to a further backend.
    pub retries: AtomicU64,
    /// Requests that were not, as the budget was used up.
    pub retries_refused: AtomicU64,
    /// Copies of requests whose backend was slow, sent to another.
    pub hedges: AtomicU64,
    /// Copies whose answer the client got.
    pub hedges_won: AtomicU64,
    /// Copies that were not sent, as the budget was used up.
    pub hedges_refused: AtomicU64,
    /// Requests sent to a backend that is not well, as no other was left.
    pub unwell_tried: AtomicU64,
    ejections_refused: AtomicU64,
    servers: RwLock<Arc<[Arc<Server>]>>,
    version: AtomicU64,
    ejecting: Mutex<()>,
    /// What those have counted that are no backends any more.
    gone: Mutex<Vec<BackendStanding>>,
    started: Instant,
}

impl SharedUpstream {
    /// Prepares an upstream of a policy.
    ///
    /// # Errors
    /// The part that cannot be used.
    pub fn new(policy: &UpstreamPolicy) -> Result<Self, UpstreamError> {
        let wrong = |error| UpstreamError { name: policy.name.clone(), error };
        // Without one, there must be ports at which some may come up.
        if policy.backends.is_empty() && policy.ports.is_empty() {
            return Err(wrong(UpstreamFault::NoBackend));
        }
        let host = HeaderValue::from_str(&policy.host)
            .map_err(|_| wrong(UpstreamFault::Host(policy.host.clone())))?;
        let tls = policy.tls.as_ref().map(|tls| Tls::new(tls, policy.delivery.protocol));
        let tls = tls.transpose().map_err(wrong)?;
        let delivery = policy.delivery.clone();
        let signer = delivery.sticky.as_ref().map(|sticky| Signer::new(sticky, &policy.name));
        let signer = signer.transpose().map_err(|fault| wrong(UpstreamFault::Sticky(fault)))?;
        let shared = Self {
            name: policy.name.as_str().into(),
            host,
            tls,
            connections_max: policy.connections_max.max(1),
            signer,
            queue: Queue::new(delivery.shedding),
            budget: Budget::new(&delivery.retries),
            breaker: delivery.breaker.map(Breaker::new),
            retries: AtomicU64::new(0),
            retries_refused: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
            hedges_won: AtomicU64::new(0),
            hedges_refused: AtomicU64::new(0),
            unwell_tried: AtomicU64::new(0),
            ejections_refused: AtomicU64::new(0),
            servers: RwLock::new(Vec::new().into()),
            version: AtomicU64::new(0),
            ejecting: Mutex::new(()),
            gone: Mutex::default(),
            started: Instant::now(),
            delivery,
        };
        shared.put(&policy.backends, 0);
        Ok(shared)
    }

    /// Puts other backends in place of those there are; one that stays keeps what is known of it. What
    /// is in flight to one that goes finishes.
    pub fn set_backends(&self, backends: &[BackendPolicy]) {
        self.put(backends, self.now_ms());
        // Whoever waits for room may find it at a new one.
        self.queue.look_again();
    }

    fn put(&self, backends: &[BackendPolicy], risen_ms: u64) {
        let old = self.servers();
        let server = |policy: &BackendPolicy| {
            let known = old.iter().find(|server| server.address == policy.address);
            match known {
                Some(server) => {
                    server.follow(policy);
                    server.clone()
                }
                None => {
                    let tag = self.signer.as_ref().map(|signer| signer.tag(policy.address));
                    Arc::new(Server::new(policy, tag, risen_ms))
                }
            }
        };
        let new: Arc<[Arc<Server>]> = backends.iter().map(server).collect();
        let left = old.iter().filter(|server| !new.iter().any(|other| Arc::ptr_eq(server, other)));
        let mut left: Vec<_> = left.map(|server| server.figures(&self.name, 0)).collect();
        left.iter_mut().for_each(BackendStanding::retire);
        add_rows(&mut self.gone.lock().unwrap_or_else(PoisonError::into_inner), &left);
        *self.servers.write().unwrap_or_else(PoisonError::into_inner) = new;
        self.version.fetch_add(1, Relaxed);
    }

    /// Its backends at this moment.
    #[must_use]
    pub fn servers(&self) -> Arc<[Arc<Server>]> {
        self.servers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Differs after backends have come or gone.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Relaxed)
    }

    /// The upstream's clock; never 0.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.at_ms(Instant::now())
    }

    /// A moment by that clock.
    #[must_use]
    pub fn at_ms(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.started);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// A request to a backend ended. `trial` where it was the one to try it after an ejection.
    pub fn judge(&self, server: &Server, trial: bool, well: bool, now_ms: u64) {
        if let Some(breaker) = &self.breaker {
            breaker.ended(well, now_ms);
        }
        let ejection = &self.delivery.ejection;
        if well {
            server.succeeded(trial, now_ms);
        } else if server.failed(trial, ejection) {
            // One at a time, or two threads would take out one backend too many.
            let _ejecting = self.ejecting.lock().unwrap_or_else(PoisonError::into_inner);
            if trial || self.can_spare(now_ms) {
                server.eject(now_ms, ejection);
                tracing::warn!(upstream = %self.name, backend = %server.address, "a backend is ejected: requests to it fail");
            } else {
                one(&self.ejections_refused);
            }
        }
    }

    // Where most backends fail, it is the requests or something that all of them need.
    fn can_spare(&self, now_ms: u64) -> bool {
        let servers = self.servers();
        let out = |server: &&Arc<Server>| {
            matches!(server.standing(now_ms), Standing::Ejected | Standing::Trial)
        };
        let out = servers.iter().filter(out).count() as u64 + 1;
        out * 100 <= servers.len() as u64 * u64::from(self.delivery.ejection.percent_max)
    }

    /// What is shown of it.
    #[must_use]
    pub fn figures(&self) -> UpstreamStanding {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let breaker = self.breaker.as_ref();
        UpstreamStanding {
            upstream: self.name.to_string(),
            in_flight: u64::from(self.queue.in_flight()),
            waiting: u64::from(self.queue.waiting()),
            queued: read(&self.queue.queued),
            queue_full: read(&self.queue.full),
            queue_timeouts: read(&self.queue.late),
            retries: read(&self.retries),
            retries_refused: read(&self.retries_refused),
            hedges: read(&self.hedges),
            hedges_won: read(&self.hedges_won),
            hedges_refused: read(&self.hedges_refused),
            unwell_tried: read(&self.unwell_tried),
            ejections_refused: read(&self.ejections_refused),
            breaker_open: u64::from(breaker.is_some_and(Breaker::is_open)),
            breaker_opened: breaker.map_or(0, |breaker| read(&breaker.opened)),
            breaker_refused: breaker.map_or(0, |breaker| read(&breaker.refused)),
        }
    }

    /// What is shown of its backends, and of those that are gone.
    #[must_use]
    pub fn standings(&self) -> Vec<BackendStanding> {
        let now_ms = self.now_ms();
        let mut rows = self.gone.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for server in self.servers().iter() {
            add_rows(&mut rows, &[server.figures(&self.name, now_ms)]);
        }
        rows
    }
}
