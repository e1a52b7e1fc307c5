//! The files of a log, oldest first, and their lines.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use super::LINE_BYTES_MAX;

/// The owner reads and writes, and no other: reasons and addresses are nobody else's.
pub const MODE: u32 = 0o600;
/// An older file's name ends in the sequence of its first record, in so many digits, so that names sort.
const DIGITS: usize = 12;

/// A file beside the log: `audit.log.head`.
pub fn beside(log: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(log);
    name.push(".");
    name.push(ending);
    name.into()
}

/// Where a log's file is put aside whose first record is this.
pub fn aside(log: &Path, first: u64) -> PathBuf {
    beside(log, &format!("{first:0DIGITS$}"))
}

/// The older files of a log, oldest first, each with the sequence of its first record.
///
/// # Errors
///
/// Where the folder cannot be read.
pub fn older(log: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let folder = match log.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Some(name) = log.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file_name = entry.file_name();
        let digits = file_name.to_str().and_then(|file| file.strip_prefix(name)?.strip_prefix('.'));
        let Some(digits) = digits.filter(|digits| digits.len() >= DIGITS) else { continue };
        if digits.bytes().all(|byte| byte.is_ascii_digit())
            && let Ok(first) = digits.parse()
        {
            found.push((first, folder.join(&file_name)));
        }
    }
    found.sort();
    Ok(found)
}

/// All files of a log that are there, oldest first.
///
/// # Errors
///
/// Where the folder cannot be read.
pub fn in_order(log: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = older(log)?.into_iter().map(|(_, path)| path).collect();
    if log.try_exists()? {
        paths.push(log.to_path_buf());
    }
    Ok(paths)
}

/// A line of a file, without its line feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1.
    pub number: u64,
    /// At most one byte more than a line may have.
    pub bytes: Vec<u8>,
    /// Whether a line feed ends it.
    pub ended: bool,
}

/// The lines of a file, one after the other.
#[derive(Debug)]
pub struct Lines {
    reader: BufReader<File>,
    number: u64,
}

impl Lines {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { reader: BufReader::new(File::open(path)?), number: 0 })
    }

    /// The next line; nothing at the end.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let bound = LINE_BYTES_MAX as u64 + 1;
        let read = self.reader.by_ref().take(bound).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let mut ended = bytes.pop_if(|last| *last == b'\n').is_some();
        if bytes.len() > LINE_BYTES_MAX {
            ended = self.skip()?;
        }
        Ok(Some(Line { number: self.number, bytes, ended }))
    }

    /// Passes over the rest of a line that is too long.
    fn skip(&mut self) -> io::Result<bool> {
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(false);
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}
