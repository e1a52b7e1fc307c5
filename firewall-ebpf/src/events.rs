//! A few decisions go to userspace, as events: the first drop of each source, then one in so many.

use core::arch::asm;

use aya_ebpf::{
    EbpfContext as _,
    bindings::BPF_RB_NO_WAKEUP,
    helpers::{bpf_get_prandom_u32, bpf_jiffies64, bpf_ktime_get_coarse_ns, bpf_xdp_load_bytes},
    macros::map,
    maps::{Array, PerCpuArray, RingBuf},
    programs::XdpContext,
};
use firewall_common::{
    Address, Decision, Protocol, SourceKey, Verdict,
    bucket::UNITS_PER_NS,
    class::{Class, ClassId},
    counter::Loss,
    event::{CAPTURE_BYTES, EventRecord},
    limits::Place,
    maps::{EVENTS_BYTES, SEEN_MAX},
    settings::Settings,
    verdict::NO_CLASS,
};

use crate::{buckets::hash_key, counters, limits, settings, tables};

#[map]
static EVENTS: RingBuf = RingBuf::pinned(EVENTS_BYTES, 0);
/// What is left of the hash of the source that was last seen in this place.
#[map]
static SEEN: Array<u32> = Array::pinned(SEEN_MAX, 0);
/// What an event is to say, on its way from the decision.
#[map]
static DRAFT: PerCpuArray<Draft> = PerCpuArray::with_max_entries(1, 0);
/// Where each CPU is in its row of random numbers, and in its time.
#[map]
static SAMPLER: PerCpuArray<Sampler> = PerCpuArray::with_max_entries(1, 0);

/// What a CPU remembers from one packet to the next.
#[repr(C)]
struct Sampler {
    /// The state of its random numbers; zero before the first.
    random: u64,
    /// The tick of the kernel's clock in which the bound on events was met: in a flood of new sources
    /// each packet would ask again, and that costs more than dropping it.
    full_tick: u64,
}

/// What an event is to say. It is kept in a map, and read from there, so that the verifier forgets how
/// each way through the stages came to it: else it walks the sending once for each reason and protocol.
#[repr(C)]
struct Draft {
    high: u64,
    low: u64,
    /// 4 or 6; 0 where there is no source.
    version: u32,
    class_id: ClassId,
    head: u32,
}

/// What is known of a packet that was judged.
pub struct Sampled {
    pub decision: Decision,
    /// Who it says it is from; of family 0 where nobody knows. No `Option`: the compiler would work with
    /// the address before it asks whether there is one, and the verifier refuses what was never written.
    pub source: SourceKey,
    pub protocol: Protocol,
    pub length: u64,
}

/// Sends an event for a decision that is not a plain pass, where its turn has come; `interface_half` says
/// the lower 64 bits of an IPv6 source.
#[inline(always)]
pub fn sample(
    sampled: &Sampled,
    interface_half: impl FnOnce() -> u64,
    settings: &Settings,
    context: &XdpContext,
) {
    let Sampled { decision, source, protocol, length } = sampled;
    if matches!(decision.verdict, Verdict::Pass) || !settings.events.is_on() {
        return;
    }
    let Some(sampler) = SAMPLER.get_ptr_mut(0) else { return };
    // SAFETY: the pointer came from the map, is not null, and is this CPU's own; the helper has no
    // preconditions.
    let (sampler, tick) = unsafe { (&mut *sampler, bpf_jiffies64()) };
    if sampler.full_tick == tick {
        counters::lost(Loss::EventBound);
        return;
    }
    if !is_first_of_source(decision, *source, settings) && !is_drawn(sampler, settings) {
        return;
    }
    let Some(draft) = Draft::write(decision, *source, interface_half(), *protocol) else { return };
    // SAFETY: the helper has no preconditions. To the tick of the kernel's clock is exact enough here,
    // and costs a flood a tenth of the exact time.
    let now = unsafe { bpf_ktime_get_coarse_ns() };
    if !limits::event(now * UNITS_PER_NS) {
        sampler.full_tick = tick;
        counters::lost(Loss::EventBound);
        return;
    }
    let Draft { head, class_id, .. } = draft;
    // Who was turned away at the first look has not been classified.
    let class_id = match *class_id {
        NO_CLASS => seawall_class_id(draft.version, draft.high, draft.low),
        class_id => class_id,
    };
    send(context, class_id, *head, *length as u32, now);
}

/// The number of the class of an address, or [`NO_CLASS`]. A function that the verifier walks by itself:
/// see `limits.rs`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seawall_class_id(version: u32, high: u64, low: u64) -> ClassId {
    let address = match version {
        4 => Address::V4(low as u32),
        6 => Address::V6 { high, low },
        _ => return NO_CLASS,
    };
    tables::class_id(address).unwrap_or(NO_CLASS)
}

impl Draft {
    #[inline(always)]
    fn write(
        decision: &Decision,
        source: SourceKey,
        interface_half: u64,
        protocol: Protocol,
    ) -> Option<&'static Self> {
        let mut draft = DRAFT.get_ptr_mut(0)?;
        let SourceKey { network, family } = source;
        let (high, low) = if family == 6 { (network, interface_half) } else { (0, network) };
        let version = family as u32;
        let Decision { verdict, reason, class_id, rule } = *decision;
        let head = [verdict as u8, reason as u8, protocol as u8, rule as u8];
        let head = u32::from_ne_bytes(head);
        // SAFETY: the pointer came from the map, is not null, and the memory is this CPU's own. The
        // instruction moves a register to itself: what is read behind it is read from memory.
        unsafe {
            draft.write(Self { high, low, version, class_id, head });
            asm!("{draft} = {draft}", draft = inout(reg) draft, options(nostack));
            Some(&*draft)
        }
    }
}

/// Drawn at random: a flood cannot choose which.
#[inline(always)]
fn is_drawn(sampler: &mut Sampler, settings: &Settings) -> bool {
    if settings.sample_one_in == 0 {
        return false;
    }
    let state = &mut sampler.random;
    if *state == 0 {
        // SAFETY: the helper has no preconditions.
        *state = u64::from(unsafe { bpf_get_prandom_u32() }) | 1 << 32;
    }
    // xorshift64 (Marsaglia, 2003): asking the helper each time costs a flood three times as much.
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    ((*state >> 32) as u32).is_multiple_of(settings.sample_one_in)
}

/// Whether a source was not seen before, or was forgotten: a later one takes its place in the table.
#[inline(always)]
fn is_first_of_source(decision: &Decision, source: SourceKey, settings: &Settings) -> bool {
    if settings.first_of_source == 0 || source.family == 0 {
        return false;
    }
    let place = Place::new(0, source, hash_key());
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
fn send(context: &XdpContext, class_id: ClassId, head: u32, length: u32, now: u64) {
    let Some(mut entry) = EVENTS.reserve::<EventRecord>(0) else {
        counters::lost(Loss::Event);
        return;
    };
    let class = tables::class(class_id).unwrap_or(Class::DEFAULT);
    let record = entry.as_mut_ptr();
    // SAFETY: the memory is reserved for a record, and all of it is written here; field by field, since
    // a whole record would take a third of the program's stack.
    let bytes = unsafe {
        (*record).time_ns = now;
        (*record).class = class;
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
