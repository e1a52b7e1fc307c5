//! A few decisions go to userspace, as events: the first drop of each source, then one in so many.

use aya_ebpf::{
    EbpfContext as _,
    bindings::BPF_RB_NO_WAKEUP,
    helpers::{bpf_get_prandom_u32, bpf_ktime_get_coarse_ns, bpf_xdp_load_bytes},
    macros::map,
    maps::{Array, RingBuf},
    programs::XdpContext,
};
use firewall_common::{
    Decision, Packet, Verdict,
    bucket::UNITS_PER_NS,
    class::Class,
    counter::Loss,
    event::{CAPTURE_BYTES, EventRecord},
    limits::{AGGREGATE_EVENTS, Place},
    maps::{EVENTS_BYTES, SEEN_MAX},
    settings::Settings,
};

use crate::{
    buckets::{Taking, hash_key},
    counters, settings,
};

#[map]
static EVENTS: RingBuf = RingBuf::pinned(EVENTS_BYTES, 0);
/// What is left of the hash of the source that was last seen in this place.
#[map]
static SEEN: Array<u32> = Array::pinned(SEEN_MAX, 0);

/// Sends an event for a decision that is not a plain pass, where its turn has come.
#[inline(always)]
pub fn sample(
    decision: &Decision,
    packet: &Packet,
    length: u64,
    settings: &Settings,
    context: &XdpContext,
) {
    if matches!(decision.verdict, Verdict::Pass) || !settings.events.is_on() {
        return;
    }
    if !is_first_of_source(decision, packet, settings) && !is_drawn(settings) {
        return;
    }
    // SAFETY: the helper has no preconditions. To the tick of the kernel's clock is exact enough here,
    // and costs a flood a tenth of the exact time.
    let now = unsafe { bpf_ktime_get_coarse_ns() };
    let taking = Taking { now_units: now * UNITS_PER_NS, dry: false };
    if !taking.take_aggregate(&settings.events, AGGREGATE_EVENTS, 0) {
        counters::lost(Loss::EventBound);
        return;
    }
    let Decision { verdict, reason, class, rule, .. } = *decision;
    let head = [verdict as u8, reason as u8, packet.protocol as u8, rule as u8];
    send(context, &class, u32::from_ne_bytes(head), length as u32, now);
}

/// Drawn at random: a flood cannot choose which.
#[inline(always)]
fn is_drawn(settings: &Settings) -> bool {
    settings.sample_one_in != 0
        // SAFETY: the helper has no preconditions.
        && unsafe { bpf_get_prandom_u32() } % settings.sample_one_in == 0
}

/// Whether a source was not seen before, or was forgotten: a later one takes its place in the table.
#[inline(always)]
fn is_first_of_source(decision: &Decision, packet: &Packet, settings: &Settings) -> bool {
    if settings.first_of_source == 0 || packet.version == 0 {
        return false;
    }
    let place = Place::new(0, packet.source.source_key(), hash_key());
    // Another reason is another story.
    let mark = (place.tag as u32) << 8 | decision.reason as u32;
    let Some(seen) = SEEN.get_ptr_mut(place.row % SEEN_MAX) else { return false };
    // SAFETY: the pointer came from the map and is not null. Two CPUs may both find a source new: then
    // there are two events of it.
    unsafe {
        if *seen == mark {
            return false;
        }
        *seen = mark;
    }
    true
}

/// A function of its own, for a stack of its own.
#[inline(never)]
fn send(context: &XdpContext, class: &Class, head: u32, length: u32, now: u64) {
    let Some(mut entry) = EVENTS.reserve::<EventRecord>(0) else {
        counters::lost(Loss::Event);
        return;
    };
    let record = entry.as_mut_ptr();
    // SAFETY: the memory is reserved for a record, and all of it is written here; field by field, since
    // a whole record would take a third of the program's stack.
    let bytes = unsafe {
        (*record).time_ns = now;
        (*record).class = *class;
        (*record).generation = settings::settings().generation;
        (*record).interface_index = context.ingress_ifindex() as u32;
        (*record).length = length;
        (*record).head = head.to_ne_bytes();
        (*record).bytes = [0; CAPTURE_BYTES];
        &raw mut (*record).bytes
    };
    let captured = if length > CAPTURE_BYTES as u32 { CAPTURE_BYTES as u32 } else { length };
    // A frame has an Ethernet header at the least; the verifier wants to read it here.
    if captured != 0 {
        // SAFETY: the record has room for as many bytes, and the frame has them.
        let _ = unsafe { bpf_xdp_load_bytes(context.as_ptr().cast(), 0, bytes.cast(), captured) };
    }
    // Userspace looks on a beat: a wake-up an event would cost most in a flood.
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
}
