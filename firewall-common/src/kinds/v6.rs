//! The first look at an IPv6 source: one word, or three.
//!
//! A word is a leaf, which says the code of its network but for two places inside that may differ, or
//! the number of an array of words, one for each of its parts. A flood's sources are from anywhere, and
//! nearly every slot is a leaf. Real sources come from a few crowded networks, and how deep to go there is
//! anyone's guess: a processor that guesses wrong, and a search whose every step waits for the one before
//! it, cost a packet as much as all the rest. So behind a slot there are always as many steps. One behind
//! a leaf asks for the first word of the table, which is always at hand, and goes on with the leaf.

use crate::ranges::SLOT_BITS;

/// Arrays on the way of an address at most; behind the last, what is not known is [`super::MIXED`].
pub const LEVELS: u32 = 2;
/// Bits of an address behind a leaf's network that name one of its places.
pub const PLACE_BITS: u32 = 11;
/// Places that may differ from the rest.
pub const EXCEPTIONS: usize = 2;
/// An array has two to the power of this at most: it never lies across rows.
pub const STRIDE_MAX: u32 = 14;
/// Words in a row of their table.
pub const ROW_WORDS: usize = 1 << STRIDE_MAX;
/// Words at most: an array's word has as many bits for the first.
pub const WORDS_MAX: usize = 1 << STRIDE_SHIFT;

/// Bits of an upper half before those that a slot's word is asked for.
const BEFORE_SLOT: u32 = 3;
/// Bits of an upper half before those that are left behind a slot.
pub const BEHIND_SLOT: u32 = BEFORE_SLOT + SLOT_BITS;

const ARRAY: u32 = 1 << 31;
const STRIDE_SHIFT: u32 = 27;
const PLACE_MASK: u32 = (1 << PLACE_BITS) - 1;
/// Bits of a place and its code.
const EXCEPTION_BITS: u32 = PLACE_BITS + 2;

/// What a word says of its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Its code.
    Leaf {
        /// The code of all places but these.
        base: u32,
        /// The others, by place and code; one that repeats another or the base where there are fewer.
        exceptions: [(u32, u32); EXCEPTIONS],
    },
    /// The words of its parts.
    Array {
        /// The first.
        first: u32,
        /// There are two to the power of this, at most [`STRIDE_MAX`].
        stride: u32,
    },
}

impl Word {
    /// A network of one code.
    #[must_use]
    pub fn uniform(code: u32) -> Self {
        Self::Leaf { base: code, exceptions: [(0, code); EXCEPTIONS] }
    }

    /// The word that the tables hold.
    #[must_use]
    pub fn to_word(self) -> u32 {
        match self {
            Self::Leaf { base, exceptions: [one, other] } => {
                let pack = |(place, code): (u32, u32)| code << PLACE_BITS | place;
                (pack(other) << EXCEPTION_BITS | pack(one)) << 2 | base
            }
            Self::Array { first, stride } => ARRAY | stride << STRIDE_SHIFT | first,
        }
    }
}

/// The code of a global unicast address by its upper half and its slot's word; `word_at` looks a number
/// up. Nothing where the tables contradict themselves. What goes through `opaque` must not be known to
/// be one of two numbers, or the compiler makes a branch of it.
#[inline(always)]
pub fn code(
    slot: u32,
    high: u64,
    opaque: impl Fn(u32) -> u32,
    word_at: impl Fn(u32) -> Option<u32>,
) -> Option<u32> {
    let (mut word, mut rest) = (slot, high << BEHIND_SLOT);
    for _ in 0..LEVELS {
        if slot & ARRAY == 0 {
            break;
        }
        // All ones where there is an array.
        let is_array = opaque((word as i32 >> 31) as u32);
        let stride = word >> STRIDE_SHIFT & 0xf & is_array;
        let part = (rest >> 1) >> (63 - stride);
        let first = word & (WORDS_MAX as u32 - 1) & is_array;
        let next = word_at(first + part as u32)?;
        word = next & is_array | word & !is_array;
        rest <<= stride;
    }
    if word & ARRAY != 0 {
        return None;
    }
    let place = (rest >> (64 - PLACE_BITS)) as u32;
    let mut code = word;
    for exception in 0..EXCEPTIONS as u32 {
        let at = 2 + exception * EXCEPTION_BITS;
        // All ones where it is this place: zero less one has its upper bits set.
        let differs = (word >> at ^ place) & PLACE_MASK;
        let is_here = opaque((differs.wrapping_sub(1) as i32 >> 31) as u32);
        code ^= (code ^ word >> (at + PLACE_BITS)) & is_here;
    }
    Some(code & 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_were_made() {
        let leaf = |base, exceptions| Word::Leaf { base, exceptions }.to_word();
        let array = |first, stride| Word::Array { first, stride }.to_word();
        let words = [
            leaf(1, [(0, 0), (PLACE_MASK, 3)]),
            Word::uniform(2).to_word(),
            leaf(0, [(5, 1), (5, 1)]),
            array(0, 1),
            array(4, STRIDE_MAX),
        ];
        let code = |slot: u32, high| {
            code(words[slot as usize], high, |number| number, |at| words.get(at as usize).copied())
        };
        let behind = 64 - BEHIND_SLOT;
        let place = |place: u64, bits: u32| 1 << 61 | place << (behind - bits - PLACE_BITS);
        // (slot, upper half, code)
        for (slot, high, expected) in [
            (0, place(0, 0), Some(0)),
            (0, place(0, 0) | 0x1f_ffff, Some(0)),
            (0, place(1, 0), Some(1)),
            (0, place(2_046, 0), Some(1)),
            (0, place(2_047, 0), Some(3)),
            (1, place(0, 0), Some(2)),
            (1, u64::MAX >> 2, Some(2)),
            (2, place(4, 0), Some(0)),
            (2, place(5, 0), Some(1)),
            // The array of the first two words: the places are those behind one bit more.
            (3, place(0, 1), Some(0)),
            (3, place(2_047, 1), Some(3)),
            (3, 1 << 61 | 1 << (behind - 1), Some(2)),
            (4, place(0, STRIDE_MAX), None),
            (4, u64::MAX >> 2, None),
        ] {
            assert_eq!(code(slot, high), expected, "{slot} {high:x}");
        }
    }
}
