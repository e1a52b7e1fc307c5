//! What can be wrong with a capture file, and where.

use std::{fmt, io, path::PathBuf};

/// Why a capture file cannot be read, or not to its end. Frames are counted from 1, as other readers
/// of captures do; what comes before the first frame is counted as its own.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be read.
    #[error("capture {path}: frame {frame}: expected a readable file, found: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The frame that was to be read.
        frame: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// Something else than a capture.
    #[error(
        "capture {path}: expected a file in pcap or pcapng format, found {found}; a compressed one must be unpacked first"
    )]
    NotCapture {
        /// The file.
        path: PathBuf,
        /// How it begins.
        found: String,
    },
    /// The file ends too early.
    #[error(
        "capture {path}: frame {frame}: expected {expected} more bytes, found the end of the file after {found}; it was cut off, the frames before this one are whole"
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The frame that is cut off.
        frame: u64,
        /// Bytes that were to follow.
        expected: u64,
        /// Bytes that did.
        found: u64,
    },
    /// A bound is exceeded.
    #[error(
        "capture {path}: frame {frame}: expected at most {max} {what}, found {found}; is the file whole? `capinfos` checks it"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The frame that was to be read.
        frame: u64,
        /// What is counted.
        what: &'static str,
        /// How many there may be.
        max: u64,
        /// How many there are.
        found: u64,
    },
    /// The frames are not those of an Ethernet.
    #[error(
        "capture {path}: frame {frame}: expected link type 1 (Ethernet), found {found}; capture on one Ethernet interface"
    )]
    LinkType {
        /// The file.
        path: PathBuf,
        /// The first frame of that type.
        frame: u64,
        /// What its bytes begin with.
        found: LinkType,
    },
    /// The format is not kept.
    #[error(
        "capture {path}: frame {frame}: expected {expected}, found {found}; `editcap -F pcapng` may repair it"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The frame that was to be read.
        frame: u64,
        /// What the format says.
        expected: &'static str,
        /// What the file says.
        found: String,
    },
}

/// A link type, as tcpdump.org/linktypes.html numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkType(pub u16);

impl fmt::Display for LinkType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0 | 108 => "BSD loopback",
            super::ETHERNET => "Ethernet",
            12 | 14 | 101 | 228 | 229 => "IP without a link header",
            105 | 127 => "Wi-Fi frames",
            113 | 276 => "Linux cooked, of a capture on all interfaces",
            192 => "per-packet information",
            239 => "netfilter log",
            _ => return write!(formatter, "{}", self.0),
        };
        write!(formatter, "{} ({name})", self.0)
    }
}
