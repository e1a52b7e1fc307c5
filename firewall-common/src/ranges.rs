//! The lookup: a slot by the top bits of the address, then a binary search in sorted ranges (DXR:
//! Zec, Rizzo, Mikuc, 2012).
//!
//! A table is a sorted list of ranges that covers the whole address space, each from its first
//! address to the next range's. Slot `i` holds the index of the range that contains the slot's first
//! address; the search runs from there to slot `i + 1`'s index.

/// Bits of an address that choose its slot. 18 measured best: 2^18 words are half of a 2 MiB cache.
pub const SLOT_BITS: u32 = 18;
/// Slots in one row of the slot table.
pub const ROW_SLOTS: usize = 256;
/// Rows of a slot table.
pub const SLOT_ROWS: u32 = (1 << SLOT_BITS) / ROW_SLOTS as u32;
/// IPv4 ranges in a row, 1 KiB.
pub const ROW_V4: usize = 128;
/// IPv6 ranges in a row, 1 KiB.
pub const ROW_V6: usize = 64;
/// Ranges in a table at the most; a binary search of so many takes [`STEPS_MAX`] steps.
pub const RANGES_MAX: u32 = 1 << STEPS_MAX;
/// Steps of a search at the most.
pub const STEPS_MAX: u32 = 24;

/// A row of the slot table. Its last word is the next row's first, so that a slot and its successor
/// are always found in one row.
pub type SlotRow = [u32; ROW_SLOTS + 1];

/// A range of IPv4 addresses.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeV4 {
    /// Its first address.
    pub first: u32,
    /// A word of [`crate::class::Class`].
    pub class: u32,
}

/// A range of IPv6 networks: of the upper 64 bits.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeV6 {
    /// The upper half of its first address.
    pub first: u64,
    /// A word of [`crate::class::Class`]; where `deep` is not zero, the index of the first of `deep`
    /// ranges over the lower half.
    pub class: u32,
    /// Zero, or the number of ranges inside this one /64.
    pub deep: u32,
}

/// A range of IPv6 interface halves: of the lower 64 bits, inside one /64.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeepV6 {
    /// The lower half of its first address.
    pub first: u64,
    /// A word of [`crate::class::Class`].
    pub class: u32,
    /// No hidden bytes.
    pub _pad: u32,
}

/// The slot of an IPv4 address.
#[must_use]
#[inline(always)]
pub fn slot_v4(address: u32) -> u32 {
    address >> (32 - SLOT_BITS)
}

/// The slot of the upper half of an IPv6 address. Global unicast is 2000::/3 (RFC 4291), so the slots
/// divide that; what lies below is in the first slot and what lies above in the last.
#[must_use]
#[inline(always)]
pub fn slot_v6(high: u64) -> u32 {
    let offset = high.saturating_sub(GLOBAL_UNICAST);
    let slot = offset >> (61 - SLOT_BITS);
    if slot > LAST_SLOT { LAST_SLOT as u32 } else { slot as u32 }
}

/// The first upper half in a slot: what [`slot_v6`] undoes.
#[must_use]
pub fn first_v6(slot: u32) -> u64 {
    if slot == 0 { 0 } else { GLOBAL_UNICAST + (u64::from(slot) << (61 - SLOT_BITS)) }
}

const GLOBAL_UNICAST: u64 = 0x2000 << 48;
const LAST_SLOT: u64 = (1 << SLOT_BITS) - 1;

/// The last range in `low..=high` whose first address is not above `key`. The caller knows that the
/// range `low` is not, so it is never asked for. Nothing where a range is missing from the table or
/// the search does not end: both are defects of the table.
#[inline(always)]
pub fn search<K: PartialOrd>(
    low: u32,
    high: u32,
    key: K,
    first: impl Fn(u32) -> Option<K>,
) -> Option<u32> {
    let (mut low, mut high) = (low, high);
    for _ in 0..=STEPS_MAX {
        if low >= high {
            return Some(low);
        }
        let middle = low + ((high - low + 1) >> 1);
        if first(middle)? <= key {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_grow_with_the_address() {
        let edges = [
            (0, 0),
            (GLOBAL_UNICAST - 1, 0),
            (GLOBAL_UNICAST, 0),
            (GLOBAL_UNICAST + (1 << 43), 1),
            ((0x4000 << 48) - 1, LAST_SLOT as u32),
            (0x4000 << 48, LAST_SLOT as u32),
            (u64::MAX, LAST_SLOT as u32),
        ];
        for (high, slot) in edges {
            assert_eq!(slot_v6(high), slot, "{high:x}");
        }
        for slot in 1..=LAST_SLOT as u32 {
            assert_eq!(slot_v6(first_v6(slot)), slot);
            assert_eq!(slot_v6(first_v6(slot) - 1), slot - 1);
        }
        assert_eq!(slot_v4(u32::MAX), LAST_SLOT as u32);
    }

    #[test]
    fn search_equals_a_linear_scan() {
        for length in 1..40_u32 {
            let firsts: std::vec::Vec<u32> = (0..length).map(|index| index * 3).collect();
            for key in 0..length * 3 + 2 {
                let expected = firsts.iter().rposition(|first| *first <= key).map(|at| at as u32);
                let found = search(0, length - 1, key, |at| firsts.get(at as usize).copied());
                assert_eq!(found, expected, "key {key} of {length}");
            }
        }
    }

    #[test]
    fn a_missing_range_is_a_fault() {
        assert_eq!(search(0, 9, 5_u32, |_| None), None);
        assert_eq!(search(3, 3, 5_u32, |_| None), Some(3));
    }
}
