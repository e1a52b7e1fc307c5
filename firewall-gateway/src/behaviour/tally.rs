//! What is counted of offences and of what they led to.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::signal::Signal;
use crate::figures::{LabelCount, ScoreFigures, one};

/// What a score led to.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// Somebody came to the score from which on it is watched.
    Watched,
    /// A request was refused.
    Challenged,
    /// It would have been, in shadow mode.
    WouldChallenge,
    /// The supervisor was asked for a ban.
    Reported,
    /// It could not be asked: too many were waiting.
    Lost,
    /// A consumer, or a client behind a proxy, is refused for a time.
    Refused,
    /// It would be, in shadow mode.
    WouldRefuse,
    /// A request was served although its score is that of a challenge: its browser has solved one, or is about to.
    Passed,
    /// An address went on over a budget, whatever its score.
    Exhausted,
}

impl Verdict {
    const ALL: [Self; 9] = [
        Self::Watched,
        Self::Challenged,
        Self::WouldChallenge,
        Self::Reported,
        Self::Lost,
        Self::Refused,
        Self::WouldRefuse,
        Self::Passed,
        Self::Exhausted,
    ];

    /// The value of the metric label, and what an event says came of an offence.
    pub fn label(self) -> &'static str {
        match self {
            Self::Watched => "watched",
            Self::Challenged => "challenged",
            Self::WouldChallenge => "would_challenge",
            Self::Reported => "reported",
            Self::Lost => "lost",
            Self::Refused => "refused",
            Self::WouldRefuse => "would_refuse",
            Self::Passed => "passed",
            Self::Exhausted => "exhausted",
        }
    }
}

/// Counters that the threads share: only who offends moves them.
#[derive(Debug, Default)]
pub struct Tally {
    signals: [AtomicU64; Signal::ALL.len()],
    verdicts: [AtomicU64; Verdict::ALL.len()],
}

impl Tally {
    /// Counts an offence.
    pub fn signal(&self, signal: Signal) {
        if let Some(counter) = self.signals.get(signal as usize) {
            one(counter);
        }
    }

    /// Counts what a score led to.
    pub fn verdict(&self, verdict: Verdict) {
        if let Some(counter) = self.verdicts.get(verdict as usize) {
            one(counter);
        }
    }

    /// The counters as they stand.
    pub fn figures(&self, scored: u64, displaced: u64) -> ScoreFigures {
        ScoreFigures {
            signals: labels(Signal::ALL.map(Signal::label), &self.signals),
            verdicts: labels(Verdict::ALL.map(Verdict::label), &self.verdicts),
            scored,
            displaced,
        }
    }
}

fn labels<const N: usize>(names: [&'static str; N], counters: &[AtomicU64; N]) -> Vec<LabelCount> {
    let counted = names.into_iter().zip(counters);
    let counted = counted.map(|(label, counter)| (label, counter.load(Relaxed)));
    let moved = counted.filter(|(_, count)| *count > 0);
    moved.map(|(label, count)| LabelCount { label: label.to_owned(), count }).collect()
}
