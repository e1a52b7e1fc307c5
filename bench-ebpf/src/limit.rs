//! Receivers that do not look at the packet: nothing that looks can be faster.

use aya_ebpf::{
    bindings::xdp_action,
    macros::{map, xdp},
    maps::PerCpuArray,
    programs::XdpContext,
};

#[map]
static BLIND: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Counts and drops.
#[xdp]
fn limit(_: XdpContext) -> u32 {
    count();
    xdp_action::XDP_DROP
}

/// Counts and passes: what the network stack costs that packets go on to.
#[xdp]
fn limit_pass(_: XdpContext) -> u32 {
    count();
    xdp_action::XDP_PASS
}

#[inline(always)]
fn count() {
    if let Some(count) = BLIND.get_ptr_mut(0) {
        // SAFETY: the pointer came from the map, is not null, and is this CPU's own.
        unsafe { *count += 1 };
    }
}
