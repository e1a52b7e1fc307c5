//! Writing pcapng: one section, Ethernet interfaces, times in nanoseconds, a comment a frame.

use std::io::{self, Write};

use crate::capture::{ETHERNET, FRAME_BYTES_MAX};

/// A comment, or an interface's name, may have so many bytes: its length is a field of 16 bits.
pub const COMMENT_BYTES_MAX: usize = u16::MAX as usize;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const VERSION: [u16; 2] = [1, 0];
/// The length of a section that is written as it comes.
const LENGTH_UNKNOWN: i64 = -1;

/// Codes of options; the second of interfaces only.
const COMMENT: u16 = 1;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_RESOLUTION: u16 = 9;
/// The negative power of ten of a second.
const NANOSECONDS: u8 = 9;

/// Writes a capture file, little-endian. Give it a [`io::BufWriter`]: every frame is one write.
pub struct Writer<W> {
    output: W,
    interfaces: usize,
    /// The block that is built, kept for its allocation.
    block: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a file whose frames are of these interfaces.
    ///
    /// # Errors
    ///
    /// Where a name is too long, or the output fails.
    pub fn create(output: W, interfaces: &[&str]) -> io::Result<Self> {
        let mut writer = Self { output, interfaces: 0, block: Vec::new() };
        writer.begin(SECTION_HEADER);
        writer.number(BYTE_ORDER_MAGIC);
        VERSION.iter().for_each(|part| writer.block.extend(part.to_le_bytes()));
        writer.block.extend(LENGTH_UNKNOWN.to_le_bytes());
        writer.end()?;
        for name in interfaces {
            writer.add_interface(name)?;
        }
        Ok(writer)
    }

    /// One interface more, and its position; frames of it follow.
    ///
    /// # Errors
    ///
    /// Where the name is too long, or the output fails.
    pub fn add_interface(&mut self, name: &str) -> io::Result<usize> {
        check("an interface's name", COMMENT_BYTES_MAX, name.len())?;
        self.begin(INTERFACE_DESCRIPTION);
        self.block.extend(ETHERNET.to_le_bytes());
        self.block.extend([0; 2]);
        self.number(FRAME_BYTES_MAX as u32);
        self.option(INTERFACE_NAME, name.as_bytes());
        self.option(INTERFACE_RESOLUTION, &[NANOSECONDS]);
        self.option(0, &[]);
        self.end()?;
        self.interfaces += 1;
        Ok(self.interfaces - 1)
    }

    /// Writes a frame. `interface` is a position in the list of [`Writer::create`], or one of
    /// [`Writer::add_interface`]; an empty comment is none.
    ///
    /// # Errors
    ///
    /// Where the interface is not in the list, a bound is exceeded, or the output fails.
    pub fn write(
        &mut self,
        interface: usize,
        time_ns: u64,
        original_length: u32,
        bytes: &[u8],
        comment: &str,
    ) -> io::Result<()> {
        if interface >= self.interfaces {
            let count = self.interfaces;
            return Err(invalid(format!(
                "capture: expected one of the {count} interfaces, counted from 0, found {interface}"
            )));
        }
        check("a frame", FRAME_BYTES_MAX, bytes.len())?;
        check("a comment", COMMENT_BYTES_MAX, comment.len())?;
        self.begin(ENHANCED_PACKET);
        self.number(interface as u32);
        self.number((time_ns >> 32) as u32);
        self.number(time_ns as u32);
        self.number(bytes.len() as u32);
        self.number(original_length);
        self.padded(bytes);
        if !comment.is_empty() {
            self.option(COMMENT, comment.as_bytes());
            self.option(0, &[]);
        }
        self.end()
    }

    /// Writes out what a buffer holds: the file is a whole one then.
    ///
    /// # Errors
    ///
    /// Where the output fails.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    /// Writes out what a buffer holds and gives the output back.
    ///
    /// # Errors
    ///
    /// Where the output fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.number(kind);
        // The length, once it is known.
        self.number(0);
    }

    fn end(&mut self) -> io::Result<()> {
        let length = (self.block.len() + size_of::<u32>()) as u32;
        self.number(length);
        self.block[4..8].copy_from_slice(&length.to_le_bytes());
        self.output.write_all(&self.block)
    }

    fn number(&mut self, number: u32) {
        self.block.extend(number.to_le_bytes());
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        self.block.extend(code.to_le_bytes());
        self.block.extend((value.len() as u16).to_le_bytes());
        self.padded(value);
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.block.extend_from_slice(bytes);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }
}

fn check(what: &str, max: usize, found: usize) -> io::Result<()> {
    if found <= max {
        return Ok(());
    }
    Err(invalid(format!("capture: expected at most {max} bytes in {what}, found {found}")))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
