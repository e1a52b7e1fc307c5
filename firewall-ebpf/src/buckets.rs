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

/// In an amount: only look whether there would be enough.
const DRY: u64 = 1 << 63;

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

    #[inline(always)]
    fn take_row(self, rate: &Rate, amount: u64, place: Place) -> bool {
        let Rate { cost, window } = *rate;
        let place = place.tag << 32 | u64::from(place.row);
        seawall_take_row(place, self.now_units, self.amount(amount), cost, window) != 0
    }

    #[inline(always)]
    fn take_word(self, rate: &Rate, amount: u64, aggregate: u32) -> bool {
        let Rate { cost, window } = *rate;
        seawall_take_word(aggregate, self.now_units, self.amount(amount), cost, window) != 0
    }

    #[inline(always)]
    fn amount(self, amount: u64) -> u64 {
        if self.dry { amount | DRY } else { amount }
    }
}

/// Takes from a bucket of the table; zero where it is empty. A function that the verifier walks by
/// itself, once, since it is exported and takes numbers alone: in place it would be walked again with
/// every way that leads to a limit, which is more than the kernel's million instructions.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seawall_take_row(place: u64, now: u64, amount: u64, cost: u64, window: u64) -> u32 {
    let (tag, rate) = (place >> 32, Rate { cost, window });
    let window_max = settings().window_max;
    let Some(row) = BUCKETS.get_ptr_mut(place as u32) else { return 1 };
    let row = row.cast::<u64>();
    for _ in 0..opaque(TRIES_MAX) {
        let Some(index) = find(row, tag, now, window_max) else {
            counters::lost(Loss::Bucket);
            return 1;
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
        let Some(next) = rate.take(amount & !DRY, time, now) else { return 0 };
        if amount & DRY != 0 || exchange(bucket, word, tag << TIME_BITS | next) {
            return 1;
        }
    }
    counters::lost(Loss::Contention);
    1
}

/// The place of a bucket in its row: its own, or else that of one that is full.
#[inline(always)]
fn find(row: *mut u64, tag: u64, now: u64, window_max: u64) -> Option<usize> {
    // SAFETY: as in `seawall_take_row`.
    let word = |index: usize| unsafe { row.add(index).read_volatile() };
    for index in 0..ROW_BUCKETS {
        if word(index) >> TIME_BITS == tag {
            return Some(index);
        }
    }
    (0..ROW_BUCKETS).find(|index| is_full(word(*index), now, window_max))
}

/// Takes from a bucket that is one for all sources; zero where it is empty. See `seawall_take_row`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seawall_take_word(
    aggregate: u32,
    now: u64,
    amount: u64,
    cost: u64,
    window: u64,
) -> u32 {
    let rate = Rate { cost, window };
    let Some(bucket) = AGGREGATES.get_ptr_mut(aggregate) else { return 1 };
    for _ in 0..opaque(TRIES_MAX) {
        // SAFETY: as in `seawall_take_row`.
        let word = unsafe { bucket.read_volatile() };
        let Some(next) = rate.take(amount & !DRY, word, now) else { return 0 };
        if amount & DRY != 0 || exchange(bucket, word, next) {
            return 1;
        }
    }
    counters::lost(Loss::Contention);
    1
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
