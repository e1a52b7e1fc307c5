//! Frames for tests, built byte by byte with no code of the engine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IP protocol numbers.
pub const ICMP: u8 = 1;
/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
/// ICMP for IPv6.
pub const ICMPV6: u8 = 58;
/// IPv4 in IP.
pub const IPIP: u8 = 4;
/// IPv6 in IP.
pub const IP6IP: u8 = 41;
/// Generic routing encapsulation.
pub const GRE: u8 = 47;

/// TCP flags.
pub const FIN: u8 = 0x01;
/// TCP SYN.
pub const SYN: u8 = 0x02;
/// TCP RST.
pub const RST: u8 = 0x04;
/// TCP PSH.
pub const PSH: u8 = 0x08;
/// TCP ACK.
pub const ACK: u8 = 0x10;

/// GRE flags: a checksum is there.
pub const GRE_CHECKSUM: u16 = 0x8000;
/// GRE: source routes are there.
pub const GRE_ROUTING: u16 = 0x4000;
/// GRE: a key is there.
pub const GRE_KEY: u16 = 0x2000;
/// GRE: a sequence number is there.
pub const GRE_SEQUENCE: u16 = 0x1000;

/// An Ethernet header and what follows it.
#[must_use]
pub fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Puts a VLAN tag between the addresses and the ethertype.
#[must_use]
pub fn tagged(tag_type: u16, identifier: u16, frame: &[u8]) -> Vec<u8> {
    let mut out = frame[..12].to_vec();
    out.extend(tag_type.to_be_bytes());
    out.extend(identifier.to_be_bytes());
    out.extend(&frame[12..]);
    out
}

/// An IPv4 packet with options (a multiple of four bytes) and a fragment field.
#[must_use]
pub fn ipv4_with(
    source: Ipv4Addr,
    protocol: u8,
    options: &[u8],
    fragment: u16,
    payload: &[u8],
) -> Vec<u8> {
    let header_length = 20 + options.len();
    let total_length = (header_length + payload.len()) as u16;
    let mut packet = vec![0x40 | (header_length / 4) as u8, 0];
    packet.extend(total_length.to_be_bytes());
    packet.extend([0, 7]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(source.octets());
    packet.extend([192, 0, 2, 10]);
    packet.extend(options);
    packet.extend(payload);
    packet
}

/// A plain IPv4 packet.
#[must_use]
pub fn ipv4(source: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(source, protocol, &[], 0x4000, payload)
}

/// An IPv6 packet; `next` is the number of what the payload begins with.
#[must_use]
pub fn ipv6_with(source: Ipv6Addr, next: u8, hop_limit: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, hop_limit]);
    packet.extend(source.octets());
    packet.extend(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x10).octets());
    packet.extend(payload);
    packet
}

/// A plain IPv6 packet.
#[must_use]
pub fn ipv6(source: Ipv6Addr, next: u8, payload: &[u8]) -> Vec<u8> {
    ipv6_with(source, next, 64, payload)
}

/// The source `::ffff:a.b.c.d` of an IPv4 address.
#[must_use]
pub fn mapped(source: Ipv4Addr) -> Ipv6Addr {
    source.to_ipv6_mapped()
}

/// An IPv6 extension header (0, 43, 60, 135 or 51) of so many units more than eight bytes, and what
/// follows it.
#[must_use]
pub fn extension(kind: u8, next: u8, units: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![next, units];
    header.resize(8 + usize::from(units) * if kind == 51 { 4 } else { 8 }, 0);
    header.extend(payload);
    header
}

/// An IPv6 fragment header: the offset in units of eight bytes, whether more follow.
#[must_use]
pub fn fragment_v6(next: u8, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![next, 0];
    header.extend((offset << 3 | u16::from(more)).to_be_bytes());
    header.extend([0, 0, 0, 1]);
    header.extend(payload);
    header
}

/// A GRE header, with the fields that its flags say are there, and what it carries.
#[must_use]
pub fn gre(flags: u16, carried: u16, payload: &[u8]) -> Vec<u8> {
    let fields = [GRE_CHECKSUM, GRE_KEY, GRE_SEQUENCE];
    let words = fields.into_iter().filter(|field| flags & field != 0).count();
    let mut header = flags.to_be_bytes().to_vec();
    header.extend(carried.to_be_bytes());
    header.resize(4 + words * 4, 0);
    header.extend(payload);
    header
}

/// A TCP header, SYN.
#[must_use]
pub fn tcp(source_port: u16, destination_port: u16) -> Vec<u8> {
    tcp_with(source_port, destination_port, SYN, &[])
}

/// A TCP header with flags and options (a multiple of four bytes).
#[must_use]
pub fn tcp_with(source_port: u16, destination_port: u16, flags: u8, options: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(20 + options.len());
    header.extend(source_port.to_be_bytes());
    header.extend(destination_port.to_be_bytes());
    header.extend([0, 0, 0, 1, 0, 0, 0, 0]);
    header.extend([((5 + options.len() / 4) << 4) as u8, flags, 0xff, 0xff, 0, 0, 0, 0]);
    header.extend(options);
    header
}

/// A UDP datagram of so many bytes.
#[must_use]
pub fn udp(source_port: u16, destination_port: u16, bytes: usize) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(8 + bytes);
    datagram.extend(source_port.to_be_bytes());
    datagram.extend(destination_port.to_be_bytes());
    datagram.extend(((8 + bytes) as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.resize(8 + bytes, 0);
    datagram
}

/// An ICMP message of either family.
#[must_use]
pub fn icmp(kind: u8, code: u8) -> Vec<u8> {
    vec![kind, code, 0, 0, 0, 0, 0, 0]
}

/// A frame with a small UDP datagram from an address of either family.
#[must_use]
pub fn udp_from(source: IpAddr) -> Vec<u8> {
    match source {
        IpAddr::V4(source) => ethernet(0x0800, &ipv4(source, UDP, &udp(40_000, 53, 18))),
        IpAddr::V6(source) => ethernet(0x86dd, &ipv6(source, UDP, &udp(40_000, 53, 18))),
    }
}
