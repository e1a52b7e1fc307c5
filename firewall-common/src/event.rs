//! A sampled drop, as it crosses the ring buffer, and its checked reading.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    Country,
    class::Class,
    packet::{Address, Protocol},
    verdict::{Decision, Reason, Verdict},
};

/// The record in the ring buffer: native byte order, no hidden padding.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// Upper and lower half; an IPv4 address is in the lower one.
    pub source: [u64; 2],
    /// As `source`.
    pub destination: [u64; 2],
    /// The interface on which the frame arrived.
    pub interface_index: u32,
    /// Length of the frame in bytes.
    pub length: u32,
    /// A word of [`Class`].
    pub class: u32,
    /// Zero where there is none.
    pub source_port: u16,
    /// Zero where there is none.
    pub destination_port: u16,
    /// A number of [`Verdict`].
    pub verdict: u8,
    /// A number of [`Reason`].
    pub reason: u8,
    /// A number of [`Protocol`].
    pub protocol: u8,
    /// 4 or 6; 0 where the frame was not parsed as IP.
    pub family: u8,
    /// No hidden bytes.
    pub _pad: u32,
}

/// Length of a record in bytes.
pub const RECORD_BYTES: usize = size_of::<EventRecord>();

impl EventRecord {
    /// Records a decision.
    #[must_use]
    #[inline(always)]
    pub fn new(decision: &Decision, time_ns: u64, interface_index: u32, length: u32) -> Self {
        let mut record = Self {
            time_ns,
            source: [0; 2],
            destination: [0; 2],
            interface_index,
            length,
            class: decision.class.to_word(),
            source_port: 0,
            destination_port: 0,
            verdict: decision.verdict as u8,
            reason: decision.reason as u8,
            protocol: decision.protocol as u8,
            family: 0,
            _pad: 0,
        };
        if let Some(packet) = decision.packet {
            (record.family, record.source) = halves(packet.source);
            (_, record.destination) = halves(packet.destination);
            record.source_port = packet.source_port;
            record.destination_port = packet.destination_port;
        }
        record
    }
}

#[inline(always)]
fn halves(address: Address) -> (u8, [u64; 2]) {
    match address {
        Address::V4(address) => (4, [0, u64::from(address)]),
        Address::V6 { high, low } => (6, [high, low]),
    }
}

/// A sampled drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// What became of the frame.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// What it carried.
    pub protocol: Protocol,
    /// The source's country, where it is known.
    pub country: Option<Country>,
    /// The interface on which it arrived.
    pub interface_index: u32,
    /// Its length in bytes.
    pub length: u32,
    /// Source and destination, where it was parsed as IP.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// Zero where there is none.
    pub source_port: u16,
    /// Zero where there is none.
    pub destination_port: u16,
}

impl Event {
    /// Reads a record; nothing where a field holds what no record can.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; RECORD_BYTES] = bytes.try_into().ok()?;
        let u64_at = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let u32_at = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let u16_at = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let family = bytes[59];
        let address = |at: usize| {
            let (high, low) = (u64_at(at)?, u64_at(at + 8)?);
            match family {
                4 => Some(IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(low).ok()?))),
                6 => {
                    Some(IpAddr::V6(Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low))))
                }
                _ => None,
            }
        };
        let addresses = if family == 0 { None } else { Some((address(8)?, address(24)?)) };
        Some(Self {
            time_ns: u64_at(0)?,
            verdict: *Verdict::ALL.get(usize::from(bytes[56]))?,
            reason: *Reason::ALL.get(usize::from(bytes[57]))?,
            protocol: *Protocol::ALL.get(usize::from(bytes[58]))?,
            country: Class::from_word(u32_at(48)?).country(),
            interface_index: u32_at(40)?,
            length: u32_at(44)?,
            addresses,
            source_port: u16_at(52)?,
            destination_port: u16_at(54)?,
        })
    }
}

#[cfg(test)]
mod tests;
