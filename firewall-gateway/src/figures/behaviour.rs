//! What clients did, and what it led to.

use serde::{Deserialize, Serialize};

use super::{LabelCount, add_labels};

/// Everything that was counted of offences since the worker started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BehaviourFigures {
    /// Offences; the labels are those of `Signal`.
    pub signals: Vec<LabelCount>,
    /// What scores led to; the labels are those of `Verdict`.
    pub verdicts: Vec<LabelCount>,
    /// Slots of the table that are in use: a gauge.
    pub addresses: u64,
    /// Addresses with a score that had to leave the table for others.
    pub displaced: u64,
}

impl BehaviourFigures {
    /// Adds another worker's figures.
    pub fn add(&mut self, other: &Self) {
        add_labels(&mut self.signals, &other.signals);
        add_labels(&mut self.verdicts, &other.verdicts);
        self.addresses = self.addresses.saturating_add(other.addresses);
        self.displaced = self.displaced.saturating_add(other.displaced);
    }
}
