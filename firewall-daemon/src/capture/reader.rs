//! Reading: which format a file has, and its frames in their order.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use crate::capture::{CaptureError, CapturedFrame, pcap::Pcap, pcapng::Pcapng, source::Source};

/// The frames of a capture file, in the order of the file. After an error there are no more. One
/// frame is held at a time, so a file may have any size.
pub struct Reader<R = BufReader<File>> {
    source: Source<R>,
    format: Format,
    /// A frame or block as the file has it, kept for its allocation.
    buffer: Vec<u8>,
    ended: bool,
}

enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

impl Reader {
    /// Opens a file in either format.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, is no capture, or is one of something else than Ethernet.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let file = File::open(path).map_err(|source| CaptureError::Read {
            path: path.to_path_buf(),
            frame: 1,
            source,
        })?;
        Self::new(path, BufReader::new(file))
    }
}

impl<R: Read> Reader<R> {
    /// Reads a capture from elsewhere; errors call it by `path`.
    ///
    /// # Errors
    ///
    /// As [`Reader::open`].
    pub fn new(path: &Path, input: R) -> Result<Self, CaptureError> {
        let (mut source, head) = Source::begin(path, input)?;
        let mut buffer = Vec::new();
        let format = if Pcapng::begins_with(&head) {
            Format::Pcapng(Pcapng::new())
        } else if Pcap::begins_with(&head) {
            Format::Pcap(Pcap::read_header(&mut source, &mut buffer)?)
        } else {
            let found = match head.as_slice() {
                [] => "an empty one".to_owned(),
                head => format!("one that begins with the bytes {head:02x?}"),
            };
            return Err(CaptureError::NotCapture { path: path.to_path_buf(), found });
        };
        Ok(Self { source, format, buffer, ended: false })
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<CapturedFrame, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = match &mut self.format {
            Format::Pcap(pcap) => pcap.read_frame(&mut self.source, &mut self.buffer),
            Format::Pcapng(pcapng) => pcapng.read_frame(&mut self.source, &mut self.buffer),
        };
        match read {
            Ok(Some(_)) => self.source.frame_done(),
            Ok(None) | Err(_) => self.ended = true,
        }
        read.transpose()
    }
}
