//! A program on the other end of a veth. A frame that XDP sends back (`XDP_TX`) waits in the peer's ring, and
//! the kernel wakes the peer for it only where that has an XDP program too; GRO alone does not do.

use anyhow::{Context as _, Result};
use aya::programs::XdpMode;
use firewall_daemon::{
    datapath::generation::Generation,
    policy::{PolicySource, compile},
};

use crate::{bpffs::Bpffs, engine::plain_options, namespace::Namespace};

/// It is attached for as long as this lives.
pub struct Peer {
    _generation: Generation,
    _bpffs: Bpffs,
}

impl Peer {
    /// Attaches a program that enforces this policy, with tables and counters of its own.
    pub fn attach(namespace: &Namespace, interface: &str, policy: &PolicySource) -> Result<Self> {
        let bpffs = Bpffs::mount()?;
        let compiled = compile::compile(policy)?;
        let mut generation = Generation::load(1, &plain_options(), &compiled, bpffs.path())?;
        let program = generation.program()?;
        namespace
            .run(|| program.attach(interface, XdpMode::Driver))?
            .with_context(|| format!("no program on {interface}"))?;
        Ok(Self { _generation: generation, _bpffs: bpffs })
    }
}
