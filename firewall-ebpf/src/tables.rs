//! The tables of this generation: exact size, read-only, written once before the program is attached.

use aya_ebpf::{bindings::BPF_F_RDONLY_PROG, macros::map, maps::Array};
use firewall_common::{
    Address, SourceKey,
    class::{Class, ClassId, Kind},
    kinds::{
        self, MIXED, Plane, ROW_PLANES, WORDS,
        v6::{self, ROW_WORDS},
    },
    ranges::{
        DeepGroup, DeepRange, NODE_BRANCHES, NODES_DEEP_MAX, ROW_ITEMS, ROW_RANGES,
        SHIFT_BEHIND_SLOT, SHIFT_OUTSIDE, SLOTS, Slot, ValueV6, branch_v4, branch_v6, class_v4,
        is_above_v6, is_global_unicast, key_v4, key_v6, search_deep, search_group, slot_v4,
        slot_v6, value_v6,
    },
};

use crate::opaque::opaque;

#[map]
static V4_KINDS: Array<[u32; WORDS]> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);
#[map]
static V4_PLANES: Array<[Plane; ROW_PLANES]> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);
#[map]
static V6_KINDS: Array<[u32; SLOTS]> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);
#[map]
static V6_KIND_WORDS: Array<[u32; ROW_WORDS]> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);
#[map]
static V4_SLOTS: Array<[u32; SLOTS]> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);
#[map]
static V4_NODES: Array<[u32; NODE_BRANCHES]> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);
#[map]
static V4_RANGES: Array<[u32; ROW_RANGES]> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);
#[map]
static V6_SLOTS: Array<[u32; SLOTS]> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);
#[map]
static V6_NODES: Array<[u32; NODE_BRANCHES]> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);
#[map]
static V6_RANGES: Array<[u64; ROW_RANGES]> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);
#[map]
static V6_GROUPS: Array<[DeepGroup; ROW_ITEMS]> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);
#[map]
static V6_DEEP: Array<[DeepRange; ROW_ITEMS]> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);
#[map]
static CLASSES: Array<[Class; ROW_ITEMS]> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);

/// What kind of list drops a source, if any does; nothing where its class has to say.
#[inline(always)]
pub fn kind(source: SourceKey) -> Option<Kind> {
    let SourceKey { network, family } = source;
    if family == 6 {
        return Kind::of(code_v6(network)?);
    }
    let address = network as u32;
    match code_v4(address)? {
        MIXED => Kind::of(id_v4(address)?),
        code => Kind::of(code),
    }
}

#[inline(always)]
fn code_v4(address: u32) -> Option<u32> {
    let word = V4_KINDS.get(0)?[kinds::word_of(address) as usize];
    let plane = |number: u32| {
        Some(V4_PLANES.get(number / ROW_PLANES as u32)?[number as usize % ROW_PLANES])
    };
    kinds::code(word, address, plane)
}

#[inline(always)]
fn code_v6(high: u64) -> Option<u32> {
    if !is_global_unicast(high) {
        return Some(MIXED);
    }
    let slot = V6_KINDS.get(0)?[slot_v6(high) as usize];
    v6::code(slot, high, opaque, |number| {
        Some(V6_KIND_WORDS.get(number / ROW_WORDS as u32)?[number as usize % ROW_WORDS])
    })
}

/// The number of the class of an address; nothing where the tables contradict themselves.
#[inline(always)]
pub fn class_id(address: Address) -> Option<ClassId> {
    match address {
        Address::V4(address) => id_v4(address),
        Address::V6 { high, low } => id_v6(high, low),
    }
}

/// The class of a number; nothing where the tables contradict themselves.
#[inline(always)]
pub fn class(id: ClassId) -> Option<Class> {
    item(&CLASSES, id).copied()
}

#[inline(always)]
fn id_v4(address: u32) -> Option<ClassId> {
    let mut word = V4_SLOTS.get(0)?[slot_v4(address) as usize];
    if let Slot::Node(node) = Slot::from_word(word) {
        word = V4_NODES.get(node)?[branch_v4(address) as usize];
    }
    match Slot::from_word(word) {
        Slot::Class(class) => Some(class),
        Slot::Group { row, offset, count } => {
            let row = V4_RANGES.get(row)?;
            let range = |index: u32| row[(offset + index) as usize % ROW_RANGES];
            let key = key_v4(address);
            // One where the range is above the key: the sign of a difference of 64 bits.
            let above = |index| {
                opaque(((u64::from(key)).wrapping_sub(u64::from(range(index))) >> 63) as u32)
            };
            Some(class_v4(range(search_group(count, above))))
        }
        // An IPv4 address has no bits left for a second node.
        Slot::Node(_) => None,
    }
}

#[inline(always)]
fn id_v6(high: u64, low: u64) -> Option<ClassId> {
    let (mut word, mut shift) = if is_global_unicast(high) {
        (V6_SLOTS.get(0)?[slot_v6(high) as usize], SHIFT_BEHIND_SLOT)
    } else {
        (Slot::Node(0).to_word(), SHIFT_OUTSIDE)
    };
    for _ in 0..NODES_DEEP_MAX {
        let Slot::Node(node) = Slot::from_word(word) else { break };
        word = V6_NODES.get(node)?[branch_v6(high, shift) as usize];
        shift = shift.wrapping_sub(8);
    }
    let value = match Slot::from_word(word) {
        Slot::Class(class) => return Some(class),
        Slot::Group { row, offset, count } => {
            let row = V6_RANGES.get(row)?;
            let range = |index: u32| row[(offset + index) as usize % ROW_RANGES];
            let key = key_v6(high);
            let found = search_group(count, |index| opaque(is_above_v6(range(index), key)));
            value_v6(range(found))
        }
        Slot::Node(_) => return None,
    };
    match value {
        ValueV6::Class(class) => Some(class),
        ValueV6::Deep(group) => {
            let DeepGroup { first, count } = *item(&V6_GROUPS, group)?;
            let found = search_deep(first, count, low, |index| Some(item(&V6_DEEP, index)?.first))?;
            Some(item(&V6_DEEP, found)?.class)
        }
    }
}

#[inline(always)]
fn item<T>(table: &'static Array<[T; ROW_ITEMS]>, index: u32) -> Option<&'static T> {
    Some(&table.get(index / ROW_ITEMS as u32)?[index as usize % ROW_ITEMS])
}
