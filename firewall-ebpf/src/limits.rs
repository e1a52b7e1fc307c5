//! What takes from buckets, as functions that the verifier walks by themselves, once each, since they are
//! exported and take numbers alone: in place they would be walked again with every way that leads to
//! them, which is more than the kernel's million instructions. All limits are one call, as a call costs as
//! much as a limit. The packet is the one that this CPU is judging.

use firewall_common::{
    Packet, Reason, Verdict,
    limits::AGGREGATE_EVENTS,
    pipeline::{self, Draw, End},
};

use crate::{buckets::Taking, kernel_tables::KernelTables, settings::settings};

/// In a length: only look whether there would be enough.
const DRY: u32 = 1 << 31;
/// The stage let the packet go on.
const GOES_ON: u32 = u32::MAX;

/// The stage of the limits.
#[inline(always)]
pub fn all(country: u32, draw: Draw, dry: bool) -> Option<End> {
    let end = seawall_limits(country, pack(draw, dry), draw.now_units);
    if end == GOES_ON {
        return None;
    }
    let verdict = if end & 1 == 0 { Verdict::Drop } else { Verdict::Reply };
    Some((verdict, *Reason::ALL.get(end as usize >> 1)?))
}

/// A limit among the rules; false where its bucket is empty.
#[inline(always)]
pub fn rule(rule: u32, draw: Draw, dry: bool) -> bool {
    seawall_take_rule(rule, pack(draw, dry), draw.now_units) != 0
}

/// The bound on events; false where there were enough.
#[inline(always)]
pub fn event(now_units: u64) -> bool {
    seawall_take_event(now_units) != 0
}

#[inline(always)]
fn pack(draw: Draw, dry: bool) -> u32 {
    draw.length as u32 | if dry { DRY } else { 0 }
}

#[inline(always)]
fn unpack(length: u32, now_units: u64) -> (KernelTables, Draw) {
    let draw = Draw { length: u64::from(length & !DRY), now_units };
    (KernelTables::taking(length & DRY != 0), draw)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seawall_limits(country: u32, length: u32, now_units: u64) -> u32 {
    let (tables, draw) = unpack(length, now_units);
    let Some(packet) = crate::packet() else { return GOES_ON };
    let packet: &Packet = packet;
    match pipeline::limits(packet, country, draw, settings(), &tables) {
        None => GOES_ON,
        Some((verdict, reason)) => (reason as u32) << 1 | u32::from(verdict == Verdict::Reply),
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seawall_take_rule(rule: u32, length: u32, now_units: u64) -> u32 {
    let (tables, draw) = unpack(length, now_units);
    let Some(packet) = crate::packet() else { return 1 };
    u32::from(pipeline::take_rule(rule, packet, draw, &tables))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seawall_take_event(now_units: u64) -> u32 {
    let taking = Taking { now_units, dry: false };
    u32::from(taking.take_aggregate(&settings().events, AGGREGATE_EVENTS, 0))
}
