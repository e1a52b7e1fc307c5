//! The frames that floods are made of, read as far as the source and no further: no tag, no options, no
//! extension headers. A handful of instructions at fixed places, so that the processor can go on to the
//! next packet while this one's bytes are still under way to its cache.

use crate::{
    bytes::{Header as _, PacketBytes},
    packet::{Address, Protocol},
    parse::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, ICMP, TCP, UDP},
};

/// What is known of a plain packet from its IP header alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain {
    /// Who it says it is from; of an IPv6 address the upper half alone, as the lower one may lie in the
    /// next cache line, and few have to wait for that.
    pub source: Address,
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
            Some(Plain { source: Address::V4(header.u32::<26>()), protocol })
        }
        ETHERTYPE_IPV6 => {
            let header = bytes.header::<HEADERS_V6>(0)?;
            let end = HEADERS_V6 + usize::from(header.u16::<18>());
            let number = header.u8::<20>();
            if header.u8::<14>() >> 4 != 6 || end > bytes.length() || !matches!(number, TCP | UDP) {
                return None;
            }
            // Among the first of all networks are IPv4 addresses (`Address::v6`).
            let high = header.u64::<22>();
            let protocol = Protocol::of(number);
            (high != 0).then_some(Plain { source: Address::V6 { high, low: 0 }, protocol })
        }
        _ => None,
    }
}

impl Plain {
    /// The whole source.
    #[inline(always)]
    pub fn whole_source(&self, bytes: &impl PacketBytes) -> Address {
        match self.source {
            Address::V4(address) => Address::V4(address),
            Address::V6 { high, .. } => Address::V6 { high, low: self.interface_half(bytes) },
        }
    }

    /// The lower half of an IPv6 source.
    #[inline(always)]
    pub fn interface_half(&self, bytes: &impl PacketBytes) -> u64 {
        const HEADERS: usize = super::ETHERNET + 40;
        match (self.source, bytes.header::<HEADERS>(0)) {
            (Address::V6 { .. }, Some(header)) => header.u64::<30>(),
            _ => 0,
        }
    }
}
