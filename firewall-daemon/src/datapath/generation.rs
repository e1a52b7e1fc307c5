//! A generation: a loaded program with its own tables, sized to the policy and never written again.

use std::path::Path;

use aya::{
    Ebpf, EbpfLoader, Pod, VerifierLogLevel,
    maps::{Array, Map, MapData},
    programs::Xdp,
};
use firewall_common::{
    class::{Class, Kind},
    kinds::{Plane, ROW_PLANES, WORDS, v6::ROW_WORDS},
    maps::{self, PROGRAM},
    port_limits::PortTable,
    ranges::{DeepGroup, DeepRange, NODE_BRANCHES, ROW_ITEMS, ROW_RANGES, SLOTS},
    rules::RuleTable,
};

use crate::{
    config::KernelLog,
    datapath::{PacketOptions, error::DatapathError, pins::Staging, rule_slots::RuleSlots},
    policy::compile::CompiledPolicy,
};

/// The XDP program as `build.rs` found it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/seawall-xdp.o"));

/// A loaded program.
pub struct Generation {
    number: u32,
    ebpf: Ebpf,
    logs: bool,
    /// What the program's numbers of classes, lists and rules mean.
    names: PolicyNames,
    /// By the number of a rule: the slot that counts it.
    pub(super) rule_slots: Vec<u8>,
    /// Rules that had to give up their slots, when this generation came into force.
    pub(super) replaced: u64,
}

/// What the program's numbers mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyNames {
    /// Classes.
    pub classes: Vec<Class>,
    /// Lists.
    pub lists: Vec<String>,
    /// Rules.
    pub rules: Vec<String>,
}

impl Generation {
    /// Loads the program and writes its tables. Shared maps are found in `pin_folder`, or made there.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses; nothing is in force then that was not before.
    pub fn load(
        number: u32,
        packet: &PacketOptions,
        policy: &CompiledPolicy,
        pin_folder: &Path,
    ) -> Result<Self, DatapathError> {
        Self::load_staged(number, packet, policy, &Staging::none(pin_folder))
    }

    /// The same, with some shared maps made anew beside those that are pinned.
    pub(super) fn load_staged(
        number: u32,
        packet: &PacketOptions,
        policy: &CompiledPolicy,
        staging: &Staging,
    ) -> Result<Self, DatapathError> {
        if OBJECT.is_empty() {
            return Err(DatapathError::NoObject);
        }
        let rules = policy.rules.table.as_deref();
        let mut settings = packet.settings(number, policy.rules.masks, rules);
        let rule_slots =
            RuleSlots::open(&staging.path(maps::RULE_NAMES))?.assign(&policy.rules.names);
        settings.rule_slots.iter_mut().zip(&rule_slots).for_each(|(to, slot)| *to = *slot);
        let drops = policy.classes.iter().any(|class| class.kind() != Kind::Other);
        settings.first_look = u32::from(drops);
        let logs = packet.kernel_log == KernelLog::Debug;
        let log_level: u8 = if logs { aya_log::Level::Debug as u8 } else { 0 };
        let mut loader = EbpfLoader::new();
        for (name, path) in staging.made() {
            loader.map_pin_path(name, path);
        }
        let ebpf = loader
            .verifier_log_level(VerifierLogLevel::STATS)
            .default_map_pin_directory(staging.folder())
            // An object of another layout has no symbol of this name: it is refused here.
            .override_global(maps::SETTINGS, &settings, true)
            .override_global(aya_log::LEVEL, &log_level, true)
            .map_max_entries(maps::V4_PLANES, rows(policy.v4_kinds.planes.len(), ROW_PLANES))
            .map_max_entries(maps::V6_KIND_WORDS, rows(policy.v6_kinds.words.len(), ROW_WORDS))
            .map_max_entries(maps::V4_NODES, rows(policy.v4.nodes.len(), 1))
            .map_max_entries(maps::V4_RANGES, rows(policy.v4.ranges.len(), ROW_RANGES))
            .map_max_entries(maps::V6_NODES, rows(policy.v6.nodes.len(), 1))
            .map_max_entries(maps::V6_RANGES, rows(policy.v6.ranges.len(), ROW_RANGES))
            .map_max_entries(maps::V6_GROUPS, rows(policy.v6.groups.len(), ROW_ITEMS))
            .map_max_entries(maps::V6_DEEP, rows(policy.v6.deep.len(), ROW_ITEMS))
            .map_max_entries(maps::CLASSES, rows(policy.classes.len(), ROW_ITEMS))
            .load(OBJECT)?;
        let names = PolicyNames {
            classes: policy.classes.clone(),
            lists: policy.names.clone(),
            rules: policy.rules.names.clone(),
        };
        let mut generation = Self { number, ebpf, logs, names, rule_slots, replaced: 0 };
        generation.write(policy, packet.ports().as_deref())?;
        generation.draw_hash_key()?;
        generation.program()?.load().map_err(DatapathError::Verify)?;
        Ok(generation)
    }

    /// Its number: one more than that of any that was in force before it.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// What the program's numbers mean.
    #[must_use]
    pub fn names(&self) -> &PolicyNames {
        &self.names
    }

    fn write(
        &mut self,
        policy: &CompiledPolicy,
        ports: Option<&PortTable>,
    ) -> Result<(), DatapathError> {
        let CompiledPolicy { v4_kinds, v6_kinds, v4, v6, classes, rules, .. } = policy;
        self.write_rows::<u32, WORDS>(maps::V4_KINDS, &v4_kinds.words)?;
        self.write_rows::<Plane, ROW_PLANES>(maps::V4_PLANES, &v4_kinds.planes)?;
        self.write_rows::<u32, SLOTS>(maps::V6_KINDS, &v6_kinds.slots)?;
        self.write_rows::<u32, ROW_WORDS>(maps::V6_KIND_WORDS, &v6_kinds.words)?;
        self.write_rows::<u32, SLOTS>(maps::V4_SLOTS, &v4.slots)?;
        self.write_items::<[u32; NODE_BRANCHES]>(maps::V4_NODES, &v4.nodes)?;
        self.write_rows::<u32, ROW_RANGES>(maps::V4_RANGES, &v4.ranges)?;
        self.write_rows::<u32, SLOTS>(maps::V6_SLOTS, &v6.slots)?;
        self.write_items::<[u32; NODE_BRANCHES]>(maps::V6_NODES, &v6.nodes)?;
        self.write_rows::<u64, ROW_RANGES>(maps::V6_RANGES, &v6.ranges)?;
        self.write_rows::<DeepGroup, ROW_ITEMS>(maps::V6_GROUPS, &v6.groups)?;
        self.write_rows::<DeepRange, ROW_ITEMS>(maps::V6_DEEP, &v6.deep)?;
        self.write_rows::<Class, ROW_ITEMS>(maps::CLASSES, classes)?;
        if let Some(table) = &rules.table {
            set(&mut self.array::<RuleTable>(maps::RULES)?, maps::RULES, 0, table.as_ref())?;
        }
        if let Some(table) = ports {
            set(&mut self.array::<PortTable>(maps::PORTS)?, maps::PORTS, 0, table)?;
        }
        Ok(())
    }

    /// The loaded program: to attach it, or to run it on one packet (`BPF_PROG_TEST_RUN`).
    ///
    /// # Errors
    ///
    /// Where the object holds no such program.
    pub fn program(&mut self) -> Result<&mut Xdp, DatapathError> {
        self.named_program(PROGRAM)
    }

    pub(super) fn named_program(&mut self, name: &'static str) -> Result<&mut Xdp, DatapathError> {
        let missing = DatapathError::Missing { what: "program", name };
        match self.ebpf.program_mut(name).map(TryInto::try_into) {
            Some(Ok(program)) => Ok(program),
            Some(Err(_)) | None => Err(missing),
        }
    }

    /// Whether the program writes log lines.
    pub(super) fn logs(&self) -> bool {
        self.logs
    }

    /// The object, for its log.
    pub(super) fn ebpf_mut(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    /// A map of this generation, or one that it shares.
    pub(super) fn map(&self, name: &'static str) -> Result<&Map, DatapathError> {
        self.ebpf.map(name).ok_or(DatapathError::Missing { what: "map", name })
    }

    /// The first generation draws what the hash of the buckets is keyed with; the others keep it, since
    /// it says where the buckets are.
    fn draw_hash_key(&mut self) -> Result<(), DatapathError> {
        let name = maps::HASH_KEY;
        let mut array = self.array::<[u64; 2]>(name)?;
        let drawn = array.get(&0, 0).map_err(|source| DatapathError::Map { name, source })?;
        if drawn != [0; 2] {
            return Ok(());
        }
        let word = || getrandom::u64().map_err(DatapathError::Random);
        set(&mut array, name, 0, &[word()?, word()?])
    }

    fn write_items<T: Pod>(
        &mut self,
        name: &'static str,
        items: &[T],
    ) -> Result<(), DatapathError> {
        let mut array = self.array::<T>(name)?;
        for (index, item) in items.iter().enumerate() {
            set(&mut array, name, index, item)?;
        }
        Ok(())
    }

    /// Writes rows of `N`; the last is filled up with what no slot points to.
    fn write_rows<T: Pod + Zero, const N: usize>(
        &mut self,
        name: &'static str,
        items: &[T],
    ) -> Result<(), DatapathError> {
        let mut array = self.array::<[T; N]>(name)?;
        let (whole, rest) = items.as_chunks::<N>();
        for (index, row) in whole.iter().enumerate() {
            set(&mut array, name, index, row)?;
        }
        if rest.is_empty() {
            return Ok(());
        }
        let mut last = rest.to_vec();
        last.resize(N, T::ZERO);
        let (row, _) = last.as_chunks::<N>();
        row.iter().try_for_each(|row| set(&mut array, name, whole.len(), row))
    }

    pub(super) fn array<V: Pod>(
        &mut self,
        name: &'static str,
    ) -> Result<Array<&mut MapData, V>, DatapathError> {
        let map = self.ebpf.map_mut(name).ok_or(DatapathError::Missing { what: "map", name })?;
        map.try_into().map_err(|source| DatapathError::Map { name, source })
    }
}

fn set<V: Pod>(
    array: &mut Array<&mut MapData, V>,
    name: &'static str,
    index: usize,
    row: &V,
) -> Result<(), DatapathError> {
    array.set(index as u32, row, 0).map_err(|source| DatapathError::Map { name, source })
}

/// Rows for so many items; a map has one at least.
fn rows(items: usize, row: usize) -> u32 {
    items.div_ceil(row).max(1) as u32
}

/// What fills up a row.
trait Zero {
    const ZERO: Self;
}

impl Zero for u32 {
    const ZERO: Self = 0;
}

impl Zero for u64 {
    const ZERO: Self = 0;
}

impl Zero for DeepGroup {
    const ZERO: Self = Self { first: 0, count: 0 };
}

impl Zero for DeepRange {
    const ZERO: Self = Self { first: 0, class: 0, _pad: 0 };
}

impl Zero for Class {
    const ZERO: Self = Self::DEFAULT;
}
