//! The XDP program. One entry: judge, count, sample, act. One exit.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch, core_intrinsics)]
#![expect(internal_features, reason = "the BPF target's core has no AtomicU64; see buckets.rs")]

use aya_ebpf::{
    bindings::xdp_action,
    macros::{map, xdp},
    maps::PerCpuArray,
    programs::XdpContext,
};
use firewall_common::{
    Address, Packet, SourceKey, Verdict, bytes::PacketBytes as _, counter::Loss, parse::Plain,
    pipeline, verdict::NO_CLASS,
};

mod frame;
mod settings;
mod opaque;
mod tables;
mod clock;
mod bans;
mod rules;
mod buckets;
mod limits;
mod kernel_tables;
mod reply;
mod counters;
mod events;
mod log;
mod explain;

use events::Sampled;
use frame::Frame;
use kernel_tables::KernelTables;

/// What is known of the packet that a CPU is judging: too much for the stack, and in a map the verifier
/// does not follow it.
#[map]
static PACKET: PerCpuArray<Packet> = PerCpuArray::with_max_entries(1, 0);

/// Inlined into what the macro makes of it: a call and its return cost as much as the lookup.
#[xdp]
#[inline(always)]
fn seawall(context: XdpContext) -> u32 {
    let frame = Frame::new(&context);
    let settings = settings::settings();
    let length = frame.length() as u64;
    let tables = KernelTables::live();
    // What is logged takes the long way: the verifier would walk the logging twice.
    if settings.logs == 0
        && let Some(turned_away) = pipeline::turn_away(&frame, settings, &tables)
    {
        let Plain { source, protocol } = turned_away.plain;
        let decision = turned_away.decision(NO_CLASS);
        counters::record(&decision, protocol, length, settings);
        let interface_half = || turned_away.plain.interface_half(&frame);
        let sampled = Sampled { decision, source, protocol, length };
        events::sample(&sampled, interface_half, settings, &context);
        return xdp_action::XDP_DROP;
    }
    let frame = Frame::new(&context);
    let Some(packet) = packet() else { return xdp_action::XDP_PASS };
    let decision = pipeline::inspect(&frame, packet, settings, &tables);
    let source = packet.source.source_key();
    let (network, family) =
        if packet.version == 0 { (0, 0) } else { (source.network, source.family) };
    let source = SourceKey { network, family };
    let interface_half = || match packet.source {
        Address::V4(_) => 0,
        Address::V6 { low, .. } => low,
    };
    counters::record(&decision, packet.protocol, length, settings);
    let sampled = Sampled { decision, source, protocol: packet.protocol, length };
    events::sample(&sampled, interface_half, settings, &context);
    if settings.logs != 0 {
        log::debug(&context, &decision, packet);
    }
    match decision.verdict {
        Verdict::Pass | Verdict::Shadow => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Reply => answer(&context, packet, length),
    }
}

#[inline(always)]
fn packet() -> Option<&'static mut Packet> {
    let packet = PACKET.get_ptr_mut(0)?;
    // SAFETY: the pointer came from the map and is not null, and the memory is this CPU's own: a
    // program that is not sleepable is not interrupted by another packet on the same CPU. It begins as
    // zeros, which are a packet, and only packets are written to it.
    Some(unsafe { &mut *packet })
}

#[inline(always)]
fn answer(context: &XdpContext, packet: &Packet, length: u64) -> u32 {
    let (network, transport) = (packet.network_offset, packet.transport_offset);
    let at = u32::from(network) | u32::from(transport) << 16;
    if reply::write(context, packet.version, at, length) {
        xdp_action::XDP_TX
    } else {
        counters::lost(Loss::Reply);
        xdp_action::XDP_DROP
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: the verifier loads no program that could reach this: all that can panic was removed.
    unsafe { core::hint::unreachable_unchecked() }
}

/// Read by the kernel, which lends its GPL helpers to programs under a compatible licence alone.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
