//! What a host cannot live without on its link: it passes before any list is asked.
//!
//! A default deny that drops these breaks the host and not the attacker: without neighbour discovery
//! IPv6 has no next hop, without path-MTU messages large answers disappear.

use crate::packet::{Address, Packet, Protocol};

/// Whether an IP packet always passes.
#[must_use]
#[inline(always)]
pub fn is_essential(packet: &Packet) -> bool {
    match packet.protocol {
        // RFC 1191: destination unreachable, fragmentation needed. Any router on the way may send it.
        Protocol::Icmp => packet.icmp == [3, 4],
        Protocol::Icmpv6 => icmpv6(packet),
        Protocol::None | Protocol::Tcp | Protocol::Udp | Protocol::Other => false,
    }
}

#[inline(always)]
fn icmpv6(packet: &Packet) -> bool {
    match packet.icmp[0] {
        // RFC 8201: packet too big. Any router on the way may send it.
        2 => true,
        // RFC 4861: a hop limit of 255 proves that the sender is on the link, and hosts insist on it.
        133..=137 => packet.hop_limit == 255,
        // RFC 2710, RFC 3810: multicast listener messages, without which snooping switches stop
        // forwarding neighbour solicitations. Link-local, never forwarded.
        130..=132 | 143 => packet.hop_limit == 1 && is_link_local_or_unspecified(packet.source),
        _ => false,
    }
}

#[inline(always)]
fn is_link_local_or_unspecified(address: Address) -> bool {
    match address {
        Address::V4(_) => false,
        Address::V6 { high, low } => high >> 54 == 0xfe80 >> 6 || (high == 0 && low == 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_link_needs() {
        let link_local = Address::V6 { high: 0xfe80 << 48, low: 1 };
        let global = Address::V6 { high: 0x2001 << 48, low: 1 };
        let v4 = Address::V4(0x0102_0304);
        // (source, protocol, type, code, hop limit, essential)
        for (source, protocol, kind, code, hop_limit, expected) in [
            (v4, Protocol::Icmp, 3, 4, 57, true),
            (v4, Protocol::Icmp, 3, 1, 57, false),
            (v4, Protocol::Icmp, 8, 0, 64, false),
            (v4, Protocol::Icmp, 135, 0, 255, false),
            (v4, Protocol::Icmp, 2, 0, 255, false),
            (v4, Protocol::Udp, 3, 4, 57, false),
            (global, Protocol::Icmpv6, 2, 0, 57, true),
            (global, Protocol::Icmpv6, 135, 0, 255, true),
            (global, Protocol::Icmpv6, 135, 0, 254, false),
            (link_local, Protocol::Icmpv6, 134, 0, 255, true),
            (link_local, Protocol::Icmpv6, 138, 0, 255, false),
            (link_local, Protocol::Icmpv6, 143, 0, 1, true),
            (Address::V6 { high: 0, low: 0 }, Protocol::Icmpv6, 143, 0, 1, true),
            (global, Protocol::Icmpv6, 143, 0, 1, false),
            (link_local, Protocol::Icmpv6, 130, 0, 64, false),
            (link_local, Protocol::Icmpv6, 128, 0, 255, false),
            (link_local, Protocol::Icmpv6, 3, 4, 255, false),
        ] {
            let icmp = [kind, code];
            let packet = Packet { source, protocol, hop_limit, icmp, ..Packet::NONE };
            assert_eq!(is_essential(&packet), expected, "{packet:?}");
        }
    }
}
