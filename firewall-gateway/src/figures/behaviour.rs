//! What clients did, and what it led to.

use serde::{Deserialize, Serialize};

use super::{LabelCount, add_labels};

/// Everything that was counted of offences since the worker started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BehaviourFigures {
    /// Of addresses.
    pub addresses: ScoreFigures,
    /// Of consumers.
    pub consumers: ScoreFigures,
    /// Consumers whose country had to be forgotten for others.
    pub travels_displaced: u64,
    /// Addresses that were counted by a limit and had to be forgotten for others.
    pub budgets_displaced: u64,
    /// What became of challenges of browsers.
    pub challenges: Vec<LabelCount>,
}

/// What was counted of one table of scores.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreFigures {
    /// Offences; the labels are those of `Signal`.
    pub signals: Vec<LabelCount>,
    /// What scores led to; the labels are those of `Verdict`.
    pub verdicts: Vec<LabelCount>,
    /// Slots of the table that are in use: a gauge.
    pub scored: u64,
    /// Who had a score and had to leave the table for others.
    pub displaced: u64,
}

impl BehaviourFigures {
    /// Adds another worker's figures.
    pub fn add(&mut self, other: &Self) {
        self.addresses.add(&other.addresses);
        self.consumers.add(&other.consumers);
        self.travels_displaced = self.travels_displaced.saturating_add(other.travels_displaced);
        self.budgets_displaced = self.budgets_displaced.saturating_add(other.budgets_displaced);
        add_labels(&mut self.challenges, &other.challenges);
    }

    /// Sets the gauges to zero.
    pub fn retire(&mut self) {
        self.addresses.scored = 0;
        self.consumers.scored = 0;
    }
}

impl ScoreFigures {
    fn add(&mut self, other: &Self) {
        add_labels(&mut self.signals, &other.signals);
        add_labels(&mut self.verdicts, &other.verdicts);
        self.scored = self.scored.saturating_add(other.scored);
        self.displaced = self.displaced.saturating_add(other.displaced);
    }
}
