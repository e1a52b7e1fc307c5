//! One in so many drops goes to userspace, as an event.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::{bpf_get_prandom_u32, bpf_ktime_get_ns},
    macros::map,
    maps::RingBuf,
    programs::XdpContext,
};
use firewall_common::{
    Decision, Verdict, bytes::PacketBytes as _, counter::Loss, event::EventRecord,
    maps::EVENTS_BYTES, settings::Settings,
};

use crate::{counters, frame::Frame};

#[map]
static EVENTS: RingBuf = RingBuf::pinned(EVENTS_BYTES, 0);

/// Sends an event for one in `sample_one_in` drops, drawn at random: a flood cannot choose which.
#[inline(always)]
pub fn sample(decision: &Decision, frame: &Frame, settings: Settings, context: &XdpContext) {
    if decision.verdict != Verdict::Drop || settings.sample_one_in == 0 {
        return;
    }
    // SAFETY: the helper has no preconditions.
    if unsafe { bpf_get_prandom_u32() } % settings.sample_one_in != 0 {
        return;
    }
    let Some(mut entry) = EVENTS.reserve::<EventRecord>(0) else {
        counters::lost(Loss::Event);
        return;
    };
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    entry.write(EventRecord::new(
        decision,
        now,
        context.ingress_ifindex() as u32,
        frame.length() as u32,
    ));
    // Userspace looks on a beat: a wake-up an event would cost most in a flood.
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
}
