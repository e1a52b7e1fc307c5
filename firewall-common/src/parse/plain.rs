//! The frames that floods are made of, read as far as the source and no further: no tag, no options, no
//! extension headers. A handful of instructions at fixed places, so that the processor can go on to the
//! next packet while this one's bytes are still under way to its cache.

use crate::{
    bytes::{Header as _, PacketBytes},
    packet::{Address, Packet, Protocol, SourceKey},
    parse::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, ICMP, TCP, UDP},
};

/// What is known of a plain packet from its IP header alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain {
    /// Who it says it is from; of an IPv6 address the upper half alone, as the lower one may lie in the
    /// next cache line, and few have to wait for that. No enum: the compiler would work with both of its
    /// variants before it asks which one it is, and the verifier refuses what was never written.
    pub source: SourceKey,
    /// What it carries; never ICMP, of which some always passes.
    pub protocol: Protocol,
}

/// A plain packet; nothing where [`super::parse`] has to look closer.
#[inline(always)]
pub fn plain(bytes: &impl PacketBytes) -> Option<Plain> {
    const ETHERNET: usize = super::ETHERNET;
    const HEADERS_V4: usize = ETHERNET + 20;
    const HEADERS_V6: usize = ETHERNET + 40;
    // No IP packet is shorter.
    let header = bytes.header::<HEADERS_V4>(0)?;
    match header.u16::<12>() {
        ETHERTYPE_IPV4 => {
            let total_length = usize::from(header.u16::<16>());
            let number = header.u8::<23>();
            if header.u8::<14>() != 0x45
                || total_length < HEADERS_V4 - ETHERNET
                || ETHERNET + total_length > bytes.length()
                || number == ICMP
            {
                return None;
            }
            let protocol = Protocol::of(number);
            let network = u64::from(header.u32::<26>());
            Some(Plain { source: SourceKey { network, family: 4 }, protocol })
        }
        ETHERTYPE_IPV6 => {
            let header = bytes.header::<HEADERS_V6>(0)?;
            let end = HEADERS_V6 + usize::from(header.u16::<18>());
            let number = header.u8::<20>();
            if header.u8::<14>() >> 4 != 6 || end > bytes.length() || !matches!(number, TCP | UDP) {
                return None;
            }
            // Among the first of all networks are IPv4 addresses (`Address::v6`).
            let network = header.u64::<22>();
            let protocol = Protocol::of(number);
            (network != 0).then_some(Plain { source: SourceKey { network, family: 6 }, protocol })
        }
        _ => None,
    }
}

impl Plain {
    /// The whole source.
    #[inline(always)]
    pub fn whole_source(&self, bytes: &impl PacketBytes) -> Address {
        let SourceKey { network, family } = self.source;
        if family == 4 {
            return Address::V4(network as u32);
        }
        Address::V6 { high: network, low: self.interface_half(bytes) }
    }

    /// The lower half of an IPv6 source.
    #[inline(always)]
    pub fn interface_half(&self, bytes: &impl PacketBytes) -> u64 {
        const HEADERS: usize = super::ETHERNET + 40;
        match bytes.header::<HEADERS>(0) {
            Some(header) if self.source.family == 6 => header.u64::<30>(),
            Some(_) | None => 0,
        }
    }
}

/// Reads a plain TCP or UDP packet as [`super::parse`] would, sooner: straight on, at fixed places. Nothing
/// where that has to look closer, whatever was written to `packet` meanwhile.
#[inline(always)]
pub fn read(bytes: &impl PacketBytes, packet: &mut Packet) -> Option<()> {
    const ETHERNET: usize = super::ETHERNET;
    const HEADERS_V4: usize = ETHERNET + 20;
    const HEADERS_V6: usize = ETHERNET + 40;
    let ip = bytes.header::<HEADERS_V4>(0)?;
    let (at, end, number) = match ip.u16::<12>() {
        ETHERTYPE_IPV4 => {
            // Neither options nor a fragment.
            if ip.u8::<14>() != 0x45 || ip.u16::<20>() & 0x3fff != 0 {
                return None;
            }
            packet.source = Address::V4(ip.u32::<26>());
            packet.hop_limit = ip.u8::<22>();
            packet.version = 4;
            (HEADERS_V4, ETHERNET + usize::from(ip.u16::<16>()), ip.u8::<23>())
        }
        ETHERTYPE_IPV6 => {
            let ip = bytes.header::<HEADERS_V6>(0)?;
            if ip.u8::<14>() >> 4 != 6 {
                return None;
            }
            packet.source = Address::v6(ip.u64::<22>(), ip.u64::<30>());
            packet.hop_limit = ip.u8::<21>();
            packet.version = 6;
            (HEADERS_V6, HEADERS_V6 + usize::from(ip.u16::<18>()), ip.u8::<20>())
        }
        _ => return None,
    };
    if end > bytes.length() {
        return None;
    }
    match number {
        TCP => {
            let tcp = bytes.header::<20>(at)?;
            let length = usize::from(tcp.u8::<12>() >> 4) * 4;
            if length < 20 || at + length > end {
                return None;
            }
            packet.destination_port = tcp.u16::<2>();
            packet.tcp_flags = tcp.u8::<13>();
            packet.protocol = Protocol::Tcp;
        }
        UDP => {
            let udp = bytes.header::<8>(at)?;
            let length = usize::from(udp.u16::<4>());
            if length < 8 || at + length > end {
                return None;
            }
            packet.destination_port = udp.u16::<2>();
            packet.tcp_flags = 0;
            packet.protocol = Protocol::Udp;
        }
        _ => return None,
    }
    packet.inner = None;
    packet.number = number;
    packet.icmp = [0; 2];
    (packet.broken, packet.later_fragment) = (false, false);
    (packet.whole, packet.plain) = (true, true);
    packet.network_offset = ETHERNET as u16;
    packet.transport_offset = at as u16;
    packet.end = end as u32;
    Some(())
}
