//! Files of lines, a change each, that are read at the start and then written on: of bans, of API keys.

use std::{
    fs::{File, OpenOptions},
    io::ErrorKind,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use serde::de::DeserializeOwned;

use super::{StateError, file};

/// What stands in such a file, in words.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// A change, as the log names it.
    pub change: &'static str,
    /// What a line is.
    pub expected: &'static str,
    /// The file may have so many bytes.
    pub bytes_max: u64,
}

/// How much was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Read {
    /// Up to the end of the last whole line: what is written next begins there.
    pub bytes: u64,
    /// Whole lines.
    pub lines: usize,
}

/// Reads each line; a file that is not there has none. A last line that was cut off, as by a loss of power, was
/// never answered: it is dropped.
///
/// # Errors
///
/// Where the file cannot be had, or any other line is none of its kind.
pub fn read<L: DeserializeOwned>(
    path: &Path,
    kind: Kind,
    mut note: impl FnMut(L),
) -> Result<Read, StateError> {
    let content = match file::read(path, kind.bytes_max) {
        Err(StateError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let (whole, rest) = content.split_at(whole);
    if !rest.is_empty() {
        let change = kind.change;
        tracing::warn!(path = %path.display(), bytes = rest.len(), "the last {change} was cut off: dropped");
    }
    let mut read = Read { bytes: whole.len() as u64, lines: 0 };
    for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        read.lines += 1;
        note(serde_json::from_slice(line).map_err(|error| StateError::Content {
            path: format!("{}:{}", path.display(), read.lines),
            expected: kind.expected,
            found: error.to_string(),
        })?);
    }
    Ok(read)
}

/// Opens it for what comes. On a file system that became read-only, what was read is still to be in force: what
/// cannot be opened for writing fails with the first change.
///
/// # Errors
///
/// Where it can be neither written nor read.
pub fn open(path: &Path) -> Result<File, StateError> {
    let failed = |source| StateError::Read { path: path.to_path_buf(), source };
    let mut options = OpenOptions::new();
    match options.create(true).truncate(false).write(true).mode(0o600).open(path) {
        Ok(file) => Ok(file),
        Err(error) => match File::open(path) {
            Ok(file) => Ok(file),
            Err(_)
                if matches!(
                    error.kind(),
                    ErrorKind::ReadOnlyFilesystem | ErrorKind::StorageFull
                ) =>
            {
                File::open("/dev/null").map_err(failed)
            }
            Err(_) => Err(failed(error)),
        },
    }
}
