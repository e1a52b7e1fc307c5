//! The tables of the first look at a source, made from the classes' ranges.

use firewall_common::{
    class::{ClassId, Kind},
    kinds::{EXCEPTIONS, MIXED, NETWORKS, Plane, WORDS, Word},
};

use crate::policy::table::Covering;

mod v6;

pub use v6::KindsV6;

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

#[cfg(test)]
mod tests {
    use firewall_common::kinds;

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
}
