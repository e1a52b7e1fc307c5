//! Who a packet inside a tunnel says it is from: a denied source must not come in through IPIP, 6in4
//! or GRE. One level: a tunnel inside a tunnel hides what it carries.

use crate::{
    bytes::{Header as _, PacketBytes},
    packet::Address,
    parse::{ETHERTYPE_IPV4, ETHERTYPE_IPV6},
};

const IPIP: u8 = 4;
const SIT: u8 = 41;
const GRE: u8 = 47;
/// Ethernet inside GRE (RFC 7637 uses it; Linux's gretap).
const ETHERTYPE_BRIDGED: u16 = 0x6558;

/// The inner source of protocol `number` at `offset` of a packet that ends at `end`: nothing where the
/// frame is malformed, `Some(None)` where there is no IP packet inside.
#[inline(always)]
#[expect(clippy::option_option, reason = "malformed is one thing, no tunnel another")]
pub(super) fn inner(
    bytes: &impl PacketBytes,
    number: u8,
    offset: usize,
    end: usize,
) -> Option<Option<Address>> {
    let (ethertype, at) = match number {
        IPIP => (ETHERTYPE_IPV4, offset),
        SIT => (ETHERTYPE_IPV6, offset),
        GRE => gre(bytes, offset, end)?,
        _ => return Some(None),
    };
    match ethertype {
        ETHERTYPE_IPV4 => ipv4(bytes, at, end).map(Some),
        ETHERTYPE_IPV6 => ipv6(bytes, at, end).map(Some),
        _ => Some(None),
    }
}

/// RFC 2784 and RFC 2890: what is inside, and where. An ethertype of zero: opaque.
#[inline(always)]
fn gre(bytes: &impl PacketBytes, offset: usize, end: usize) -> Option<(u16, usize)> {
    const HEADER: usize = 4;
    if offset + HEADER > end {
        return None;
    }
    let header = bytes.header::<HEADER>(offset)?;
    let flags = header.u16::<0>();
    // Version 1 is PPTP (RFC 2637), which carries PPP.
    if flags & 7 != 0 {
        return Some((0, offset));
    }
    // Source routing (RFC 1701) has a length of its own; nobody sends it.
    if flags & 0x4000 != 0 {
        return None;
    }
    let options = (flags >> 15 & 1) + (flags >> 13 & 1) + (flags >> 12 & 1);
    let at = offset + HEADER + usize::from(options) * 4;
    let ethertype = header.u16::<2>();
    if ethertype != ETHERTYPE_BRIDGED {
        return Some((ethertype, at));
    }
    const ETHERNET: usize = 14;
    if at + ETHERNET > end {
        return None;
    }
    Some((bytes.header::<ETHERNET>(at)?.u16::<12>(), at + ETHERNET))
}

#[inline(always)]
fn ipv4(bytes: &impl PacketBytes, at: usize, end: usize) -> Option<Address> {
    const HEADER: usize = 20;
    if at + HEADER > end {
        return None;
    }
    let header = bytes.header::<HEADER>(at)?;
    if header.u8::<0>() >> 4 != 4 || is_tunnel(header.u8::<9>()) {
        return None;
    }
    Some(Address::V4(header.u32::<12>()))
}

#[inline(always)]
fn ipv6(bytes: &impl PacketBytes, at: usize, end: usize) -> Option<Address> {
    const HEADER: usize = 40;
    if at + HEADER > end {
        return None;
    }
    let header = bytes.header::<HEADER>(at)?;
    if header.u8::<0>() >> 4 != 6 || is_tunnel(header.u8::<6>()) {
        return None;
    }
    Some(Address::v6(header.u64::<8>(), header.u64::<16>()))
}

#[inline(always)]
fn is_tunnel(number: u8) -> bool {
    matches!(number, IPIP | SIT | GRE)
}
