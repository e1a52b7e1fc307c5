//! What a connection is doing, and until when it may go on like that.

use std::{
    cell::{Cell, RefCell},
    iter::repeat_n,
    rc::Rc,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    received::Received,
    scan::Scan,
    sent::{Ending, Sent},
};
use crate::{
    clients::pace::Pace,
    context::Protocol,
    limits::{DRAIN_QUIET_MS, LINGER_TIMEOUT_MS, Limits, PARK_AFTER_MS},
    rejection::{Flood, Rejection},
};

/// Shared by the wire, the requests and the watch of one connection; all on one thread.
pub struct Activity {
    scan: Option<RefCell<Scan>>,
    /// Boxed: an HTTP/1 connection is not to have room for it.
    http2: Option<Box<RefCell<Http2>>>,
    reading: Cell<Pace>,
    head_since: Cell<Option<Instant>>,
    idle_since: Cell<Instant>,
    progress_at: Cell<Instant>,
    write_blocked_since: Cell<Option<Instant>>,
    closing_since: Cell<Option<Instant>>,
    draining_since: Cell<Option<Instant>>,
    parked: Cell<bool>,
    requests_active: Cell<u32>,
    /// Those of them that are tunnels.
    tunnels: Cell<u32>,
    requests_total: Cell<u64>,
    cut: Cell<Option<Rejection>>,
    drain_over: Rc<Cell<bool>>,
}

struct Http2 {
    received: Received,
    sent: Sent,
    flood: Option<Flood>,
    called: u64,
    unseen: u64,
    resets: u64,
    input_over: bool,
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
    pub fn new(
        protocol: Protocol,
        now: Instant,
        limits: &Limits,
        drain_over: Rc<Cell<bool>>,
    ) -> Self {
        let (scan, http2) = match protocol {
            Protocol::Http1 => (Some(RefCell::default()), None),
            Protocol::Http2 => (None, Some(Box::new(RefCell::new(Http2::new(now))))),
        };
        let idle = Duration::from_millis(limits.idle_timeout_ms);
        Self {
            scan,
            http2,
            reading: Cell::new(Pace::new(idle, limits.bytes_per_s_min)),
            head_since: Cell::default(),
            idle_since: Cell::new(now),
            progress_at: Cell::new(now),
            write_blocked_since: Cell::default(),
            closing_since: Cell::default(),
            draining_since: Cell::default(),
            parked: Cell::default(),
            requests_active: Cell::default(),
            tunnels: Cell::default(),
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
            return (since + self.reading.get().left(), Expiry::Cut(Some(Rejection::SlowRead)));
        }
        // No frame of another stream comes before an HTTP/2 header block is complete.
        if let (Some(since), true) = (self.head_since.get(), self.http2.is_some()) {
            return (
                after(since, limits.header_timeout_ms),
                Expiry::Cut(Some(Rejection::HeaderTimeout)),
            );
        }
        let tunnels = self.tunnels.get();
        if self.requests_active.get() > tunnels {
            // Every wait of a request has its own limit; this one is the outer bound.
            let wait_ms = limits.idle_timeout_ms
                + limits.body_timeout_ms
                + limits.upstream_connect_timeout_ms * 2
                + limits.upstream_response_timeout_ms * 2;
            return (
                after(self.progress_at.get(), wait_ms),
                Expiry::Cut(Some(Rejection::IdleTimeout)),
            );
        }
        // Each has an idle time of its own.
        if tunnels > 0 {
            return (after(Instant::now(), limits.idle_timeout_ms), Expiry::Quiet);
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
            (None, false) => match &self.http2 {
                Some(http2) if http2.borrow_mut().reset_itself() => Rejection::BodyMalformed,
                Some(_) | None => Rejection::ClientGone,
            },
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

    /// Whether nothing was ever asked for.
    #[must_use]
    pub fn asked_nothing(&self) -> bool {
        self.requests_total.get() == 0
    }

    /// One of the requests is a tunnel from now on, until what is given is dropped.
    #[must_use]
    pub fn tunnel(self: &Rc<Self>) -> Lasting {
        self.tunnels.set(self.tunnels.get() + 1);
        Lasting(self.clone())
    }

    /// A request has ended, however it did.
    pub fn request_ended(&self) {
        self.requests_active.set(self.requests_active.get().saturating_sub(1));
        let now = Instant::now();
        self.idle_since.set(now);
        // In HTTP/1 the next head may have been waiting behind this request through no fault of its own.
        if self.http2.is_none() {
            self.head_since.set(self.head_since.get().map(|_| now));
        }
    }

    /// A request moved.
    pub fn progressed(&self) {
        self.progress_at.set(Instant::now());
    }

    /// Bytes came in.
    ///
    /// # Errors
    /// They are a flood, and nothing more is to be read.
    pub fn read(&self, bytes: &[u8]) -> Result<(), Flood> {
        self.parked.set(false);
        if let Some(http2) = &self.http2 {
            let mut http2 = http2.borrow_mut();
            let now = Instant::now();
            let outcome = http2.received.feed(bytes, now);
            let Http2 { received, sent, .. } = &mut *http2;
            received.reset_now().for_each(|stream| sent.ended(stream));
            let since = self.head_since.get().unwrap_or(now);
            self.head_since.set(http2.received.in_head().then_some(since));
            if let Err(flood) = outcome {
                http2.flood = Some(flood);
                self.cut.set(Some(Rejection::Http2Flood));
                return Err(flood);
            }
        }
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
        Ok(())
    }

    /// These bytes went out.
    pub fn sent(&self, bytes: &[u8]) {
        let mut reading = self.reading.get();
        reading.moved(bytes.len());
        self.reading.set(reading);
        let Some(http2) = &self.http2 else { return };
        let mut http2 = http2.borrow_mut();
        http2.received.sent(bytes.len());
        http2.sent.feed(bytes);
        match http2.sent.ending() {
            None => {}
            Some(Ending::Flood(flood)) => {
                http2.flood = Some(flood);
                self.cut.set(Some(Rejection::Http2Flood));
            }
            Some(Ending::Malformed) => self.cut.set(Some(Rejection::RequestMalformed)),
        }
    }

    /// Bytes went out, or could not.
    pub fn wrote(&self, blocked: bool) {
        match (blocked, self.write_blocked_since.get()) {
            (true, None) => self.write_blocked_since.set(Some(Instant::now())),
            (true, Some(_)) => {}
            (false, Some(since)) => {
                self.write_blocked_since.set(None);
                let mut reading = self.reading.get();
                reading.waited(since.elapsed());
                self.reading.set(reading);
            }
            (false, None) => {}
        }
    }

    /// Whether a frame of our own may go out between those of the HTTP library.
    #[must_use]
    pub fn may_say_goodbye(&self) -> bool {
        self.http2.as_ref().is_some_and(|http2| http2.borrow().sent.is_between())
    }

    /// Nothing more comes from the client.
    pub fn input_ended(&self) {
        if let Some(http2) = &self.http2 {
            http2.borrow_mut().input_over = true;
        }
    }

    /// The HTTP library hands over a request.
    pub fn called(&self) {
        if let Some(http2) = &self.http2 {
            http2.borrow_mut().called += 1;
        }
    }

    /// Refusals of the HTTP/2 library that no request of ours has seen, since the last look.
    pub fn unseen(&self, connection_ended: bool) -> Vec<Rejection> {
        let Some(http2) = &self.http2 else { return Vec::new() };
        http2.borrow_mut().unseen(connection_ended || !self.is_busy())
    }

    /// Whether requests are in flight.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.requests_active.get() > 0
    }

    /// The flood that ended the connection.
    #[must_use]
    pub fn flood(&self) -> Option<Flood> {
        self.http2.as_ref().and_then(|http2| http2.borrow().flood)
    }

    /// Whether the HTTP/2 library ended the connection as it does not follow the protocol.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        let ending = self.http2.as_ref().and_then(|http2| http2.borrow().sent.ending());
        ending == Some(Ending::Malformed)
    }

    /// The last answer is out; the connection is being closed.
    pub fn closing(&self) {
        if self.closing_since.get().is_none() {
            self.closing_since.set(Some(Instant::now()));
        }
    }
}

/// A tunnel over one stream of the connection.
pub struct Lasting(Rc<Activity>);

impl Drop for Lasting {
    fn drop(&mut self) {
        self.0.tunnels.set(self.0.tunnels.get().saturating_sub(1));
    }
}

impl Http2 {
    fn new(now: Instant) -> Self {
        let received = Received::new(now);
        Self {
            received,
            sent: Sent::default(),
            flood: None,
            called: 0,
            unseen: 0,
            resets: 0,
            input_over: false,
        }
    }

    fn unseen(&mut self, nothing_in_flight: bool) -> Vec<Rejection> {
        let tally = self.sent.take_tally();
        let mut unseen = vec![Rejection::HeadersTooLarge; tally.oversized as usize];
        unseen.extend(repeat_n(Rejection::StreamRefused, tally.refused as usize));
        self.unseen += unseen.len() as u64;
        self.resets += u64::from(tally.malformed);
        // A stream is reset for its head, and we never hear of it, or for its body, and the request
        // tells. Which of the two it was shows once every head that was good has become a request.
        if nothing_in_flight {
            let silent = self.received.streams().saturating_sub(self.called + self.unseen);
            let malformed = std::mem::take(&mut self.resets).min(silent);
            self.unseen += malformed;
            unseen.extend(repeat_n(Rejection::RequestMalformed, malformed as usize));
        }
        unseen
    }

    // A request that is dropped in the middle was reset by the client, or by the library.
    fn reset_itself(&mut self) -> bool {
        !self.input_over && !self.received.take_reset()
    }
}
