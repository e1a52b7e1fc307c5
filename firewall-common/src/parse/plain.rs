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
    /// Who it says it is from.
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
            let source = Address::v6(header.u64::<22>(), header.u64::<30>());
            Some(Plain { source, protocol: Protocol::of(number) })
        }
        _ => None,
    }
}
