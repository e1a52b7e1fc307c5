//! Why there is no audit.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a record is not on the disk, or a log cannot be read. The reason is text, as several callers may be told
/// of one failed write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The log cannot be opened.
    #[error(
        "audit log {path}: cannot be opened for writing: {reason}; the daemon needs a state folder that it can write"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        reason: String,
    },
    /// Another process writes it.
    #[error("audit log {path}: another process writes it; stop that one first")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The record is not on the disk. Nothing of it is left in the file.
    #[error(
        "audit log {path}: the record could not be written: {reason}; make room or repair the disk: no change is made without its record"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        reason: String,
    },
    /// The log cannot be read.
    #[error("audit log {path}: cannot be read: {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        reason: String,
    },
}

impl AuditError {
    pub(super) fn open(path: &Path, error: &io::Error) -> Self {
        Self::Open { path: path.to_path_buf(), reason: error.to_string() }
    }

    pub(super) fn write(path: &Path, error: &io::Error) -> Self {
        Self::Write { path: path.to_path_buf(), reason: error.to_string() }
    }

    pub(super) fn read(path: &Path, error: &io::Error) -> Self {
        Self::Read { path: path.to_path_buf(), reason: error.to_string() }
    }
}
