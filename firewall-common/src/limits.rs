//! What limits are kept for, and where their buckets are.
//!
//! Limits of sources and prefixes are kept in a table of rows. A bucket has a place in the one row that
//! a keyed hash gives it, and takes the place of a full one alone: a full bucket says nothing, so
//! nothing is lost with it. A flood of spoofed sources so never takes the state of a client from it,
//! and uses no memory but this. Where a row has only buckets in use, the packet passes and is counted.

use crate::{
    class::COUNTRIES,
    packet::{Address, Packet, Protocol, SourceKey},
};

/// Buckets in a row: one cache line.
pub const ROW_BUCKETS: usize = 8;
/// Rows of the table: 262,144 buckets in 2 MiB, which is what a core's second cache holds.
pub const ROWS: u32 = 1 << 15;
/// A row of the table.
pub type BucketRow = [u64; ROW_BUCKETS];

/// Scope of the limit of a source.
pub const SCOPE_SOURCE: u64 = 1;
/// Scope of the limit of a prefix.
pub const SCOPE_PREFIX: u64 = 2;

/// Where a bucket is: its row, and what its words carry in their upper bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Below [`ROWS`].
    pub row: u32,
    /// Never zero, in 16 bits: a row begins as zeros.
    pub tag: u64,
}

impl Place {
    /// The place of the packets of a scope's key; keyed, so that nobody can aim at another's row.
    #[must_use]
    #[inline(always)]
    pub fn new(scope: u64, key: SourceKey, hash_key: [u64; 2]) -> Self {
        let salt = scope.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (key.family << 56);
        let mut hash = (key.network ^ hash_key[0]).wrapping_add(salt);
        hash = (hash ^ hash >> 32).wrapping_mul(hash_key[1] | 1);
        hash = (hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash ^= hash >> 32;
        Self { row: hash as u32 % ROWS, tag: (hash >> 48) | 1 }
    }

    /// The place of the bytes of the same key: in the same row, which is in the cache by then.
    #[must_use]
    #[inline(always)]
    pub fn bytes(self) -> Self {
        Self { tag: self.tag ^ 0x8000, ..self }
    }
}

/// Classes of protocols that have limits of their own.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolClass {
    /// TCP segments that open a connection.
    Syn = 0,
    /// UDP.
    Udp = 1,
    /// ICMP of both families.
    Icmp = 2,
    /// All else.
    Other = 3,
}

impl ProtocolClass {
    /// The class of a packet.
    #[must_use]
    #[inline(always)]
    pub fn of(packet: &Packet) -> Self {
        match packet.protocol {
            Protocol::Tcp if packet.opens_connection() => Self::Syn,
            Protocol::Udp => Self::Udp,
            Protocol::Icmp | Protocol::Icmpv6 => Self::Icmp,
            Protocol::Tcp | Protocol::Other | Protocol::None => Self::Other,
        }
    }
}

/// Words of the table of limits that are one for all sources: each has a place of its own, so that a
/// generation finds the state of the one before it and never another's.
pub const AGGREGATES: u32 = SYN_METERS + 2 * 65_536;

/// The bound on events.
pub const AGGREGATE_EVENTS: u32 = 0;
const PROTOCOLS: u32 = 2;
const COUNTRY: u32 = PROTOCOLS + 2 * 4;
const PORTS: u32 = COUNTRY + 2 * COUNTRIES;
const SYN_METERS: u32 = PORTS + 2 * 2 * 65_536;

/// The packets of a class of protocols; the word behind it is that of the bytes, here and below.
#[must_use]
#[inline(always)]
pub fn aggregate_protocol(class: ProtocolClass) -> u32 {
    PROTOCOLS + 2 * class as u32
}

/// A country, by [`crate::class::Class::country_index`].
#[must_use]
#[inline(always)]
pub fn aggregate_country(index: u32) -> u32 {
    COUNTRY + 2 * index
}

/// A TCP or UDP port.
#[must_use]
#[inline(always)]
pub fn aggregate_port(is_udp: bool, port: u16) -> u32 {
    PORTS + 2 * (u32::from(is_udp) * 65_536 + u32::from(port))
}

/// The meter of segments that open a connection to a port, of one family: a listener knows cookies again
/// only while segments reach it that it has to answer with cookies itself, so each has to have its share.
#[must_use]
#[inline(always)]
pub fn aggregate_syn_meter(source: Address, port: u16) -> u32 {
    SYN_METERS + u32::from(matches!(source, Address::V6 { .. })) * 65_536 + u32::from(port)
}

/// Ports with a limit at most.
pub const PORT_LIMITS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_aggregate_has_a_place_of_its_own() {
        let classes =
            [ProtocolClass::Syn, ProtocolClass::Udp, ProtocolClass::Icmp, ProtocolClass::Other];
        let mut places: std::vec::Vec<u32> = classes.into_iter().map(aggregate_protocol).collect();
        places.extend((0..COUNTRIES).map(aggregate_country));
        for is_udp in [false, true] {
            places.extend((0..=u16::MAX).map(|port| aggregate_port(is_udp, port)));
        }
        let mut seen = BTreeSet::from([AGGREGATE_EVENTS]);
        for source in [Address::V4(1), Address::V6 { high: 1, low: 1 }] {
            for port in 0..=u16::MAX {
                let meter = aggregate_syn_meter(source, port);
                assert!(seen.insert(meter) && meter < AGGREGATES);
            }
        }
        for place in places {
            assert!(seen.insert(place) && seen.insert(place + 1) && place + 1 < AGGREGATES);
        }
    }

    #[test]
    fn places_are_spread_and_keyed() {
        let key = |network| SourceKey { network, family: 4 };
        let place = |network, seed| Place::new(SCOPE_SOURCE, key(network), [seed, seed * 31]);
        let mut rows = std::vec![0_u32; ROWS as usize];
        for network in 0..u64::from(ROWS) * 8 {
            let place = place(network, 0x0005_ea11);
            assert!(place.tag != 0 && place.tag >> 16 == 0 && place.bytes().tag != 0);
            rows[place.row as usize] += 1;
        }
        // Eight on average; Poisson leaves more than 30 to one row in 10^9.
        assert!(rows.iter().all(|count| *count <= 30), "{:?}", rows.iter().max());
        assert!((0..100).any(|network| place(network, 1).row != place(network, 2).row));
        let scopes = [SCOPE_SOURCE, SCOPE_PREFIX].map(|scope| Place::new(scope, key(7), [1, 2]));
        assert_ne!(scopes[0], scopes[1]);
    }
}
