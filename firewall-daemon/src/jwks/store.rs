//! The last good keys of each issuer: a file of its own, replaced whole or not at all.

use std::{
    io::{self, Write as _},
    path::Path,
};

use firewall_gateway::{
    limits::JWT_KEYS_TEXT_BYTES_MAX,
    policy::{KeyText, ProviderPolicy},
};
use serde::{Deserialize, Serialize};

use crate::{
    fetch::Validators,
    state::{
        StateError,
        file::{self, Staged},
    },
};

/// Keys as text in JSON may take twice their length; the rest has bounds of its own.
const FILE_BYTES_MAX: u64 = 2 * JWT_KEYS_TEXT_BYTES_MAX as u64 + 32_768;

/// Keys as an endpoint sent them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// Where from: keys of another endpoint are not those of this one.
    pub url: String,
    /// What to ask the server with.
    pub validators: Validators,
    /// When they came, in seconds since 1970.
    pub fetched_epoch_s: u64,
    /// When the server last said that these are its keys.
    pub confirmed_epoch_s: u64,
    /// The keys.
    pub text: String,
    /// What the provider says of itself, where it was asked: `url` is where it says it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderPolicy>,
}

impl Copy {
    /// The keys as workers get them.
    #[must_use]
    pub fn keys(&self) -> KeyText {
        KeyText { text: self.text.clone(), confirmed_epoch_s: self.confirmed_epoch_s }
    }
}

/// Reads the keys of an endpoint; nothing where there are none of it yet.
///
/// # Errors
///
/// Where they cannot be read, or are damaged: then they are fetched anew.
pub fn read(path: &Path, url: &str) -> Result<Option<Copy>, StateError> {
    match path.try_exists() {
        Ok(false) => return Ok(None),
        Ok(true) => {}
        Err(source) => return Err(StateError::Read { path: path.to_path_buf(), source }),
    }
    let bytes = file::read(path, FILE_BYTES_MAX)?;
    let copy: Copy = serde_json::from_slice(&bytes).map_err(|error| StateError::Read {
        path: path.to_path_buf(),
        source: io::Error::new(io::ErrorKind::InvalidData, error),
    })?;
    Ok(Some(copy).filter(|copy| copy.url == url))
}

/// Keeps keys for the next start.
///
/// # Errors
///
/// Where they cannot be written: the old ones are there then.
pub fn write(path: &Path, copy: &Copy) -> Result<(), StateError> {
    let written = Staged::write_public(path, |file| file.write_all(&serde_json::to_vec(copy)?));
    let staged = written.map_err(|source| StateError::Write {
        path: path.to_path_buf(),
        action: "write beside it",
        source,
    })?;
    staged.commit()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn keys_come_back_whole_and_for_their_endpoint_alone() {
        let folder = std::env::temp_dir().join(format!("seawall-jwks-{}", std::process::id()));
        let path = folder.join("keys/main.json");
        assert_eq!(read(&path, "https://a/").expect("none yet"), None);
        let copy = Copy {
            url: "https://a/".to_owned(),
            validators: Validators { etag: Some("\"x\"".to_owned()), last_modified: None },
            fetched_epoch_s: 1,
            confirmed_epoch_s: 2,
            text: "{\"keys\":[]}".to_owned(),
            provider: None,
        };
        write(&path, &copy).expect("written");
        assert_eq!(read(&path, "https://a/").expect("readable"), Some(copy.clone()));
        assert_eq!(read(&path, "https://b/").expect("readable"), None);
        for damage in ["", "{", "{}", "[1]"] {
            fs::write(&path, damage).expect("written");
            assert!(read(&path, "https://a/").is_err(), "{damage}");
        }
        fs::write(&path, " ".repeat(FILE_BYTES_MAX as usize + 1)).expect("written");
        assert!(read(&path, "https://a/").is_err());
        write(&path, &copy).expect("written over");
        assert_eq!(read(&path, "https://a/").expect("readable"), Some(copy));
        fs::remove_dir_all(folder).expect("removed");
    }
}
