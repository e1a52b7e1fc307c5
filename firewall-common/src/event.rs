//! A sampled decision, as it crosses the ring buffer, and its checked reading.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    bytes::{Header as _, PacketBytes},
    class::Class,
    packet::{Packet, Protocol},
    parse::{self, Frame},
    verdict::{Reason, Verdict},
};

/// Bytes of the frame that an event carries at most.
pub const CAPTURE_BYTES: usize = 128;

/// Bytes of metadata before a frame that `seawall_explain` is run on: the time to judge it at, in
/// nanoseconds, or zero for now.
pub const EXPLAIN_BYTES: usize = 8;

/// The record in the ring buffer: native byte order, no hidden padding.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// What is known of the address that decided.
    pub class: Class,
    /// The number of the generation that decided.
    pub generation: u32,
    /// The interface on which the frame arrived.
    pub interface_index: u32,
    /// Length of the frame in bytes.
    pub length: u32,
    /// Numbers of [`Verdict`], [`Reason`], [`Protocol`], and the rule that decided or
    /// [`crate::rules::NO_RULE`].
    pub head: [u8; 4],
    /// The first bytes of the frame; zeros behind its end.
    pub bytes: [u8; CAPTURE_BYTES],
}

/// Length of a record in bytes.
pub const RECORD_BYTES: usize = size_of::<EventRecord>();
const BYTES_AT: usize = RECORD_BYTES - CAPTURE_BYTES;

/// A sampled decision.
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
    /// What is known of the address that decided.
    pub class: Class,
    /// The rule that decided, or [`crate::rules::NO_RULE`].
    pub rule: u32,
    /// The number of the generation that decided.
    pub generation: u32,
    /// The interface on which it arrived.
    pub interface_index: u32,
    /// Its length in bytes.
    pub length: u32,
    /// Who it went from and to, where it could be parsed as IP.
    pub flow: Option<Flow>,
    /// Its first bytes, zeros behind its end.
    pub bytes: [u8; CAPTURE_BYTES],
}

/// Who a packet says it is from, and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Its source.
    pub source: IpAddr,
    /// Its destination.
    pub destination: IpAddr,
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
        let u32_at = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let length = u32_at(32)?;
        let frame: [u8; CAPTURE_BYTES] = bytes.get(BYTES_AT..)?.try_into().ok()?;
        Some(Self {
            time_ns: u64::from_ne_bytes(bytes.get(..8)?.try_into().ok()?),
            class: Class::from_bytes(bytes.get(8..24)?.try_into().ok()?),
            generation: u32_at(24)?,
            interface_index: u32_at(28)?,
            length,
            verdict: *Verdict::ALL.get(usize::from(bytes[36]))?,
            reason: *Reason::ALL.get(usize::from(bytes[37]))?,
            protocol: *Protocol::ALL.get(usize::from(bytes[38]))?,
            rule: u32::from(bytes[39]),
            flow: Flow::read(&Captured { bytes: &frame, length: length as usize }),
            bytes: frame,
        })
    }

    /// The bytes of the frame that were captured.
    #[must_use]
    pub fn captured(&self) -> &[u8] {
        &self.bytes[..CAPTURE_BYTES.min(self.length as usize)]
    }
}

impl Flow {
    /// Who a frame goes from and to; nothing where it is no IP packet that can be parsed.
    #[must_use]
    pub fn read(frame: &impl PacketBytes) -> Option<Self> {
        let mut packet = Packet::NONE;
        if parse::parse(frame, &mut packet) != Frame::Ip {
            return None;
        }
        let at = usize::from(packet.network_offset);
        let (source, destination) = if packet.version == 4 {
            let header = frame.header::<20>(at)?;
            let address = |bits| IpAddr::V4(Ipv4Addr::from_bits(bits));
            (address(header.u32::<12>()), address(header.u32::<16>()))
        } else {
            let header = frame.header::<40>(at)?;
            let address = |high: u64, low: u64| {
                IpAddr::V6(Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)))
            };
            let source = address(header.u64::<8>(), header.u64::<16>());
            (source, address(header.u64::<24>(), header.u64::<32>()))
        };
        let has_ports = matches!(packet.protocol, Protocol::Tcp | Protocol::Udp);
        let source_port = match frame.header::<2>(usize::from(packet.transport_offset)) {
            Some(header) if has_ports && !packet.later_fragment => header.u16::<0>(),
            _ => 0,
        };
        let destination_port = packet.destination_port;
        Some(Self { source, destination, source_port, destination_port })
    }
}

/// The first bytes of a longer frame.
struct Captured<'a> {
    bytes: &'a [u8],
    length: usize,
}

impl PacketBytes for Captured<'_> {
    type Header<const N: usize> = [u8; N];

    fn header<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let within = offset.checked_add(N)? <= self.length;
        if within { self.bytes.header(offset) } else { None }
    }

    fn length(&self) -> usize {
        self.length
    }
}

#[cfg(test)]
mod tests;
