//! The end of a file: its last record, and what a crash left behind it.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

use super::{Entry, Hash, LINE_BYTES_MAX, chain::hash_of_line};

/// The end of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// It has no byte.
    Empty,
    /// It ends in a record, and `torn` bytes of another that has no end.
    Record {
        /// Its sequence.
        seq: u64,
        /// Its hash.
        hash: Hash,
        /// What stands behind it.
        torn: Vec<u8>,
    },
    /// It has bytes of a first record that has no end, and no more.
    TornOnly {
        /// These.
        torn: Vec<u8>,
    },
    /// Its last whole line is no record: this was no crash.
    Damaged {
        /// What is wrong.
        reason: String,
    },
}

impl Tail {
    /// Reads the end of a file.
    pub fn read(file: &File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        // Room for a torn line and a whole one before it.
        let from = length.saturating_sub(2 * LINE_BYTES_MAX as u64 + 2);
        let mut bytes = vec![0; (length - from) as usize];
        file.read_exact_at(&mut bytes, from)?;
        Ok(Self::of(&bytes, from > 0))
    }

    /// The end of the file of this path; nothing where there is none.
    pub fn of_path(path: &Path) -> io::Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => Self::read(&file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn of(bytes: &[u8], cut: bool) -> Self {
        let damaged = |reason: &str| Self::Damaged { reason: reason.to_owned() };
        let end = bytes.iter().rposition(|byte| *byte == b'\n');
        let (whole, torn) = bytes.split_at(end.map_or(0, |end| end + 1));
        if torn.len() > LINE_BYTES_MAX {
            return damaged("found more bytes behind the last line than a record has");
        }
        let Some((_, whole)) = whole.split_last() else {
            let torn = torn.to_vec();
            return if torn.is_empty() { Self::Empty } else { Self::TornOnly { torn } };
        };
        let begin = whole.iter().rposition(|byte| *byte == b'\n');
        let line = match begin {
            Some(begin) => &whole[begin + 1..],
            None if cut => return damaged("found a last line longer than a record"),
            None => whole,
        };
        match Entry::parse(line) {
            Ok(entry) if hash_of_line(line) == Some(entry.hash) => {
                Self::Record { seq: entry.seq, hash: entry.hash, torn: torn.to_vec() }
            }
            Ok(_) => damaged("the last record's hash is not that of its bytes"),
            Err(reason) => Self::Damaged { reason },
        }
    }
}
