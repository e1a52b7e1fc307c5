//! The loaded program against the oracle: generated policies, generated frames.

mod verb;

mod report;

use std::{
    collections::BTreeMap,
    error, fmt,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    engine::{Counts, Engine},
    generate::{self, Limiting},
    lay_out,
    oracle::{Oracle, OracleAction, OraclePer, OraclePolicy},
    random::Random,
};

pub use verb::main;

/// A ban that outlasts the trial.
const BAN: Duration = Duration::from_secs(3_600);
/// Nothing is refilled within it: a policy of small limits that took longer proves nothing.
const SMALL_LIMITS: Duration = Duration::from_millis(900);
/// Tries to be quick enough for that.
const TRIES_MAX: usize = 20;

/// How often each verdict, reason and protocol came up.
pub type Seen = BTreeMap<String, u64>;

/// What came of frames on which both agree.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// How often each verdict, reason and protocol came up.
    pub seen: Seen,
    /// Under how many policies.
    pub policies: u64,
    /// Policies that agreed only under a second hash key.
    pub rehashed: u64,
    /// What the time went into.
    pub spent: Spent,
}

/// What the time went into.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Compiling policies and loading programs.
    pub load: Duration,
    /// Making frames.
    pub generate: Duration,
    /// The oracle.
    pub oracle: Duration,
    /// `BPF_PROG_TEST_RUN`, most of which is the kernel's way to the program and back.
    pub program: Duration,
}

/// The first frame, or the counters, on which the program and the oracle differ.
#[derive(Debug)]
pub struct Mismatch {
    seed: u64,
    frames: usize,
    what: String,
    policy: OraclePolicy,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, frames, what, policy } = self;
        writeln!(f, "seed {seed}, {what}")?;
        writeln!(f, "the policy: {policy:#?}")?;
        write!(f, "again: cargo xtask trial --seed {seed} --frames {frames}")
    }
}

impl error::Error for Mismatch {}

/// Judges `frames` generated frames under the policy of a seed, by the program and by the oracle.
///
/// # Errors
///
/// A [`Mismatch`]; or where the kernel does not do what is asked.
pub fn run(seed: u64, frames: usize) -> Result<Trial> {
    let mut rehashed = 0;
    for _ in 0..TRIES_MAX {
        match attempt(seed, frames)? {
            Outcome::Same(trial) => return Ok(Trial { rehashed, ..trial }),
            Outcome::TooSlow => {}
            // Two of n sources share a bucket by chance, about n^2 times in 2^31; the key of the hash is drawn
            // anew with each load, so what is no chance comes up again.
            Outcome::Differs { by_chance: true, .. } if rehashed == 0 => rehashed = 1,
            Outcome::Differs { mismatch, .. } => return Err((*mismatch).into()),
        }
    }
    bail!("seed {seed}: {frames} frames took more than {SMALL_LIMITS:?}, {TRIES_MAX} times")
}

enum Outcome {
    Same(Trial),
    /// For limits in which time must play no part.
    TooSlow,
    Differs {
        mismatch: Box<Mismatch>,
        by_chance: bool,
    },
}

/// A policy, loaded, and its frames.
struct Stage {
    policy: OraclePolicy,
    limiting: Limiting,
    engine: Engine,
    oracle: Oracle,
    frames: Vec<Vec<u8>>,
    spent: Spent,
}

impl Stage {
    fn set(seed: u64, frames: usize) -> Result<Self> {
        let limiting = match seed % 4 {
            0 => Limiting::Small,
            1 => Limiting::Huge,
            _ => Limiting::None,
        };
        let mut random = Random::new(seed);
        let policy = generate::policy_with(&mut random, limiting);
        let started = Instant::now();
        let engine = Engine::load(&lay_out::source(&policy), &lay_out::options(&policy));
        let load = started.elapsed();
        let mut bans = engine.bans();
        for source in &policy.bans {
            bans.add(*source, BAN).context("the ban is taken")?;
        }
        let oracle = Oracle::new(policy.clone());
        let frames = (0..frames).map(|_| generate::frame(&mut random)).collect();
        let spent = Spent { load, generate: started.elapsed() - load, ..Spent::default() };
        Ok(Self { policy, limiting, engine, oracle, frames, spent })
    }
}

fn attempt(seed: u64, frames: usize) -> Result<Outcome> {
    let Stage { policy, limiting, mut engine, mut oracle, frames: made, mut spent } =
        Stage::set(seed, frames)?;
    let by_chance = limiting == Limiting::Small && has_rows(&policy);
    let differs = |what| {
        let mismatch = Mismatch { seed, frames, what, policy: policy.clone() };
        Outcome::Differs { mismatch: Box::new(mismatch), by_chance }
    };
    let mut expected = Counts::new();
    let started = Instant::now();
    for (index, frame) in made.iter().enumerate() {
        let at = started.elapsed();
        let judgement = oracle.judge(frame, at.as_nanos() as u64);
        let judged = started.elapsed();
        let verdict = engine.run(frame).label();
        let ran = started.elapsed();
        spent.oracle += judged - at;
        spent.program += ran - judged;
        if limiting == Limiting::Small && ran > SMALL_LIMITS {
            return Ok(Outcome::TooSlow);
        }
        let seen = if judgement.verdict == "shadow" { "pass" } else { judgement.verdict };
        if seen != verdict {
            return Ok(differs(format!(
                "frame {index}: the oracle says {judgement}, the program {verdict}: {frame:02x?}"
            )));
        }
        *expected.entry(judgement.to_string()).or_default() += 1;
    }
    let counted = engine.counts();
    if counted != expected {
        let found = locate(seed, frames)?.unwrap_or_else(|| different(&counted, &expected));
        return Ok(differs(found));
    }
    Ok(Outcome::Same(Trial { seen: expected, policies: 1, rehashed: 0, spent }))
}

/// Whether limits are kept in rows of buckets, by a hash.
fn has_rows(policy: &OraclePolicy) -> bool {
    let hashed = |action: &OracleAction| {
        matches!(action, OracleAction::Limit(OraclePer::Source | OraclePer::Prefix, _))
    };
    policy.limits.source.is_some()
        || policy.limits.prefix.is_some()
        || policy.rules.iter().any(|rule| hashed(&rule.action))
}

/// The first frame that the program gives another reason for. It is asked to explain, since the counters
/// do not say which frame they counted.
fn locate(seed: u64, frames: usize) -> Result<Option<String>> {
    const START_NS: u64 = 1_000_000_000;
    let Stage { mut engine, mut oracle, frames, .. } = Stage::set(seed, frames)?;
    for (index, frame) in frames.iter().enumerate() {
        let now_ns = START_NS + index as u64;
        let judgement = oracle.judge(frame, now_ns);
        let explained = engine.explain(frame, Some(now_ns));
        let (verdict, reason) = (explained.verdict.label(), explained.reason.label());
        if (judgement.verdict, judgement.reason) != (verdict, reason) {
            return Ok(Some(format!(
                "frame {index}: the oracle says {judgement}, the program {verdict} {reason}: {frame:02x?}"
            )));
        }
    }
    Ok(None)
}

/// The counters that differ.
fn different(counted: &Counts, expected: &Counts) -> String {
    let names = counted.keys().chain(expected.keys());
    let mut lines: Vec<String> = names
        .filter(|name| counted.get(*name) != expected.get(*name))
        .map(|name| {
            let [counted, expected] = [counted, expected].map(|counts| counts.get(name));
            let [counted, expected] = [counted, expected].map(|count| count.copied().unwrap_or(0));
            format!("{name}: counted {counted}, the oracle says {expected}")
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines.join("; ")
}

impl Trial {
    /// Adds what came of other frames.
    pub fn add(&mut self, other: &Self) {
        for (decision, count) in &other.seen {
            *self.seen.entry(decision.clone()).or_default() += count;
        }
        self.policies += other.policies;
        self.rehashed += other.rehashed;
        self.spent.load += other.spent.load;
        self.spent.generate += other.spent.generate;
        self.spent.oracle += other.spent.oracle;
        self.spent.program += other.spent.program;
    }

    /// How many frames.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.seen.values().sum()
    }
}
