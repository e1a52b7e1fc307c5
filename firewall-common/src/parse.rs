//! From the bytes of a frame to what the later stages may know of it.

use crate::{
    bytes::PacketBytes,
    packet::{Address, Packet, Protocol},
};

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// An IP packet.
    Ip(Packet),
    /// ARP, and what neighbours on a link tell each other: LLDP, LACP, 802.1X, spanning tree. No
    /// router forwards any of it.
    LinkControl,
    /// Any other ethertype.
    Other,
    /// The frame ends before its headers do, or they contradict themselves.
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

/// Reads a frame from its Ethernet header to its ports.
#[inline(always)]
pub fn parse(bytes: &impl PacketBytes) -> Frame {
    frame(bytes).unwrap_or(Frame::Malformed)
}

#[inline(always)]
fn frame(bytes: &impl PacketBytes) -> Option<Frame> {
    let mut offset = ETHERNET;
    let mut ethertype = u16::from_be_bytes(bytes.read(12)?);
    for _ in 0..TAGS_MAX {
        if !is_tag(ethertype) {
            break;
        }
        ethertype = u16::from_be_bytes(bytes.read(offset + 2)?);
        offset += 4;
    }
    let packet = match ethertype {
        ETHERTYPE_IPV4 => ipv4(bytes, offset)?,
        ETHERTYPE_IPV6 => ipv6(bytes, offset)?,
        ETHERTYPE_ARP | ETHERTYPE_SLOW_PROTOCOLS | ETHERTYPE_EAPOL | ETHERTYPE_LLDP => {
            return Some(Frame::LinkControl);
        }
        // A third tag hides what it carries.
        tag if is_tag(tag) => return None,
        length if length < ETHERTYPE_MIN => return Some(Frame::LinkControl),
        _ => return Some(Frame::Other),
    };
    Some(Frame::Ip(packet))
}

#[inline(always)]
fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100)
}

/// RFC 791.
#[inline(always)]
fn ipv4(bytes: &impl PacketBytes, offset: usize) -> Option<Packet> {
    let header: [u8; 20] = bytes.read(offset)?;
    let header_length = usize::from(header[0] & 0x0f) * 4;
    let total_length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] >> 4 != 4 || header_length < header.len() || total_length < header_length {
        return None;
    }
    if offset + total_length > bytes.length() {
        return None;
    }
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    let packet = Packet {
        source: Address::V4(u32::from_be_bytes([header[12], header[13], header[14], header[15]])),
        destination: Address::V4(u32::from_be_bytes([
            header[16], header[17], header[18], header[19],
        ])),
        protocol: match header[9] {
            1 => Protocol::Icmp,
            6 => Protocol::Tcp,
            17 => Protocol::Udp,
            _ => Protocol::Other,
        },
        hop_limit: header[8],
        icmp: [0; 2],
        source_port: 0,
        destination_port: 0,
        later_fragment: fragment & 0x1fff != 0,
    };
    transport(bytes, offset + header_length, offset + total_length, packet)
}

/// RFC 8200.
#[inline(always)]
fn ipv6(bytes: &impl PacketBytes, offset: usize) -> Option<Packet> {
    const HEADER: usize = 40;
    let header: [u8; HEADER] = bytes.read(offset)?;
    let payload_length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    if header[0] >> 4 != 6 || offset + HEADER + payload_length > bytes.length() {
        return None;
    }
    let upper = |at: usize| {
        u64::from_be_bytes([
            header[at],
            header[at + 1],
            header[at + 2],
            header[at + 3],
            header[at + 4],
            header[at + 5],
            header[at + 6],
            header[at + 7],
        ])
    };
    let mut packet = Packet {
        source: Address::V6 { high: upper(8), low: upper(16) },
        destination: Address::V6 { high: upper(24), low: upper(32) },
        protocol: Protocol::Other,
        hop_limit: header[7],
        icmp: [0; 2],
        source_port: 0,
        destination_port: 0,
        later_fragment: false,
    };
    let end = offset + HEADER + payload_length;
    let mut next = header[6];
    let mut at = offset + HEADER;
    for _ in 0..EXTENSIONS_MAX {
        match next {
            // Hop-by-hop options, routing, destination options, mobility.
            0 | 43 | 60 | 135 => {
                let [following, units] = bytes.read(at)?;
                next = following;
                at += 8 + usize::from(units) * 8;
            }
            // Fragment.
            44 => {
                let [following, _, high, low] = bytes.read(at)?;
                next = following;
                at += 8;
                packet.later_fragment |= u16::from_be_bytes([high, low]) & 0xfff8 != 0;
            }
            // Authentication header, counted in words of four bytes (RFC 4302).
            51 => {
                let [following, units] = bytes.read(at)?;
                next = following;
                at += 8 + usize::from(units) * 4;
            }
            _ => break,
        }
        if at > end {
            return None;
        }
        if packet.later_fragment {
            break;
        }
    }
    packet.protocol = match next {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        58 => Protocol::Icmpv6,
        // A seventh extension header hides what it carries.
        0 | 43 | 44 | 51 | 60 | 135 if !packet.later_fragment => return None,
        _ => Protocol::Other,
    };
    transport(bytes, at, end, packet)
}

/// Ports, or ICMP type and code. A packet too short for the header of what it carries is malformed;
/// so is a first fragment (RFC 1858, RFC 7112), while a later one has no such header.
#[inline(always)]
fn transport(
    bytes: &impl PacketBytes,
    offset: usize,
    end: usize,
    mut packet: Packet,
) -> Option<Packet> {
    if packet.later_fragment {
        return Some(packet);
    }
    let needed = match packet.protocol {
        Protocol::Tcp => 20,
        Protocol::Udp | Protocol::Icmp | Protocol::Icmpv6 => 8,
        Protocol::Other | Protocol::None => return Some(packet),
    };
    if offset + needed > end {
        return None;
    }
    let header: [u8; 4] = bytes.read(offset)?;
    match packet.protocol {
        Protocol::Tcp | Protocol::Udp => {
            packet.source_port = u16::from_be_bytes([header[0], header[1]]);
            packet.destination_port = u16::from_be_bytes([header[2], header[3]]);
        }
        Protocol::Icmp | Protocol::Icmpv6 => packet.icmp = [header[0], header[1]],
        Protocol::Other | Protocol::None => {}
    }
    Some(packet)
}

#[cfg(test)]
mod tests;
