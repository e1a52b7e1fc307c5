//! The circuit breaker of an upstream: while most requests fail, none is sent but one to try.

use std::sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU64};

use crate::{figures::one, policy::BreakerPolicy};

/// Shared by all threads.
#[derive(Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: Mutex<State>,
    /// How often it opened.
    pub opened: AtomicU64,
    /// Requests that it refused.
    pub refused: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed {
        since_ms: u64,
        attempts: u64,
        failures: u64,
    },
    Open {
        until_ms: u64,
    },
    /// One request is on its way to find out.
    HalfOpen {
        until_ms: u64,
    },
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            state: Mutex::new(State::Closed { since_ms: 0, attempts: 0, failures: 0 }),
            opened: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Whether a request may be sent.
    #[must_use]
    pub fn admits(&self, now_ms: u64) -> bool {
        let mut state = self.state();
        let admits = match *state {
            State::Closed { .. } => true,
            // A trial that told nothing in time is followed by another.
            State::Open { until_ms } | State::HalfOpen { until_ms } if now_ms >= until_ms => {
                *state = State::HalfOpen { until_ms: now_ms + self.policy.open_ms };
                true
            }
            State::Open { .. } | State::HalfOpen { .. } => false,
        };
        drop(state);
        if !admits {
            one(&self.refused);
        }
        admits
    }

    /// How an attempt ended.
    pub fn ended(&self, well: bool, now_ms: u64) {
        let mut state = self.state();
        *state = match *state {
            State::Closed { since_ms, attempts, failures } => {
                let over = now_ms >= since_ms.saturating_add(self.policy.window_ms);
                let (since_ms, attempts, failures) =
                    if over { (now_ms, 0, 0) } else { (since_ms, attempts, failures) };
                let (attempts, failures) = (attempts + 1, failures + u64::from(!well));
                let bad = failures * 100 >= attempts * u64::from(self.policy.failures_percent);
                match !well && bad && attempts >= u64::from(self.policy.requests_min) {
                    true => self.open(now_ms),
                    false => State::Closed { since_ms, attempts, failures },
                }
            }
            State::HalfOpen { .. } if well => {
                State::Closed { since_ms: now_ms, attempts: 0, failures: 0 }
            }
            State::HalfOpen { .. } => self.open(now_ms),
            // Sent before it opened.
            open @ State::Open { .. } => open,
        };
    }

    /// Whether it refuses at this moment.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(*self.state(), State::Closed { .. })
    }

    fn open(&self, now_ms: u64) -> State {
        one(&self.opened);
        State::Open { until_ms: now_ms + self.policy.open_ms }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Breaker;
    use crate::policy::BreakerPolicy;

    #[test]
    fn opens_tries_and_closes() {
        let policy =
            BreakerPolicy { failures_percent: 50, requests_min: 4, window_ms: 1_000, open_ms: 500 };
        let breaker = Breaker::new(policy);
        for (at_ms, well) in [(1, true), (2, true), (3, false)] {
            breaker.ended(well, at_ms);
        }
        assert!(breaker.admits(3) && !breaker.is_open(), "one of three failed");
        breaker.ended(false, 4);
        assert!(breaker.is_open() && !breaker.admits(5) && !breaker.admits(503));
        breaker.ended(true, 6);
        assert!(breaker.is_open(), "what was sent before says nothing");
        assert!(breaker.admits(504) && !breaker.admits(504), "one to try");
        breaker.ended(false, 505);
        assert!(!breaker.admits(1_004) && breaker.admits(1_005) && !breaker.admits(1_006));
        assert!(breaker.admits(1_505), "the trial told nothing");
        breaker.ended(true, 1_506);
        assert!(breaker.admits(1_507) && !breaker.is_open());
        for at_ms in [1_507, 1_508, 1_509] {
            breaker.ended(false, at_ms);
        }
        breaker.ended(false, 2_600);
        assert!(!breaker.is_open(), "three failures of a window that is over, one of this");
        assert_eq!((breaker.opened.into_inner(), breaker.refused.into_inner()), (2, 5));
    }
}
