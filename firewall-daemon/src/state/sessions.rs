//! Sessions that were opened: a database of their own, so that 100,000 of them are neither in the daemon's memory
//! nor written anew when one comes. The secret of a session is nowhere here: its SHA-256 is.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use firewall_gateway::identity::{
    api_key::store::KeyUse,
    session::record::{Ending, ID_BYTES, IdToken, SessionChange, SessionRecord},
};
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase as _, ReadableTable, StorageError,
    TableDefinition, WriteTransaction, backends::FileBackend,
};

use super::StateError;

/// Its name in the state folder.
pub const FILE: &str = "sessions";
/// Each session but its token, as JSON.
const HEADS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("heads");
/// The ID token of each: apart, as whoever looks for something never needs it.
const TOKENS: TableDefinition<'_, &[u8; 32], &str> = TableDefinition::new("tokens");
/// When each was used last.
const USED: TableDefinition<'_, &[u8; ID_BYTES], u64> = TableDefinition::new("used");
/// What the database may keep in memory.
const CACHE_BYTES: usize = 8 << 20;
/// What a worker knows of a use is here so much later: it tells once a minute, and it is written once a minute.
const TOLD_LATE_S: u64 = 180;
/// Uses that wait to be written; more would be told again by the next use.
const USES_MAX: usize = 131_072;

/// All sessions. There is no file before the first one.
#[derive(Debug)]
pub struct SessionFile {
    path: PathBuf,
    database: Mutex<Option<Database>>,
    used: Mutex<Vec<KeyUse>>,
}

impl SessionFile {
    /// That of a folder. Where it cannot be had its sessions are gone, and people log in once more: that is no
    /// reason not to start. One that is damaged is put aside.
    #[must_use]
    pub fn open(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let file = Self { path, database: Mutex::default(), used: Mutex::default() };
        if !file.path.exists() {
            return file;
        }
        let shown = file.path.display();
        match file.database() {
            Ok(database) => *file.lock() = Some(database),
            Err(error) => {
                tracing::error!(path = %shown, %error, "the file of sessions cannot be used");
                let aside = file.path.with_extension("damaged");
                if is_damage(&error)
                    && let Err(error) = fs::rename(&file.path, aside)
                {
                    tracing::error!(path = %shown, %error, "nor can it be put aside");
                }
            }
        }
        file
    }

    /// Takes changes over, all of them or none; they are on the disk when this returns. Answers how many sessions
    /// ended.
    ///
    /// # Errors
    ///
    /// Where they are not.
    pub fn take(&self, changes: &[SessionChange]) -> Result<u64, StateError> {
        let mut database = self.lock();
        let opens = |change: &SessionChange| matches!(change, SessionChange::Open(_));
        if database.is_none() {
            if !changes.iter().any(opens) {
                return Ok(0);
            }
            *database = Some(self.database().map_err(|error| self.failed(error))?);
        }
        let Some(database) = &*database else { return Ok(0) };
        let mut ended = 0;
        let mut write = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            for change in changes {
                match change {
                    SessionChange::Open(record) => insert(&transaction, record)?,
                    SessionChange::End(ending) | SessionChange::EndElsewhere(ending) => {
                        ended += end(&transaction, ending)?;
                    }
                }
            }
            transaction.commit()?;
            Ok(())
        };
        write().map_err(|error| self.failed(error))?;
        Ok(ended)
    }

    /// Sessions were used; it is written with the next sweep.
    pub fn used(&self, uses: Vec<KeyUse>) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let room = USES_MAX.saturating_sub(used.len());
        used.extend(uses.into_iter().take(room));
    }

    /// Writes uses, and forgets sessions that are over.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn sweep(&self, now_epoch_s: u64) -> Result<u64, StateError> {
        let database = self.lock();
        let Some(database) = &*database else { return Ok(0) };
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        let mut over = 0;
        let write = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            {
                let mut table = transaction.open_table(USED)?;
                for KeyUse { id, at_epoch_s } in used {
                    let Some(id) = parse_id(&id) else { continue };
                    let last = table.get(&id)?.map_or(0, |last| last.value());
                    if last < at_epoch_s {
                        table.insert(&id, at_epoch_s)?;
                    }
                }
            }
            over = remove(&transaction, |record| is_over(record, now_epoch_s))?;
            transaction.commit()?;
            Ok(())
        };
        write().map_err(|error| self.failed(error))?;
        Ok(over)
    }

    /// Each session, with its token, as a worker takes it.
    ///
    /// # Errors
    ///
    /// Where they cannot be read, or whoever takes them says so.
    pub fn each(
        &self,
        mut take: impl FnMut(&SessionRecord) -> io::Result<()>,
    ) -> Result<(), StateError> {
        self.walk(|record, token| take(&SessionRecord { id_token: token(), ..record }))
    }

    /// The sessions of a consumer, or all, without their tokens; so many at most, and how many there are.
    ///
    /// # Errors
    ///
    /// Where they cannot be read.
    pub fn list(
        &self,
        consumer: Option<&str>,
        now_epoch_s: u64,
        max: usize,
    ) -> Result<(Vec<SessionRecord>, u64), StateError> {
        let (mut found, mut total) = (Vec::new(), 0);
        self.walk(|record, _| {
            let wanted = consumer.is_none_or(|name| record.consumer == name);
            if wanted && !is_over(&record, now_epoch_s) {
                total += 1;
                if found.len() < max {
                    found.push(record);
                }
            }
            Ok(())
        })?;
        Ok((found, total))
    }

    /// The hash of a session, by the first digits of it.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub fn find(&self, id: &str) -> Result<Option<SessionRecord>, StateError> {
        let Some(first) = parse_id(id) else { return Ok(None) };
        let database = self.lock();
        let Some(database) = &*database else { return Ok(None) };
        let read = || -> Result<Option<SessionRecord>, redb::Error> {
            let Some(heads) = table(database.begin_read()?.open_table(HEADS))? else {
                return Ok(None);
            };
            let (mut from, mut to) = ([0; 32], [0xff; 32]);
            from[..ID_BYTES].copy_from_slice(&first);
            to[..ID_BYTES].copy_from_slice(&first);
            let found = heads.range::<&[u8; 32]>(&from..=&to)?.next().transpose()?;
            found.map(|(_, head)| parsed(head.value())).transpose()
        };
        read().map_err(|error| self.unread(error))
    }

    fn walk(
        &self,
        mut see: impl FnMut(SessionRecord, &dyn Fn() -> IdToken) -> io::Result<()>,
    ) -> Result<(), StateError> {
        let database = self.lock();
        let Some(database) = &*database else { return Ok(()) };
        let mut read = || -> Result<(), redb::Error> {
            let transaction = database.begin_read()?;
            let Some(heads) = table(transaction.open_table(HEADS))? else { return Ok(()) };
            let (tokens, used) = (transaction.open_table(TOKENS)?, transaction.open_table(USED)?);
            for row in heads.iter()? {
                let (hash, head) = row?;
                let mut record = parsed(head.value())?;
                let last = used.get(&first(hash.value()))?.map_or(0, |last| last.value());
                record.used_epoch_s = record.used_epoch_s.max(last);
                let token = || {
                    let token = tokens.get(hash.value()).ok().flatten();
                    IdToken(token.map_or_else(String::new, |token| token.value().to_owned()))
                };
                see(record, &token)?;
            }
            Ok(())
        };
        read().map_err(|error| self.unread(error))
    }

    fn database(&self) -> Result<Database, DatabaseError> {
        let mut options = OpenOptions::new();
        // It says who is somebody, and when they were here.
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&self.path)?;
        Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(FileBackend::new(file)?)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Database>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StateError {
        let source = io::Error::other(error);
        StateError::Write { path: self.path.clone(), action: "write sessions to it", source }
    }

    fn unread(&self, error: redb::Error) -> StateError {
        StateError::Read { path: self.path.clone(), source: io::Error::other(error) }
    }
}

fn insert(transaction: &WriteTransaction, record: &SessionRecord) -> Result<(), redb::Error> {
    let head = SessionRecord { id_token: IdToken(String::new()), ..record.clone() };
    let head = serde_json::to_vec(&head).map_err(io::Error::from)?;
    transaction.open_table(HEADS)?.insert(&record.hash.0, head.as_slice())?;
    transaction.open_table(TOKENS)?.insert(&record.hash.0, record.id_token.0.as_str())?;
    transaction.open_table(USED)?.insert(&first(&record.hash.0), record.used_epoch_s)?;
    Ok(())
}

fn end(transaction: &WriteTransaction, ending: &Ending) -> Result<u64, redb::Error> {
    let Ending::One(hash) = ending else {
        return remove(transaction, |record| ending.takes(record));
    };
    let gone = transaction.open_table(HEADS)?.remove(&hash.0)?.is_some();
    transaction.open_table(TOKENS)?.remove(&hash.0)?;
    transaction.open_table(USED)?.remove(&first(&hash.0))?;
    Ok(u64::from(gone))
}

fn remove(
    transaction: &WriteTransaction,
    goes: impl Fn(&SessionRecord) -> bool,
) -> Result<u64, redb::Error> {
    let mut gone = Vec::new();
    {
        let (heads, used) = (transaction.open_table(HEADS)?, transaction.open_table(USED)?);
        for row in heads.iter()? {
            let (hash, head) = row?;
            let mut record = parsed(head.value())?;
            let last = used.get(&first(hash.value()))?.map_or(0, |last| last.value());
            record.used_epoch_s = record.used_epoch_s.max(last);
            if goes(&record) {
                gone.push(record.hash);
            }
        }
    }
    for hash in &gone {
        end(transaction, &Ending::One(*hash))?;
    }
    Ok(gone.len() as u64)
}

/// Whether it has ended by itself, as far as is known here: a worker may know of a use that was not told yet.
fn is_over(record: &SessionRecord, now_epoch_s: u64) -> bool {
    record.ends_epoch_s <= now_epoch_s || record.is_over(now_epoch_s.saturating_sub(TOLD_LATE_S))
}

fn parsed(head: &[u8]) -> Result<SessionRecord, redb::Error> {
    serde_json::from_slice(head).map_err(|error| redb::Error::Io(error.into()))
}

// A database without a session has no tables.
fn table<T>(opened: Result<T, redb::TableError>) -> Result<Option<T>, redb::Error> {
    match opened {
        Ok(table) => Ok(Some(table)),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn first(hash: &[u8; 32]) -> [u8; ID_BYTES] {
    let mut first = [0; ID_BYTES];
    first.copy_from_slice(&hash[..ID_BYTES]);
    first
}

/// The bytes of an id, as [`firewall_gateway::identity::session::record::id`] writes it.
fn parse_id(id: &str) -> Option<[u8; ID_BYTES]> {
    let plain = id.len() == 2 * ID_BYTES && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u64::from_str_radix(id, 16).ok().filter(|_| plain)?;
    Some(number.to_be_bytes())
}

/// What no other try would read.
fn is_damage(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::Storage(StorageError::Corrupted(_))
        | DatabaseError::UpgradeRequired(_)
        | DatabaseError::RepairAborted => true,
        // A file of something else.
        DatabaseError::Storage(StorageError::Io(error)) => {
            error.kind() == io::ErrorKind::InvalidData
        }
        _ => false,
    }
}

/// A session, for tests.
#[cfg(test)]
fn record(number: u64) -> SessionRecord {
    SessionRecord {
        hash: firewall_gateway::identity::api_key::text::KeyHash::of(&number.to_le_bytes()),
        login: "main".to_owned(),
        consumer: format!("consumer-{}", number % 2),
        subject: format!("subject-{number}"),
        sid: None,
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        created_epoch_s: 100,
        ends_epoch_s: 10_000,
        idle_timeout_s: 600,
        used_epoch_s: 100,
        id_token: IdToken(format!("token-{number}")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use firewall_gateway::identity::session::record::id;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("seawall-sessions-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn opened(number: u64) -> SessionChange {
        SessionChange::Open(Box::new(record(number)))
    }

    fn all(file: &SessionFile) -> Vec<SessionRecord> {
        let mut all = Vec::new();
        let take = |record: &SessionRecord| {
            all.push(record.clone());
            Ok(())
        };
        file.each(take).unwrap();
        all.sort_by_key(|record| record.subject.clone());
        all
    }

    #[test]
    fn sessions_are_there_after_a_restart_until_they_end() {
        let folder = Folder::new("kept");
        let file = SessionFile::open(&folder.0);
        assert_eq!(file.take(&[SessionChange::End(Ending::All)]).unwrap(), 0);
        assert!(!folder.0.join(FILE).exists(), "there is no file before the first session");
        assert_eq!((all(&file), file.sweep(1).unwrap()), (vec![], 0));
        file.take(&[opened(0), opened(1), opened(2), opened(3)]).unwrap();
        assert_eq!(fs::metadata(folder.0.join(FILE)).unwrap().mode() & 0o777, 0o600);
        let one = Ending::One(record(3).hash);
        assert_eq!(file.take(&[SessionChange::End(one.clone())]).unwrap(), 1);
        assert_eq!(file.take(&[SessionChange::End(one)]).unwrap(), 0);
        file.used(vec![KeyUse { id: id(&record(1).hash), at_epoch_s: 500 }]);
        file.used(vec![KeyUse { id: id(&record(1).hash), at_epoch_s: 400 }]);
        assert_eq!(file.sweep(700 + TOLD_LATE_S - 1).unwrap(), 0);
        drop(file);
        let file = SessionFile::open(&folder.0);
        let used = SessionRecord { used_epoch_s: 500, ..record(1) };
        assert_eq!(all(&file), [record(0), used.clone(), record(2)]);
        let bare = SessionRecord { id_token: IdToken(String::new()), ..used };
        assert_eq!(file.list(Some("consumer-1"), 700, 9).unwrap(), (vec![bare.clone()], 1));
        assert_eq!(file.list(None, 700, 1).unwrap().1, 3);
        let later = 1_100 + TOLD_LATE_S - 1;
        assert_eq!(file.list(None, later, 9).unwrap(), (vec![bare], 1), "the others were idle");
        assert_eq!(file.list(None, 10_000, 9).unwrap().1, 0, "all are too old");
        for (text, expected) in [
            (id(&record(2).hash), true),
            (id(&record(3).hash), false),
            (id(&record(2).hash)[1..].to_owned(), false),
            ("+".repeat(16), false),
            (String::new(), false),
        ] {
            let found = file.find(&text).unwrap();
            assert_eq!(found.is_some_and(|found| found.hash == record(2).hash), expected, "{text}");
        }
        assert_eq!(file.sweep(700 + TOLD_LATE_S).unwrap(), 2);
        let consumer = Ending::Consumer("consumer-1".to_owned());
        assert_eq!(file.take(&[SessionChange::End(consumer)]).unwrap(), 1);
        assert_eq!(all(&file), []);
    }

    #[test]
    fn a_damaged_file_is_put_aside() {
        let folder = Folder::new("damaged");
        fs::write(folder.0.join(FILE), "no database\n".repeat(1_000)).unwrap();
        let file = SessionFile::open(&folder.0);
        assert_eq!(all(&file), []);
        assert!(folder.0.join("sessions.damaged").exists());
        file.take(&[opened(1)]).unwrap();
        drop(file);
        assert_eq!(all(&SessionFile::open(&folder.0)), [record(1)]);
    }
}
