//! The head: what the last record is, in a file beside the log, so that a tail that was cut off is missed.
//!
//! It is written after the log is on the disk, in place and always of one length, and not forced to the
//! disk by itself: after a loss of power it may be older than the log, never newer.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde::Deserialize;

use super::{Hash, files};

/// More than a head has.
const BYTES_MAX: u64 = 512;
/// A head that is read while it is written is read again.
const READS_MAX: usize = 5;
const READ_PAUSE: Duration = Duration::from_millis(10);

/// What the daemon knows of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The first record that is kept.
    pub first: u64,
    /// The last record; 0 is none.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

impl Head {
    /// The head of a log; nothing where there is none.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or is none.
    pub fn read(log: &Path) -> io::Result<Option<Self>> {
        let path = path(log);
        let mut last = None;
        for _ in 0..READS_MAX {
            let text = match File::open(&path) {
                Ok(file) => read(file)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            if last.as_ref() == Some(&text) {
                return Ok(Some(serde_json::from_str(&text)?));
            }
            if last.replace(text).is_some() {
                thread::sleep(READ_PAUSE);
            }
        }
        Err(io::Error::other("it changes all the time"))
    }

    fn text(&self) -> String {
        let Self { first, seq, hash } = self;
        format!("{{\"first\":{first:<20},\"seq\":{seq:<20},\"hash\":\"{hash}\"}}\n")
    }
}

fn read(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Where the head of a log is.
pub fn path(log: &Path) -> PathBuf {
    files::beside(log, "head")
}

/// A head that is being written.
#[derive(Debug)]
pub struct HeadFile(File);

impl HeadFile {
    /// Opens the head of a log, or makes it.
    pub fn open(log: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.mode(files::MODE).custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits());
        Ok(Self(options.open(path(log))?))
    }

    /// Writes it in place.
    pub fn write(&self, head: &Head) -> io::Result<()> {
        let text = head.text();
        self.0.write_all_at(text.as_bytes(), 0)?;
        // Longer than any head: something else stood there.
        if self.0.metadata()?.len() != text.len() as u64 {
            self.0.set_len(text.len() as u64)?;
        }
        Ok(())
    }
}
