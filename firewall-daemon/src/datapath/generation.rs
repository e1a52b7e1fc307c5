//! A generation: a loaded program with its own tables, sized to the policy and never written again.

use std::path::Path;

use aya::{
    Ebpf, EbpfLoader, Pod, VerifierLogLevel,
    maps::{Array, Map, MapData},
    programs::Xdp,
};
use firewall_common::{
    bucket::Rate,
    maps::{self, PROGRAM},
    ranges::{ROW_V4, ROW_V6, SlotRow},
    settings::Settings,
};

use crate::{
    config::{KernelLog, NonIp},
    datapath::{PacketOptions, error::DatapathError},
    policy::compile::CompiledPolicy,
};

/// The XDP program as `build.rs` found it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/seawall-xdp.o"));

/// A loaded program.
pub struct Generation {
    ebpf: Ebpf,
    logs: bool,
}

impl Generation {
    /// Loads the program and writes its tables. Shared maps are found in `pin_folder`, or made there.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses; nothing is in force then that was not before.
    pub fn load(
        packet: &PacketOptions,
        policy: &CompiledPolicy,
        pin_folder: &Path,
    ) -> Result<Self, DatapathError> {
        if OBJECT.is_empty() {
            return Err(DatapathError::NoObject);
        }
        let settings = settings(packet);
        let logs = packet.kernel_log == KernelLog::Debug;
        let log_level: u8 = if logs { aya_log::Level::Debug as u8 } else { 0 };
        let ebpf = EbpfLoader::new()
            .verifier_log_level(VerifierLogLevel::DISABLE)
            .default_map_pin_directory(pin_folder)
            // An object of another layout has no symbol of this name: it is refused here.
            .override_global(maps::SETTINGS, &settings, true)
            .override_global(aya_log::LEVEL, &log_level, true)
            .map_max_entries(maps::V4_RANGES, rows(policy.v4.ranges.len(), ROW_V4))
            .map_max_entries(maps::V6_RANGES, rows(policy.v6.ranges.len(), ROW_V6))
            .map_max_entries(maps::V6_DEEP, rows(policy.v6.deep.len(), ROW_V6))
            .load(OBJECT)?;
        let mut generation = Self { ebpf, logs };
        generation.write_slots(maps::V4_SLOTS, &policy.v4.slots)?;
        generation.write_rows::<_, ROW_V4>(maps::V4_RANGES, &policy.v4.ranges)?;
        generation.write_slots(maps::V6_SLOTS, &policy.v6.slots)?;
        generation.write_rows::<_, ROW_V6>(maps::V6_RANGES, &policy.v6.ranges)?;
        generation.write_rows::<_, ROW_V6>(maps::V6_DEEP, &policy.v6.deep)?;
        generation.program()?.load().map_err(DatapathError::Verify)?;
        Ok(generation)
    }

    /// The loaded program: to attach it, or to run it on one packet (`BPF_PROG_TEST_RUN`).
    ///
    /// # Errors
    ///
    /// Where the object holds no such program.
    pub fn program(&mut self) -> Result<&mut Xdp, DatapathError> {
        let missing = DatapathError::Missing { what: "program", name: PROGRAM };
        match self.ebpf.program_mut(PROGRAM).map(TryInto::try_into) {
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

    fn write_slots(&mut self, name: &'static str, slots: &[SlotRow]) -> Result<(), DatapathError> {
        let mut array = self.array::<SlotRow>(name)?;
        for (index, row) in slots.iter().enumerate() {
            set(&mut array, name, index, row)?;
        }
        Ok(())
    }

    /// Writes rows of `N`; the last is filled up with what no slot points to.
    fn write_rows<T: Pod + Default, const N: usize>(
        &mut self,
        name: &'static str,
        items: &[T],
    ) -> Result<(), DatapathError> {
        let mut array = self.array::<[T; N]>(name)?;
        for (index, items) in items.chunks(N).enumerate() {
            let mut row = [T::default(); N];
            for (to, from) in row.iter_mut().zip(items) {
                *to = *from;
            }
            set(&mut array, name, index, &row)?;
        }
        Ok(())
    }

    fn array<V: Pod>(
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

fn settings(packet: &PacketOptions) -> Settings {
    let rate = packet
        .rate_limit
        .as_ref()
        .map_or(Rate::OFF, |limit| Rate::new(limit.rate_pps, limit.burst_packets));
    Settings {
        rate,
        sample_one_in: packet.events.sample_one_in,
        non_ip_pass: u32::from(packet.non_ip == NonIp::Pass),
    }
}
