//! Every packet is counted once, on its own CPU.

use aya_ebpf::{
    macros::map,
    maps::{Array, PerCpuArray},
};
use firewall_common::{
    Decision, Protocol,
    counter::{Count, Loss, SLOTS, slot_of},
    rules::{NO_RULE, RULE_SLOTS, RuleSlot},
    settings::Settings,
};

use crate::opaque::opaque;

#[map]
static COUNTERS: PerCpuArray<Count> = PerCpuArray::pinned(SLOTS, 0);
#[map]
static LOSSES: PerCpuArray<u64> = PerCpuArray::pinned(Loss::ALL.len() as u32, 0);
#[map]
static RULE_COUNTERS: PerCpuArray<Count> = PerCpuArray::pinned(RULE_SLOTS, 0);
/// What the next daemon has to know of the counters above; no packet asks.
#[map]
static RULE_NAMES: Array<RuleSlot> = Array::pinned(RULE_SLOTS, 0);
#[map]
static GENERATION: Array<u32> = Array::pinned(1, 0);

/// Counts a decision, and the rule that made it.
#[inline(always)]
pub fn record(decision: &Decision, protocol: Protocol, length: u64, settings: &Settings) {
    add(COUNTERS.get_ptr_mut(slot_of(decision, protocol)), length);
    if settings.rules.is_on() && decision.rule != NO_RULE {
        let slot = settings.rule_slots[opaque(decision.rule) as usize % 64];
        add(RULE_COUNTERS.get_ptr_mut(u32::from(slot)), length);
    }
}

#[inline(always)]
fn add(count: Option<*mut Count>, length: u64) {
    if let Some(count) = count {
        // SAFETY: the pointer came from the map and is not null, and the slot is this CPU's own: a
        // program that is not sleepable is not interrupted by another packet on the same CPU.
        unsafe {
            (*count).packets += 1;
            (*count).bytes += length;
        }
    }
}

/// Counts what could not be done.
#[inline(always)]
pub fn lost(loss: Loss) {
    if let Some(count) = LOSSES.get_ptr_mut(loss as u32) {
        // SAFETY: as in `add`.
        unsafe { *count += 1 };
    }
}
