//! Log lines for whoever debugs a policy. Off unless the loader sets the level: then the verifier
//! removes all of it.

use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::debug;
use firewall_common::{Address, Decision, Packet};

/// Logs a decision at debug level.
#[inline(always)]
pub fn debug(context: &XdpContext, decision: &Decision, packet: &Packet) {
    let (high, low) = match packet.source {
        Address::V4(source) => (0, u64::from(source)),
        Address::V6 { high, low } => (high, low),
    };
    let version = packet.version;
    let head = [version, decision.verdict as u8, decision.reason as u8, 0];
    write(context, u32::from_ne_bytes(head), high, low);
}

/// A function of its own, for a stack of its own.
#[inline(never)]
fn write(context: &XdpContext, head: u32, high: u64, low: u64) {
    let [version, verdict, reason, _] = head.to_ne_bytes();
    let verdict = match verdict {
        0 => "pass",
        1 => "drop",
        2 => "reply",
        _ => "shadow",
    };
    match version {
        4 => debug!(context, "{} reason={} source={:i}", verdict, reason, low as u32),
        6 => debug!(context, "{} reason={} source={:x}:{:x}", verdict, reason, high, low),
        _ => debug!(context, "{} reason={}", verdict, reason),
    }
}
