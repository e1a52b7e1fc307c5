//! The key of sticky cookies: made once and kept, so that a restart sends no client elsewhere.

use std::{fmt::Write as _, io, path::Path};

use crate::state::{StateError, file};

/// The file in the state folder.
pub const FILE: &str = "sticky.key";

/// Makes the key where there is none yet.
///
/// # Errors
///
/// Where it cannot be written, or the kernel has no randomness to give.
pub fn keep(path: &Path) -> Result<(), StateError> {
    if path.exists() {
        return Ok(());
    }
    file::write(path, fresh(path)?.as_bytes())
}

/// The key as hex. Where none is kept yet, as in a check of a configuration, one for this once.
///
/// # Errors
///
/// Where the file holds something else.
pub fn key_hex(path: &Path) -> Result<String, StateError> {
    let bytes = match file::read(path, KEY_BYTES as u64 * 2) {
        Err(StateError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return fresh(path);
        }
        read => read?,
    };
    let is_hex = bytes.len() == KEY_BYTES * 2 && bytes.iter().all(u8::is_ascii_hexdigit);
    match String::from_utf8(bytes) {
        Ok(hex) if is_hex => Ok(hex),
        Ok(_) | Err(_) => Err(StateError::Content {
            path: path.display().to_string(),
            expected: "the key of sticky cookies, 64 hexadecimal digits",
            found: "something else".to_owned(),
        }),
    }
}

fn fresh(path: &Path) -> Result<String, StateError> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|error| StateError::Write {
        path: path.to_path_buf(),
        action: "make a key",
        source: io::Error::other(error),
    })?;
    let mut hex = String::with_capacity(KEY_BYTES * 2);
    for byte in key {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

const KEY_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_anything_else_is_refused() {
        let folder = std::env::temp_dir().join(format!("seawall-sticky-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(FILE);
        let (one, other) = (key_hex(&path).unwrap(), key_hex(&path).unwrap());
        assert!(one.len() == 64 && one != other, "none is kept yet");
        keep(&path).unwrap();
        let kept = key_hex(&path).unwrap();
        keep(&path).unwrap();
        assert_eq!(key_hex(&path).unwrap(), kept);
        for content in ["", "ab", &"x".repeat(64), &"a".repeat(65)] {
            std::fs::write(&path, content).unwrap();
            assert!(key_hex(&path).is_err(), "{content:?}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
