//! Ports, flags, ICMP type and code. A packet too short for the header of what it carries is
//! malformed; so is a first fragment (RFC 1858, RFC 7112), while a later one has no such header.

use crate::{
    bytes::{Header as _, PacketBytes},
    packet::{Packet, Protocol},
    parse::tunnel,
};

/// Reads the transport header, where the packet has one.
#[inline(always)]
pub(super) fn read(bytes: &impl PacketBytes, packet: &mut Packet) {
    forget(packet);
    packet.broken = header(bytes, packet).is_none();
}

/// Nothing is known of what follows the IP header.
#[inline(always)]
pub(super) fn forget(packet: &mut Packet) {
    packet.inner = None;
    packet.icmp = [0; 2];
    packet.tcp_flags = 0;
    packet.destination_port = 0;
}

#[inline(always)]
fn header(bytes: &impl PacketBytes, packet: &mut Packet) -> Option<()> {
    if packet.later_fragment {
        return Some(());
    }
    let (offset, end) = (usize::from(packet.transport_offset), packet.end as usize);
    match packet.protocol {
        // RFC 9293.
        Protocol::Tcp => {
            const HEADER: usize = 20;
            if offset + HEADER > end {
                return None;
            }
            let header = bytes.header::<HEADER>(offset)?;
            let length = usize::from(header.u8::<12>() >> 4) * 4;
            if length < HEADER || offset + length > end {
                return None;
            }
            packet.destination_port = header.u16::<2>();
            packet.tcp_flags = header.u8::<13>();
        }
        // RFC 768.
        Protocol::Udp => {
            const HEADER: usize = 8;
            if offset + HEADER > end {
                return None;
            }
            let header = bytes.header::<HEADER>(offset)?;
            let length = usize::from(header.u16::<4>());
            if length < HEADER || (packet.whole && offset + length > end) {
                return None;
            }
            packet.destination_port = header.u16::<2>();
        }
        // RFC 792, RFC 4443.
        Protocol::Icmp | Protocol::Icmpv6 => {
            const HEADER: usize = 8;
            if offset + HEADER > end {
                return None;
            }
            let header = bytes.header::<HEADER>(offset)?;
            packet.icmp = [header.u8::<0>(), header.u8::<1>()];
        }
        Protocol::Other => packet.inner = tunnel::inner(bytes, packet.number, offset, end)?,
        Protocol::None => {}
    }
    Some(())
}
