//! The tables of the first look at a source, made from the classes' ranges.

use firewall_common::{
    class::{ClassId, Kind},
    kinds::{self, EXCEPTIONS, MIXED, NETWORKS, Plane, WORDS, Word},
    ranges::{
        KIND_GROUP_MAX, NODE_BITS, NODE_BRANCHES, ROW_RANGES, SHIFT_BEHIND_SLOT, Slot, ValueV6,
        branch_v6, is_above_v6, key_v6, pack_v6, search_group_steadily, slot_v6,
    },
};

use crate::policy::table::{Builder, Covering, Full};

/// The IPv4 table.
#[derive(Debug)]
pub struct KindsV4 {
    /// The words, by the top bits of an address.
    pub words: Vec<u32>,
    /// The codes of the words that have too many exceptions.
    pub planes: Vec<Plane>,
}

/// The code of a network that no range has touched yet.
const UNSET: u32 = 4;

impl KindsV4 {
    /// From where each class begins, in order of address, the first at zero.
    #[must_use]
    pub fn new(classes: &[(u32, ClassId)]) -> Self {
        const SPAN: u32 = (NETWORKS as u32) << 8;
        let mut table = Self { words: Vec::with_capacity(WORDS), planes: Vec::new() };
        let mut rest = Covering::new(classes);
        for number in 0..WORDS as u32 {
            let first = number * SPAN;
            let within = rest.within(first, first + (SPAN - 1));
            let word = table.word(within, first);
            table.words.push(word.to_word());
        }
        table
    }

    fn word(&mut self, within: &[(u32, ClassId)], first: u32) -> Word {
        let base = within.first().map_or(MIXED, |(_, class)| code(*class));
        if within.iter().all(|(_, class)| code(*class) == base) {
            return Word::Base { base, exceptions: [(0, base); EXCEPTIONS] };
        }
        let mut codes = [UNSET; NETWORKS];
        let network = |address: u32| ((address.max(first) - first) >> 8) as usize;
        for (index, (from, class)) in within.iter().enumerate() {
            let last = within.get(index + 1).map_or(NETWORKS - 1, |(next, _)| network(next - 1));
            for at in codes.iter_mut().take(last + 1).skip(network(*from)) {
                *at = if *at == UNSET || *at == code(*class) { code(*class) } else { MIXED };
            }
        }
        exceptions(&codes).unwrap_or_else(|| self.planes(&codes))
    }

    fn planes(&mut self, codes: &[u32; NETWORKS]) -> Word {
        let plane = |is_set: &dyn Fn(u32) -> bool| {
            let bits = codes.iter().enumerate();
            bits.fold(0, |plane, (at, code)| plane | u64::from(is_set(*code)) << at)
        };
        let number = self.planes.len() as u32;
        let clear = codes[0];
        let mut others = codes.iter().filter(|code| **code != clear);
        let set = others.next().map_or(clear, |code| *code);
        if others.all(|code| *code == set) {
            self.planes.push(plane(&|code| code == set));
            return Word::Plane { number, set, clear };
        }
        self.planes.extend([plane(&|code| code & 1 != 0), plane(&|code| code & 2 != 0)]);
        Word::Planes(number)
    }
}

/// The word of these codes, where all but a few are the same.
fn exceptions(codes: &[u32; NETWORKS]) -> Option<Word> {
    let count = |code: &u32| codes.iter().filter(|other| *other == code).count();
    let base = (0..=MIXED).max_by_key(count)?;
    if codes.len() - count(&base) > EXCEPTIONS {
        return None;
    }
    // Where there are fewer exceptions, one stands twice, or the base for itself.
    let mut found = codes.iter().zip(0_u32..).filter(|(code, _)| **code != base);
    let first = found.next().map_or((0, codes[0]), |(code, network)| (network, *code));
    let mut exceptions = [first; EXCEPTIONS];
    for (place, (code, network)) in exceptions.iter_mut().skip(1).zip(found) {
        *place = (network, *code);
    }
    Some(Word::Base { base, exceptions })
}

fn code(class: ClassId) -> u32 {
    Kind::of(class).map_or(MIXED, |kind| kind as u32)
}

/// The IPv6 table: of global unicast alone, a search like that for the class, among far fewer ranges.
#[derive(Debug)]
pub struct KindsV6 {
    /// The slots.
    pub slots: Vec<u32>,
    /// The nodes.
    pub nodes: Vec<[u32; NODE_BRANCHES]>,
    /// Packed ranges over the upper half, each with a code; the first few are those of slots of one code.
    pub ranges: Vec<u64>,
}

impl KindsV6 {
    /// From where each class begins, in order of address, the first at zero.
    ///
    /// # Errors
    ///
    /// Where the ranges do not fit.
    pub fn new(classes: &[(u128, ClassId)]) -> Result<Self, Full> {
        let pack = |first: u64, code: u32| pack_v6(first, ValueV6::Class(code));
        let mut builder = Builder::new(
            pack,
            |code| Some(Slot::Group { row: 0, offset: code, count: 1 }),
            KIND_GROUP_MAX,
        );
        builder.ranges.extend((0..=MIXED).map(|code| pack(0, code)));
        let slots = builder.global(&codes(classes))?;
        Ok(Self { slots, nodes: builder.nodes, ranges: builder.ranges })
    }

    /// The code of the upper half of a global unicast address, by the same search as the kernel's.
    #[must_use]
    pub fn code(&self, high: u64) -> Option<u32> {
        let mut slot = Slot::from_word(*self.slots.get(slot_v6(high) as usize)?);
        let mut shift = SHIFT_BEHIND_SLOT;
        while let Slot::Node(node) = slot {
            slot = Slot::from_word(self.nodes.get(node as usize)?[branch_v6(high, shift) as usize]);
            shift = shift.wrapping_sub(NODE_BITS);
        }
        let Slot::Group { row, offset, count } = slot else { return None };
        let first = row as usize * ROW_RANGES + offset as usize;
        let group = self.ranges.get(first..first + count as usize)?;
        let key = key_v6(high);
        let found = search_group_steadily(count, |at| is_above_v6(group[at as usize], key));
        Some(kinds::code_v6(group[found as usize]))
    }
}

/// From where each code begins, over the upper halves: [`MIXED`] where one /64 has more than one.
fn codes(classes: &[(u128, ClassId)]) -> Vec<(u64, u32)> {
    let mut codes: Vec<(u64, u32)> = Vec::with_capacity(classes.len());
    let mut push = |network: u64, code: u32| match codes.last_mut() {
        Some((last, old)) if *last == network => *old = code,
        Some((_, old)) if *old == code => {}
        Some(_) | None => codes.push((network, code)),
    };
    // The code in force where a network begins.
    let mut current = MIXED;
    for group in classes.chunk_by(|left, right| left.0 >> 64 == right.0 >> 64) {
        let Some((address, class)) = group.first() else { continue };
        let network = (address >> 64) as u64;
        let begins = if *address as u64 == 0 { code(*class) } else { current };
        current = group.last().map_or(begins, |(_, class)| code(*class));
        let is_one = group.iter().all(|(_, class)| code(*class) == begins);
        push(network, if is_one { begins } else { MIXED });
        if let Some(next) = network.checked_add(1)
            && !is_one
        {
            push(next, current);
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_what_all_addresses_of_its_network_are() {
        // Other, deny, geo; neighbours of one kind and another class.
        let class = [0, 1, 2, 5, 4];
        let ends: Vec<u32> = [0, 1, 0x100, 0x1ff, 0x200, 0x3f00, 0x4000, 0x4100, 0x7fff]
            .into_iter()
            .chain((0..40).map(|index| 0x10_0000 + index * 0x300))
            .chain((0..40).map(|index| 0x20_0000 + index * 0x80))
            .chain([0xffff_ff00, 0xffff_ffff])
            .collect();
        let classes: Vec<(u32, ClassId)> =
            ends.iter().enumerate().map(|(index, end)| (*end, class[index % 5])).collect();
        let table = KindsV4::new(&classes);
        assert!(table.planes.len() > 2, "words of two codes and of more");
        let kind = |address: u32| {
            let class = classes.iter().rev().find(|(first, _)| *first <= address);
            class.and_then(|(_, class)| Kind::of(*class)).expect("a kind")
        };
        for address in ends.iter().flat_map(|end| [end.saturating_sub(1), *end, end | 0xff]) {
            let network = address & !0xff;
            let mut kinds: Vec<Kind> = (0..256).map(|host| kind(network | host)).collect();
            kinds.dedup();
            let expected = if kinds.len() == 1 { kinds[0] as u32 } else { MIXED };
            let word = table.words[kinds::word_of(address) as usize];
            let plane = |number: u32| table.planes.get(number as usize).copied();
            assert_eq!(kinds::code(word, address, plane), Some(expected), "{address:x}");
        }
    }

    #[test]
    fn ipv6_codes_are_those_of_whole_networks() {
        let class = [0, 1, 2, 5, 4];
        let network = 0x2001_0db8_u128 << 96;
        let crowded = (0..200).map(|index| network + (index << 70));
        let inside = [1_u128 << 64, (1 << 64) + 7, (5 << 64) + 1, 6 << 64, (9 << 64) - 1];
        let inside = inside.into_iter().map(|offset| (0x2a00_u128 << 112) + offset);
        let ends: Vec<u128> = [0].into_iter().chain(crowded).chain(inside).collect();
        let classes: Vec<(u128, ClassId)> =
            ends.iter().enumerate().map(|(index, end)| (*end, class[index % 5])).collect();
        let table = KindsV6::new(&classes).expect("it fits");
        assert!(!table.nodes.is_empty());
        let code_of = |address: u128| {
            let class = classes.iter().rev().find(|(first, _)| *first <= address);
            class.map_or(MIXED, |(_, class)| code(*class))
        };
        let beside = |end: &u128| [end.wrapping_sub(1), *end, *end + 1, *end + (1 << 64)];
        for address in ends.iter().skip(1).flat_map(beside) {
            let high = (address >> 64) as u64;
            let (first, last) =
                (u128::from(high) << 64, u128::from(high) << 64 | u128::from(u64::MAX));
            let changes = classes.iter().filter(|(at, _)| (first + 1..=last).contains(at));
            let is_one = changes.into_iter().all(|(_, class)| code(*class) == code_of(first));
            let expected = if is_one { code_of(first) } else { MIXED };
            assert_eq!(table.code(high), Some(expected), "{address:x}");
        }
    }
}
