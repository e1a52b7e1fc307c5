//! The XDP program. One entry: judge, count, sample, act. One exit.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(internal_features, reason = "the BPF target's core has no AtomicU64; see buckets.rs")]

use aya_ebpf::{Global, bindings::xdp_action, macros::xdp, programs::XdpContext};
use firewall_common::{Verdict, pipeline, settings::Settings};

mod frame;
mod tables;
mod buckets;
mod counters;
mod events;
mod log;

/// The options of this generation. The name is `firewall_common::maps::SETTINGS`.
#[unsafe(export_name = "SETTINGS_ABI_1")]
static SETTINGS: Global<Settings> = Global::new(Settings::UNSET);

#[xdp]
fn seawall(context: XdpContext) -> u32 {
    let frame = frame::Frame::new(&context);
    let settings = SETTINGS.load();
    let decision = pipeline::inspect(&frame, settings, &tables::KernelTables::new(settings));
    counters::record(&decision, &frame);
    events::sample(&decision, &frame, settings, &context);
    log::debug(&context, &decision);
    match decision.verdict {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
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
