//! Whom workers want banned: waiting, in a bounded queue, for the thread that bans.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, PoisonError},
};

use firewall_gateway::{behaviour::offence::Offence, limits::OFFENCES_AT_ONCE};

/// So many wait; of one more the daemon does not hear until it offends again.
const WAITING_MAX: usize = 8_192;

/// The queue.
#[derive(Debug, Default)]
pub struct OffenceQueue {
    inner: Mutex<Inner>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Offence>,
    lost: u64,
    closed: bool,
}

impl OffenceQueue {
    /// A worker told of these.
    pub fn tell(&self, offences: Vec<Offence>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for offence in offences {
            if inner.waiting.len() < WAITING_MAX {
                inner.waiting.push_back(offence);
            } else {
                inner.lost += 1;
            }
        }
        drop(inner);
        self.came.notify_one();
    }

    /// Waits for some, the first that came first; nothing once it is closed.
    pub fn next(&self) -> Option<Vec<Offence>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |inner: &mut Inner| inner.waiting.is_empty() && !inner.closed;
        let mut inner = self.came.wait_while(inner, waits).unwrap_or_else(PoisonError::into_inner);
        if inner.closed {
            return None;
        }
        let many = inner.waiting.len().min(OFFENCES_AT_ONCE);
        Some(inner.waiting.drain(..many).collect())
    }

    /// Nobody waits any more.
    pub fn close(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.came.notify_all();
    }

    /// How many found no room.
    pub fn lost(&self) -> u64 {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).lost
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, thread};

    use super::*;

    fn offences(many: usize) -> Vec<Offence> {
        let nth = |number: usize| Offence {
            address: IpAddr::from((number as u32).to_be_bytes()),
            score: 100,
            signals: Vec::new(),
            request: String::new(),
        };
        (0..many).map(nth).collect()
    }

    #[test]
    fn the_queue_has_a_bound_and_an_order() {
        let queue = OffenceQueue::default();
        queue.tell(offences(WAITING_MAX + 5));
        assert_eq!(queue.lost(), 5);
        let (mut seen, all) = (Vec::new(), offences(WAITING_MAX));
        while seen.len() < WAITING_MAX {
            let some = queue.next().expect("open");
            assert!((1..=OFFENCES_AT_ONCE).contains(&some.len()));
            seen.extend(some);
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn who_waits_hears_at_once_and_of_the_end() {
        let queue = OffenceQueue::default();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| (queue.next().map(|some| some.len()), queue.next()));
            queue.tell(offences(3));
            while !queue.inner.lock().expect("whole").waiting.is_empty() {
                thread::yield_now();
            }
            queue.close();
            assert_eq!(waiting.join().expect("it ends"), (Some(3), None));
        });
    }
}
