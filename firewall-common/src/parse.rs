//! From the bytes of a frame to what the later stages may know of it.

use crate::{
    bytes::{Header as _, PacketBytes},
    packet::{Address, Packet, Protocol},
};

mod plain;
mod transport;
mod tunnel;

pub use plain::{Plain, plain};

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// An IP packet.
    Ip,
    /// ARP, and what neighbours on a link tell each other: LLDP, LACP, 802.1X, spanning tree. No
    /// router forwards any of it.
    LinkControl,
    /// Any other ethertype.
    Other,
    /// The frame ends before its IP header does, or that contradicts itself.
    Malformed,
}

/// Tags that are read past: 802.1Q inside 802.1ad.
pub const TAGS_MAX: usize = 2;
/// IPv6 extension headers that are read past.
pub const EXTENSIONS_MAX: usize = 6;

const ETHERNET: usize = 14;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Below this the field is a length (IEEE 802.3), and the frame carries LLC: spanning tree.
const ETHERTYPE_MIN: u16 = 0x0600;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_SLOW_PROTOCOLS: u16 = 0x8809;
const ETHERTYPE_EAPOL: u16 = 0x888e;
const ETHERTYPE_LLDP: u16 = 0x88cc;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// Reads a frame from its Ethernet header to its ports. What is known of the packet counts where the
/// frame holds one.
#[inline(always)]
pub fn parse(bytes: &impl PacketBytes, packet: &mut Packet) -> Frame {
    if plain::read(bytes, packet).is_some() {
        return Frame::Ip;
    }
    let packet = bytes.settle(packet);
    frame(bytes, packet).unwrap_or(Frame::Malformed)
}

#[inline(always)]
fn frame(bytes: &impl PacketBytes, packet: &mut Packet) -> Option<Frame> {
    let mut offset = ETHERNET;
    let mut ethertype = bytes.header::<ETHERNET>(0)?.u16::<12>();
    for _ in 0..TAGS_MAX {
        if !is_tag(ethertype) {
            break;
        }
        ethertype = bytes.header::<4>(offset)?.u16::<2>();
        offset += 4;
    }
    packet.network_offset = offset as u16;
    let packet = bytes.settle(packet);
    match ethertype {
        ETHERTYPE_IPV4 => ipv4(bytes, packet)?,
        ETHERTYPE_IPV6 => ipv6(bytes, packet)?,
        ETHERTYPE_ARP | ETHERTYPE_SLOW_PROTOCOLS | ETHERTYPE_EAPOL | ETHERTYPE_LLDP => {
            return Some(Frame::LinkControl);
        }
        // A third tag hides what it carries.
        tag if is_tag(tag) => return None,
        length if length < ETHERTYPE_MIN => return Some(Frame::LinkControl),
        _ => return Some(Frame::Other),
    }
    Some(Frame::Ip)
}

#[inline(always)]
fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100)
}

/// RFC 791.
#[inline(always)]
fn ipv4(bytes: &impl PacketBytes, packet: &mut Packet) -> Option<()> {
    const HEADER: usize = 20;
    let offset = usize::from(packet.network_offset);
    let header = bytes.header::<HEADER>(offset)?;
    let first = header.u8::<0>();
    let header_length = usize::from(first & 0x0f) * 4;
    let total_length = usize::from(header.u16::<2>());
    if first >> 4 != 4 || header_length < HEADER || total_length < header_length {
        return None;
    }
    if offset + total_length > bytes.length() {
        return None;
    }
    let fragment = header.u16::<6>();
    packet.version = 4;
    packet.source = Address::V4(header.u32::<12>());
    packet.number = header.u8::<9>();
    packet.protocol = match packet.number {
        ICMP => Protocol::Icmp,
        number => Protocol::of(number),
    };
    packet.hop_limit = header.u8::<8>();
    packet.later_fragment = fragment & 0x1fff != 0;
    packet.plain = header_length == HEADER;
    packet.whole = fragment & 0x3fff == 0;
    packet.transport_offset = (offset + header_length) as u16;
    packet.end = (offset + total_length) as u32;
    transport::read(bytes, bytes.settle(packet));
    Some(())
}

/// RFC 8200.
#[inline(always)]
fn ipv6(bytes: &impl PacketBytes, packet: &mut Packet) -> Option<()> {
    const HEADER: usize = 40;
    let offset = usize::from(packet.network_offset);
    let header = bytes.header::<HEADER>(offset)?;
    let end = offset + HEADER + usize::from(header.u16::<4>());
    if header.u8::<0>() >> 4 != 6 || end > bytes.length() {
        return None;
    }
    packet.version = 6;
    packet.source = Address::v6(header.u64::<8>(), header.u64::<16>());
    packet.hop_limit = header.u8::<7>();
    packet.number = header.u8::<6>();
    packet.later_fragment = false;
    packet.whole = true;
    packet.transport_offset = (offset + HEADER) as u16;
    packet.end = end as u32;
    let packet = bytes.settle(packet);
    let walked = extensions(bytes, packet);
    packet.plain = usize::from(packet.transport_offset) == offset + HEADER;
    packet.protocol = match packet.number {
        ICMPV6 => Protocol::Icmpv6,
        number => Protocol::of(number),
    };
    // A seventh extension header hides what it carries.
    let is_hidden = matches!(packet.number, 0 | 43 | 44 | 51 | 60 | 135) && !packet.later_fragment;
    let packet = bytes.settle(packet);
    if walked.is_none() || is_hidden {
        transport::forget(packet);
        packet.protocol = Protocol::Other;
        packet.broken = true;
    } else {
        transport::read(bytes, packet);
    }
    Some(())
}

/// Walks the extension headers: `number` and `transport_offset` are those of what follows them.
#[inline(always)]
fn extensions(bytes: &impl PacketBytes, packet: &mut Packet) -> Option<()> {
    let mut packet = packet;
    for _ in 0..EXTENSIONS_MAX {
        let at = usize::from(packet.transport_offset);
        let length = match packet.number {
            // Hop-by-hop options, routing, destination options, mobility.
            0 | 43 | 60 | 135 => {
                let extension = bytes.header::<2>(at)?;
                packet.number = extension.u8::<0>();
                8 + usize::from(extension.u8::<1>()) * 8
            }
            // Fragment.
            44 => {
                let extension = bytes.header::<4>(at)?;
                packet.number = extension.u8::<0>();
                let field = extension.u16::<2>();
                packet.later_fragment = field & 0xfff8 != 0;
                packet.whole &= field & 0xfff9 == 0;
                8
            }
            // Authentication header, counted in words of four bytes (RFC 4302).
            51 => {
                let extension = bytes.header::<2>(at)?;
                packet.number = extension.u8::<0>();
                8 + usize::from(extension.u8::<1>()) * 4
            }
            _ => break,
        };
        if at + length > packet.end as usize {
            return None;
        }
        // Two bytes hold it: the header began below 16,384, and is no longer than 2 KiB.
        packet.transport_offset = (at + length) as u16;
        packet = bytes.settle(packet);
        if packet.later_fragment {
            break;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests;
