//! Token buckets, one word each, exact across CPUs. `firewall_common::limits` says where they are.

use core::intrinsics::{AtomicOrdering, atomic_cxchg};

use aya_ebpf::{macros::map, maps::Array};
use firewall_common::{
    SourceKey,
    bucket::{Limit, Rate, TIME_BITS, TIME_MASK, is_full},
    counter::Loss,
    limits::{AGGREGATES as AGGREGATES_MAX, BucketRow, Place, ROW_BUCKETS, ROWS},
};

use crate::{counters, opaque::opaque, settings::settings};

#[map]
static BUCKETS: Array<BucketRow> = Array::pinned(ROWS, 0);
#[map]
static AGGREGATES: Array<u64> = Array::pinned(AGGREGATES_MAX, 0);

/// Drawn at random when the buckets were made, so that nobody can aim at another's row.
#[map]
static HASH_KEY: Array<[u64; 2]> = Array::pinned(1, 0);

/// What the hash of a bucket's place is keyed with.
#[inline(always)]
pub fn hash_key() -> [u64; 2] {
    HASH_KEY.get(0).copied().unwrap_or_default()
}

/// Tries to take before a packet passes unlimited: each failed try means that another CPU's packet
/// of the same bucket was judged in between.
const TRIES_MAX: u32 = 8;

/// How a bucket is asked.
#[derive(Clone, Copy)]
pub struct Taking {
    /// Now, in units of [`firewall_common::bucket`].
    pub now_units: u64,
    /// Only look whether there would be enough.
    pub dry: bool,
}

impl Taking {
    /// Takes a packet of `length` bytes from the buckets of a scope's key; false when one is empty.
    #[inline(always)]
    pub fn take(self, limit: &Limit, scope: u64, key: SourceKey, length: u64) -> bool {
        let place = Place::new(scope, key, hash_key());
        (!limit.packets.is_on() || self.take_row(&limit.packets, 1, place))
            && (!limit.bytes.is_on() || self.take_row(&limit.bytes, length, place.bytes()))
    }

    /// The same from the buckets of all sources together.
    #[inline(always)]
    pub fn take_aggregate(self, limit: &Limit, aggregate: u32, length: u64) -> bool {
        (!limit.packets.is_on() || self.take_word(&limit.packets, 1, aggregate))
            && (!limit.bytes.is_on() || self.take_word(&limit.bytes, length, aggregate + 1))
    }

    /// Takes from a bucket of the table; false where it is empty.
    #[inline(always)]
    fn take_row(self, rate: &Rate, amount: u64, place: Place) -> bool {
        let Self { now_units: now, dry } = self;
        let (tag, window_max) = (place.tag, settings().window_max);
        let Some(row) = BUCKETS.get_ptr_mut(place.row) else { return true };
        let row = row.cast::<u64>();
        for _ in 0..opaque(TRIES_MAX) {
            let Some(index) = find(row, tag, now, window_max) else {
                counters::lost(Loss::Bucket);
                return true;
            };
            // SAFETY: the pointer came from the map and is not null, and the index is below the row's
            // length; an aligned word is read in one access.
            let (bucket, word) = unsafe {
                let bucket = row.add(index);
                (bucket, bucket.read_volatile())
            };
            // A place that another source had begins as a full bucket.
            let own = word >> TIME_BITS == tag;
            let time = if own { word & TIME_MASK } else { now & TIME_MASK };
            let Some(next) = rate.take(amount, time, now) else { return false };
            if dry || exchange(bucket, word, tag << TIME_BITS | next) {
                return true;
            }
        }
        counters::lost(Loss::Contention);
        true
    }

    /// Takes from a bucket that is one for all sources; false where it is empty.
    #[inline(always)]
    fn take_word(self, rate: &Rate, amount: u64, aggregate: u32) -> bool {
        let Some(bucket) = AGGREGATES.get_ptr_mut(aggregate) else { return true };
        for _ in 0..opaque(TRIES_MAX) {
            // SAFETY: as in `take_row`.
            let word = unsafe { bucket.read_volatile() };
            let Some(next) = rate.take(amount, word, self.now_units) else { return false };
            if self.dry || exchange(bucket, word, next) {
                return true;
            }
        }
        counters::lost(Loss::Contention);
        true
    }
}

/// The place of a bucket in its row: its own, or else that of one that is full, its home if it can be. An
/// established client is found at home; else all of the row is looked at without a branch for each place:
/// the verifier walks it once, and the processor has nothing to guess.
#[inline(always)]
fn find(row: *mut u64, tag: u64, now: u64, window_max: u64) -> Option<usize> {
    // SAFETY: as in `take_row`.
    let word = |index: usize| unsafe { row.add(index).read_volatile() };
    // The lowest bit of a tag is always set.
    let home = (tag >> 1) as usize % ROW_BUCKETS;
    if word(home) >> TIME_BITS == tag {
        return Some(home);
    }
    let own = places(|index| ((word(index) >> TIME_BITS) ^ tag).wrapping_sub(1) >> 63);
    if own == 0 && is_full(word(home), now, window_max) != 0 {
        return Some(home);
    }
    let found = if own == 0 { places(|index| is_full(word(index), now, window_max)) } else { own };
    if found == 0 {
        return None;
    }
    let first = (found & found.wrapping_neg()).wrapping_sub(1) as u8;
    Some(opaque(first.count_ones()) as usize % ROW_BUCKETS)
}

/// A bit for each place of a row, lowest first.
#[inline(always)]
fn places(is: impl Fn(usize) -> u64) -> u64 {
    (0..ROW_BUCKETS).fold(0, |places, index| places | is(index) << index)
}

/// Writes a bucket unless it changed since it was read.
#[inline(always)]
fn exchange(bucket: *mut u64, old: u64, new: u64) -> bool {
    // SAFETY: the pointer came from a map and is not null. The BPF target has no `AtomicU64`: its core
    // lacks compare-and-swap, which the intrinsic emits for -Ctarget-cpu=v3 (kernel 5.12).
    let (_, exchanged) = unsafe {
        atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(
            bucket, old, new,
        )
    };
    exchanged
}
