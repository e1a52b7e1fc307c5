//! The lookup: a slot by the top bits of the address, then a binary search in the few ranges of that
//! slot (DXR: Zec, Rizzo, Mikuc, 2012), with nodes in between where a slot is crowded.
//!
//! A table is a sorted list of ranges that covers the whole address space, each from its first address
//! to the next range's. A range is packed with its class into one word, so that comparing words
//! compares addresses, and 550,000 of them are as large as a core's second cache. A slot that one range
//! covers holds its class itself.

use crate::class::ClassId;

/// Bits of an address that choose its slot. 18 measured best: 2^18 words are half of a 2 MiB cache.
pub const SLOT_BITS: u32 = 18;
/// Slots of a table; those behind are for IPv6 addresses outside of global unicast.
pub const SLOTS: usize = 1 << SLOT_BITS;
/// Bits of an address that choose the branch of a node.
pub const NODE_BITS: u32 = 8;
/// Branches of a node.
pub const NODE_BRANCHES: usize = 1 << NODE_BITS;
/// Nodes on the way of an address at most: an IPv6 address outside of global unicast has a node every
/// [`NODE_BITS`] of its upper half.
pub const NODES_DEEP_MAX: u32 = 8;

/// Ranges in a row of the range table: a group of ranges never lies across rows, so that a search asks
/// for one row.
pub const ROW_RANGES: usize = 1 << ROW_BITS;
const ROW_BITS: u32 = 14;
/// Rows at most.
pub const ROWS_MAX: usize = 1 << 10;
/// Ranges in a group at most; a binary search of so many takes [`GROUP_STEPS`] steps.
pub const GROUP_MAX: usize = 1 << GROUP_STEPS;
/// Steps of a search in a group.
pub const GROUP_STEPS: u32 = 6;

/// Bits of the class in a packed range.
const CLASS_BITS: u32 = 18;
/// Bits of what follows the address in a packed IPv6 range.
const V6_VALUE_BITS: u32 = 21;
/// The value of a packed IPv6 range is the number of a deep group, not a class.
const V6_DEEP: u64 = 1 << 20;
/// Bits of an IPv6 upper half that a packed range holds.
pub const V6_RANGE_BITS: u32 = 64 - V6_VALUE_BITS;

/// What a slot or the branch of a node holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// `count` ranges, from `offset` on in a row.
    Group {
        /// Which row.
        row: u32,
        /// Where in it.
        offset: u32,
        /// How many, 1 to [`GROUP_MAX`].
        count: u32,
    },
    /// A node.
    Node(u32),
    /// The class of all its addresses.
    Class(ClassId),
}

impl Slot {
    /// The word that the tables hold: two bits of kind, then 6 of count less one, 10 of row and 14 of
    /// offset, or 30 of node or class.
    #[must_use]
    #[inline(always)]
    pub fn to_word(self) -> u32 {
        match self {
            Self::Group { row, offset, count } => (count - 1) << 24 | row << ROW_BITS | offset,
            Self::Node(node) => 1 << 30 | node,
            Self::Class(class) => 2 << 30 | class,
        }
    }

    /// Reads a word of the tables.
    #[must_use]
    #[inline(always)]
    pub fn from_word(word: u32) -> Self {
        let low = word & 0x3fff_ffff;
        match word >> 30 {
            0 => {
                let offset = word & (ROW_RANGES as u32 - 1);
                let row = word >> ROW_BITS & (ROWS_MAX as u32 - 1);
                Self::Group { row, offset, count: (low >> 24) + 1 }
            }
            1 => Self::Node(low),
            _ => Self::Class(low),
        }
    }
}

/// The slot of an IPv4 address.
#[must_use]
#[inline(always)]
pub fn slot_v4(address: u32) -> u32 {
    address >> (32 - SLOT_BITS)
}

/// The branch of an IPv4 address in the one node that may follow its slot.
#[must_use]
#[inline(always)]
pub fn branch_v4(address: u32) -> u32 {
    address >> (32 - SLOT_BITS - NODE_BITS) & (NODE_BRANCHES as u32 - 1)
}

/// A packed IPv4 range: 14 bits of its first address, 18 of its class.
#[must_use]
#[inline(always)]
pub fn pack_v4(first: u32, class: ClassId) -> u32 {
    first << CLASS_BITS | class
}

/// The largest packed range that does not begin behind an address.
#[must_use]
#[inline(always)]
pub fn key_v4(address: u32) -> u32 {
    (address << CLASS_BITS) | ((1 << CLASS_BITS) - 1)
}

/// The class of a packed IPv4 range.
#[must_use]
#[inline(always)]
pub fn class_v4(range: u32) -> ClassId {
    range & ((1 << CLASS_BITS) - 1)
}

/// Whether an IPv6 upper half is global unicast, 2000::/3 (RFC 4291): the slots divide that alone.
#[must_use]
#[inline(always)]
pub fn is_global_unicast(high: u64) -> bool {
    high >> 61 == 1
}

/// The slot of a global unicast upper half.
#[must_use]
#[inline(always)]
pub fn slot_v6(high: u64) -> u32 {
    (high >> V6_RANGE_BITS) as u32 & (SLOTS as u32 - 1)
}

/// How far to shift an upper half so that the branch of its first node is lowest: behind a slot, or from
/// the root of all other addresses, which is node 0.
pub const SHIFT_BEHIND_SLOT: u32 = V6_RANGE_BITS - NODE_BITS;
/// See [`SHIFT_BEHIND_SLOT`].
pub const SHIFT_OUTSIDE: u32 = 64 - NODE_BITS;

/// The branch of an upper half in a node.
#[must_use]
#[inline(always)]
pub fn branch_v6(high: u64, shift: u32) -> u32 {
    (high >> (shift & 63)) as u32 & (NODE_BRANCHES as u32 - 1)
}

/// What a packed IPv6 range stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueV6 {
    /// The class of all its addresses.
    Class(ClassId),
    /// It is one /64 with ranges inside: the number of a [`DeepGroup`].
    Deep(u32),
}

/// Groups of ranges inside one /64 at most.
pub const DEEP_GROUPS_MAX: usize = V6_DEEP as usize;

/// A packed IPv6 range: 43 bits of the upper half of its first address, 21 of its value.
#[must_use]
#[inline(always)]
pub fn pack_v6(first: u64, value: ValueV6) -> u64 {
    let value = match value {
        ValueV6::Class(class) => u64::from(class),
        ValueV6::Deep(group) => V6_DEEP | u64::from(group),
    };
    first << V6_VALUE_BITS | value
}

/// The largest packed range that does not begin behind an upper half.
#[must_use]
#[inline(always)]
pub fn key_v6(high: u64) -> u64 {
    (high << V6_VALUE_BITS) | ((1 << V6_VALUE_BITS) - 1)
}

/// One where a packed IPv6 range begins behind the address of a key: the sign of a difference of 63 bits,
/// as a comparison would become a branch. The bit that is left out is the lowest of the value.
#[must_use]
#[inline(always)]
pub fn is_above_v6(range: u64, key: u64) -> u32 {
    ((key >> 1).wrapping_sub(range >> 1) >> 63) as u32
}

/// The value of a packed IPv6 range.
#[must_use]
#[inline(always)]
pub fn value_v6(range: u64) -> ValueV6 {
    let value = range & (V6_DEEP - 1);
    if range & V6_DEEP != 0 {
        ValueV6::Deep(value as u32)
    } else {
        ValueV6::Class(value as ClassId)
    }
}

/// Where the ranges inside one /64 are.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeepGroup {
    /// The first of them.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// A range of IPv6 interface halves: of the lower 64 bits, inside one /64.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeepRange {
    /// The lower half of its first address.
    pub first: u64,
    /// The class.
    pub class: ClassId,
    /// No hidden bytes.
    pub _pad: u32,
}

/// Items in a row of the tables of groups, deep ranges and classes.
pub const ROW_ITEMS: usize = 1 << 10;

/// The last of `count` words, ascending from the first, that is not above `key`; the caller knows that
/// the first is not. Without a branch that depends on a word: a flood's addresses are random, and the
/// processor would guess every other step wrong.
#[inline(always)]
pub fn search_group(count: u32, is_above: impl Fn(u32) -> u32) -> u32 {
    let (mut low, mut left) = (0, count);
    for _ in 0..GROUP_STEPS {
        if left <= 1 {
            break;
        }
        let half = left >> 1;
        // All ones where the word is not above the key.
        low += half & is_above(low + half).wrapping_sub(1);
        left -= half;
    }
    low
}

/// Steps of a search in the ranges of one /64 at the most.
pub const DEEP_STEPS: u32 = 24;

/// The last of `count` items, ascending from `first`, that is not above `key`; the caller knows that
/// the first is not. Nothing where an item is missing from the table or the search does not end: both
/// are defects of the table.
#[inline(always)]
pub fn search_deep(
    first: u32,
    count: u32,
    key: u64,
    item: impl Fn(u32) -> Option<u64>,
) -> Option<u32> {
    let (mut low, mut left) = (first, count);
    for _ in 0..=DEEP_STEPS {
        if left <= 1 {
            return Some(low);
        }
        let half = left >> 1;
        if item(low + half)? <= key {
            low += half;
        }
        left -= half;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn words_are_what_was_packed() {
        for slot in [
            Slot::Group { row: 1_023, offset: 16_383, count: 64 },
            Slot::Group { row: 0, offset: 0, count: 1 },
            Slot::Node(0x00ff_ffff),
            Slot::Class((1 << 18) - 1),
        ] {
            assert_eq!(Slot::from_word(slot.to_word()), slot);
        }
        assert_eq!(class_v4(pack_v4(0x3fff, 0x3_ffff)), 0x3_ffff);
        for value in [ValueV6::Class(0x3_ffff), ValueV6::Deep(0xf_ffff), ValueV6::Deep(0)] {
            assert_eq!(value_v6(pack_v6(u64::MAX, value)), value);
        }
    }

    #[test]
    fn slots_and_branches_divide_the_address() {
        let address = 0b1010_1010_1010_1010_1011_0011_0011_1111_u32;
        assert_eq!(slot_v4(address), 0b101010101010101010);
        assert_eq!(branch_v4(address), 0b11001100);
        for (high, is_global) in [
            (0, false),
            (0x1fff << 48, false),
            (0x2000 << 48, true),
            (0x3fff << 48, true),
            (1 << 62, false),
        ] {
            assert_eq!(is_global_unicast(high), is_global, "{high:x}");
        }
        assert_eq!(slot_v6(0x3fff_ffff << 32), SLOTS as u32 - 1);
        assert_eq!(branch_v6(0xfe80 << 48, SHIFT_OUTSIDE), 0xfe);
        assert_eq!(branch_v6(0xab << SHIFT_BEHIND_SLOT, SHIFT_BEHIND_SLOT), 0xab);
    }

    #[test]
    fn searches_equal_a_linear_scan() {
        for length in 1..=GROUP_MAX as u32 {
            let firsts: Vec<u64> = (0..length).map(|index| u64::from(index) * 3).collect();
            for key in 0..u64::from(length) * 3 + 2 {
                let expected = firsts.iter().rposition(|first| *first <= key).expect("the first");
                let above = |at: u32| u32::from(firsts[at as usize] > key);
                assert_eq!(search_group(length, above), expected as u32, "{key} of {length}");
                let item = |at: u32| firsts.get(at as usize).copied();
                assert_eq!(search_deep(0, length, key, item), Some(expected as u32));
            }
        }
        assert_eq!(search_deep(0, 9, 5, |_| None), None, "a missing range is a fault");
    }
}
