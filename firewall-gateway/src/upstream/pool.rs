//! One thread's kept HTTP/1.1 connections to a backend: the last used is used first, old ones are closed. And
//! the right to send a request, over whatever there is.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1::SendRequest},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{Hold, SentBody, multiplex::Stream};
use crate::{figures::InFlight, limits::UPSTREAM_IDLE_TIMEOUT_MS};

/// Idle connections, and permits for those in use.
///
/// A connection is opened only under a permit and when none is idle, so there are never more than
/// `connections_max`.
pub struct Pool {
    idle: RefCell<Vec<Idle>>,
    permits: Arc<Semaphore>,
}

struct Idle {
    sender: SendRequest<SentBody>,
    since: Instant,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(connections_max: u32) -> Self {
        let permits = Arc::new(Semaphore::new(connections_max as usize));
        Self { idle: RefCell::default(), permits }
    }

    /// Waits until a connection may be used; the caller bounds the wait.
    pub async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed; `None` would only mean that no permit is counted.
        self.permits.clone().acquire_owned().await.ok()
    }

    /// The connection that was used last, if one is still fresh.
    pub fn idle(&self, now: Instant) -> Option<SendRequest<SentBody>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(last) = idle.pop() {
            if last.is_fresh(now) {
                return Some(last.sender);
            }
        }
        None
    }

    /// Closes what was idle too long, and what the upstream has closed.
    pub fn sweep(&self, now: Instant) {
        self.idle.borrow_mut().retain(|idle| idle.is_fresh(now));
    }
}

impl Idle {
    fn is_fresh(&self, now: Instant) -> bool {
        let fresh = Duration::from_millis(UPSTREAM_IDLE_TIMEOUT_MS);
        !self.sender.is_closed() && now.saturating_duration_since(self.since) < fresh
    }
}

/// The right to send one request over a connection.
pub struct Lease {
    line: Line,
    in_flight: InFlight,
    reused: bool,
    hold: Option<Hold>,
}

/// What a request goes over.
pub enum Line {
    /// HTTP/1.1, and nobody else's meanwhile. It goes back to the pool by [`Lease::keep`] alone, because a
    /// connection whose answer was not read to its end would give that rest to the next client.
    Own {
        /// The connection.
        sender: SendRequest<SentBody>,
        /// The right to use one.
        permit: Option<OwnedSemaphorePermit>,
        /// Where it goes back to.
        pool: Rc<Pool>,
    },
    /// One stream of an HTTP/2 connection, which ends with the lease.
    Shared(Stream),
}

impl Lease {
    /// A lease on a connection, which may have served before.
    #[must_use]
    pub fn new(line: Line, in_flight: InFlight, reused: bool) -> Self {
        Self { line, in_flight, reused, hold: None }
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// None came; the request is given back where nothing of it was sent.
    pub async fn send(
        &mut self,
        request: Request<SentBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<SentBody>>> {
        match &mut self.line {
            Line::Own { sender, .. } => sender.try_send_request(request).await,
            Line::Shared(stream) => stream.connection().send(request).await,
        }
    }

    /// The connection takes no further request.
    pub fn leave(&self) {
        if let Line::Shared(stream) = &self.line {
            stream.leave();
        }
    }

    /// Whether the connection has served a request before.
    #[must_use]
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// The request in the backend's counters.
    #[must_use]
    pub fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// The request's places are held for as long as this lease is.
    pub fn carry(&mut self, hold: Hold) {
        self.hold = Some(hold);
    }

    /// Puts the connection back: both bodies have been read to their end.
    pub fn keep(self) {
        let Self { line, in_flight: _, reused: _, hold: _hold } = self;
        if let Line::Own { sender, permit: _permit, pool } = line
            && !sender.is_closed()
        {
            pool.idle.borrow_mut().push(Idle { sender, since: Instant::now() });
        }
    }
}
