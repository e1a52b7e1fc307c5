//! Token buckets, one word a source, exact across CPUs.

use core::intrinsics::{AtomicOrdering, atomic_cxchg};

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::bpf_ktime_get_ns, macros::map, maps::LruHashMap};
use firewall_common::{
    SourceKey,
    bucket::{Rate, UNITS_PER_NS},
    counter::Loss,
    maps::BUCKETS_MAX,
};

use crate::counters;

#[map]
static BUCKETS: LruHashMap<SourceKey, u64> = LruHashMap::pinned(BUCKETS_MAX, 0);

/// Tries to take before a packet passes unlimited: each failed try means that another CPU's packet
/// of the same source was judged in between.
const TRIES_MAX: u32 = 8;

/// Takes one packet's worth from the source's bucket; false when it is empty.
#[inline(always)]
pub fn take(rate: Rate, source: SourceKey) -> bool {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() } * UNITS_PER_NS;
    let Some(bucket) = bucket(source) else {
        counters::lost(Loss::Bucket);
        return true;
    };
    for _ in 0..TRIES_MAX {
        // SAFETY: the pointer came from the map and is not null; an aligned word is read in one
        // access, and an entry evicted meanwhile stays readable until the program ends (RCU).
        let word = unsafe { bucket.read_volatile() };
        let Some(next) = rate.take(word, now) else {
            return false;
        };
        // SAFETY: as above. The BPF target has no `AtomicU64`: its core lacks compare-and-swap,
        // which the intrinsic emits for -Ctarget-cpu=v3 (kernel 5.12).
        let (_, taken) = unsafe {
            atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(
                bucket, word, next,
            )
        };
        if taken {
            return true;
        }
    }
    counters::lost(Loss::Contention);
    true
}

#[inline(always)]
fn bucket(source: SourceKey) -> Option<*mut u64> {
    if let Some(bucket) = BUCKETS.get_ptr_mut(source) {
        return Some(bucket);
    }
    // Another CPU may have been faster; its bucket is as good.
    let _ = BUCKETS.insert(source, 0_u64, u64::from(BPF_NOEXIST));
    BUCKETS.get_ptr_mut(source)
}
