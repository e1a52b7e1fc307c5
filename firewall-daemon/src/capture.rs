//! Capture files: pcap and pcapng are read a frame at a time, pcapng is written.

mod error;
mod source;
mod pcap;
mod pcapng;
mod reader;
mod writer;

pub use error::{CaptureError, LinkType};
pub use reader::Reader;
pub use writer::{COMMENT_BYTES_MAX, Writer};

/// A frame may have so many bytes: what tcpdump keeps of one where it is not told otherwise.
pub const FRAME_BYTES_MAX: usize = 256 << 10;

/// The link type of an Ethernet, the same number in both formats.
const ETHERNET: u16 = 1;

/// A frame as it was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedFrame {
    /// Nanoseconds since 1970; 0 in a simple packet block, which has no time.
    pub time_ns: u64,
    /// Its length on the wire: the capture may have kept less.
    pub original_length: u32,
    /// What was kept, from the Ethernet header on.
    pub bytes: Vec<u8>,
}

#[cfg(test)]
mod tests;
