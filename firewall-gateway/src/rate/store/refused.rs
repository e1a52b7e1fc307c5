//! What the store has refused, and until when: nobody gives units back, so that it need not be asked before. A flood
//! costs it a call for each refill, not for each request. It is forgotten with the connection.

use std::{collections::HashMap, sync::Arc, time::Instant};

use super::{About, Answer};
use crate::limits::RATE_STORE_REFUSED_MAX;

/// See above; bounded.
#[derive(Debug, Default)]
pub struct Refused(HashMap<Key, (Instant, Answer)>);

type Key = (Arc<str>, [u8; 16], u64);

impl Refused {
    /// What is still true of a refusal.
    #[must_use]
    pub fn still(&self, about: &About, now: Instant) -> Option<Answer> {
        let (until, answer) = self.0.get(&key(about))?;
        let after = until.checked_duration_since(now).filter(|after| !after.is_zero())?;
        let passed = answer.verdict.err()?.saturating_sub(after);
        let reset = answer.reset.saturating_sub(passed);
        Some(Answer { verdict: Err(after), reset, ..*answer })
    }

    /// Remembers a refusal to a question that was asked at this time. Where there is no room the store is asked again.
    pub fn remember(&mut self, about: &About, asked: Instant, answer: Answer) {
        let Err(after) = answer.verdict else { return };
        if self.0.len() >= RATE_STORE_REFUSED_MAX {
            self.0.retain(|_, (until, _)| *until > asked);
        }
        if self.0.len() < RATE_STORE_REFUSED_MAX
            && let Some(until) = asked.checked_add(after)
        {
            self.0.insert(key(about), (until, answer));
        }
    }
}

fn key(about: &About) -> Key {
    (about.limit.clone(), about.key, about.cost)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{About, Answer, Refused};
    use crate::policy::RateAlgorithm;

    #[test]
    fn a_refusal_holds_until_its_time() {
        let begin = Instant::now();
        let about = |cost: u64| About {
            limit: "a".into(),
            key: [1; 16],
            cost,
            algorithm: RateAlgorithm::FixedWindow { limit: 1, window_s: 1 },
        };
        let of = |after_ms: u64| Answer {
            verdict: Err(Duration::from_millis(after_ms)),
            left: 0,
            reset: Duration::from_millis(after_ms + 10),
        };
        let mut refused = Refused::default();
        refused.remember(&about(1), begin, of(100));
        refused.remember(&about(2), begin, Answer { verdict: Ok(Duration::ZERO), ..of(0) });
        let later = begin + Duration::from_millis(60);
        assert_eq!(refused.still(&about(1), begin), Some(of(100)));
        assert_eq!(refused.still(&about(1), later), Some(of(40)));
        assert_eq!(refused.still(&about(1), begin + Duration::from_millis(100)), None);
        assert_eq!(refused.still(&about(2), begin), None);
        assert_eq!(refused.still(&about(3), begin), None);
    }
}
