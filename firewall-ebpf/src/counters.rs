//! Every packet is counted once, on its own CPU.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use firewall_common::{
    Decision,
    bytes::PacketBytes as _,
    counter::{Count, Loss, SLOTS, slot_of},
};

use crate::frame::Frame;

#[map]
static COUNTERS: PerCpuArray<Count> = PerCpuArray::pinned(SLOTS, 0);
#[map]
static LOSSES: PerCpuArray<u64> = PerCpuArray::pinned(Loss::ALL.len() as u32, 0);

/// Counts a decision.
#[inline(always)]
pub fn record(decision: &Decision, frame: &Frame) {
    if let Some(count) = COUNTERS.get_ptr_mut(slot_of(decision)) {
        // SAFETY: the pointer came from the map and is not null, and the slot is this CPU's own: a
        // program that is not sleepable is not interrupted by another packet on the same CPU.
        unsafe {
            (*count).packets += 1;
            (*count).bytes += frame.length() as u64;
        }
    }
}

/// Counts what could not be done.
#[inline(always)]
pub fn lost(loss: Loss) {
    if let Some(count) = LOSSES.get_ptr_mut(loss as u32) {
        // SAFETY: as in `record`.
        unsafe { *count += 1 };
    }
}
