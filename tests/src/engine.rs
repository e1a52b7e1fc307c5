//! The loaded program, run on one frame at a time (`BPF_PROG_TEST_RUN`); nothing is attached.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use aya::{
    TestRun as _, TestRunOptions,
    maps::{Map, MapData, MapInfo, PerCpuArray},
};
use firewall_common::{Verdict, counter::Count, maps};
use firewall_daemon::{
    config::{EventsConfig, Fate, KernelLog, LimitsConfig},
    datapath::{
        self, CounterRow, EventSource, Losses, PacketOptions, bans::Bans, explain::Explained,
        generation::Generation,
    },
    policy::{PolicySource, compile},
};

use crate::bpffs::Bpffs;

/// Counted packets, by `verdict reason protocol`.
pub type Counts = BTreeMap<String, u64>;

/// The maps that all generations share.
pub const SHARED_MAPS: [&str; 13] = [
    maps::BUCKETS,
    maps::AGGREGATES,
    maps::HASH_KEY,
    maps::BANS,
    maps::BAN_COUNT,
    maps::BAN_FREE,
    maps::SEEN,
    maps::COUNTERS,
    maps::LOSSES,
    maps::RULE_COUNTERS,
    maps::RULE_NAMES,
    maps::GENERATION,
    maps::EVENTS,
];

/// Those among them that no packet asks for.
pub const SHARED_BY_DAEMONS: [&str; 2] = [maps::RULE_NAMES, maps::GENERATION];

/// A generation, loaded for a test.
pub struct Engine {
    generation: Generation,
    bpffs: Bpffs,
}

/// The counters that are pinned in a folder, each CPU apart.
fn counters_by_cpu(pins: &Path) -> Result<PerCpuArray<MapData, Count>> {
    let map = Map::from_map_data(MapData::from_pin(pins.join(maps::COUNTERS))?)?;
    Ok(PerCpuArray::try_from(map)?)
}

/// Packets that each CPU counted.
pub fn judged_by_cpu(pins: &Path) -> Result<Vec<u64>> {
    let counters = counters_by_cpu(pins)?;
    let mut judged: Vec<u64> = Vec::new();
    for slot in 0..counters.len() {
        let counts = counters.get(&slot, 0)?;
        judged.resize(counts.len(), 0);
        for (sum, count) in judged.iter_mut().zip(counts.iter()) {
            *sum += count.packets;
        }
    }
    Ok(judged)
}

/// Packets by label, of the counters that are pinned in a folder.
pub fn pinned_counts(pins: &Path) -> Result<Counts> {
    Ok(labelled(&datapath::counter_rows(&counters_by_cpu(pins)?)?))
}

/// Packets by label.
#[must_use]
pub fn labelled(rows: &[CounterRow]) -> Counts {
    rows.iter()
        .map(|row| {
            let (verdict, reason) = (row.verdict.label(), row.reason.label());
            (format!("{verdict} {reason} {}", row.protocol.label()), row.packets)
        })
        .collect()
}

/// No limit, no events, no log; what may be dropped or let pass is dropped.
#[must_use]
pub fn plain_options() -> PacketOptions {
    PacketOptions {
        limits: LimitsConfig::default(),
        syn_cookies: None,
        malformed: Fate::Drop,
        tcp_flags: Fate::Drop,
        fragments: Fate::Drop,
        non_ip: Fate::Drop,
        shadow: false,
        events: EventsConfig { sample_one_in: 0, first_of_source: false, events_per_s_max: 0 },
        kernel_log: KernelLog::Off,
    }
}

impl Engine {
    /// Compiles and loads a policy. Panics where that fails: a test cannot go on.
    #[must_use]
    pub fn load(source: &PolicySource, options: &PacketOptions) -> Self {
        let bpffs = Bpffs::mount().expect("a BPF file system can be mounted");
        let policy = compile::compile(source).expect("the policy fits the tables");
        let mut generation = Generation::load(1, options, &policy, bpffs.path()).expect("it loads");
        generation.enter().expect("its rules have slots");
        Self { generation, bpffs }
    }

    /// Puts another generation in its place; what the generations share stays.
    pub fn reload(&mut self, source: &PolicySource, options: &PacketOptions) {
        let policy = compile::compile(source).expect("the policy fits the tables");
        let number = self.generation.number() + 1;
        self.generation =
            Generation::load(number, options, &policy, self.bpffs.path()).expect("it loads again");
        self.generation.enter().expect("its rules have slots");
    }

    /// The verdict on a frame; what is in shadow passes.
    pub fn run(&mut self, frame: &[u8]) -> Verdict {
        const XDP_DROP: u32 = 1;
        const XDP_PASS: u32 = 2;
        const XDP_TX: u32 = 3;
        match self.answer(frame).0 {
            XDP_DROP => Verdict::Drop,
            XDP_PASS => Verdict::Pass,
            XDP_TX => Verdict::Reply,
            other => panic!("XDP action {other}"),
        }
    }

    /// What the program returns for a frame, and what it made of the frame.
    pub fn answer(&mut self, frame: &[u8]) -> (u32, Vec<u8>) {
        let mut out = vec![0; frame.len() + 256];
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut out),
            ..TestRunOptions::default()
        };
        let program = self.generation.program().expect("the object holds the program");
        let result = program.test_run(options).expect("the kernel runs it");
        let length = result.data_size_out as usize;
        out.truncate(length);
        (result.return_value, out)
    }

    /// Where its shared maps are pinned.
    #[must_use]
    pub fn pins(&self) -> &Path {
        self.bpffs.path()
    }

    /// What `seawall explain` says of a frame; with a time, tokens are taken as at that time.
    pub fn explain(&mut self, frame: &[u8], at_ns: Option<u64>) -> Explained {
        self.generation.explain(frame, at_ns).expect("the kernel runs it")
    }

    /// The bans.
    #[must_use]
    pub fn bans(&self) -> Bans {
        Bans::open(self.bpffs.path()).expect("the bans are pinned")
    }

    /// All packets counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        labelled(&self.generation.counters().expect("the counters can be read"))
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

    /// Packets that each rule decided about.
    #[must_use]
    pub fn rule_counts(&self) -> Counts {
        let rows = self.generation.rule_counts().expect("the rules' counters can be read");
        rows.into_iter().map(|row| (row.name, row.packets)).collect()
    }

    /// The maps that the program uses, as the kernel describes them.
    pub fn maps(&mut self) -> Vec<MapInfo> {
        let program = self.generation.program().expect("the object holds the program");
        let ids =
            program.info().and_then(|info| info.map_ids()).expect("the kernel names its maps");
        let info = |id: &u32| MapInfo::from_id(*id).expect("the kernel describes a map");
        ids.iter().flatten().map(info).collect()
    }

    /// Instructions that the verifier walked, in all branches.
    pub fn verified_instructions(&mut self) -> u32 {
        let program = self.generation.program().expect("the object holds the program");
        let info = program.info().expect("the kernel describes it");
        info.verified_instruction_count().expect("kernel 5.16 counts them")
    }
}
