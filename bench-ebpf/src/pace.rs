//! A steady rate: no packet is sent before it is due.

use aya_ebpf::{Global, helpers::bpf_ktime_get_ns, macros::map, maps::Array};

/// Nanoseconds from one packet to the next.
#[unsafe(no_mangle)]
static GAP_NS: Global<u32> = Global::new(1_000);

/// When the next packet is due.
#[map]
static DUE: Array<u64> = Array::with_max_entries(1, 0);

/// Behind by more than this, what was not sent is given up: a burst would be no steady rate.
const BEHIND_NS: u64 = 4_000_000;

/// Looks at the clock before a packet is given up, so that the generator can be stopped.
const LOOKS_MAX: u32 = 256;

/// Waits until a packet is due, which is sent then; false where none is for long. It waits here: a frame that
/// is given back unsent goes through a lock that the receiver needs for each of its own. Only one CPU at a
/// time waits.
#[inline(always)]
pub fn wait() -> bool {
    let Some(due) = DUE.get_ptr_mut(0) else { return false };
    // SAFETY: the pointer came from the map and is not null.
    let due = unsafe { &mut *due };
    for _ in 0..LOOKS_MAX {
        // SAFETY: the helper only reads a clock.
        let now = unsafe { bpf_ktime_get_ns() };
        if *due <= now {
            *due = (*due).max(now.saturating_sub(BEHIND_NS)) + u64::from(GAP_NS.load());
            return true;
        }
    }
    false
}
