//! The bytes of a capture file in their order, with the place where reading is.

use std::{
    io::{self, Chain, Cursor, Read},
    path::{Path, PathBuf},
};

use crate::capture::{
    ETHERNET,
    error::{CaptureError, LinkType},
};

/// Both formats say by their first four bytes what they are.
pub(super) const HEAD_BYTES: usize = 4;

/// How numbers are written.
#[derive(Clone, Copy, Debug)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// The number at an offset; 0 past the end, where callers have made sure that none is.
    pub(super) fn number(self, bytes: &[u8], offset: usize) -> u32 {
        let number = bytes.get(offset..).and_then(|rest| rest.first_chunk()).copied();
        match self {
            Self::Little => u32::from_le_bytes(number.unwrap_or_default()),
            Self::Big => u32::from_be_bytes(number.unwrap_or_default()),
        }
    }
}

pub(super) struct Source<R> {
    path: PathBuf,
    /// The number of the next frame.
    frame: u64,
    input: Chain<Cursor<Vec<u8>>, R>,
}

impl<R: Read> Source<R> {
    /// Begins to read, and shows the first bytes, which are read again.
    pub(super) fn begin(path: &Path, mut input: R) -> Result<(Self, Vec<u8>), CaptureError> {
        let mut head = Vec::new();
        let read = input.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head);
        let input = Cursor::new(head.clone()).chain(input);
        let source = Self { path: path.to_path_buf(), frame: 1, input };
        match read {
            Ok(_) => Ok((source, head)),
            Err(error) => Err(source.unreadable(error)),
        }
    }

    /// The next frame is the one after this.
    pub(super) fn frame_done(&mut self) {
        self.frame += 1;
    }

    /// Appends what a frame or block begins with; false where the file ends instead.
    pub(super) fn next(
        &mut self,
        buffer: &mut Vec<u8>,
        count: usize,
    ) -> Result<bool, CaptureError> {
        match self.append(buffer, count)? {
            0 => Ok(false),
            found => self.whole(count as u64, found).map(|()| true),
        }
    }

    /// Appends so many bytes, or fails.
    pub(super) fn fill(&mut self, buffer: &mut Vec<u8>, count: usize) -> Result<(), CaptureError> {
        let found = self.append(buffer, count)?;
        self.whole(count as u64, found)
    }

    /// Passes over so many bytes, or fails.
    pub(super) fn skip(&mut self, count: u64) -> Result<(), CaptureError> {
        let skipped = io::copy(&mut self.input.by_ref().take(count), &mut io::sink());
        let found = skipped.map_err(|error| self.unreadable(error))?;
        self.whole(count, found)
    }

    /// The buffer grows with what is found, not with what a number in the file promises.
    fn append(&mut self, buffer: &mut Vec<u8>, count: usize) -> Result<u64, CaptureError> {
        let read = self.input.by_ref().take(count as u64).read_to_end(buffer);
        read.map(|found| found as u64).map_err(|error| self.unreadable(error))
    }

    fn whole(&self, expected: u64, found: u64) -> Result<(), CaptureError> {
        if found == expected {
            return Ok(());
        }
        let (path, frame) = (self.path.clone(), self.frame);
        Err(CaptureError::Truncated { path, frame, expected, found })
    }

    fn unreadable(&self, source: io::Error) -> CaptureError {
        CaptureError::Read { path: self.path.clone(), frame: self.frame, source }
    }

    /// Refuses what is not Ethernet.
    pub(super) fn check_link_type(&self, found: u16) -> Result<(), CaptureError> {
        if found == ETHERNET {
            return Ok(());
        }
        let (path, frame) = (self.path.clone(), self.frame);
        Err(CaptureError::LinkType { path, frame, found: LinkType(found) })
    }

    /// Refuses what exceeds a bound.
    pub(super) fn check_bound(
        &self,
        what: &'static str,
        max: usize,
        found: u64,
    ) -> Result<(), CaptureError> {
        let max = max as u64;
        if found <= max {
            return Ok(());
        }
        let (path, frame) = (self.path.clone(), self.frame);
        Err(CaptureError::TooLarge { path, frame, what, max, found })
    }

    /// The error for what the format does not allow.
    pub(super) fn malformed(&self, expected: &'static str, found: String) -> CaptureError {
        CaptureError::Malformed { path: self.path.clone(), frame: self.frame, expected, found }
    }
}
