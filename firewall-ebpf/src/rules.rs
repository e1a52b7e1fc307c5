//! The tables of the rules and of the ports' limits, of this generation.

use aya_ebpf::{bindings::BPF_F_RDONLY_PROG, macros::map, maps::Array};
use firewall_common::{
    Packet,
    bucket::Limit,
    limits::PORT_LIMITS_MAX,
    port_limits::PortTable,
    rules::{RuleLimit, RuleTable},
};

use crate::opaque::opaque;

#[map]
static RULES: Array<RuleTable> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);
#[map]
static PORTS: Array<PortTable> = Array::with_max_entries(1, BPF_F_RDONLY_PROG);

/// A bit for each rule whose conditions on the packet itself hold.
#[inline(always)]
pub fn matching(packet: &Packet) -> u64 {
    RULES.get(0).map_or(0, |table| table.matching(packet))
}

/// What a rule with verdict `limit` takes from.
#[inline(always)]
pub fn limit(rule: u32) -> Option<&'static RuleLimit> {
    Some(&RULES.get(0)?.limits[opaque(rule) as usize % 64])
}

/// The limit of a TCP or UDP port, where it has one.
#[inline(always)]
pub fn port_limit(is_udp: bool, port: u16) -> Option<&'static Limit> {
    let table = PORTS.get(0)?;
    let places = if is_udp { &table.udp } else { &table.tcp };
    let place = usize::from(places[usize::from(port)]).checked_sub(1)?;
    Some(&table.limits[place % PORT_LIMITS_MAX])
}

/// Whether connections to a TCP port are answered by SYN cookies when there are too many.
#[inline(always)]
pub fn has_syn_cookies(port: u16) -> bool {
    PORTS
        .get(0)
        .is_some_and(|table| table.syn_cookies[usize::from(port / 64)] >> (port % 64) & 1 != 0)
}
