//! What workers tell that takes its time: whom to ban, who has logged in. It waits, in a bounded queue, for the
//! thread that attends to it.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, PoisonError},
};

/// So many wait; of one more the daemon does not hear.
const WAITING_MAX: usize = 8_192;

/// The queue.
#[derive(Debug)]
pub struct Queue<T> {
    /// So many are attended to at once.
    at_once: usize,
    inner: Mutex<Inner<T>>,
    came: Condvar,
}

#[derive(Debug)]
struct Inner<T> {
    waiting: VecDeque<T>,
    lost: u64,
    closed: bool,
}

impl<T> Queue<T> {
    /// An empty one, of which so many are taken at once.
    pub fn new(at_once: usize) -> Self {
        let inner = Inner { waiting: VecDeque::new(), lost: 0, closed: false };
        Self { at_once, inner: Mutex::new(inner), came: Condvar::new() }
    }

    /// A worker told of these.
    pub fn tell(&self, told: Vec<T>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for one in told {
            if inner.waiting.len() < WAITING_MAX {
                inner.waiting.push_back(one);
            } else {
                inner.lost += 1;
            }
        }
        drop(inner);
        self.came.notify_one();
    }

    /// Waits for some, the first that came first; nothing once it is closed.
    pub fn next(&self) -> Option<Vec<T>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |inner: &mut Inner<T>| inner.waiting.is_empty() && !inner.closed;
        let mut inner = self.came.wait_while(inner, waits).unwrap_or_else(PoisonError::into_inner);
        if inner.closed {
            return None;
        }
        let many = inner.waiting.len().min(self.at_once);
        Some(inner.waiting.drain(..many).collect())
    }

    /// What waits yet, and nobody waits for.
    pub fn left(&self) -> Vec<T> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).waiting.drain(..).collect()
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
    use std::thread;

    use super::*;

    const AT_ONCE: usize = 64;

    #[test]
    fn the_queue_has_a_bound_and_an_order() {
        let queue = Queue::new(AT_ONCE);
        queue.tell((0..WAITING_MAX + 5).collect());
        assert_eq!(queue.lost(), 5);
        let mut seen = Vec::new();
        while seen.len() < WAITING_MAX {
            let some = queue.next().expect("open");
            assert!((1..=AT_ONCE).contains(&some.len()));
            seen.extend(some);
        }
        assert_eq!(seen, (0..WAITING_MAX).collect::<Vec<_>>());
    }

    #[test]
    fn who_waits_hears_at_once_and_of_the_end() {
        let queue = Queue::new(AT_ONCE);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| (queue.next().map(|some| some.len()), queue.next()));
            queue.tell(vec![1, 2, 3]);
            while !queue.inner.lock().expect("whole").waiting.is_empty() {
                thread::yield_now();
            }
            queue.close();
            assert_eq!(waiting.join().expect("it ends"), (Some(3), None));
        });
        queue.tell(vec![4]);
        assert_eq!((queue.next(), queue.left()), (None, vec![4]));
    }
}
