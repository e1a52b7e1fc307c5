//! `cargo xtask bench limits`: what limits let by while both cores judge packets of the same bucket, beside
//! what they were told.

use std::{
    net::IpAddr,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use firewall_daemon::config::RateConfig;
use nix::unistd::gettid;

use crate::{
    bench::{
        link::{self, Link},
        receiver::Receiver as _,
        report::{Report, Row},
        seawall::{Seawall, label},
        traffic::{FRAME_BYTES, Generator, Sources},
    },
    engine::judged_by_cpu,
    limit_scopes::{Family, Scope, allowance},
    policies::{bytes, packets},
};

/// What a limit may differ from what it was told.
const TOLERANCE: f64 = 0.02;
const CPUS: usize = 2;
/// Each core judges this share of the packets at least.
const CPU_SHARE_MIN: f64 = 0.2;
/// The kernel has begun both test runs by then; nothing is sent before.
const SETTLE: Duration = Duration::from_millis(100);
/// The destination port of the generator's datagrams.
const PORT: u16 = 443;

/// A rate, by the name of its row, and how long it is held.
fn rates(scope: Scope, family: Family) -> Vec<(&'static str, RateConfig, Duration)> {
    const SHORT: Duration = Duration::from_secs(1);
    // So slow a limit lets few packets by, so that a tick of the clock counts for more.
    const LONG: Duration = Duration::from_secs(2);
    let mut rates = vec![("100k", packets(100_000, 10_000), SHORT)];
    if family == Family::V4 || scope == Scope::Source {
        rates.push(("1k", packets(1_000, 100), LONG));
        rates.push(("1m", packets(1_000_000, 100_000), SHORT));
        rates.push(("bytes", bytes(10_000_000, 1_000_000), SHORT));
    }
    if scope == Scope::Source {
        // A burst of a millisecond: the clock is asked for each packet.
        rates.push(("1m_short", packets(1_000_000, 1_000), SHORT));
    }
    rates
}

/// Every scope, family and rate.
pub fn run(object: &Path) -> Result<(Report, Vec<String>)> {
    let link = Link::create_spread()?;
    link.run(|| {
        let (mut rows, mut problems) = (Vec::new(), Vec::new());
        for scope in Scope::ALL {
            for family in [Family::V4, Family::V6] {
                for (rate_name, rate, length) in rates(scope, family) {
                    let id = format!("{}_{rate_name}_{}", scope.label(), family.label());
                    let case = Case { scope, family, rate, length };
                    let (row, wrong) = case.measure(id, &link, object)?;
                    eprintln!(
                        "  {:<20} {:.4} of what was asked",
                        row.id,
                        row.ratio.unwrap_or(f64::NAN)
                    );
                    problems.extend(wrong.iter().map(|what| format!("{}: {what}", row.id)));
                    rows.push(row);
                }
            }
        }
        Ok((Report::from_rows(rows), problems))
    })
}

struct Case {
    scope: Scope,
    family: Family,
    rate: RateConfig,
    length: Duration,
}

impl Case {
    fn measure(&self, id: String, link: &Link, object: &Path) -> Result<(Row, Vec<String>)> {
        let pins = link.pins().join(&id);
        let (source, options) = self.scope.policy(self.rate, PORT);
        let mut seawall = Seawall::load_source(&source, &options, &pins)?;
        let generator = Generator::load(object, &self.sources())?;
        let before = link::arrivals()?;
        generator.stop(true)?;
        seawall.attach()?;
        let sent = send(&generator, self.length);
        let after = link::arrivals();
        seawall.detach()?;
        let (seconds, arrived) = (sent?.as_secs_f64(), after?.packets - before.packets);
        let (counts, losses) = (seawall.counts()?, seawall.losses()?);
        let count = |label: &str| counts.get(label).copied().unwrap_or(0);
        let (passed, dropped) =
            (count(label::PASSED), count(&format!("drop {} udp", self.scope.reason().label())));
        let (burst, rate_pps) = allowance(self.rate, FRAME_BYTES);
        let asked = burst + rate_pps * seconds;
        let ratio = passed as f64 / asked;
        let mut problems = Vec::new();
        if (ratio - 1.0).abs() > TOLERANCE {
            problems.push(format!(
                "{passed} passed in {seconds:.3} s, {asked:.0} were asked for; {losses:?}"
            ));
        }
        if passed + dropped != arrived || dropped == 0 {
            problems.push(format!("{arrived} arrived, counted {counts:?}"));
        }
        let by_cpu = judged_by_cpu(&pins)?;
        let least = by_cpu.iter().take(CPUS).min().copied().unwrap_or(0);
        if (least as f64) < arrived as f64 * CPU_SHARE_MIN {
            problems.push(format!("the cores judged {by_cpu:?} packets: not both of them"));
        }
        let asked_pps = asked / seconds;
        let row = Row::beside(id, passed as f64 / seconds, "pps", asked_pps, problems.is_empty());
        Ok((row, problems))
    }

    fn sources(&self) -> Sources {
        let sources = self.scope.sources(self.family);
        let of_v4 = |source: &IpAddr| match source {
            IpAddr::V4(source) => Some(source.to_bits()),
            IpAddr::V6(_) => None,
        };
        let of_v6 = |source: &IpAddr| match source {
            IpAddr::V4(_) => None,
            IpAddr::V6(source) => Some((source.to_bits() >> 64) as u64),
        };
        match sources.iter().find_map(of_v4) {
            Some(base) => Sources::V4 { base, span: sources.len() as u32 },
            None => Sources::V6Of(sources.iter().filter_map(of_v6).collect()),
        }
    }
}

/// Sends from both cores at once for so long; answers how long it was.
fn send(generator: &Generator, length: Duration) -> Result<Duration> {
    thread::scope(|scope| {
        let senders: Vec<_> = (0..CPUS)
            .map(|cpu| {
                scope.spawn(move || {
                    link::own(gettid(), cpu)?;
                    generator.run(SETTLE + length)
                })
            })
            .collect();
        thread::sleep(SETTLE);
        let started = generator.stop(false);
        let start = Instant::now();
        thread::sleep(length);
        let stopped = generator.stop(true);
        let took = start.elapsed();
        for sender in senders {
            sender.join().map_err(|_| anyhow!("a generator panicked"))??;
        }
        started.and(stopped).map(|()| took)
    })
}
