//! Costs that are no rate: a change of policy, and the whole way of one packet that passes.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use anyhow::{Context as _, Result, bail};

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
    frame::{TCP, ethernet, ipv4, tcp},
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

/// The segment that meets most: one that opens a connection to a port with a limit and SYN cookies, and
/// that every stage lets pass. A deny list, countries, a ban of somebody else, rules with a limit among
/// them, every limit there is, and sampling are on.
pub fn pass(link: &Link, geo: &Geo) -> Result<(Row, Vec<String>)> {
    const REPEAT: u32 = 1_000_000;
    const TIMES: u64 = 5;
    let denied = lists::random_v4(100_000);
    let policy = Policy { denied: &denied, geo: Some(geo), everything: true, ..Policy::default() };
    let pins = link.pins().join("pass");
    let mut seawall = Seawall::load(&policy, &pins)?;
    Seawall::ban(&pins, Ipv4Addr::new(192, 0, 2, 1).into())?;
    let mut random = Random::new(1);
    let source = (0..1_000_000)
        .map(|number| Sources::ALL_V4.draw(&mut random, number))
        .find(|address| geo.lets_in(*address) && !lists::lists(&denied, *address))
        .context("no country lets anybody in")?;
    let IpAddr::V4(source) = source else { bail!("{source} is no IPv4 address") };
    let frame = ethernet(0x0800, &ipv4(source, TCP, &tcp(40_000, 443)));
    let took = (0..TIMES)
        .map(|_| Ok(seawall.judge(&frame, REPEAT)?.as_nanos() as f64))
        .collect::<Result<Vec<f64>>>()?;
    let counts = seawall.counts()?;
    let problems = match counts.get(label::SYN_PASSED) {
        Some(passed) if *passed == TIMES * u64::from(REPEAT) && counts.len() == 1 => Vec::new(),
        Some(_) | None => vec![format!("expected {TIMES} million that pass, counted {counts:?}")],
    };
    Ok((Row::single("pass_ns", measure::median(took), "ns", problems.is_empty()), problems))
}
