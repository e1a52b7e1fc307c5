//! The API keys that were given out: a line for each change, on the disk before the command returns. A key itself
//! is nowhere here: its SHA-256 is.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use firewall_gateway::{
    identity::api_key::{
        store::{KeyPolicy, KeyUse},
        table::REVOKED,
    },
    limits::API_KEYS_MAX,
};
use serde::{Deserialize, Serialize};

use super::{
    StateError,
    file::Staged,
    lines::{self, Kind, Read},
};

/// Its name in the state folder.
pub const FILE: &str = "api-keys";
const KIND: Kind = Kind {
    change: "change of keys",
    expected: "a change of an API key",
    // A million keys, twice.
    bytes_max: 2 << 30,
};
/// So many lines beyond twice the keys, and the file is written anew.
const SPARE_LINES: usize = 4_096;
/// A key that has ended is shown, and told apart from one that never was, for so long.
const KEPT_S: u64 = 90 * 86_400;

/// A key that was given out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptKey {
    /// What the gateway knows of it.
    pub key: KeyPolicy,
    /// When it was made, in seconds since 1970.
    pub created_epoch_s: u64,
    /// Who made it.
    pub who: String,
    /// What for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The key that takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_epoch_s: Option<u64>,
    /// When it was used last, to the minute, as far as that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_epoch_s: Option<u64>,
}

impl KeptKey {
    /// Whether it holds.
    #[must_use]
    pub fn is_good(&self, now_epoch_s: u64) -> bool {
        self.revoked_epoch_s.is_none() && self.key.ends_epoch_s.is_none_or(|end| end > now_epoch_s)
    }

    fn is_forgotten(&self, now_epoch_s: u64) -> bool {
        let ended = self.revoked_epoch_s.or(self.key.ends_epoch_s);
        ended.is_some_and(|end| end.saturating_add(KEPT_S) <= now_epoch_s)
    }
}

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum KeyLine {
    /// A key as it is from here on.
    Key(Box<KeptKey>),
    /// A key that never came into force.
    Forget { id: String },
    /// When keys were used.
    Used(Vec<KeyUse>),
}

/// All keys.
#[derive(Debug)]
pub struct Keyring {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    bytes: u64,
    lines: usize,
    keys: BTreeMap<String, KeptKey>,
    /// Uses that are not in the file.
    used: Vec<KeyUse>,
}

impl Keyring {
    /// Reads the keys of a folder. A last line that was cut off was never answered: it is dropped.
    ///
    /// # Errors
    ///
    /// Where the file cannot be had, or any other line is none of it.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let path = folder.join(FILE);
        let mut keys = BTreeMap::new();
        let Read { bytes, lines } = lines::read(&path, KIND, |line| note(&mut keys, line))?;
        let file = lines::open(&path)?;
        let inner = Inner { file, bytes, lines, keys, used: Vec::new() };
        Ok(Self { path, inner: Mutex::new(inner) })
    }

    /// Keeps a key as it is from now on; it is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// Where it cannot be; it is as it was then.
    pub fn keep(&self, key: KeptKey) -> Result<(), StateError> {
        self.append(&mut self.lock(), KeyLine::Key(Box::new(key)), true)
    }

    /// Revokes a key: no worker that starts takes it, even where the disk does not say so.
    ///
    /// # Errors
    ///
    /// Where it is not on the disk: it holds again after a restart of the daemon.
    pub fn revoke(&self, id: &str, now_epoch_s: u64) -> Result<(), StateError> {
        let mut inner = self.lock();
        let Some(kept) = inner.keys.get_mut(id) else { return Ok(()) };
        kept.revoked_epoch_s.get_or_insert(now_epoch_s);
        let line = KeyLine::Key(Box::new(kept.clone()));
        self.append(&mut inner, line, true)
    }

    /// Takes back a key that never came into force.
    ///
    /// # Errors
    ///
    /// Where that is not on the disk.
    pub fn forget(&self, id: &str) -> Result<(), StateError> {
        self.append(&mut self.lock(), KeyLine::Forget { id: id.to_owned() }, true)
    }

    /// A key.
    pub fn get(&self, id: &str) -> Option<KeptKey> {
        self.lock().keys.get(id).cloned()
    }

    /// Whether no key more can be kept.
    pub fn is_full(&self) -> bool {
        self.lock().keys.len() >= API_KEYS_MAX
    }

    /// The keys of a consumer, or all; so many at most, and how many there are.
    pub fn list(&self, consumer: Option<&str>, max: usize) -> (Vec<KeptKey>, u64) {
        let inner = self.lock();
        let of = |kept: &&KeptKey| consumer.is_none_or(|name| kept.key.grant.consumer == name);
        let all = || inner.keys.values().filter(of);
        (all().take(max).cloned().collect(), all().count() as u64)
    }

    /// All keys as a worker takes them, revoked ones as such.
    pub fn policies(&self) -> Vec<KeyPolicy> {
        let inner = self.lock();
        let policy = |kept: &KeptKey| {
            let revoked = kept.revoked_epoch_s.map(|_| REVOKED);
            KeyPolicy { ends_epoch_s: revoked.or(kept.key.ends_epoch_s), ..kept.key.clone() }
        };
        inner.keys.values().map(policy).collect()
    }

    /// Keys were used; it is written with the next sweep.
    pub fn used(&self, uses: Vec<KeyUse>) {
        let mut inner = self.lock();
        for one in uses {
            let Some(kept) = inner.keys.get_mut(&one.id) else { continue };
            if kept.used_epoch_s.is_none_or(|last| last < one.at_epoch_s) {
                kept.used_epoch_s = Some(one.at_epoch_s);
                // More would be told again by the next use.
                if inner.used.len() < USES_MAX {
                    inner.used.push(one);
                }
            }
        }
    }

    /// Writes uses, forgets what ended long ago, and writes the file anew where most of it is of the past.
    ///
    /// # Errors
    ///
    /// Where it cannot be written; it goes on as it is then.
    pub fn sweep(&self, now_epoch_s: u64) -> Result<(), StateError> {
        let mut inner = self.lock();
        if !inner.used.is_empty() {
            let used = std::mem::take(&mut inner.used);
            self.append(&mut inner, KeyLine::Used(used), false)?;
        }
        let before = inner.keys.len();
        inner.keys.retain(|_, kept| !kept.is_forgotten(now_epoch_s));
        if before == inner.keys.len() && inner.lines <= 2 * before + SPARE_LINES {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for kept in inner.keys.values() {
            let line = KeyLine::Key(Box::new(kept.clone()));
            serde_json::to_writer(&mut bytes, &line).map_err(|error| self.failed(error.into()))?;
            bytes.push(b'\n');
        }
        Staged::write(&self.path, &bytes)?.commit()?;
        inner.file = lines::open(&self.path)?;
        (inner.bytes, inner.lines) = (bytes.len() as u64, inner.keys.len());
        Ok(())
    }

    fn append(&self, inner: &mut Inner, line: KeyLine, sync: bool) -> Result<(), StateError> {
        let mut bytes = serde_json::to_vec(&line).map_err(|error| self.failed(error.into()))?;
        bytes.push(b'\n');
        let written = inner.file.write_all_at(&bytes, inner.bytes);
        let written = written.and_then(|()| if sync { inner.file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            // What was written of it is written over the next time, where it cannot be cut off.
            let _ = inner.file.set_len(inner.bytes);
            return Err(self.failed(error));
        }
        inner.bytes += bytes.len() as u64;
        inner.lines += 1;
        note(&mut inner.keys, line);
        Ok(())
    }

    fn failed(&self, source: io::Error) -> StateError {
        StateError::Write { path: self.path.clone(), action: "write an API key to it", source }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(keys: &mut BTreeMap<String, KeptKey>, line: KeyLine) {
    match line {
        KeyLine::Key(kept) => {
            keys.insert(kept.key.id.clone(), *kept);
        }
        KeyLine::Forget { id } => {
            keys.remove(&id);
        }
        KeyLine::Used(uses) => {
            for KeyUse { id, at_epoch_s } in uses {
                if let Some(kept) = keys.get_mut(&id) {
                    kept.used_epoch_s = kept.used_epoch_s.max(Some(at_epoch_s));
                }
            }
        }
    }
}

/// Uses that wait to be written.
const USES_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use std::fs;

    use firewall_gateway::identity::api_key::{
        store::{GrantPolicy, KeyPolicy, KeyUse},
        table::REVOKED,
        text::KeyHash,
    };

    use super::{FILE, KEPT_S, KeptKey, Keyring};

    fn key(id: &str) -> KeptKey {
        KeptKey {
            key: KeyPolicy {
                id: id.to_owned(),
                hash: KeyHash::of(id.as_bytes()),
                ends_epoch_s: None,
                grant: GrantPolicy {
                    consumer: "shop".to_owned(),
                    scopes: None,
                    routes: vec![],
                    networks: vec![],
                },
            },
            created_epoch_s: 10,
            who: "root".to_owned(),
            comment: None,
            replaced_by: None,
            revoked_epoch_s: None,
            used_epoch_s: None,
        }
    }

    #[test]
    fn what_was_kept_is_there_after_a_restart() {
        let folder = std::env::temp_dir().join(format!("seawall-keys-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let _ = fs::remove_file(folder.join(FILE));
        let ring = Keyring::open(&folder).unwrap();
        for id in ["aaaaaaaa", "bbbbbbbb", "cccccccc"] {
            ring.keep(key(id)).unwrap();
        }
        ring.revoke("bbbbbbbb", 20).unwrap();
        ring.forget("cccccccc").unwrap();
        ring.used(vec![KeyUse { id: "aaaaaaaa".to_owned(), at_epoch_s: 60 }]);
        ring.used(vec![KeyUse { id: "aaaaaaaa".to_owned(), at_epoch_s: 30 }]);
        ring.sweep(60).unwrap();
        drop(ring);
        // A line that was cut off is dropped, and written over.
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{{\"key\":")).unwrap();
        let ring = Keyring::open(&folder).unwrap();
        let expected = [
            KeptKey { used_epoch_s: Some(60), ..key("aaaaaaaa") },
            KeptKey { revoked_epoch_s: Some(20), ..key("bbbbbbbb") },
        ];
        assert_eq!(ring.list(Some("shop"), 9), (expected.to_vec(), 2));
        assert_eq!(ring.list(Some("bank"), 9), (vec![], 0));
        assert_eq!(ring.policies()[1].ends_epoch_s, Some(REVOKED));
        ring.keep(KeptKey { comment: Some("x".to_owned()), ..key("dddddddd") }).unwrap();
        // What ended long ago is forgotten, in the file too.
        ring.sweep(20 + KEPT_S).unwrap();
        let left = Keyring::open(&folder).unwrap();
        let ids: Vec<String> = left.list(None, 9).0.into_iter().map(|kept| kept.key.id).collect();
        assert_eq!(ids, ["aaaaaaaa", "dddddddd"]);
        fs::write(&path, "{}\n").unwrap();
        assert!(Keyring::open(&folder).unwrap_err().to_string().contains("a change of an API key"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
