//! Why state cannot be kept, and what to do.

use std::{io, path::PathBuf};

/// Why state cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The folder cannot be used.
    #[error("state.path {path}: cannot {action}: {source}; {}", remedy(.source))]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Another daemon has the folder.
    #[error(
        "state.path {path}: expected a folder that no other daemon uses, found {holder} in it; stop that one, or give this one a state.path of its own"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who has it.
        holder: String,
    },
    /// A file cannot be written.
    #[error("state file {path}: cannot {action}: {source}; {}", remedy(.source))]
    Write {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("state file {path}: expected a readable file, found: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file is larger than any that was written.
    #[error(
        "state file {path}: expected at most {max} bytes, found more; restore it, or move it away to start without what it holds"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How many there may be.
        max: u64,
    },
    /// A file does not hold what was written.
    #[error(
        "state file {path}: expected {expected}, found {found}; restore it from a backup, or move it away to start without what it holds"
    )]
    Content {
        /// The file, and the line where that helps.
        path: String,
        /// What it should be.
        expected: &'static str,
        /// What is wrong with it.
        found: String,
    },
    /// There is more to keep than there may be.
    #[error("expected at most {max} {what}, found {found}; {remedy}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        max: usize,
        /// How many there would be.
        found: usize,
        /// What to do.
        remedy: &'static str,
    },
}

fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room on its file system and ask again"
        }
        io::ErrorKind::ReadOnlyFilesystem => "mount its file system writable, or set state.path",
        _ => "give the daemon a folder of its own that it may write, by state.path",
    }
}
