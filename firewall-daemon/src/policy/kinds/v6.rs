//! The table of the first look at an IPv6 source.

use firewall_common::{
    class::ClassId,
    kinds::{
        MIXED,
        v6::{BEHIND_SLOT, EXCEPTIONS, LEVELS, PLACE_BITS, ROW_WORDS, STRIDE_MAX, WORDS_MAX, Word},
    },
    ranges::SLOTS,
};

use super::code;
use crate::policy::table::Covering;

/// Words of an array for each range inside, so that most parts have no more than a leaf holds; fewer once
/// the table is as large as a few caches.
const PARTS: usize = 16;
const PARTS_OF_LARGE: usize = 4;
/// Words of a large table: 4 MiB.
const LARGE: usize = 1 << 20;
/// A network with so few ranges is a leaf if it can be, though it then has a place of more than one code:
/// an array would take more memory than the ranges themselves.
const FEW: usize = 5;

/// The IPv6 table, of global unicast alone.
#[derive(Debug)]
pub struct KindsV6 {
    /// A word for each slot.
    pub slots: Vec<u32>,
    /// The words behind them, in arrays that never lie across rows.
    pub words: Vec<u32>,
}

impl KindsV6 {
    /// From where each class begins, in order of address, the first at zero.
    #[must_use]
    pub fn new(classes: &[(u128, ClassId)]) -> Self {
        const BITS: u32 = 64 - BEHIND_SLOT;
        let mut table = Self { slots: Vec::with_capacity(SLOTS), words: Vec::new() };
        let codes = codes(classes);
        let mut rest = Covering::new(&codes);
        for slot in 0..SLOTS as u64 {
            let first = 1 << 61 | slot << BITS;
            let within = rest.within(first, first | ((1 << BITS) - 1));
            let word = table.word(&Network { within, first, bits: BITS }, LEVELS);
            table.slots.push(word.to_word());
        }
        table
    }

    fn word(&mut self, network: &Network<'_>, levels: u32) -> Word {
        let leaf = network.leaf();
        match leaf {
            Some(leaf) if !leaf.mixed || levels == 0 || network.within.len() <= FEW => leaf.word,
            Some(_) | None if levels > 0 => self.array(network, levels).unwrap_or_else(|| {
                // Where the table is full the classes say it.
                leaf.map_or(Word::uniform(MIXED), |leaf| leaf.word)
            }),
            Some(_) | None => Word::uniform(MIXED),
        }
    }

    fn array(&mut self, network: &Network<'_>, levels: u32) -> Option<Word> {
        let parts = if self.words.len() < LARGE { PARTS } else { PARTS_OF_LARGE };
        let affordable = (parts * network.within.len()).ilog2();
        // With two bits more every part may be of one code.
        let enough = network.bits_to_tell_apart();
        let stride = if enough <= affordable + 2 { enough } else { affordable }.min(STRIDE_MAX);
        let (length, left) = (1 << stride, ROW_WORDS - self.words.len() % ROW_WORDS);
        let first = self.words.len() + if length > left { left } else { 0 };
        if first + length > WORDS_MAX {
            return None;
        }
        self.words.resize(first + length, 0);
        let bits = network.bits - stride;
        let mut rest = Covering::new(network.within);
        for part in 0..length {
            let from = network.first + ((part as u64) << bits);
            let within = rest.within(from, from | ((1 << bits) - 1));
            let word = self.word(&Network { within, first: from, bits }, levels - 1);
            self.words[first + part] = word.to_word();
        }
        Some(Word::Array { first: first as u32, stride })
    }
}

/// Upper halves from `first` on, two to the power of `bits`, and the ranges that cover them.
struct Network<'a> {
    within: &'a [(u64, u32)],
    first: u64,
    bits: u32,
}

struct Leaf {
    word: Word,
    /// It has a place of more than one code.
    mixed: bool,
}

impl Network<'_> {
    /// Its leaf, where all but a few places are of one code.
    fn leaf(&self) -> Option<Leaf> {
        if let [(_, code)] = self.within {
            return Some(Leaf { word: Word::uniform(*code), mixed: *code == MIXED });
        }
        let base = self.base();
        let place_bits = self.bits - PLACE_BITS;
        let place = |address: u64| ((address - self.first) >> place_bits) as u32;
        let mut found: Vec<(u32, u32)> = Vec::with_capacity(EXCEPTIONS);
        for (from, last, code) in self.ranges().filter(|(_, _, code)| *code != base) {
            if place(last) - place(from) >= EXCEPTIONS as u32 {
                return None;
            }
            for at in place(from)..=place(last) {
                let begins = self.first + (u64::from(at) << place_bits);
                let whole = from <= begins && last >= begins | ((1 << place_bits) - 1);
                let code = if whole { code } else { MIXED };
                match found.last() {
                    // Two that share a place have each a part of it.
                    Some((place, _)) if *place == at => {}
                    Some(_) | None => found.push((at, code)),
                }
            }
            if found.len() > EXCEPTIONS {
                return None;
            }
        }
        let mixed = base == MIXED || found.iter().any(|(_, code)| *code == MIXED);
        let first = found.first().copied().unwrap_or((0, base));
        let exceptions = [first, found.last().copied().unwrap_or(first)];
        Some(Leaf { word: Word::Leaf { base, exceptions }, mixed })
    }

    /// Behind so many bits of an address no range begins: one at the least, as it has more than one range.
    fn bits_to_tell_apart(&self) -> u32 {
        let begins = self.within.iter().skip(1).map(|(from, _)| from.trailing_zeros());
        self.bits.saturating_sub(begins.min().unwrap_or(0)).max(1)
    }

    /// The code of most addresses.
    fn base(&self) -> u32 {
        let mut sizes = [0_u64; MIXED as usize + 1];
        for (from, last, code) in self.ranges() {
            sizes[code as usize] += last - from + 1;
        }
        (0..=MIXED).max_by_key(|code| sizes[*code as usize]).unwrap_or(MIXED)
    }

    /// First and last address of each range inside, and its code.
    fn ranges(&self) -> impl Iterator<Item = (u64, u64, u32)> {
        let end = self.first | ((1 << self.bits) - 1);
        self.within.iter().enumerate().map(move |(index, (from, code))| {
            let last = self.within.get(index + 1).map_or(end, |(next, _)| next - 1);
            ((*from).max(self.first), last, *code)
        })
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
    use firewall_common::{kinds::v6, ranges::slot_v6};

    use super::*;

    /// By the same steps as the kernel's.
    fn code_of(table: &KindsV6, high: u64) -> Option<u32> {
        let word_at = |at: u32| Some(table.words.get(at as usize).copied().unwrap_or(0));
        v6::code(table.slots[slot_v6(high) as usize], high, |number| number, word_at)
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
        let table = KindsV6::new(&classes);
        assert!(!table.words.is_empty());
        let class_code = |address: u128| {
            let class = classes.iter().rev().find(|(first, _)| *first <= address);
            class.map_or(MIXED, |(_, class)| code(*class))
        };
        let beside = |end: &u128| [end.wrapping_sub(1), *end, *end + 1, *end + (1 << 64)];
        for address in ends.iter().skip(1).flat_map(beside) {
            let high = (address >> 64) as u64;
            let (first, last) =
                (u128::from(high) << 64, u128::from(high) << 64 | u128::from(u64::MAX));
            let changes = classes.iter().filter(|(at, _)| (first + 1..=last).contains(at));
            let is_one = changes.into_iter().all(|(_, class)| code(*class) == class_code(first));
            let expected = if is_one { class_code(first) } else { MIXED };
            let found = code_of(&table, high).expect("a code");
            assert!(found == expected || found == MIXED, "{address:x}: {found}, not {expected}");
        }
    }

    #[test]
    fn lists_of_networks_are_known_without_their_classes() {
        // Denied networks of a length, so far apart; nothing else is on a list.
        for (length, apart, count) in
            [(32, 1, 1), (32, 900, 3), (32, 2, 40), (40, 3, 60), (44, 2, 100)]
        {
            let networks: Vec<u64> = (0..count)
                .map(|index| 0x2a00_0000_0000_0000 + ((index * apart) << (64 - length)))
                .collect();
            let mut classes: Vec<(u128, ClassId)> = vec![(0, 0)];
            for network in &networks {
                classes.push((u128::from(*network) << 64, 1));
                classes.push((u128::from(network + (1 << (64 - length))) << 64, 4));
            }
            classes.dedup_by(|next, last| {
                next.0 == last.0 && {
                    last.1 = next.1;
                    true
                }
            });
            let table = KindsV6::new(&classes);
            for network in &networks {
                let last = network + (1 << (64 - length)) - 1;
                for (high, expected) in
                    [(*network, 1), (last, 1), (last + 1, u32::from(apart == 1 && count > 1))]
                {
                    assert_eq!(code_of(&table, high), Some(expected), "{high:x} of /{length}");
                }
            }
        }
    }
}
