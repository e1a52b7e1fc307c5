//! A request's place at an upstream and at one of its backends; given back however the request ends.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{SharedUpstream, backend::Backend, server::Server};
use crate::policy::BalancePolicy;

/// A place at a backend.
pub struct Slot {
    /// Connections to it.
    pub backend: Rc<Backend>,
    /// What is known of it.
    pub server: Arc<Server>,
    shared: Arc<SharedUpstream>,
    /// This request is the one to try it after an ejection; until it was judged.
    trial: bool,
}

impl Slot {
    /// A place that [`Server::enter`] has given.
    #[must_use]
    pub fn new(
        backend: Rc<Backend>,
        server: Arc<Server>,
        shared: Arc<SharedUpstream>,
        trial: bool,
    ) -> Self {
        Self { backend, server, shared, trial }
    }

    /// A moment by the upstream's clock.
    #[must_use]
    pub fn at_ms(&self, at: Instant) -> u64 {
        self.shared.at_ms(at)
    }

    /// Another backend answered first, and nobody waits for this one: it takes so long at least. One that
    /// was only tried has not shown that it is well.
    pub fn outrun(&mut self, waited: Duration) {
        let waited_us = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        let now_ms = self.shared.now_ms();
        self.server.answered(waited_us, now_ms);
        if self.trial {
            self.judge(false, now_ms);
        }
    }

    /// How the request went.
    pub fn judge(&mut self, well: bool, now_ms: u64) {
        self.shared.judge(&self.server, std::mem::take(&mut self.trial), well, now_ms);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.server.leave();
        if self.trial {
            self.server.give_up_trial();
        }
        if self.shared.delivery.balance == BalancePolicy::Quota {
            self.shared.queue.freed();
        }
    }
}

/// A place at the upstream.
pub struct Ticket(Arc<SharedUpstream>);

impl Ticket {
    /// Takes one, if there is one left.
    #[must_use]
    pub fn take(shared: &Arc<SharedUpstream>) -> Option<Self> {
        shared.queue.enter().then(|| Self(shared.clone()))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.queue.leave();
    }
}

/// Both, for as long as the answer is read. The place at the backend goes first: whoever is woken by the
/// other finds it free.
pub struct Hold {
    _slot: Slot,
    _ticket: Ticket,
}

impl Hold {
    /// Both.
    #[must_use]
    pub fn new(slot: Slot, ticket: Ticket) -> Self {
        Self { _slot: slot, _ticket: ticket }
    }
}
