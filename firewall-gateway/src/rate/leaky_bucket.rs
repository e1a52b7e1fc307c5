//! Leaky bucket: requests leave one after the other, evenly; one that comes early waits for its turn, and one that
//! would wait too long does not.

use super::algorithm::{Algorithm, Fine, Quota};

/// See above.
#[derive(Clone, Copy, Debug)]
pub struct LeakyBucket {
    /// How fast they leave.
    pub quota: Quota,
    /// The longest wait, and so the bound of the queue.
    pub wait_max_ns: u64,
}

impl LeakyBucket {
    fn wait(&self, turn: Fine, now_ns: u64) -> u128 {
        turn.0.saturating_sub(self.quota.fine(now_ns).0)
    }

    fn longest(&self) -> u128 {
        self.quota.fine(self.wait_max_ns).0
    }
}

impl Algorithm for LeakyBucket {
    /// When it is the next one's turn.
    type State = Fine;

    fn ask(&self, state: &mut Fine, now_ns: u64, _cost: u64) -> Result<u64, u64> {
        let wait = self.wait(*state, now_ns);
        match wait.checked_sub(self.longest()) {
            None | Some(0) => Ok(self.quota.nanoseconds(wait)),
            Some(over) => Err(self.quota.nanoseconds(over)),
        }
    }

    fn charge(&self, state: &mut Fine, now_ns: u64, cost: u64) {
        let turn = state.0.max(self.quota.fine(now_ns).0);
        *state = Fine(turn.saturating_add(self.quota.takes(cost)));
    }

    fn left(&self, state: &mut Fine, now_ns: u64) -> u64 {
        // The last one may begin its wait when all room is used.
        match self.longest().checked_sub(self.wait(*state, now_ns)) {
            Some(room) => self.quota.whole(room).saturating_add(1),
            None => 0,
        }
    }

    fn fresh_at_ns(&self, state: &Fine) -> u64 {
        self.quota.nanoseconds(state.0)
    }
}
