//! A part of the requests that is tried out on another upstream, and goes back by itself.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Instant,
};

use super::split::Circle;
use crate::{figures::CanaryFigures, limits::CANARY_SLOTS, policy::CanaryPolicy};

/// One canary, shared by the threads.
#[derive(Debug)]
pub struct Canary {
    policy: CanaryPolicy,
    route: String,
    upstream: String,
    circle: Circle,
    window: Window,
    started: Instant,
    ended: AtomicBool,
}

impl Canary {
    /// A canary that nothing is known against.
    #[must_use]
    pub fn new(policy: CanaryPolicy, route: String, upstream: String) -> Self {
        Self {
            policy,
            route,
            upstream,
            circle: Circle::new(100),
            window: Window::new(policy.window_s),
            started: Instant::now(),
            ended: AtomicBool::new(false),
        }
    }

    /// Its policy.
    #[must_use]
    pub fn policy(&self) -> &CanaryPolicy {
        &self.policy
    }

    /// Whether it gets the next request, or that of a client with a place of its own.
    #[must_use]
    pub fn takes(&self, place: Option<u64>) -> bool {
        if self.ended.load(Relaxed) {
            return false;
        }
        let place = match place {
            Some(place) => self.circle.part(place >> 32),
            None => self.circle.next(),
        };
        place < u64::from(self.policy.percent)
    }

    /// One of its requests went so.
    pub fn learned(&self, error: bool) {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (requests, errors) = self.window.record(now_ms, error);
        let bound = u64::from(self.policy.error_percent_max) * requests;
        if requests < u64::from(self.policy.requests_min) || errors * 100 <= bound {
            return;
        }
        if !self.ended.swap(true, Relaxed) {
            let CanaryPolicy { percent, error_percent_max, window_s, .. } = self.policy;
            tracing::warn!(
                route = %self.route,
                upstream = %self.upstream,
                percent,
                error_percent_max,
                window_s,
                requests,
                errors,
                "a canary went back: its errors passed the bound; a reload begins it anew"
            );
        }
    }

    /// How it stands.
    #[must_use]
    pub fn figures(&self) -> CanaryFigures {
        let ended = self.ended.load(Relaxed);
        CanaryFigures {
            route: self.route.clone(),
            upstream: self.upstream.clone(),
            percent: if ended { 0 } else { u64::from(self.policy.percent) },
            rollbacks: u64::from(ended),
        }
    }
}

/// Requests and errors of the last seconds, in slots that are written without a lock.
#[derive(Debug)]
struct Window {
    // From above: 28 bits of the slot's number, 18 of its requests, 18 of its errors.
    slots: [AtomicU64; CANARY_SLOTS],
    slot_ms: u64,
}

impl Window {
    fn new(window_s: u32) -> Self {
        let slot_ms = (u64::from(window_s) * 1_000 / CANARY_SLOTS as u64).max(1);
        Self { slots: Default::default(), slot_ms }
    }

    /// Counts one, and gives the sums of the window that ends now.
    fn record(&self, now_ms: u64, error: bool) -> (u64, u64) {
        let number = (now_ms / self.slot_ms) & NUMBER_MAX;
        let ours = self.slots.get(number as usize % CANARY_SLOTS);
        let counted = |packed: u64| {
            let (found, requests, errors) = unpack(packed);
            // A slot of an earlier turn begins anew. A full one is halved: what counts is the ratio.
            let (requests, errors) = match (found == number, requests == COUNT_MAX) {
                (true, false) => (requests, errors),
                (true, true) => (requests / 2, errors / 2),
                (false, _) => (0, 0),
            };
            Some(number << 36 | (requests + 1) << 18 | (errors + u64::from(error)))
        };
        if let Some(slot) = ours {
            // The closure never refuses.
            let _always = slot.fetch_update(Relaxed, Relaxed, counted);
        }
        let mut sums = (0, 0);
        for slot in &self.slots {
            let (found, requests, errors) = unpack(slot.load(Relaxed));
            if (number.wrapping_sub(found) & NUMBER_MAX) < CANARY_SLOTS as u64 {
                sums = (sums.0 + requests, sums.1 + errors);
            }
        }
        sums
    }
}

fn unpack(packed: u64) -> (u64, u64, u64) {
    (packed >> 36, packed >> 18 & COUNT_MAX, packed & COUNT_MAX)
}

const NUMBER_MAX: u64 = (1 << 28) - 1;
const COUNT_MAX: u64 = (1 << 18) - 1;

#[cfg(test)]
mod tests {
    use super::{COUNT_MAX, Canary, Window};
    use crate::policy::CanaryPolicy;

    fn canary(percent: u8, error_percent_max: u8, requests_min: u32) -> Canary {
        let policy =
            CanaryPolicy { upstream: 1, percent, error_percent_max, requests_min, window_s: 60 };
        Canary::new(policy, "route".to_owned(), "next".to_owned())
    }

    #[test]
    fn its_part_is_exact() {
        for percent in [1, 5, 33, 50, 100] {
            let canary = canary(percent, 1, 1);
            let taken = (0..100_000).filter(|_| canary.takes(None)).count();
            println!("{percent} %: expected {}, found {taken}", u64::from(percent) * 1_000);
            assert_eq!(taken, usize::from(percent) * 1_000);
        }
    }

    #[test]
    fn it_goes_back_when_its_errors_pass_the_bound() {
        // Errors are spread: `bad` of each hundred.
        for (bad, max, min, requests, expected) in [
            (0, 5, 10, 1_000, 0),
            (5, 5, 100, 100, 0),
            (6, 5, 100, 100, 1),
            (100, 5, 10, 9, 0),
            (100, 5, 10, 10, 1),
            (100, 100, 1, 1_000, 0),
            (1, 0, 1, 100, 1),
        ] {
            let canary = canary(10, max, min);
            // The errors come last, so that no earlier part of the window has more of them.
            for number in 0..requests {
                canary.learned(number >= requests * (100 - bad) / 100);
            }
            let figures = canary.figures();
            let percent = if expected == 1 { 0 } else { 10 };
            assert_eq!(
                (figures.rollbacks, figures.percent),
                (expected, percent),
                "{bad} {max} {min}"
            );
            let taken = (0..100).filter(|_| canary.takes(None)).count();
            assert_eq!(taken as u64, percent, "{bad} {max} {min}");
        }
    }

    #[test]
    fn the_window_forgets() {
        let window = Window::new(8);
        assert_eq!(window.record(0, true), (1, 1));
        assert_eq!(window.record(999, false), (2, 1));
        assert_eq!(window.record(7_999, false), (3, 1));
        assert_eq!(window.record(8_000, false), (2, 0));
        assert_eq!(window.record(100_000, true), (1, 1));
    }

    #[test]
    fn a_full_slot_keeps_its_ratio() {
        let window = Window::new(3_600);
        let mut last = (0, 0);
        for number in 0..COUNT_MAX * 3 {
            last = window.record(0, number % 4 == 0);
        }
        assert!(last.0 <= COUNT_MAX && last.0 > COUNT_MAX / 2, "{last:?}");
        assert!((last.1 * 4).abs_diff(last.0) < 16, "{last:?}");
    }
}
