//! What is measured: something that disposes of packets, and counts them.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Map, PerCpuArray},
    programs::{Xdp, XdpMode, xdp::XdpLinkId},
};

use crate::bench::link::RECEIVER;

/// Packets by what became of them.
pub type Counts = BTreeMap<String, u64>;

/// A receiver, loaded. All of it happens inside the namespace.
pub trait Receiver {
    /// Puts it on the receiving interface.
    fn attach(&mut self) -> Result<()>;
    /// Takes it off.
    fn detach(&mut self) -> Result<()>;
    /// What it counted since it was loaded.
    fn counts(&self) -> Result<Counts>;
    /// How many packets it disposed of since it was loaded; answered at once.
    fn disposed(&self) -> Result<u64> {
        Ok(self.counts()?.values().sum())
    }
    /// Whether the interface counts its drops too.
    fn is_xdp(&self) -> bool {
        true
    }
}

/// A program of bench-ebpf with counters in one per-CPU array.
pub struct Program {
    /// Its object, with maps of its own.
    pub ebpf: Ebpf,
    name: &'static str,
    counters: &'static str,
    labels: &'static [&'static str],
    link: Option<XdpLinkId>,
}

impl Program {
    /// Loads it. A label says what a slot of `counters` stands for.
    pub fn load(
        object: &Path,
        name: &'static str,
        counters: &'static str,
        labels: &'static [&'static str],
    ) -> Result<Self> {
        let mut ebpf = EbpfLoader::new().load_file(object)?;
        program(&mut ebpf, name)?.load()?;
        Ok(Self { ebpf, name, counters, labels, link: None })
    }

    /// Counts and drops without looking: the limit of this machine.
    pub fn limit(object: &Path) -> Result<Self> {
        Self::load(object, "limit", "BLIND", &["drop unseen"])
    }

    /// Counts and passes without looking.
    pub fn limit_pass(object: &Path) -> Result<Self> {
        Self::load(object, "limit_pass", "BLIND", &["pass unseen"])
    }
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    let program = ebpf.program_mut(name).with_context(|| format!("the object has no {name}"))?;
    Ok(program.try_into()?)
}

impl Receiver for Program {
    fn attach(&mut self) -> Result<()> {
        self.link = Some(program(&mut self.ebpf, self.name)?.attach(RECEIVER, XdpMode::Driver)?);
        Ok(())
    }

    fn detach(&mut self) -> Result<()> {
        if let Some(link) = self.link.take() {
            program(&mut self.ebpf, self.name)?.detach(link)?;
        }
        Ok(())
    }

    fn counts(&self) -> Result<Counts> {
        let map: &Map = self.ebpf.map(self.counters).context("the object has no counters")?;
        let array = PerCpuArray::<_, u64>::try_from(map)?;
        let mut counts = Counts::new();
        for (slot, label) in self.labels.iter().enumerate() {
            let count: u64 = array.get(&(slot as u32), 0)?.iter().sum();
            counts.insert((*label).to_owned(), count);
        }
        Ok(counts)
    }
}
