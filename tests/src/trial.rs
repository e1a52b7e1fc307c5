//! The loaded program against the oracle: generated policies, generated frames.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    engine::{Counts, Engine},
    generate::{self, Limiting},
    lay_out,
    oracle::Oracle,
    random::Random,
};

/// A ban that outlasts the trial.
const BAN: Duration = Duration::from_secs(3_600);
/// Nothing is refilled within it: a policy of small limits that took longer proves nothing.
const SMALL_LIMITS: Duration = Duration::from_millis(900);

/// How often each verdict, reason and protocol came up.
pub type Seen = BTreeMap<String, u64>;

/// Judges `frames` generated frames under the policy of a seed, by the program and by the oracle.
///
/// # Errors
///
/// The first frame whose verdict differs, or the counters where a reason does.
pub fn run(seed: u64, frames: usize) -> Result<Seen> {
    let limiting = match seed % 4 {
        0 => Limiting::Small,
        1 => Limiting::Huge,
        _ => Limiting::None,
    };
    loop {
        if let Some(seen) = attempt(seed, frames, limiting)? {
            return Ok(seen);
        }
    }
}

/// Nothing where the machine was too slow for limits in which time must play no part.
fn attempt(seed: u64, frames: usize, limiting: Limiting) -> Result<Option<Seen>> {
    let mut random = Random::new(seed);
    let policy = generate::policy_with(&mut random, limiting);
    let mut engine = Engine::load(&lay_out::source(&policy), &lay_out::options(&policy));
    let mut bans = engine.bans();
    for source in &policy.bans {
        bans.add(*source, BAN).context("the ban is taken")?;
    }
    let mut oracle = Oracle::new(policy.clone());
    let generated: Vec<Vec<u8>> = (0..frames).map(|_| generate::frame(&mut random)).collect();
    let mut expected = Counts::new();
    let started = Instant::now();
    for (index, frame) in generated.iter().enumerate() {
        let judgement = oracle.judge(frame, started.elapsed().as_nanos() as u64);
        let verdict = engine.run(frame).label();
        if limiting == Limiting::Small && started.elapsed() > SMALL_LIMITS {
            return Ok(None);
        }
        let seen = if judgement.verdict == "shadow" { "pass" } else { judgement.verdict };
        ensure!(
            seen == verdict,
            "seed {seed}, frame {index}: the oracle says {judgement}, the program {verdict}: \
             {frame:02x?} under {policy:#?}"
        );
        *expected.entry(judgement.to_string()).or_default() += 1;
    }
    let counted = engine.counts();
    ensure!(counted == expected, "seed {seed}: counted {counted:?}, the oracle says {expected:?}");
    Ok(Some(expected))
}
