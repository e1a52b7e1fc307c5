//! The newer format: sections of blocks, with interfaces that differ.

use std::io::Read;

use pcap_parser::{
    Block, EnhancedPacketBlock, InterfaceDescriptionBlock, OptionCode, SimplePacketBlock,
    parse_block_be, parse_block_le,
};

use crate::capture::{
    CaptureError, CapturedFrame, FRAME_BYTES_MAX,
    source::{ByteOrder, Source},
};

/// A block that is kept while it is read may have so many bytes: a frame, and 128 KiB for its options.
const BLOCK_BYTES_MAX: usize = FRAME_BYTES_MAX + (128 << 10);
/// A section may have so many interfaces: those of a large host with all its containers.
const INTERFACES_MAX: usize = 4_096;

/// Type and length stand before a block's content, the length again behind it.
const BLOCK_HEADER_BYTES: usize = 8;
const BLOCK_BYTES_MIN: u32 = 12;

/// Reads the same in both byte orders.
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
/// Out of use since 2009; passed over, its frames would be missed.
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Tells the byte order of a section.
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Microseconds, where an interface does not say.
const RESOLUTION_DEFAULT: u8 = 6;

pub(super) struct Pcapng {
    order: ByteOrder,
    /// Of this section.
    interfaces: Vec<Interface>,
}

struct Interface {
    link_type: u16,
    /// Simple packet blocks are cut at so many bytes; 0 for no limit.
    snap_length: u32,
    clock: Clock,
}

/// How an interface writes times.
struct Clock {
    /// The highest bit set: a negative power of two of a second. Else one of ten.
    resolution: u8,
    offset_s: i64,
}

impl Clock {
    /// Nanoseconds since 1970, where they fit.
    fn time_ns(&self, ticks: u64) -> Option<u64> {
        const SECOND_NS: u128 = 1_000_000_000;
        let exponent = u32::from(self.resolution & 0x7f);
        let since = u128::from(ticks) * SECOND_NS;
        let since = if self.resolution & 0x80 == 0 {
            // Ticks too short to be counted in 128 bits are no nanosecond together.
            10_u128.checked_pow(exponent).map_or(0, |ticks_per_second| since / ticks_per_second)
        } else {
            since >> exponent
        };
        let time = i128::try_from(since).ok()? + i128::from(self.offset_s) * SECOND_NS as i128;
        u64::try_from(time).ok()
    }
}

impl Pcapng {
    pub(super) fn begins_with(head: &[u8]) -> bool {
        head == SECTION_HEADER.to_be_bytes()
    }

    /// The file begins with a section header, which says the byte order.
    pub(super) fn new() -> Self {
        Self { order: ByteOrder::Little, interfaces: Vec::new() }
    }

    pub(super) fn read_frame<R: Read>(
        &mut self,
        source: &mut Source<R>,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<CapturedFrame>, CaptureError> {
        loop {
            buffer.clear();
            if !source.next(buffer, BLOCK_HEADER_BYTES)? {
                return Ok(None);
            }
            let frame = match self.order.number(buffer, 0) {
                SECTION_HEADER => self.section(source, buffer).map(|()| None)?,
                INTERFACE_DESCRIPTION | SIMPLE_PACKET | ENHANCED_PACKET => {
                    self.block(source, buffer)?
                }
                OBSOLETE_PACKET => {
                    let found = "an obsolete packet block".to_owned();
                    return Err(source.malformed("an enhanced or simple packet block", found));
                }
                // Names, statistics, secrets and what others thought of.
                _ => {
                    let length = self.length(source, buffer)?;
                    let rest = length - BLOCK_HEADER_BYTES as u32;
                    source.skip(u64::from(rest)).map(|()| None)?
                }
            };
            if frame.is_some() {
                return Ok(frame);
            }
        }
    }

    fn section<R: Read>(
        &mut self,
        source: &mut Source<R>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), CaptureError> {
        source.fill(buffer, size_of::<u32>())?;
        self.order = match ByteOrder::Little.number(buffer, BLOCK_HEADER_BYTES) {
            BYTE_ORDER_MAGIC => ByteOrder::Little,
            magic if magic.swap_bytes() == BYTE_ORDER_MAGIC => ByteOrder::Big,
            magic => return Err(source.malformed("a byte-order magic", format!("{magic:#010x}"))),
        };
        self.interfaces.clear();
        self.block(source, buffer).map(|_| ())
    }

    /// The length of a block that was begun.
    fn length<R: Read>(&self, source: &Source<R>, buffer: &[u8]) -> Result<u32, CaptureError> {
        let length = self.order.number(buffer, size_of::<u32>());
        if length < BLOCK_BYTES_MIN || !length.is_multiple_of(4) {
            let expected = "a block of at least 12 bytes, in words of 4";
            return Err(source.malformed(expected, format!("one of {length}")));
        }
        Ok(length)
    }

    /// Reads the rest of a block and what it says.
    fn block<R: Read>(
        &mut self,
        source: &mut Source<R>,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<CapturedFrame>, CaptureError> {
        let length = self.length(source, buffer)?;
        source.check_bound("bytes in a block", BLOCK_BYTES_MAX, u64::from(length))?;
        source.fill(buffer, length as usize - buffer.len())?;
        let again = self.order.number(buffer, length as usize - size_of::<u32>());
        if again != length {
            let expected = "a block's length to be the same before and behind it";
            return Err(source.malformed(expected, format!("{length} and {again}")));
        }
        let parsed = match self.order {
            ByteOrder::Little => parse_block_le(buffer),
            ByteOrder::Big => parse_block_be(buffer),
        };
        match parsed {
            Ok((_, Block::SectionHeader(header))) if header.major_version != 1 => {
                let found = format!("version {}", header.major_version);
                Err(source.malformed("pcapng of version 1", found))
            }
            Ok((_, Block::InterfaceDescription(block))) => {
                source.check_bound(
                    "interfaces in a section",
                    INTERFACES_MAX,
                    self.interfaces.len() as u64 + 1,
                )?;
                self.interfaces.push(interface(&block, self.order));
                Ok(None)
            }
            Ok((_, Block::EnhancedPacket(block))) => self.enhanced(source, &block).map(Some),
            Ok((_, Block::SimplePacket(block))) => self.simple(source, &block).map(Some),
            Ok(_) => Ok(None),
            Err(_) => {
                let found = format!("one of {length} bytes whose content does not fit it");
                Err(source.malformed("a whole block", found))
            }
        }
    }

    fn enhanced<R: Read>(
        &self,
        source: &Source<R>,
        block: &EnhancedPacketBlock<'_>,
    ) -> Result<CapturedFrame, CaptureError> {
        let interface = self.interface(source, block.if_id)?;
        source.check_bound("bytes in a frame", FRAME_BYTES_MAX, u64::from(block.caplen))?;
        let ticks = u64::from(block.ts_high) << 32 | u64::from(block.ts_low);
        let time_ns = interface.clock.time_ns(ticks).ok_or_else(|| {
            source.malformed("a time from 1970 to 2554", format!("{ticks} ticks of its clock"))
        })?;
        // Padding follows the frame.
        let bytes = block.data.get(..block.caplen as usize).unwrap_or(block.data).to_vec();
        Ok(CapturedFrame { time_ns, original_length: block.origlen, bytes })
    }

    fn simple<R: Read>(
        &self,
        source: &Source<R>,
        block: &SimplePacketBlock<'_>,
    ) -> Result<CapturedFrame, CaptureError> {
        let interface = self.interface(source, 0)?;
        let kept = match interface.snap_length {
            0 => block.origlen,
            snap_length => block.origlen.min(snap_length),
        };
        source.check_bound("bytes in a frame", FRAME_BYTES_MAX, u64::from(kept))?;
        let bytes = block.data.get(..kept as usize).ok_or_else(|| {
            let found = format!("a block with {}", block.data.len());
            source.malformed("a frame of its original length or of the snap length", found)
        })?;
        Ok(CapturedFrame { time_ns: 0, original_length: block.origlen, bytes: bytes.to_vec() })
    }

    fn interface<R: Read>(
        &self,
        source: &Source<R>,
        index: u32,
    ) -> Result<&Interface, CaptureError> {
        let Some(interface) = self.interfaces.get(index as usize) else {
            let found = format!("interface {index} of {}", self.interfaces.len());
            return Err(source.malformed("an interface that the section describes", found));
        };
        source.check_link_type(interface.link_type)?;
        Ok(interface)
    }
}

/// The options are read here: the parser takes the offset as little-endian in either order, and
/// knows no resolution in powers of two.
fn interface(block: &InterfaceDescriptionBlock<'_>, order: ByteOrder) -> Interface {
    let mut clock = Clock { resolution: RESOLUTION_DEFAULT, offset_s: 0 };
    for option in &block.options {
        match (option.code, option.value()) {
            (OptionCode::EndOfOpt, _) => break,
            (OptionCode::IfTsresol, [resolution, ..]) => clock.resolution = *resolution,
            (OptionCode::IfTsoffset, value) => {
                let Some(seconds) = value.first_chunk() else { continue };
                clock.offset_s = match order {
                    ByteOrder::Little => i64::from_le_bytes(*seconds),
                    ByteOrder::Big => i64::from_be_bytes(*seconds),
                };
            }
            _ => {}
        }
    }
    // A field of 16 bits, which the parser widens.
    let link_type = u16::try_from(block.linktype.0).unwrap_or(u16::MAX);
    Interface { link_type, snap_length: block.snaplen, clock }
}
