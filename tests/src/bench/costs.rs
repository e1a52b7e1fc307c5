//! Costs that are no rate: a change of policy, and the whole way of one packet that passes.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::{
    bench::{
        cases,
        link::Link,
        lists::{self, Geo},
        measure,
        receiver::Receiver as _,
        report::Row,
        seawall::{InForce, Policy, Seawall, label},
        traffic::{Generator, Sources},
    },
    frame::udp_from,
    random::Random,
};

/// Compiles, loads and switches to a million prefixes and the country database, while attached; then
/// floods what is in force, to see that it is that policy.
pub fn switch(link: &Link, object: &Path, geo: &Geo) -> Result<(Row, Vec<String>)> {
    const TIMES: u32 = 5;
    let (denied, pins) = (lists::random_v4(1_000_000), link.pins().join("switch"));
    let policy = Policy { denied: &denied, geo: Some(geo), ..Policy::default() };
    let mut in_force = InForce::start(&Policy::default(), &pins)?;
    let took = in_force.switch(&policy, &pins, TIMES)?;
    let sources = Sources::ALL_V4;
    let generator = Generator::load(object, &sources)?;
    let sample = measure::sample(link, &mut in_force, &generator, measure::WINDOW)?;
    let expect = cases::list_shares(&sources, &denied, Some(geo));
    let problems = expect.check(&in_force, &sample);
    let value = measure::median(took.iter().map(|took| took.as_secs_f64() * 1e3).collect());
    Ok((Row::single("switch_1m_ms", value, "ms", problems.is_empty()), problems))
}

/// A packet that every stage lets pass, with a deny list, countries, the limit of each source and sampling
/// on; rules and the limits of other scopes are not.
pub fn pass(link: &Link, geo: &Geo) -> Result<(Row, Vec<String>)> {
    const REPEAT: u32 = 1_000_000;
    const TIMES: u64 = 5;
    const ENOUGH: u32 = 10_000_000;
    let denied = lists::random_v4(100_000);
    let policy = Policy {
        denied: &denied,
        geo: Some(geo),
        limit: Some((ENOUGH, ENOUGH)),
        sample_one_in: 1_000,
    };
    let mut seawall = Seawall::load(&policy, &link.pins().join("pass"))?;
    let mut random = Random::new(1);
    let source = (0..1_000_000)
        .map(|number| Sources::ALL_V4.draw(&mut random, number))
        .find(|address| geo.lets_in(*address) && !lists::lists(&denied, *address))
        .context("no country lets anybody in")?;
    let frame = udp_from(source);
    let took = (0..TIMES)
        .map(|_| Ok(seawall.judge(&frame, REPEAT)?.as_nanos() as f64))
        .collect::<Result<Vec<f64>>>()?;
    let counts = seawall.counts()?;
    let problems = match counts.get(label::PASSED) {
        Some(passed) if *passed == TIMES * u64::from(REPEAT) && counts.len() == 1 => Vec::new(),
        Some(_) | None => vec![format!("expected {TIMES} million that pass, counted {counts:?}")],
    };
    Ok((Row::single("pass_ns", measure::median(took), "ns", problems.is_empty()), problems))
}
