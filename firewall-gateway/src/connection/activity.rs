//! What a connection is doing, and until when it may go on like that.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use tokio::time::Instant;

use super::scan::Scan;
use crate::{
    context::Protocol,
    limits::{DRAIN_QUIET_MS, LINGER_TIMEOUT_MS, Limits, PARK_AFTER_MS},
    rejection::Rejection,
};

/// Shared by the wire, the requests and the watch of one connection; all on one thread.
pub struct Activity {
    scan: Option<RefCell<Scan>>,
    head_since: Cell<Option<Instant>>,
    idle_since: Cell<Instant>,
    progress_at: Cell<Instant>,
    write_blocked_since: Cell<Option<Instant>>,
    closing_since: Cell<Option<Instant>>,
    draining_since: Cell<Option<Instant>>,
    parked: Cell<bool>,
    requests_active: Cell<u32>,
    requests_total: Cell<u64>,
    cut: Cell<Option<Rejection>>,
    drain_over: Rc<Cell<bool>>,
}

/// What happens when a deadline passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Nothing is in flight: say goodbye in the protocol's way.
    Quiet,
    /// Nothing will be for a while: let go of what only a request needs.
    Park,
    /// End at once; where the client is at fault, for this reason.
    Cut(Option<Rejection>),
}

impl Activity {
    /// A connection that has just been accepted.
    #[must_use]
    pub fn new(protocol: Protocol, now: Instant, drain_over: Rc<Cell<bool>>) -> Self {
        let scan = match protocol {
            Protocol::Http1 => Some(RefCell::default()),
            Protocol::Http2 => None,
        };
        Self {
            scan,
            head_since: Cell::default(),
            idle_since: Cell::new(now),
            progress_at: Cell::new(now),
            write_blocked_since: Cell::default(),
            closing_since: Cell::default(),
            draining_since: Cell::default(),
            parked: Cell::default(),
            requests_active: Cell::default(),
            requests_total: Cell::default(),
            cut: Cell::default(),
            drain_over,
        }
    }

    /// The moment the present state has lasted long enough, and what follows.
    #[must_use]
    pub fn deadline(&self, limits: &Limits) -> (Instant, Expiry) {
        let after = |since: Instant, wait_ms: u64| since + Duration::from_millis(wait_ms);
        if let Some(since) = self.closing_since.get() {
            return (after(since, LINGER_TIMEOUT_MS), Expiry::Cut(None));
        }
        if let Some(since) = self.write_blocked_since.get() {
            return (
                after(since, limits.idle_timeout_ms),
                Expiry::Cut(Some(Rejection::IdleTimeout)),
            );
        }
        if self.requests_active.get() > 0 {
            // Every wait of a request has its own limit; this one is for a client that grants an
            // HTTP/2 answer no window and so never blocks the wire.
            let wait_ms = limits.idle_timeout_ms
                + limits.body_timeout_ms
                + limits.upstream_connect_timeout_ms * 2
                + limits.upstream_response_timeout_ms * 2;
            return (
                after(self.progress_at.get(), wait_ms),
                Expiry::Cut(Some(Rejection::IdleTimeout)),
            );
        }
        if let Some(since) = self.head_since.get() {
            return (
                after(since, limits.header_timeout_ms),
                Expiry::Cut(Some(Rejection::HeaderTimeout)),
            );
        }
        if let Some(since) = self.draining_since.get() {
            let quiet_since = since.max(self.idle_since.get());
            return (after(quiet_since, DRAIN_QUIET_MS), Expiry::Quiet);
        }
        if self.requests_total.get() == 0 {
            // A connection that never asks for anything is worth no more than a slow head.
            return (after(self.idle_since.get(), limits.header_timeout_ms), Expiry::Quiet);
        }
        let between = |scan: &RefCell<Scan>| scan.borrow().is_between();
        if !self.parked.get()
            && PARK_AFTER_MS < limits.idle_timeout_ms
            && self.scan.as_ref().is_some_and(between)
        {
            return (after(self.idle_since.get(), PARK_AFTER_MS), Expiry::Park);
        }
        (after(self.idle_since.get(), limits.idle_timeout_ms), Expiry::Quiet)
    }

    /// A deadline passed; what is left for the connection itself to report, if no request does.
    pub fn expired(&self, expiry: Expiry) -> Expiry {
        match expiry {
            Expiry::Quiet => self.closing(),
            Expiry::Park => self.parked.set(true),
            Expiry::Cut(rejection) if self.requests_active.get() > 0 => {
                self.cut.set(rejection);
                return Expiry::Cut(None);
            }
            Expiry::Cut(_) => {}
        }
        expiry
    }

    /// The worker ends: on HTTP/1 the next answer is the last one, or a while without a request. Closing
    /// at once would cross with a request that is on its way.
    pub fn draining(&self) {
        self.draining_since.set(Some(Instant::now()));
    }

    /// Whether the worker ends.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining_since.get().is_some()
    }

    /// Why a request broke off that neither the client's body nor the upstream ended.
    #[must_use]
    pub fn cut(&self) -> Rejection {
        match (self.cut.get(), self.drain_over.get()) {
            (Some(rejection), _) => rejection,
            (None, true) => Rejection::DrainCut,
            (None, false) => Rejection::ClientGone,
        }
    }

    /// The head of the present request, as bytes, left no doubt about its body's length.
    ///
    /// # Errors
    /// What was ambiguous.
    pub fn framing(&self) -> Result<(), Rejection> {
        match &self.scan {
            Some(scan) => scan.borrow().verdict(self.requests_total.get()),
            None => Ok(()),
        }
    }

    /// A request's head is complete.
    pub fn request_began(&self) {
        self.requests_active.set(self.requests_active.get() + 1);
        self.requests_total.set(self.requests_total.get() + 1);
        self.progressed();
    }

    /// A request has ended, however it did.
    pub fn request_ended(&self) {
        self.requests_active.set(self.requests_active.get().saturating_sub(1));
        let now = Instant::now();
        self.idle_since.set(now);
        // The next head may have been waiting behind this request through no fault of its own.
        self.head_since.set(self.head_since.get().map(|_| now));
    }

    /// A request moved.
    pub fn progressed(&self) {
        self.progress_at.set(Instant::now());
    }

    /// Bytes came in.
    pub fn read(&self, bytes: &[u8]) {
        self.parked.set(false);
        if let Some(scan) = &self.scan {
            let mut scan = scan.borrow_mut();
            let heads = scan.heads();
            scan.feed(bytes);
            if !scan.in_head() {
                self.head_since.set(None);
            } else if scan.heads() != heads || self.head_since.get().is_none() {
                self.head_since.set(Some(Instant::now()));
            }
        }
    }

    /// Bytes went out, or could not.
    pub fn wrote(&self, blocked: bool) {
        match (blocked, self.write_blocked_since.get()) {
            (true, None) => self.write_blocked_since.set(Some(Instant::now())),
            (true, Some(_)) => {}
            (false, _) => self.write_blocked_since.set(None),
        }
    }

    /// The last answer is out; the connection is being closed.
    pub fn closing(&self) {
        if self.closing_since.get().is_none() {
            self.closing_since.set(Some(Instant::now()));
        }
    }
}
