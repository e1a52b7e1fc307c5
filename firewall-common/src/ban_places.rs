//! Where it is known that no source is banned: a bit for each of a million places, a hash of the source
//! apart.
//!
//! Nearly every packet asks for a ban that is not there, and the kernel's hash table takes as long to say so
//! as to find one. A bit says it at once; without one the hash table is asked, so a bit may be missing, as it is
//! in a new map, and must never be there for a source that is banned.

use crate::SourceKey;

const PLACE_BITS: u32 = 20;
/// Words of bits: 128 KiB, which stays in a core's second cache beside the tables.
pub const WORDS: u32 = 1 << (PLACE_BITS - 6);

/// The place of a source: its word, below [`WORDS`], and its bit in that. Not keyed: who shares the place
/// of a banned source is asked for in the hash table, and nothing worse.
#[must_use]
#[inline(always)]
pub fn place(source: SourceKey) -> (u32, u64) {
    // Twice: after one multiplication networks in step share places.
    let mut hash = (source.network ^ source.family << 61).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ hash >> 32).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((hash >> (64 - PLACE_BITS + 6)) as u32, 1 << (hash >> (64 - PLACE_BITS) & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_spread() {
        // (family, step from one source to the next)
        for (family, step) in [(4, 1), (4, 256), (4, 32_768), (6, 1), (6, 1 << 16), (6, 1 << 32)] {
            let mut words = std::vec![0_u64; WORDS as usize];
            let sources = 100_000;
            for number in 0..sources {
                let (word, bit) = place(SourceKey { network: number * step, family });
                assert_eq!(bit.count_ones(), 1);
                words[word as usize] |= bit;
            }
            let taken: u32 = words.iter().map(|word| word.count_ones()).sum();
            // At random, a million places less those that nobody draws: 95,300.
            assert!(u64::from(taken) > sources * 9 / 10, "family {family}, step {step}: {taken}");
        }
    }
}
