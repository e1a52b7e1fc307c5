//! Log lines for whoever debugs a policy. Off unless the loader sets the level: then the verifier
//! removes all of it.

use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::debug;
use firewall_common::{Address, Decision, Verdict};

/// Logs a decision at debug level.
#[inline(always)]
pub fn debug(context: &XdpContext, decision: &Decision) {
    let verdict = match decision.verdict {
        Verdict::Pass => "pass",
        Verdict::Drop => "drop",
    };
    let reason = decision.reason as u8;
    match decision.packet.map(|packet| packet.source) {
        Some(Address::V4(source)) => {
            debug!(context, "{} reason={} source={:i}", verdict, reason, source);
        }
        Some(Address::V6 { high, low }) => {
            debug!(context, "{} reason={} source={:x}:{:x}", verdict, reason, high, low);
        }
        None => debug!(context, "{} reason={}", verdict, reason),
    }
}
