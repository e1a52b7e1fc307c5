//! What a spoofed flood costs clients that were there before: the share of their packets that the limit
//! takes for the flood's.

use std::{path::Path, time::Duration};

use anyhow::Result;

use crate::bench::{
    expect::{self, Expect},
    link::Link,
    measure,
    report::Row,
    seawall::{Policy, Seawall},
    traffic::{CLIENTS, Generator, Sources},
};

/// Packets a second that a source may send. Clients send half of it; since the queue in front of the
/// receiver loses packets at random, they come unevenly, and a burst forgives that. Low enough for
/// strangers who share a client's bucket, where that can happen, to use it up in the time measured.
const RATE_PPS: u32 = 2;
const BURST: u32 = 10;
const LENGTH: Duration = Duration::from_secs(5);

/// Floods from 16 million sources, with 1,000 clients among them.
pub fn loss(link: &Link, object: &Path) -> Result<(Row, Vec<String>)> {
    let policy = Policy { limit: Some((RATE_PPS, BURST)), ..Policy::default() };
    let run = |name: &str, every: u32, length| {
        let sources = Sources::V4AndClients { base: 93 << 24, span: 1 << 24, every };
        let mut seawall = Seawall::load(&policy, &link.pins().join(name))?;
        let generator = Generator::load(object, &sources)?;
        let sample = measure::sample(link, &mut seawall, &generator, length)?;
        let problems = Expect::Clients { rate_pps: RATE_PPS }.check(&seawall, &sample);
        anyhow::Ok((sample, problems))
    };
    // How many packets arrive decides how many of them must be the clients'.
    let (tried, _) = run("clients_tried", u32::MAX, measure::WINDOW)?;
    let clients_pps = f64::from(RATE_PPS) / 2.0 * CLIENTS as f64;
    let every = tried.mpps() * 1e6 / clients_pps;
    let (sample, problems) = run("clients", every.max(1.0) as u32, LENGTH)?;
    let row = Row::single(
        "limiter_16m_loss",
        expect::clients_loss(&sample),
        "share",
        problems.is_empty(),
    );
    Ok((row, problems))
}
