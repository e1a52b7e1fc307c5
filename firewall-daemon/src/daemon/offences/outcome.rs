//! What became of an offence that a worker told of, by name.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use firewall_gateway::figures::LabelCount;

/// Each way in which one can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The kernel drops its packets.
    Banned,
    /// It would, in shadow mode.
    Shadow,
    /// It is on an allow list.
    Allowed,
    /// It is protected.
    Protected,
    /// It is a proxy that brings others.
    TrustedProxy,
    /// It is this host, or can only be on its link.
    Local,
    /// It is banned already.
    AlreadyBanned,
    /// As many were banned in this second as may be.
    Rate,
    /// Its ban is being changed by hand.
    Busy,
    /// Too many records wait for the disk.
    Unrecorded,
    /// The kernel did not take it.
    Failed,
    /// The policy in force does not score.
    Off,
}

impl Outcome {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::Banned,
        Self::Shadow,
        Self::Allowed,
        Self::Protected,
        Self::TrustedProxy,
        Self::Local,
        Self::AlreadyBanned,
        Self::Rate,
        Self::Busy,
        Self::Unrecorded,
        Self::Failed,
        Self::Off,
    ];

    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Banned => "banned",
            Self::Shadow => "shadow",
            Self::Allowed => "allowed",
            Self::Protected => "protected",
            Self::TrustedProxy => "trusted_proxy",
            Self::Local => "local",
            Self::AlreadyBanned => "already_banned",
            Self::Rate => "rate",
            Self::Busy => "busy",
            Self::Unrecorded => "unrecorded",
            Self::Failed => "failed",
            Self::Off => "off",
        }
    }
}

/// A counter for each.
#[derive(Debug, Default)]
pub struct Outcomes([AtomicU64; Outcome::ALL.len()]);

impl Outcomes {
    /// Counts one.
    pub fn count(&self, outcome: Outcome) {
        if let Some(counter) = self.0.get(outcome as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// All counts, with those that found no room in the queue.
    pub fn figures(&self, lost: u64) -> Vec<LabelCount> {
        let counted = Outcome::ALL.iter().zip(&self.0);
        counted
            .map(|(outcome, counter)| (outcome.label(), counter.load(Relaxed)))
            .chain([("lost", lost)])
            .map(|(label, count)| LabelCount { label: label.to_owned(), count })
            .collect()
    }
}
