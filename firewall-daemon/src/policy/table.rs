//! The tables as the kernel searches them: slots, ranges, and ranges inside one /64.

use firewall_common::{
    class::Class,
    ranges::{
        DeepV6, ROW_SLOTS, RangeV4, RangeV6, SLOT_BITS, SLOT_ROWS, SlotRow, first_v6, search,
        slot_v4, slot_v6,
    },
};

/// The IPv4 table.
#[derive(Debug)]
pub struct TableV4 {
    /// The slot table, by rows.
    pub slots: Vec<SlotRow>,
    /// Sorted, from address zero on.
    pub ranges: Vec<RangeV4>,
}

/// The IPv6 table.
#[derive(Debug)]
pub struct TableV6 {
    /// The slot table, by rows.
    pub slots: Vec<SlotRow>,
    /// Sorted by the upper half, from zero on.
    pub ranges: Vec<RangeV6>,
    /// Ranges over the lower half; those of one /64 stand together.
    pub deep: Vec<DeepV6>,
}

impl TableV4 {
    /// From classes in order of address, the first at zero. An address past IPv4 is none of its.
    #[must_use]
    pub fn new(classes: &[(u128, Class)]) -> Self {
        let ranges: Vec<RangeV4> = classes
            .iter()
            .filter_map(|(first, class)| {
                Some(RangeV4 { first: u32::try_from(*first).ok()?, class: class.to_word() })
            })
            .collect();
        let slots = slots(&ranges, |slot| slot << (32 - SLOT_BITS), |range| range.first);
        Self { slots, ranges }
    }

    /// The class of an address, by the same search as the kernel's.
    #[must_use]
    pub fn class(&self, address: u32) -> Option<Class> {
        let (low, high) = slot(&self.slots, slot_v4(address))?;
        let range = |index: u32| self.ranges.get(index as usize);
        let index = search(low, high, address, |index| Some(range(index)?.first))?;
        Some(Class::from_word(range(index)?.class))
    }
}

impl TableV6 {
    /// From classes in order of address, the first at zero.
    #[must_use]
    pub fn new(classes: &[(u128, Class)]) -> Self {
        let (mut ranges, mut deep) = (Vec::with_capacity(classes.len()), Vec::new());
        // The class in force where a network begins, and the network that it was last stated for.
        let mut current = Class::DEFAULT;
        let mut groups = classes.chunk_by(|left, right| left.0 >> 64 == right.0 >> 64).peekable();
        while let Some(group) = groups.next() {
            let Some((address, class)) = group.first() else { continue };
            let network = (address >> 64) as u64;
            if group.len() == 1 && *address as u64 == 0 {
                ranges.push(RangeV6 { first: network, class: class.to_word(), deep: 0 });
                current = *class;
                continue;
            }
            let start = deep.len();
            if *address as u64 != 0 {
                deep.push(DeepV6 { first: 0, class: current.to_word(), _pad: 0 });
            }
            for (address, class) in group {
                deep.push(DeepV6 { first: *address as u64, class: class.to_word(), _pad: 0 });
                current = *class;
            }
            let count = deep.len() - start;
            ranges.push(RangeV6 { first: network, class: start as u32, deep: count as u32 });
            // Behind this /64 its last class goes on, unless the next group says otherwise.
            let stated = groups.peek().and_then(|group| group.first());
            if let Some(following) = network.checked_add(1)
                && stated.is_none_or(|(address, _)| (address >> 64) as u64 != following)
            {
                ranges.push(RangeV6 { first: following, class: current.to_word(), deep: 0 });
            }
        }
        let slots = slots(&ranges, first_v6, |range| range.first);
        Self { slots, ranges, deep }
    }

    /// The class of an address, by the same search as the kernel's.
    #[must_use]
    pub fn class(&self, address: u128) -> Option<Class> {
        let (upper, lower) = ((address >> 64) as u64, address as u64);
        let (low, high) = slot(&self.slots, slot_v6(upper))?;
        let range = |index: u32| self.ranges.get(index as usize);
        let range = range(search(low, high, upper, |index| Some(range(index)?.first))?)?;
        if range.deep == 0 {
            return Some(Class::from_word(range.class));
        }
        let deep = |index: u32| self.deep.get(index as usize);
        let last = range.class + range.deep - 1;
        let index = search(range.class, last, lower, |index| Some(deep(index)?.first))?;
        Some(Class::from_word(deep(index)?.class))
    }
}

/// Slot `i` is the index of the range that holds the slot's first address; one more behind the last
/// slot is the index of the last range. Each row repeats the next row's first.
fn slots<R, K: Ord>(
    ranges: &[R],
    slot_first: impl Fn(u32) -> K,
    range_first: impl Fn(&R) -> K,
) -> Vec<SlotRow> {
    let last = ranges.len().saturating_sub(1);
    let mut index = 0;
    let mut index_of = |slot: u32| {
        if slot >> SLOT_BITS != 0 {
            return last as u32;
        }
        while ranges.get(index + 1).is_some_and(|next| range_first(next) <= slot_first(slot)) {
            index += 1;
        }
        index as u32
    };
    let mut rows = vec![[0; ROW_SLOTS + 1]; SLOT_ROWS as usize];
    let mut first = index_of(0);
    for (row, words) in rows.iter_mut().enumerate() {
        for (column, word) in words.iter_mut().enumerate() {
            *word = first;
            if column < ROW_SLOTS {
                first = index_of((row * ROW_SLOTS + column) as u32 + 1);
            }
        }
    }
    rows
}

fn slot(slots: &[SlotRow], slot: u32) -> Option<(u32, u32)> {
    let row = slots.get(slot as usize / ROW_SLOTS)?;
    let column = slot as usize % ROW_SLOTS;
    Some((row[column], row[column + 1]))
}

#[cfg(test)]
mod tests;
