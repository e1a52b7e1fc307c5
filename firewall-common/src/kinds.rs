//! The first look at a source: whether a list drops it, and which kind of list; by /24 for IPv4, by /64
//! for IPv6.
//!
//! A flood's sources are random, and what one packet costs is what it has to fetch from memory. The ranges
//! of [`crate::ranges`] say everything of an address, in megabytes; this table says just enough to drop
//! it. One word stands for a /18, its 64 networks and up to three that differ from the rest, so that a
//! list of 100,000 random networks takes no more than the words themselves: 1 MiB, one fetch.

pub mod v6;

/// Bits of an address that choose its word.
const WORD_BITS: u32 = 18;
/// Words of the table.
pub const WORDS: usize = 1 << WORD_BITS;
/// Networks (/24) that a word stands for.
pub const NETWORKS: usize = 64;
/// Networks of a word that may differ from the rest.
pub const EXCEPTIONS: usize = 3;
/// The code of a network that holds addresses of more than one kind, where [`crate::class::Kind`] has the others.
pub const MIXED: u32 = 3;

/// A bit for each network behind a word with more exceptions.
pub type Plane = u64;
/// Planes in a row of their table.
pub const ROW_PLANES: usize = 1 << 14;
/// Planes at most: a word has as many bits for their number, and a table needs no more than two a word.
pub const PLANES_MAX: usize = 1 << 26;

/// In a word: the rest is two codes and the number of a plane that says which of both.
const IN_PLANE: u32 = 1 << 31;
/// As well: the codes are in that plane and the next, lower bits first.
const IN_TWO: u32 = 1 << 30;
const SET_SHIFT: u32 = 28;
const CLEAR_SHIFT: u32 = 26;
const BASE_SHIFT: u32 = 24;
const NETWORK_MASK: u32 = 0x3f;
/// A one in each byte of the exceptions.
const EACH: u32 = 0x01_0101;

/// The word of codes: a base and three exceptions, each a byte of six bits of network and two of code,
/// or the number of a plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Nearly all networks are of one code.
    Base {
        /// The code of all networks but these.
        base: u32,
        /// The others, by network and code; one that repeats the base where there are fewer.
        exceptions: [(u32, u32); EXCEPTIONS],
    },
    /// The networks are of two codes.
    Plane {
        /// The plane.
        number: u32,
        /// The code where it has a one.
        set: u32,
        /// The code where it has none.
        clear: u32,
    },
    /// They are of more: the lower bits of their codes are in this plane, the upper ones in the next.
    Planes(u32),
}

impl Word {
    /// The word that the table holds.
    #[must_use]
    pub fn to_word(self) -> u32 {
        match self {
            Self::Planes(number) => IN_PLANE | IN_TWO | number,
            Self::Plane { number, set, clear } => {
                IN_PLANE | set << SET_SHIFT | clear << CLEAR_SHIFT | number
            }
            Self::Base { base, exceptions } => {
                let bytes = exceptions.iter().rev();
                let bytes = bytes.fold(0, |word, (network, code)| word << 8 | code << 6 | network);
                base << BASE_SHIFT | bytes
            }
        }
    }
}

/// The word of an address.
#[must_use]
#[inline(always)]
pub fn word_of(address: u32) -> u32 {
    address >> (32 - WORD_BITS)
}

/// The code of an address by its word; `plane` looks a number up. Nothing where the tables
/// contradict themselves.
#[inline(always)]
pub fn code(word: u32, address: u32, plane: impl Fn(u32) -> Option<Plane>) -> Option<u32> {
    let network = address >> 8 & NETWORK_MASK;
    if word & IN_PLANE != 0 {
        let number = word & (PLANES_MAX as u32 - 1);
        let bit = (plane(number)? >> network & 1) as u32;
        if word & IN_TWO == 0 {
            // Without a branch: the next bit of a flood is anyone's guess.
            return Some(word >> (CLEAR_SHIFT + bit * (SET_SHIFT - CLEAR_SHIFT)) & 3);
        }
        return Some(bit | ((plane(number + 1)? >> network & 1) as u32) << 1);
    }
    // Bit 6 of a byte is set where its network is this one: 64 less the difference of both, and no byte
    // borrows from the next.
    let differences = (word ^ (network * EACH)) & (NETWORK_MASK * EACH);
    let mut found = (64 * EACH - differences) & (64 * EACH);
    if found == 0 {
        return Some(word >> BASE_SHIFT & 3);
    }
    let mut bytes = word;
    for _ in 1..EXCEPTIONS {
        if found & 64 != 0 {
            break;
        }
        (found, bytes) = (found >> 8, bytes >> 8);
    }
    Some(bytes >> 6 & 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_has_its_code() {
        for (base, exceptions) in [
            (0, [(0, 0); 3]),
            (2, [(0, 1), (63, 3), (31, 0)]),
            (1, [(0, 1), (0, 1), (62, 2)]),
            (0, [(5, 3), (4, 2), (6, 1)]),
        ] {
            let word = Word::Base { base, exceptions }.to_word();
            for network in 0..64 {
                let differs = exceptions.iter().find(|(other, _)| *other == network);
                let expected = differs.map_or(base, |(_, code)| *code);
                let address = 0xabcd_c0ff & !0x3f00 | network << 8;
                assert_eq!(
                    code(word, address, |_| None),
                    Some(expected),
                    "{network} of {word:08x}"
                );
            }
        }
    }

    #[test]
    fn planes_are_asked_by_number() {
        let plane = |number| match number {
            77 => Some(0b0110),
            78 => Some(0b1010),
            _ => None,
        };
        for (word, expected) in [
            (Word::Planes(77), [Some(0), Some(3), Some(1), Some(2)]),
            (Word::Plane { number: 77, set: 3, clear: 1 }, [Some(1), Some(3), Some(3), Some(1)]),
            (Word::Plane { number: 78, set: 0, clear: 2 }, [Some(2), Some(0), Some(2), Some(0)]),
            (Word::Plane { number: PLANES_MAX as u32 - 1, set: 3, clear: 3 }, [None; 4]),
            (Word::Planes(78), [None; 4]),
        ] {
            let codes = [0, 1, 2, 3].map(|network| code(word.to_word(), network << 8 | 9, plane));
            assert_eq!(codes, expected, "{word:?}");
        }
    }
}
