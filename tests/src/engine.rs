//! The loaded program, run on one frame at a time (`BPF_PROG_TEST_RUN`); nothing is attached.

use std::collections::BTreeMap;

use aya::{TestRun as _, TestRunOptions};
use firewall_common::Verdict;
use firewall_daemon::{
    config::{EventsConfig, KernelLog, NonIp},
    datapath::{EventSource, Losses, PacketOptions, generation::Generation},
    policy::{PolicySource, compile},
};

use crate::bpffs::Bpffs;

/// Counted packets, by `verdict reason protocol`.
pub type Counts = BTreeMap<String, u64>;

/// A generation, loaded for a test.
pub struct Engine {
    generation: Generation,
    bpffs: Bpffs,
}

/// No limit, no events, no log; what is not IP is dropped.
#[must_use]
pub fn plain_options() -> PacketOptions {
    PacketOptions {
        rate_limit: None,
        non_ip: NonIp::Drop,
        events: EventsConfig { sample_one_in: 0 },
        kernel_log: KernelLog::Off,
    }
}

impl Engine {
    /// Compiles and loads a policy. Panics where that fails: a test cannot go on.
    #[must_use]
    pub fn load(source: &PolicySource, options: &PacketOptions) -> Self {
        let bpffs = Bpffs::mount().expect("a BPF file system can be mounted");
        let policy = compile::compile(source).expect("the policy fits the tables");
        let generation = Generation::load(options, &policy, bpffs.path()).expect("it loads");
        Self { generation, bpffs }
    }

    /// Puts another generation in its place; what the generations share stays.
    pub fn reload(&mut self, source: &PolicySource, options: &PacketOptions) {
        let policy = compile::compile(source).expect("the policy fits the tables");
        self.generation =
            Generation::load(options, &policy, self.bpffs.path()).expect("it loads again");
    }

    /// The verdict on a frame.
    pub fn run(&mut self, frame: &[u8]) -> Verdict {
        const XDP_DROP: u32 = 1;
        const XDP_PASS: u32 = 2;
        let options = TestRunOptions { data_in: Some(frame), ..TestRunOptions::default() };
        let program = self.generation.program().expect("the object holds the program");
        match program.test_run(options).expect("the kernel runs it").return_value {
            XDP_DROP => Verdict::Drop,
            XDP_PASS => Verdict::Pass,
            other => panic!("XDP action {other}"),
        }
    }

    /// All packets counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let rows = self.generation.counters().expect("the counters can be read");
        rows.iter()
            .map(|row| {
                let (verdict, reason) = (row.verdict.label(), row.reason.label());
                (format!("{verdict} {reason} {}", row.protocol.label()), row.packets)
            })
            .collect()
    }

    /// All bytes counted so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let rows = self.generation.counters().expect("the counters can be read");
        rows.iter().map(|row| row.bytes).sum()
    }

    /// What the program could not do.
    #[must_use]
    pub fn losses(&self) -> Losses {
        self.generation.losses().expect("the losses can be read")
    }

    /// The sampled drops.
    #[must_use]
    pub fn events(&self) -> EventSource {
        EventSource::open(self.bpffs.path()).expect("the events are pinned")
    }

    /// Instructions that the verifier walked, in all branches.
    pub fn verified_instructions(&mut self) -> u32 {
        let program = self.generation.program().expect("the object holds the program");
        let info = program.info().expect("the kernel describes it");
        info.verified_instruction_count().expect("kernel 5.16 counts them")
    }
}
