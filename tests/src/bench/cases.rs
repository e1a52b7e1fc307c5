//! The receivers that are measured, each with its traffic and what it must do with it.

use std::path::Path;

use anyhow::Result;
use ipnetwork::IpNetwork;

use crate::bench::{
    expect::Expect,
    link::Link,
    lists::{self, Geo},
    lpm,
    measure::{self, Sample},
    nftables::Nftables,
    receiver::{Program, Receiver},
    seawall::{Policy, Seawall, label},
    traffic::{Generator, Sources},
};

/// One receiver in the row of those that take turns.
pub struct Case {
    /// The row.
    pub id: &'static str,
    /// What it showed.
    pub samples: Vec<Sample>,
    /// What of that cannot be.
    pub problems: Vec<String>,
    receiver: Box<dyn Receiver>,
    generator: Generator,
    expect: Expect,
}

impl Case {
    /// Takes one more sample; again, where another process had one of the cores meanwhile.
    pub fn sample(&mut self, link: &Link) -> Result<()> {
        let mut best: Option<Sample> = None;
        for _ in 0..TRIES_MAX {
            let receiver = self.receiver.as_mut();
            let sample = measure::sample(link, receiver, &self.generator, measure::WINDOW)?;
            self.problems.extend(self.expect.check(self.receiver.as_ref(), &sample));
            if best.as_ref().is_none_or(|best| sample.disturbed < best.disturbed) {
                best = Some(sample);
            }
            if best.as_ref().is_some_and(|best| best.disturbed < DISTURBED_MAX) {
                break;
            }
        }
        self.samples.extend(best);
        Ok(())
    }

    /// The middle one of what each sample says.
    #[must_use]
    pub fn median(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        measure::median(self.samples.iter().map(value).collect())
    }
}

/// What others may take of the time; after a second try it is taken as it is.
const DISTURBED_MAX: f64 = 0.05;
const TRIES_MAX: usize = 2;

/// Packets a second that one source may send: the least there is, so that few sources make the limit
/// work as well. Of 16 million few ever send more.
const RATE_PPS: u32 = 1;

/// Makes cases.
pub struct Maker<'a> {
    /// The programs of bench-ebpf.
    pub object: &'a Path,
    /// A folder for pins.
    pub pins: &'a Path,
    /// The country database.
    pub geo: &'a Geo,
}

impl Maker<'_> {
    /// All, in the order of the report; the first is the limit.
    pub fn all(&self) -> Result<Vec<Case>> {
        let all = Sources::ALL_V4;
        let slash8 = Sources::V4 { base: 93 << 24, span: 1 << 24 };
        let (v4_1k, v4_100k) = (lists::random_v4(1_000), lists::random_v4(100_000));
        let (v4_1m, v6) = (lists::random_v4(1_000_000), lists::random_v6(100_000));
        let geo = Some(self.geo);
        let blind = |label| Expect::Shares(vec![(label, 1.0)]);
        let limit = Box::new(Program::limit(self.object)?);
        let limit_pass = Box::new(Program::limit_pass(self.object)?);
        let trie = Box::new(lpm::load(self.object, &v4_100k)?);
        let set = Box::new(Nftables::load(&v4_100k)?);
        Ok(vec![
            self.case("limit", &all, limit, blind("drop unseen"))?,
            self.case("limit_pass", &all, limit_pass, blind("pass unseen"))?,
            self.lists("v4_all_1k", &all, &v4_1k, None)?,
            self.lists("v4_all_100k", &all, &v4_100k, None)?,
            self.lists("v4_all_100k_geo", &all, &v4_100k, geo)?,
            self.lists("v4_all_1m", &all, &v4_1m, None)?,
            self.lists("v4_all_1m_geo", &all, &v4_1m, geo)?,
            self.lists("v4_slash8_100k", &slash8, &v4_100k, None)?,
            self.lists("v6_all_100k", &Sources::V6, &v6, None)?,
            self.lists("v6_all_100k_geo", &Sources::V6, &v6, geo)?,
            self.lists("v6_networks_100k_geo", &self.geo.real_v6(), &v6, geo)?,
            self.limited("limiter_256", 1 << 8)?,
            self.limited("limiter_65k", 1 << 16)?,
            self.limited("limiter_16m", 1 << 24)?,
            self.case("nftables_100k", &all, set, rival_shares(&all, &v4_100k))?,
            self.case("lpm_100k", &all, trie, rival_shares(&all, &v4_100k))?,
        ])
    }

    fn case(
        &self,
        id: &'static str,
        sources: &Sources,
        receiver: Box<dyn Receiver>,
        expect: Expect,
    ) -> Result<Case> {
        let generator = Generator::load(self.object, sources)?;
        let (samples, problems) = (Vec::new(), Vec::new());
        Ok(Case { id, samples, problems, receiver, generator, expect })
    }

    fn seawall(&self, id: &str, policy: &Policy<'_>) -> Result<Box<dyn Receiver>> {
        Ok(Box::new(Seawall::load(policy, &self.pins.join(id))?))
    }

    fn lists(
        &self,
        id: &'static str,
        sources: &Sources,
        denied: &[IpNetwork],
        geo: Option<&Geo>,
    ) -> Result<Case> {
        let receiver = self.seawall(id, &Policy { denied, geo, ..Policy::default() })?;
        self.case(id, sources, receiver, list_shares(sources, denied, geo))
    }

    fn limited(&self, id: &'static str, sources: u32) -> Result<Case> {
        let (rate_pps, burst) = (RATE_PPS, 1);
        let policy = Policy { closed_limit: Some((rate_pps, burst)), ..Policy::default() };
        let expect = Expect::Limited { sources: u64::from(sources), rate_pps, burst };
        let drawn = Sources::V4 { base: 93 << 24, span: sources };
        self.case(id, &drawn, self.seawall(id, &policy)?, expect)
    }
}

/// What Seawall must do with each source.
pub fn list_shares(sources: &Sources, denied: &[IpNetwork], geo: Option<&Geo>) -> Expect {
    let (denies, passes) = lists::shares(sources, denied, geo);
    let mut shares = vec![(label::DENIED, denies), (label::UNLISTED, 1.0 - denies - passes)];
    if geo.is_some() {
        shares.push((label::PASSED, passes));
    }
    Expect::Shares(shares)
}

fn rival_shares(sources: &Sources, denied: &[IpNetwork]) -> Expect {
    let (listed, _) = lists::shares(sources, denied, None);
    Expect::Shares(vec![("drop listed", listed), ("drop unlisted", 1.0 - listed)])
}
