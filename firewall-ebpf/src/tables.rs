//! The tables of this generation: exact size, read-only, written once before the program is attached.

use aya_ebpf::{bindings::BPF_F_RDONLY_PROG, macros::map, maps::Array};
use firewall_common::{
    Address, SourceKey,
    class::Class,
    pipeline::Tables,
    ranges::{
        DeepV6, ROW_SLOTS, ROW_V4, ROW_V6, RangeV4, RangeV6, SLOT_ROWS, SlotRow, search, slot_v4,
        slot_v6,
    },
    settings::Settings,
};

use crate::buckets;

#[map]
static V4_SLOTS: Array<SlotRow> = Array::with_max_entries(SLOT_ROWS, BPF_F_RDONLY_PROG);
#[map]
static V4_RANGES: Array<[RangeV4; ROW_V4]> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);
#[map]
static V6_SLOTS: Array<SlotRow> = Array::with_max_entries(SLOT_ROWS, BPF_F_RDONLY_PROG);
#[map]
static V6_RANGES: Array<[RangeV6; ROW_V6]> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);
#[map]
static V6_DEEP: Array<[DeepV6; ROW_V6]> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);

/// [`Tables`] answered by the kernel's maps.
pub struct KernelTables {
    settings: Settings,
}

impl KernelTables {
    #[inline(always)]
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Tables for KernelTables {
    #[inline(always)]
    fn class(&self, address: Address) -> Option<Class> {
        match address {
            Address::V4(address) => class_v4(address),
            Address::V6 { high, low } => class_v6(high, low),
        }
    }

    #[inline(always)]
    fn take(&self, source: SourceKey) -> bool {
        buckets::take(self.settings.rate, source)
    }
}

#[inline(always)]
fn class_v4(address: u32) -> Option<Class> {
    let (low, high) = slot(&V4_SLOTS, slot_v4(address))?;
    let index = search(low, high, address, |index| Some(range_v4(index)?.first))?;
    Some(Class::from_word(range_v4(index)?.class))
}

#[inline(always)]
fn class_v6(upper: u64, lower: u64) -> Option<Class> {
    let (low, high) = slot(&V6_SLOTS, slot_v6(upper))?;
    let index = search(low, high, upper, |index| Some(range_v6(index)?.first))?;
    let range = range_v6(index)?;
    if range.deep == 0 {
        return Some(Class::from_word(range.class));
    }
    let (low, high) = (range.class, range.class + range.deep - 1);
    let index = search(low, high, lower, |index| Some(deep_v6(index)?.first))?;
    Some(Class::from_word(deep_v6(index)?.class))
}

#[inline(always)]
fn slot(slots: &Array<SlotRow>, slot: u32) -> Option<(u32, u32)> {
    let row = slots.get(slot / ROW_SLOTS as u32)?;
    let column = slot as usize % ROW_SLOTS;
    Some((row[column], row[column + 1]))
}

#[inline(always)]
fn range_v4(index: u32) -> Option<&'static RangeV4> {
    Some(&V4_RANGES.get(index / ROW_V4 as u32)?[index as usize % ROW_V4])
}

#[inline(always)]
fn range_v6(index: u32) -> Option<&'static RangeV6> {
    Some(&V6_RANGES.get(index / ROW_V6 as u32)?[index as usize % ROW_V6])
}

#[inline(always)]
fn deep_v6(index: u32) -> Option<&'static DeepV6> {
    Some(&V6_DEEP.get(index / ROW_V6 as u32)?[index as usize % ROW_V6])
}
