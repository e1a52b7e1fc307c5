//! A table of scores with its thresholds and counters: there is one of addresses and one of consumers.

use std::time::Duration;

use super::{
    offence::SignalCount,
    scores::{Added, Refusals, Scores, Whose},
    signal::Signal,
    tally::{Tally, Verdict},
};
use crate::{figures::ScoreFigures, policy::Thresholds};

/// Scores, and what they lead to.
#[derive(Debug)]
pub struct Board {
    scores: Scores,
    thresholds: Thresholds,
    shadow: bool,
    tally: Tally,
}

/// How somebody stands before a request is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The score, where that is one to watch.
    pub score: Option<u32>,
    /// What becomes of the request.
    pub turn: Turn,
}

/// What a score makes of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    /// It is served.
    #[default]
    Served,
    /// It is too: in shadow mode, where it would be refused otherwise.
    Spared,
    /// It is refused until the score has fallen, in this time.
    Challenged(Duration),
    /// It is refused for this time, whatever the score.
    Refused(Duration),
}

impl Standing {
    /// After which time to come again, where the request is refused.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        match self.turn {
            Turn::Served | Turn::Spared => None,
            Turn::Challenged(wait) | Turn::Refused(wait) => Some(wait),
        }
    }
}

impl Board {
    /// Nobody has offended yet.
    #[must_use]
    pub fn new(scores: Scores, thresholds: Thresholds, shadow: bool) -> Self {
        Self { scores, thresholds, shadow, tally: Tally::default() }
    }

    /// How somebody stands; whether a challenge is behind them is asked where there is one.
    #[must_use]
    pub fn standing(
        &self,
        whose: Whose<'_>,
        now_ms: u64,
        passes: impl FnOnce() -> bool,
    ) -> Standing {
        let known = self.scores.known(whose, now_ms);
        let refused_ms = known.until_ms.saturating_sub(now_ms);
        let watched = known.score >= f64::from(self.thresholds.watch);
        let score = watched.then_some(known.score.round() as u32);
        let challenge = f64::from(self.thresholds.challenge);
        if refused_ms == 0 && known.score < challenge {
            return Standing { score, turn: Turn::Served };
        }
        if self.shadow {
            self.tally.verdict(Verdict::WouldChallenge);
            return Standing { score, turn: Turn::Spared };
        }
        if refused_ms == 0 && passes() {
            self.tally.verdict(Verdict::Passed);
            return Standing { score, turn: Turn::Served };
        }
        self.tally.verdict(Verdict::Challenged);
        // A moment later it is below.
        let falls_ms = self.scores.falls_in_ms(known.score, challenge).saturating_add(1);
        let wait = Duration::from_millis(refused_ms.max(falls_ms));
        let turn = if refused_ms > 0 { Turn::Refused(wait) } else { Turn::Challenged(wait) };
        Standing { score, turn }
    }

    /// Somebody did something. Gives back what is to be decided, where the score is that of a ban.
    pub fn add(&self, whose: Whose<'_>, signal: Signal, weight: u32, now_ms: u64) -> Option<Added> {
        self.tally.signal(signal);
        let added = self.scores.add(whose, signal, weight, now_ms)?;
        let watch = f64::from(self.thresholds.watch);
        if added.before < watch && added.after >= watch {
            self.tally.verdict(Verdict::Watched);
        }
        (added.after >= f64::from(self.thresholds.ban)).then_some(added)
    }

    /// Refuses from now on, and says for what; nothing where another thread has decided the same.
    pub fn decide(
        &self,
        added: &Added,
        now_ms: u64,
        refusals: &Refusals,
    ) -> Option<Vec<SignalCount>> {
        let seen = self.scores.decide(added, now_ms, refusals)?;
        Some(seen.into_iter().map(|(signal, count)| SignalCount { signal, count }).collect())
    }

    /// Counts what a score led to.
    pub fn verdict(&self, verdict: Verdict) {
        self.tally.verdict(verdict);
    }

    /// What was counted.
    #[must_use]
    pub fn figures(&self) -> ScoreFigures {
        let (scored, displaced) = self.scores.counts();
        self.tally.figures(scored, displaced)
    }
}
