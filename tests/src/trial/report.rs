//! What is printed: lines to read, or one object of JSON.

use std::{collections::BTreeMap, fmt, time::Duration};

use anyhow::Error;
use serde::Serialize;

use crate::trial::Trial;

/// The result of a trial.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Frames that were judged twice.
    frames: u64,
    /// Policies that they were judged by, each with a seed of its own from `seed` on.
    policies: u64,
    seed: u64,
    seconds: f64,
    frames_per_s: f64,
    /// Policies that agreed only under a second hash key.
    rehashed: u64,
    /// Shares of the time of all threads.
    spent: BTreeMap<&'static str, f64>,
    /// By verdict and reason.
    decisions: BTreeMap<String, u64>,
    /// The first difference; none where all agree.
    mismatch: Option<String>,
}

impl Report {
    pub fn new(
        seed: u64,
        total: &Trial,
        elapsed: Duration,
        threads: usize,
        failure: Option<&Error>,
    ) -> Self {
        let mut decisions = BTreeMap::new();
        for (decision, count) in &total.seen {
            let words: Vec<&str> = decision.split(' ').take(2).collect();
            *decisions.entry(words.join(" ")).or_default() += count;
        }
        let seconds = elapsed.as_secs_f64();
        let share = |spent: Duration| spent.as_secs_f64() / (seconds * threads as f64);
        let spent = [
            ("load", total.spent.load),
            ("generate", total.spent.generate),
            ("oracle", total.spent.oracle),
            ("program", total.spent.program),
        ];
        Self {
            frames: total.frames(),
            policies: total.policies,
            seed,
            seconds,
            frames_per_s: total.frames() as f64 / seconds,
            rehashed: total.rehashed,
            spent: spent.map(|(part, spent)| (part, share(spent))).into(),
            decisions,
            mismatch: failure.map(|error| format!("{error:#}")),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (decision, count) in &self.decisions {
            writeln!(f, "{count:>12} {decision}")?;
        }
        write!(f, "time of all threads:")?;
        for (part, share) in &self.spent {
            write!(f, " {part} {:.0} %", share * 1e2)?;
        }
        writeln!(f)?;
        let Self { frames, policies, seed, seconds, frames_per_s, rehashed, .. } = self;
        writeln!(
            f,
            "{frames} frames, {policies} policies from seed {seed} on, {seconds:.1} s, {frames_per_s:.0} frames/s; \
             {rehashed} agreed only under a second hash key"
        )?;
        match &self.mismatch {
            Some(mismatch) => writeln!(f, "MISMATCH: {mismatch}"),
            None => writeln!(f, "no mismatch"),
        }
    }
}
