//! What is counted of what is kept up to date: the source of `seawall feeds status` and of the metrics.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::status::{FeedOutcome, FeedResult, ReasonCount, UpdateStatus};

/// The figures of all feeds, or of all databases, by name.
#[derive(Debug, Default)]
pub struct Figures {
    all: Mutex<BTreeMap<String, Figure>>,
}

#[derive(Clone, Debug, Default)]
struct Figure {
    new: u64,
    unchanged: u64,
    refused: BTreeMap<&'static str, u64>,
    /// Since the last that went well.
    failures: u32,
    last: Option<FeedOutcome>,
    next_epoch_s: Option<u64>,
}

impl Figures {
    /// Notes how an update ended; a refusal with its reason and words.
    pub fn ended(
        &self,
        name: &str,
        at_epoch_s: u64,
        ended: Result<FeedResult, (&'static str, String)>,
    ) {
        let mut all = self.lock();
        let figure = all.entry(name.to_owned()).or_default();
        figure.failures = if ended.is_err() { figure.failures.saturating_add(1) } else { 0 };
        let outcome = |result| FeedOutcome { at_epoch_s, result, reason: None, error: None };
        figure.last = Some(match ended {
            Ok(FeedResult::New) => {
                figure.new += 1;
                outcome(FeedResult::New)
            }
            Ok(result) => {
                figure.unchanged += 1;
                outcome(result)
            }
            Err((reason, error)) => {
                *figure.refused.entry(reason).or_default() += 1;
                let (reason, error) = (Some(reason.to_owned()), Some(error));
                FeedOutcome { reason, error, ..outcome(FeedResult::Refused) }
            }
        });
    }

    /// How many tries in a row went wrong.
    pub fn failures(&self, name: &str) -> u32 {
        self.lock().get(name).map_or(0, |figure| figure.failures)
    }

    /// Notes when it is asked for next.
    pub fn next(&self, name: &str, at_epoch_s: u64) {
        self.lock().entry(name.to_owned()).or_default().next_epoch_s = Some(at_epoch_s);
    }

    /// Forgets what is no longer configured.
    pub fn retain(&self, configured: impl Fn(&str) -> bool) {
        self.lock().retain(|name, _| configured(name));
    }

    /// The figures of one, with a count for each of these reasons.
    pub fn status(&self, name: &str, reasons: &[&'static str]) -> UpdateStatus {
        let figure = self.lock().get(name).cloned().unwrap_or_default();
        let count = |reason: &&'static str| ReasonCount {
            reason: (*reason).to_owned(),
            count: figure.refused.get(reason).copied().unwrap_or(0),
        };
        UpdateStatus {
            next_epoch_s: figure.next_epoch_s,
            new: figure.new,
            unchanged: figure.unchanged,
            refused: reasons.iter().map(count).collect(),
            last: figure.last,
        }
    }

    /// A thread that panicked while it held the lock left plain data behind, which is whole.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Figure>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_is_counted_once() {
        let figures = Figures::default();
        figures.ended("a", 1, Ok(FeedResult::New));
        figures.ended("a", 2, Ok(FeedResult::Unchanged));
        figures.ended("a", 3, Err(("status", "404".to_owned())));
        figures.ended("a", 4, Err(("status", "404".to_owned())));
        assert_eq!((figures.failures("a"), figures.failures("b")), (2, 0));
        let status = figures.status("a", &["status", "html"]);
        assert_eq!((status.new, status.unchanged, status.refusals()), (1, 1, 2));
        assert_eq!(status.refused.iter().map(|one| one.count).collect::<Vec<_>>(), [2, 0]);
        let last = status.last.expect("there was one");
        assert_eq!((last.at_epoch_s, last.result), (4, FeedResult::Refused));
        figures.ended("a", 5, Ok(FeedResult::Unchanged));
        assert_eq!(figures.failures("a"), 0);
        figures.retain(|name| name != "a");
        assert_eq!(figures.status("a", &[]), UpdateStatus::default());
    }
}
