//! Bans: single sources, each until a time of its own, in force with the next packet.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    helpers::bpf_ktime_get_ns,
    macros::map,
    maps::{Array, HashMap},
};
use firewall_common::{
    SourceKey,
    ban_places::{self, WORDS},
    maps::BANS_MAX,
};

/// When each ban ends, in nanoseconds of `CLOCK_MONOTONIC`.
#[map]
static BANS: HashMap<SourceKey, u64> = HashMap::pinned(BANS_MAX, BPF_F_NO_PREALLOC);
#[map]
static BAN_COUNT: Array<u64> = Array::pinned(1, 0);
/// A bit for each place where nobody is banned.
#[map]
static BAN_FREE: Array<u64> = Array::pinned(WORDS, 0);

/// Whether a source is banned. With no ban at all the table is not touched: its 16 MiB of buckets would
/// cost a flood's every packet a miss of the cache. With some, it is touched for those alone who share
/// a place with one.
#[inline(always)]
pub fn is_banned(source: SourceKey) -> bool {
    if BAN_COUNT.get(0).is_none_or(|count| *count == 0) {
        return false;
    }
    let (word, bit) = ban_places::place(source);
    if BAN_FREE.get(word).is_some_and(|free| *free & bit != 0) {
        return false;
    }
    // SAFETY: userspace replaces whole entries; a copy of eight aligned bytes is one load.
    match unsafe { BANS.get(source) } {
        // SAFETY: the helper has no preconditions.
        Some(end_ns) => *end_ns > unsafe { bpf_ktime_get_ns() },
        None => false,
    }
}
