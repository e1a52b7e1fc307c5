//! The keys of session tickets: made here and handed to every worker, so that a session goes on where
//! another worker answers. They are never written to a disk: what a disk forgets is never sure.

use std::time::{Duration, Instant};

use firewall_gateway::{
    limits::TICKET_KEYS_MAX,
    policy::{TICKET_KEY_BYTES, TicketKey},
};

/// The keys in use.
#[derive(Debug)]
pub struct TicketRing {
    /// The current one first.
    keys: Vec<TicketKey>,
    made: Instant,
}

impl TicketRing {
    /// A ring with one key; where the system has no randomness there is none, and so no ticket.
    pub fn new(now: Instant) -> Self {
        let mut ring = Self { keys: Vec::new(), made: now };
        ring.rotate(now);
        ring
    }

    /// The keys, the current one first.
    pub fn keys(&self) -> &[TicketKey] {
        &self.keys
    }

    /// How long the current key may still be the current one.
    pub fn due_in(&self, lifetime: Duration, now: Instant) -> Duration {
        lifetime.saturating_sub(now.saturating_duration_since(self.made))
    }

    /// Makes another key the current one; the oldest is forgotten.
    pub fn rotate(&mut self, now: Instant) {
        let mut key = [0; TICKET_KEY_BYTES];
        self.made = now;
        // Tickets without a fresh key would be tickets for ever.
        match getrandom::fill(&mut key) {
            Ok(()) => self.keys.insert(0, TicketKey(key)),
            Err(error) => {
                tracing::error!(%error, "no key for session tickets: sessions end with their worker");
                self.keys.clear();
            }
        }
        self.keys.truncate(TICKET_KEYS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_accepted_for_one_more_period() {
        let start = Instant::now();
        let hour = Duration::from_secs(3_600);
        let mut ring = TicketRing::new(start);
        let first = ring.keys()[0];
        assert_eq!(ring.due_in(hour, start), hour);
        assert_eq!(ring.due_in(hour, start + hour / 4), hour / 4 * 3);
        assert_eq!(ring.due_in(hour, start + hour * 9), Duration::ZERO);
        ring.rotate(start + hour);
        let second = ring.keys()[0];
        assert_eq!(ring.keys(), [second, first]);
        assert_eq!(ring.due_in(hour, start + hour), hour);
        ring.rotate(start + hour * 2);
        assert!(ring.keys().len() == 2 && ring.keys()[1] == second && ring.keys()[0] != first);
    }
}
