//! The last good copy of each feed: a file of its own, replaced whole or not at all. Its first line says
//! where it came from and how long it is, so that a file that was cut off is not taken for a short list.

use std::{
    fs::{File, FileTimes},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::{
    fetch::Validators,
    policy::{list::PREFIXES_MAX, prefix},
    state::{file::Staged, swap::Swapped},
};

/// What the first line begins with: the file is a list file all the same.
const MARK: &str = "# seawall feed ";
/// A first line has two validators and a URL, which have bounds of their own.
const HEADER_BYTES_MAX: u64 = 16 << 10;
/// The longest prefix, with its line feed, and then some.
const PREFIX_BYTES_MAX: u64 = 64;

/// Why the last good copy cannot be read, or a new one not be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be read.
    #[error("expected a readable copy in {}, found: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is damaged.
    #[error(
        "expected a whole copy in {}, found {found}; remove the file, and the feed is fetched anew",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        found: String,
    },
    /// It cannot be written.
    #[error("expected to write {}, found: {source}; the old copy is still there", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// What is known of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// URL and format: a copy of another source says nothing of how this one may change.
    pub source: String,
    /// What to ask the server with.
    pub validators: Validators,
    /// When it came, in seconds since 1970.
    pub fetched_epoch_s: u64,
    /// How many prefixes there are.
    pub prefixes: usize,
}

/// A copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// What is known of it.
    pub header: Header,
    /// When the server last said that it is the newest, in seconds since 1970.
    pub checked_epoch_s: u64,
    /// In order, each once.
    pub prefixes: Vec<IpNetwork>,
}

/// Reads the copy at `path`; nothing where there is none yet.
///
/// # Errors
///
/// Where it cannot be read, or is not whole.
pub fn read(path: &Path) -> Result<Option<Copy>, StoreError> {
    let Some((header, checked_epoch_s, mut reader)) = open(path)? else { return Ok(None) };
    let damaged = |found: String| StoreError::Damaged { path: path.to_path_buf(), found };
    if header.prefixes > PREFIXES_MAX {
        return Err(damaged(format!("{} prefixes", header.prefixes)));
    }
    let mut prefixes = Vec::with_capacity(header.prefixes);
    let mut line = String::new();
    loop {
        line.clear();
        let read = reader.by_ref().take(PREFIX_BYTES_MAX).read_line(&mut line);
        if read.map_err(|error| damaged(error.to_string()))? == 0 {
            break;
        }
        let prefix = prefix::parse(line.trim_end()).map_err(|error| damaged(error.to_string()))?;
        if prefixes.len() == header.prefixes {
            return Err(damaged(format!("more than {} prefixes", header.prefixes)));
        }
        prefixes.push(prefix);
    }
    if prefixes.len() != header.prefixes {
        return Err(damaged(format!("{} of {} prefixes", prefixes.len(), header.prefixes)));
    }
    Ok(Some(Copy { header, checked_epoch_s, prefixes }))
}

/// What is known of the copy at `path`, and when it was last confirmed.
///
/// # Errors
///
/// Where it cannot be read.
pub fn header(path: &Path) -> Result<Option<(Header, u64)>, StoreError> {
    Ok(open(path)?.map(|(header, checked_epoch_s, _)| (header, checked_epoch_s)))
}

fn open(path: &Path) -> Result<Option<(Header, u64, BufReader<File>)>, StoreError> {
    let failed = |source| StoreError::Read { path: path.to_path_buf(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let checked_epoch_s =
        epoch_s(file.metadata().and_then(|meta| meta.modified()).map_err(failed)?);
    let mut reader = BufReader::new(file);
    let mut line = String::new();
    let read = reader.by_ref().take(HEADER_BYTES_MAX).read_line(&mut line);
    let damaged = |found: String| StoreError::Damaged { path: path.to_path_buf(), found };
    read.map_err(|error| damaged(error.to_string()))?;
    let json =
        line.strip_prefix(MARK).ok_or_else(|| damaged("no first line of a copy".to_owned()))?;
    let header = serde_json::from_str(json).map_err(|error| damaged(error.to_string()))?;
    Ok(Some((header, checked_epoch_s, reader)))
}

/// Writes a new copy beside the one at `path`, whole and on the disk, and says where.
///
/// # Errors
///
/// Where it cannot be written; nothing is left of it then.
pub fn stage(path: &Path, header: &Header, prefixes: &[IpNetwork]) -> Result<Staged, StoreError> {
    let written = Staged::write_public(path, |file| {
        writeln!(file, "{MARK}{}", serde_json::to_string(header)?)?;
        prefixes.iter().try_for_each(|prefix| writeln!(file, "{prefix}"))
    });
    written.map_err(|source| StoreError::Write { path: path.to_path_buf(), source })
}

/// Puts a staged copy in its place.
///
/// # Errors
///
/// Where the file system refuses; the old copy is in its place then.
pub fn commit(staged: Staged) -> Result<(), StoreError> {
    let path = staged.target().to_path_buf();
    let swapped = Swapped::new(staged);
    swapped.map(Swapped::keep).map_err(|source| StoreError::Write { path, source })
}

/// Notes that the copy at `path` was the newest at `now`.
///
/// # Errors
///
/// Where it cannot be noted.
pub fn confirm(path: &Path, now: SystemTime) -> Result<(), StoreError> {
    let failed = |source| StoreError::Write { path: path.to_path_buf(), source };
    let file = File::options().append(true).open(path).map_err(failed)?;
    file.set_times(FileTimes::new().set_modified(now)).map_err(failed)
}

fn epoch_s(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder that is this test's alone, and goes with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("seawall-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).expect("a folder");
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_copy_is_replaced_whole_or_not_at_all() {
        let folder = Folder::new("store");
        let path = folder.0.join("feeds/ipsum.list");
        assert!(read(&path).expect("none yet").is_none());
        let prefixes = |texts: &[&str]| -> Vec<IpNetwork> {
            texts.iter().map(|text| text.parse().expect("a prefix")).collect()
        };
        let one = prefixes(&["192.0.2.1/32", "2001:db8::/32"]);
        let header = Header {
            source: "https://a/b Plain".to_owned(),
            validators: Validators { etag: Some("\"x\"".to_owned()), last_modified: None },
            fetched_epoch_s: 7,
            prefixes: one.len(),
        };
        let staged = stage(&path, &header, &one).expect("staged");
        assert!(read(&path).expect("none yet").is_none(), "staged is not in place");
        commit(staged).expect("in place");
        let copy = read(&path).expect("readable").expect("there");
        assert_eq!((&copy.header, &copy.prefixes), (&header, &one));

        let two = Header { prefixes: 1, ..header.clone() };
        drop(stage(&path, &two, &one[..1]).expect("staged"));
        let files = fs::read_dir(folder.0.join("feeds")).expect("a folder").count();
        assert_eq!(files, 1, "what is not put in its place goes away");
        assert_eq!(read(&path).expect("readable").expect("there").prefixes, one);

        confirm(&path, UNIX_EPOCH + Duration::from_secs(1_000)).expect("confirmed");
        assert_eq!(self::header(&path).expect("readable"), Some((header, 1_000)));
    }

    #[test]
    fn a_damaged_copy_is_named() {
        let folder = Folder::new("damage");
        let path = folder.0.join("x.list");
        let header = r#"# seawall feed {"source":"s","validators":{"etag":null,"last_modified":null},"fetched_epoch_s":1,"prefixes":2}"#;
        for (text, expected) in [
            (String::new(), "no first line of a copy"),
            ("1.2.3.4\n".to_owned(), "no first line of a copy"),
            (
                format!("{}\n", &header[..60]),
                "control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0",
            ),
            (format!("{header}\n192.0.2.1/32\n"), "1 of 2 prefixes"),
            (
                format!("{header}\n192.0.2.1/32\n192.0.2.2/32\n192.0.2.3/32\n"),
                "more than 2 prefixes",
            ),
            (
                format!("{header}\n192.0.2.1/32\n192.0.2.2/3"),
                "expected a prefix without host bits, found 192.0.2.2/3; write 192.0.0.0/3 for the network or 192.0.2.2 for the one address",
            ),
        ] {
            fs::write(&path, &text).expect("written");
            let expected = format!(
                "expected a whole copy in {}, found {expected}; remove the file, and the feed is fetched anew",
                path.display()
            );
            assert_eq!(read(&path).map_err(|error| error.to_string()), Err(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let folder = Folder::new("unwritable");
        let blocked = folder.0.join("file");
        fs::write(&blocked, "").expect("written");
        let error = stage(&blocked.join("x.list"), &Header::default(), &[]).expect_err("no folder");
        assert!(error.to_string().ends_with("; the old copy is still there"), "{error}");
        let error = stage(Path::new("/dev/full/x"), &Header::default(), &[]);
        assert!(error.is_err());
    }
}
