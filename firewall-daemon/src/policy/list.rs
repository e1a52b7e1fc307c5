//! List files: one address or prefix a line, as the public block lists are written.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::{Path, PathBuf},
};

use ipnetwork::IpNetwork;

use crate::policy::prefix::{self, PrefixError};

/// A file may have so many bytes: four million prefixes of 16 characters.
pub const FILE_BYTES_MAX: u64 = 64 << 20;
/// A line may have so many bytes.
pub const LINE_BYTES_MAX: usize = 1_024;
/// A list may have so many prefixes, all its files together.
pub const PREFIXES_MAX: usize = 4_000_000;

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The file cannot be read.
    #[error("list {path}: expected a readable file, found: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is too large.
    #[error(
        "list {path}: expected at most {FILE_BYTES_MAX} bytes, found {found}; is it the right file? Else split it"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
    },
    /// The list has too many entries.
    #[error(
        "{path}:{line}: expected at most {PREFIXES_MAX} prefixes in a list; list larger networks"
    )]
    TooMany {
        /// The file in which the bound was reached.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// A line is too long.
    #[error(
        "{path}:{line}: expected at most {LINE_BYTES_MAX} bytes in a line; is it the right file?"
    )]
    LineTooLong {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// A line holds no prefix.
    #[error("{path}:{line}: {source}")]
    Entry {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong with it.
        source: PrefixError,
    },
}

/// Appends the prefixes of a file to a list.
///
/// # Errors
///
/// The file and the line of the first thing wrong: an entry that cannot be read is never skipped.
pub fn read(path: &Path, prefixes: &mut Vec<IpNetwork>) -> Result<(), ListError> {
    let failed = |source| ListError::Read { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if size > FILE_BYTES_MAX {
        return Err(ListError::TooLarge { path: path.to_path_buf(), found: size });
    }
    // A file that grows while it is read, or a device, is bounded all the same.
    parse(path, &mut BufReader::new(file.take(FILE_BYTES_MAX)), prefixes)
}

/// The line in which a prefix stands, as the file is now.
#[must_use]
pub fn line_of(path: &Path, prefix: IpNetwork) -> Option<u64> {
    let mut reader = BufReader::new(File::open(path).ok()?.take(FILE_BYTES_MAX));
    let mut bytes = Vec::with_capacity(LINE_BYTES_MAX);
    for line in 1.. {
        bytes.clear();
        let mut limited = reader.by_ref().take(LINE_BYTES_MAX as u64 + 1);
        if limited.read_until(b'\n', &mut bytes).ok()? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&bytes);
        if entry(&text).is_some_and(|entry| prefix::parse(entry) == Ok(prefix)) {
            return Some(line);
        }
    }
    None
}

fn parse(
    path: &Path,
    reader: &mut impl BufRead,
    prefixes: &mut Vec<IpNetwork>,
) -> Result<(), ListError> {
    let mut bytes = Vec::with_capacity(LINE_BYTES_MAX);
    for line in 1.. {
        bytes.clear();
        let length = reader
            .by_ref()
            .take(LINE_BYTES_MAX as u64 + 1)
            .read_until(b'\n', &mut bytes)
            .map_err(|source| ListError::Read { path: path.to_path_buf(), source })?;
        if length == 0 {
            break;
        }
        if length > LINE_BYTES_MAX {
            return Err(ListError::LineTooLong { path: path.to_path_buf(), line });
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some(entry) = entry(&text) else { continue };
        let prefix = prefix::parse(entry).map_err(|source| ListError::Entry {
            path: path.to_path_buf(),
            line,
            source,
        })?;
        if prefixes.len() == PREFIXES_MAX {
            return Err(ListError::TooMany { path: path.to_path_buf(), line });
        }
        prefixes.push(prefix);
    }
    Ok(())
}

/// The first field, where a line has one: what follows it is a count, a date or a reason.
fn entry(line: &str) -> Option<&str> {
    let content = line.split('#').next().unwrap_or_default();
    let field = content.trim_start().split([' ', '\t', ',', ';', '\r', '\n']).next()?;
    // Spamhaus writes its comments with a semicolon.
    (!field.is_empty()).then_some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<String>, String> {
        let mut prefixes = Vec::new();
        parse(Path::new("list.txt"), &mut text.as_bytes(), &mut prefixes)
            .map(|()| prefixes.iter().map(ToString::to_string).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_field_of_a_line_counts() {
        let text = "# comment\n\n1.2.3.4\t7\r\n  10.0.0.0/8 # why\n2001:db8::/32,x\n; note\n5.6.7.8 ; SBL1";
        let expected = ["1.2.3.4/32", "10.0.0.0/8", "2001:db8::/32", "5.6.7.8/32"];
        assert_eq!(read_text(text), Ok(expected.map(str::to_owned).to_vec()));
        assert_eq!(read_text(""), Ok(vec![]));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let long = format!("1.2.3.4\n{}\n", "x".repeat(LINE_BYTES_MAX));
        for (text, expected) in [
            (
                "1.2.3.4\n<html>\n",
                "list.txt:2: expected an address or a prefix such as 203.0.113.0/24 or \
                 2001:db8::/32, found \"<html>\"",
            ),
            (
                "\n\n10.0.0.1/8\n",
                "list.txt:3: expected a prefix without host bits, found 10.0.0.1/8; \
                 write 10.0.0.0/8 for the network or 10.0.0.1 for the one address",
            ),
            (
                long.as_str(),
                "list.txt:2: expected at most 1024 bytes in a line; is it the right file?",
            ),
            (
                "\u{0}\u{1b}[2J",
                "list.txt:1: expected an address or a prefix such as 203.0.113.0/24 or \
                 2001:db8::/32, found \"\\0\\u{1b}[2J\"",
            ),
        ] {
            assert_eq!(read_text(text), Err(expected.to_owned()));
        }
    }

    #[test]
    fn the_bound_on_entries_holds_over_files() {
        let mut prefixes =
            vec![IpNetwork::from(std::net::IpAddr::from([1, 2, 3, 4])); PREFIXES_MAX];
        let error = parse(Path::new("more.txt"), &mut &b"\n5.6.7.8\n"[..], &mut prefixes);
        assert_eq!(
            error.map_err(|error| error.to_string()),
            Err("more.txt:2: expected at most 4000000 prefixes in a list; list larger networks"
                .to_owned())
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("/nonexistent/list.txt"), &mut Vec::new());
        let message = error.map_err(|error| error.to_string()).unwrap_err();
        assert!(
            message.starts_with("list /nonexistent/list.txt: expected a readable file, found: ")
        );
    }
}
