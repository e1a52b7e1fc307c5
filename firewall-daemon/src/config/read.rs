//! From a file to a document, and the one way in which a configuration error is told.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde_saphyr::Location;

use crate::config::document::Document;

/// The file may have so many bytes; lists belong into files of their own.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be had.
    #[error("{path}: expected a readable configuration file, found: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Its content is wrong.
    #[error("{path}:{line}:{column}: {message}")]
    Content {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// From 1.
        column: u64,
        /// What was expected, what was found, what to do.
        message: String,
    },
}

impl ConfigError {
    /// 2 where the content is wrong, 1 where the file cannot be had.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Read { .. } => 1,
            Self::Content { .. } => 2,
        }
    }

    /// The same error, of a file that stands elsewhere.
    #[must_use]
    pub fn in_file(mut self, file: &Path) -> Self {
        let (Self::Read { path, .. } | Self::Content { path, .. }) = &mut self;
        *path = file.to_path_buf();
        self
    }

    /// An error at a place in the file.
    pub(super) fn at(path: &Path, location: Location, message: String) -> Self {
        Self::Content {
            path: path.to_path_buf(),
            line: location.line().max(1),
            column: location.column().max(1),
            message,
        }
    }
}

/// Reads a file, and not much more of it than it may have.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_path_buf(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// A file's content as a document.
pub(super) fn parse(path: &Path, bytes: Vec<u8>) -> Result<Document, ConfigError> {
    let at_start = |message| ConfigError::at(path, Location::UNKNOWN, message);
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(at_start(format!(
            "expected at most {FILE_BYTES_MAX} bytes, found more; move lists into files of their own"
        )));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        at_start(format!(
            "expected UTF-8, found other bytes at offset {}; is it the right file?",
            error.utf8_error().valid_up_to()
        ))
    })?;
    if text.trim().is_empty() {
        return Err(at_start("expected a configuration, found an empty file".to_owned()));
    }
    serde_saphyr::from_str_with_options(&text, options()).map_err(|error| {
        let location = error.location().unwrap_or(Location::UNKNOWN);
        let message = error.to_string();
        // The library's text ends with the place that ours begins with.
        let place = format!(" at line {}, column {}", location.line(), location.column());
        ConfigError::at(path, location, plain(message.strip_suffix(&place).unwrap_or(&message)))
    })
}

/// How YAML is read: that of 1.2, where `no` is a text.
pub fn options() -> serde_saphyr::Options {
    serde_saphyr::options! { with_snippet: false, strict_booleans: true }
}

/// The library's words, where they do not say what was expected.
fn plain(message: &str) -> String {
    if message.starts_with("duplicate mapping key: ") {
        let key = message.trim_start_matches("duplicate mapping key: ");
        let key = key.split(", set DuplicateKeyPolicy").next().unwrap_or(key);
        return format!("expected each key once, found a second {key:?}; remove one of the two");
    }
    for (found, expected) in [
        ("expected sequence start", "expected a list, such as [a, b]"),
        ("expected mapping start", "expected a section with keys of its own"),
        ("expected string scalar", "expected a single value"),
        ("multiple YAML documents detected", "expected one document, found a second; remove ---"),
    ] {
        if message.starts_with(found) {
            return expected.to_owned();
        }
    }
    message.to_owned()
}
