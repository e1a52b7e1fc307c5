//! The older format: one header, then frames.

use std::io::Read;

use pcap_parser::parse_pcap_header;

use crate::capture::{
    CaptureError, CapturedFrame, FRAME_BYTES_MAX,
    source::{ByteOrder, Source},
};

/// The header of a file.
const HEADER_BYTES: usize = 24;
/// The header of a frame: seconds, their fraction, bytes kept, bytes on the wire.
const FRAME_HEADER_BYTES: usize = 16;
/// Micro- and nanoseconds, in either byte order.
const MAGIC: [[u8; 4]; 4] = [
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
];

pub(super) struct Pcap {
    order: ByteOrder,
    /// What the fraction of a second counts.
    fraction_ns: u64,
}

impl Pcap {
    pub(super) fn begins_with(head: &[u8]) -> bool {
        MAGIC.iter().any(|magic| head == magic)
    }

    pub(super) fn read_header<R: Read>(
        source: &mut Source<R>,
        buffer: &mut Vec<u8>,
    ) -> Result<Self, CaptureError> {
        source.fill(buffer, HEADER_BYTES)?;
        let header = match parse_pcap_header(buffer) {
            Ok((_, header)) => header,
            Err(error) => return Err(source.malformed("a pcap header", format!("{error:?}"))),
        };
        // The upper half says whether frames end in a checksum, and in how long a one.
        source.check_link_type((header.network.0 & 0xffff) as u16)?;
        Ok(Self {
            order: if header.is_bigendian() { ByteOrder::Big } else { ByteOrder::Little },
            fraction_ns: if header.is_nanosecond_precision() { 1 } else { 1_000 },
        })
    }

    pub(super) fn read_frame<R: Read>(
        &self,
        source: &mut Source<R>,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<CapturedFrame>, CaptureError> {
        buffer.clear();
        if !source.next(buffer, FRAME_HEADER_BYTES)? {
            return Ok(None);
        }
        let number = |offset| self.order.number(buffer, offset);
        let (seconds, fraction) = (u64::from(number(0)), u64::from(number(4)));
        let (kept, original_length) = (number(8), number(12));
        source.check_bound("bytes in a frame", FRAME_BYTES_MAX, u64::from(kept))?;
        let mut bytes = Vec::new();
        source.fill(&mut bytes, kept as usize)?;
        // Both are of 32 bits: neither the products nor their sum leave 64.
        let time_ns = seconds * 1_000_000_000 + fraction * self.fraction_ns;
        Ok(Some(CapturedFrame { time_ns, original_length, bytes }))
    }
}
