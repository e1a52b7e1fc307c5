//! The addresses of names as they were last looked up: a start whose resolver is down goes on with them, or
//! the upstreams that have names alone would be empty.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{StateError, file};

/// The addresses of names, by name and port.
pub type KnownNames = BTreeMap<(String, u16), Vec<SocketAddr>>;

const FILE: &str = "names.json";
/// 1,024 names with 64 addresses each are two thirds of it.
const FILE_BYTES_MAX: u64 = 4 << 20;
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    names: Vec<Name>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
    port: u16,
    addresses: Vec<SocketAddr>,
}

/// The file in the state folder.
#[must_use]
pub fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Reads what was kept; nothing where nothing ever was.
///
/// # Errors
///
/// Where the file cannot be read, or is not whole.
pub fn read(path: &Path) -> Result<KnownNames, StateError> {
    let bytes = match file::read(path, FILE_BYTES_MAX) {
        Err(StateError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(KnownNames::new());
        }
        read => read?,
    };
    let wrong = |found: String| StateError::Content {
        path: path.display().to_string(),
        expected: "the addresses of names, whole",
        found,
    };
    let document: Document =
        serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    if document.version != VERSION {
        return Err(wrong(format!("version {}", document.version)));
    }
    Ok(document.names.into_iter().map(|it| ((it.name, it.port), it.addresses)).collect())
}

/// Puts these in place of what was kept.
///
/// # Errors
///
/// Where they cannot be written; what was kept stays.
pub fn write(path: &Path, known: &KnownNames) -> Result<(), StateError> {
    let name = |((name, port), addresses): (&(String, u16), &Vec<SocketAddr>)| Name {
        name: name.clone(),
        port: *port,
        addresses: addresses.clone(),
    };
    let document = Document { version: VERSION, names: known.iter().map(name).collect() };
    let bytes = serde_json::to_vec(&document).map_err(|error| StateError::Write {
        path: path.to_path_buf(),
        action: "lay it out",
        source: error.into(),
    })?;
    file::write(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_and_anything_else_is_refused() {
        let folder = std::env::temp_dir().join(format!("seawall-names-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = path(&folder);
        assert_eq!(read(&path).unwrap(), KnownNames::new(), "nothing is kept yet");
        let address = |last: u8| SocketAddr::from(([10, 0, 0, last], 80));
        let known: KnownNames = [
            (("api.internal".to_owned(), 80), vec![address(1), address(2)]),
            (("api.internal".to_owned(), 81), vec!["[::1]:81".parse().unwrap()]),
        ]
        .into();
        write(&path, &known).unwrap();
        assert_eq!(read(&path).unwrap(), known);
        let whole = std::fs::read(&path).unwrap();
        for content in [
            &b""[..],
            &whole[..whole.len() - 1],
            b"{\"version\":2,\"names\":[]}",
            b"{\"version\":1,\"names\":[],\"more\":1}",
            b"{\"version\":1,\"names\":[{\"name\":\"a\",\"port\":80,\"addresses\":[\"a\"]}]}",
        ] {
            std::fs::write(&path, content).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("expected the addresses of names, whole, found"), "{error}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
