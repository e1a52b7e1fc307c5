//! The time that packets are judged at.

use aya_ebpf::{
    helpers::{bpf_jiffies64, bpf_ktime_get_ns},
    macros::map,
    maps::PerCpuArray,
};

use crate::settings::settings;

/// The kernel's tick that this CPU last asked the clock in, and what it said.
#[repr(C)]
struct Asked {
    tick: u64,
    now_ns: u64,
}

#[map]
static CLOCK: PerCpuArray<Asked> = PerCpuArray::with_max_entries(1, 0);

/// `CLOCK_MONOTONIC`, exact or that of the first packet of this tick: the kernel puts the number of the
/// tick into the program's own code, while asking the clock costs a packet as much as finding its class.
#[inline(always)]
pub fn now_ns() -> u64 {
    if settings().exact_time != 0 {
        return exact_ns();
    }
    // SAFETY: the helper has no preconditions.
    let tick = unsafe { bpf_jiffies64() };
    let Some(asked) = CLOCK.get_ptr_mut(0) else { return exact_ns() };
    // SAFETY: the pointer came from the map, is not null, and is this CPU's own.
    let asked = unsafe { &mut *asked };
    if asked.tick != tick {
        *asked = Asked { tick, now_ns: exact_ns() };
    }
    asked.now_ns
}

#[inline(always)]
fn exact_ns() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_ns() }
}
