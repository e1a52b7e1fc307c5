//! The file that is written: opened with its tail verified, appended to, put aside when it is full.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::{
    AuditError, Entry, FILE_BYTES_MAX, FILES_MAX, Hash, Record, Who, files,
    head::{Head, HeadFile},
    tail::Tail,
};

/// A record and its time.
#[derive(Clone, Debug)]
pub struct Draft {
    /// When it was made, as a record writes it.
    pub at: String,
    /// The record.
    pub record: Record,
}

/// The file that is written.
#[derive(Debug)]
pub struct Live {
    path: PathBuf,
    file: File,
    /// Which file it is: another of its name is not the one that was opened.
    identity: (u64, u64),
    /// As far as records are on the disk.
    length: u64,
    file_bytes_max: u64,
    tip: Head,
    head: HeadFile,
    /// What the log has to say of itself with the next record.
    notes: Vec<Draft>,
}

impl Live {
    /// Opens a log, or makes one. What a crash or a hand left behind is put aside, and the next record says so.
    pub fn open(path: &Path, file_bytes_max: u64) -> Result<Self, AuditError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock => AuditError::Busy { path: path.to_path_buf() },
            _ => AuditError::open(path, &error),
        };
        let file = open_file(path).map_err(failed)?;
        let (known, unread) = match Head::read(path) {
            Ok(known) => (known, None),
            Err(error) => (None, Some(format!("the head cannot be read: {error}"))),
        };
        let head = HeadFile::open(path).map_err(failed)?;
        let identity = identity(&file).map_err(failed)?;
        let mut live = Self {
            path: path.to_path_buf(),
            file,
            identity,
            length: 0,
            file_bytes_max: file_bytes_max.min(FILE_BYTES_MAX),
            tip: known.unwrap_or_default(),
            head,
            notes: Vec::new(),
        };
        live.notes.extend(unread.map(|unread| note("audit repair", unread)));
        live.resume(known).map_err(failed)?;
        if known.is_none() {
            live.write_head();
        }
        Ok(live)
    }

    /// What was found wrong and is not recorded yet.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        self.notes.iter().map(|draft| draft.record.what.as_str())
    }

    /// The sequence of the last record that is on the disk.
    pub fn sequence(&self) -> u64 {
        self.tip.seq
    }

    /// Writes records and waits until they are on the disk; the sequence of the first of them. Where it fails,
    /// nothing of them is left.
    pub fn append(&mut self, drafts: &[&Draft]) -> Result<u64, AuditError> {
        self.ready().map_err(|error| AuditError::write(&self.path, &error))?;
        let (mut seq, mut prev) = (self.tip.seq, self.tip.hash);
        let first = seq + self.notes.len() as u64 + 1;
        let mut lines = String::new();
        for Draft { at, record } in self.notes.iter().chain(drafts.iter().copied()) {
            seq += 1;
            let (line, hash) = Entry::seal(record, at, seq, prev);
            lines.push_str(&line);
            lines.push('\n');
            prev = hash;
        }
        let written = self.file.write_all(lines.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Where this fails too, the length is found wrong before the next record, and the file is put aside.
            let _ = self.file.set_len(self.length);
            return Err(AuditError::write(&self.path, &error));
        }
        self.length += lines.len() as u64;
        self.tip = Head { first: self.tip.first, seq, hash: prev };
        self.notes.clear();
        self.write_head();
        Ok(first)
    }

    /// The records are safe by then: an old head misses less, and no more.
    fn write_head(&self) {
        if let Err(error) = self.head.write(&self.tip) {
            tracing::warn!(%error, "audit: the head cannot be written: a tail that is cut off would be missed later");
        }
    }

    /// Sees that the file is the one that was opened, as long as it was left, and not full.
    fn ready(&mut self) -> io::Result<()> {
        let there = match fs::symlink_metadata(&self.path) {
            Ok(metadata) => Some((metadata.dev(), metadata.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if there != Some(self.identity) {
            let found = if there.is_some() { "another file" } else { "no file" };
            let path = self.path.display();
            let text = format!("expected the file that the daemon writes at {path}, found {found}");
            self.begin()?;
            self.notes.push(note("audit repair", text));
            return self.resume(Some(self.tip));
        }
        let found = self.file.metadata()?.len();
        if found != self.length {
            let text = format!("expected {} bytes in the file, found {found}", self.length);
            return self.put_aside("audit repair", &text);
        }
        if found >= self.file_bytes_max {
            return self.put_aside("audit rotate", "the file is full");
        }
        Ok(())
    }

    /// Goes on where the files end; what `known` says of records that are not there counts as well.
    fn resume(&mut self, known: Option<Head>) -> io::Result<()> {
        self.length = self.file.metadata()?.len();
        let mut damaged = false;
        let last = match Tail::read(&self.file)? {
            Tail::Empty => self.last_of_older()?,
            Tail::Record { seq, hash, torn } => {
                self.move_torn_aside(seq, &torn)?;
                Some((seq, hash))
            }
            Tail::TornOnly { torn } => {
                let last = self.last_of_older()?;
                self.move_torn_aside(last.map_or(0, |(seq, _)| seq), &torn)?;
                last
            }
            Tail::Damaged { reason } => {
                self.put_aside("audit repair", &format!("the file's end is damaged: {reason}"))?;
                damaged = true;
                None
            }
        };
        let first = match known {
            Some(known) => known.first.max(1),
            None => self.first_of_all()?,
        };
        let (seq, hash) = last.unwrap_or_default();
        self.tip = Head { first, seq, hash };
        if let Some(known) = known.filter(|known| *known != self.tip) {
            if damaged {
                // The file before has them, or verifying says that it has not.
                self.tip = known;
                return Ok(());
            }
            let text = if known.seq > seq {
                format!("records {} to {} are missing at the end", seq + 1, known.seq)
            } else if known.seq == seq {
                format!("record {seq}: expected the hash {}, found {hash}", known.hash)
            } else {
                return Ok(());
            };
            self.notes.push(note("audit repair", text));
            self.tip = Head { first, ..known };
        }
        Ok(())
    }

    fn last_of_older(&mut self) -> io::Result<Option<(u64, Hash)>> {
        let Some((_, newest)) = files::older(&self.path)?.pop() else { return Ok(None) };
        match Tail::of_path(&newest)? {
            Some(Tail::Record { seq, hash, .. }) => Ok(Some((seq, hash))),
            _ => {
                let text = format!("the end of {} is damaged", newest.display());
                self.notes.push(note("audit repair", text));
                Ok(None)
            }
        }
    }

    fn first_of_all(&self) -> io::Result<u64> {
        let oldest = files::in_order(&self.path)?.into_iter().next();
        Ok(oldest.and_then(|path| first_of(&path)).unwrap_or(1))
    }

    /// A record that a crash broke off goes to a file of its own before it leaves the log.
    fn move_torn_aside(&mut self, seq: u64, torn: &[u8]) -> io::Result<()> {
        if torn.is_empty() {
            return Ok(());
        }
        let path = files::beside(&self.path, &format!("torn-{:012}", seq + 1));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(files::MODE);
        let mut file = options.custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits()).open(&path)?;
        file.write_all(torn)?;
        file.sync_all()?;
        self.length -= torn.len() as u64;
        self.file.set_len(self.length)?;
        self.file.sync_all()?;
        let (bytes, hash) = (torn.len(), Hash::of(torn));
        let text = format!(
            "{bytes} bytes of a record that has no end are in {} (SHA-256 {hash})",
            path.display()
        );
        self.notes.push(note("audit repair", text));
        Ok(())
    }

    /// Gives the file another name and begins the next; the oldest goes where there are too many.
    fn put_aside(&mut self, verb: &str, why: &str) -> io::Result<()> {
        let mut older = files::older(&self.path)?;
        let after_newest = older.last().map_or(1, |(first, _)| first + 1);
        let mut first = first_of(&self.path).unwrap_or(after_newest).max(after_newest);
        while files::aside(&self.path, first).try_exists()? {
            first += 1;
        }
        let aside = files::aside(&self.path, first);
        fs::rename(&self.path, &aside)?;
        older.push((first, aside.clone()));
        let mut text = format!("{why}; the file before is {}", aside.display());
        let surplus = older.len().saturating_sub(FILES_MAX - 1);
        if let Some((kept, _)) = older.get(surplus).filter(|_| surplus > 0) {
            // The head first: a crash in between leaves a file too many, not a gap.
            self.tip.first = *kept;
            self.write_head();
            text = format!("{text}; records before {kept} are removed");
            for (_, path) in &older[..surplus] {
                fs::remove_file(path)?;
            }
        }
        self.notes.push(note(verb, text));
        self.begin()
    }

    fn begin(&mut self) -> io::Result<()> {
        self.file = open_file(&self.path)?;
        self.identity = identity(&self.file)?;
        self.length = self.file.metadata()?.len();
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

/// Makes it, or opens it to its end, and keeps other writers out.
fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(files::MODE);
    let file = options.custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits()).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn identity(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

/// The sequence of a file's first record, where that is one.
fn first_of(path: &Path) -> Option<u64> {
    let line = files::Lines::open(path).ok()?.next_line().ok()??;
    Entry::parse(&line.bytes).ok().map(|entry| entry.seq)
}

/// What the log says of itself.
fn note(verb: &str, text: String) -> Draft {
    Draft { at: super::log::now(), record: Record::new(Who::Daemon, verb, &text) }
}
