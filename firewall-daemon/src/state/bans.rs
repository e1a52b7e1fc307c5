//! The journal of bans. Their table is pinned, and a host that starts anew has no pins: a line for each ban
//! and each end of one is here before the command returns.

use std::{
    fs::File,
    io,
    net::IpAddr,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use firewall_common::maps;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::{
    StateError,
    file::Staged,
    lines::{self, Kind, Read},
};

const KIND: Kind = Kind {
    change: "ban",
    expected: "a ban, or the end of one",
    // The table of bans, twice, with short reasons.
    bytes_max: 256 << 20,
};
/// So many lines beyond twice the bans that go on, and the file is written anew.
const SPARE_LINES: usize = 4_096;

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BanLine {
    /// A source is banned from here on.
    Ban {
        /// As the table has it: an IPv4 address, or the first address of an IPv6 /64.
        source: IpAddr,
        /// The ban.
        ban: KeptBan,
    },
    /// It is no longer.
    Unban {
        /// As the table has it.
        source: IpAddr,
    },
}

/// A ban, beside its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptBan {
    /// When it ends, in seconds since 1970.
    pub ends_epoch_s: u64,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who asked for it.
    pub who: String,
}

/// The journal.
#[derive(Debug)]
pub struct BanJournal {
    path: PathBuf,
    inner: Mutex<Inner>,
    /// Up to which line written since the start all is on the disk. Whoever waits for it writes for those
    /// who came meanwhile too.
    synced: Mutex<u64>,
}

#[derive(Debug)]
struct Inner {
    file: Arc<File>,
    bytes: u64,
    lines: usize,
    /// Appends since the start.
    written: u64,
    bans: FxHashMap<IpAddr, KeptBan>,
}

impl BanJournal {
    /// Reads the journal of a folder. A last line that was cut off, as by a loss of power, was never
    /// answered: it is dropped.
    ///
    /// # Errors
    ///
    /// Where the file cannot be had, or any other line is none of the journal.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let path = folder.join("bans");
        let mut bans = FxHashMap::default();
        let read = lines::read(&path, KIND, |line| note(&mut bans, line))?;
        let file = Arc::new(lines::open(&path)?);
        let Read { bytes, lines } = read;
        let inner = Inner { file, bytes, lines, written: 0, bans };
        Ok(Self { path, inner: Mutex::new(inner), synced: Mutex::new(0) })
    }

    /// Appends lines; [`Self::sync`] waits until they are on the disk.
    ///
    /// # Errors
    ///
    /// Where they cannot be written; nothing of them is left then.
    pub fn append(&self, lines: &[BanLine]) -> Result<u64, StateError> {
        let mut inner = lock(&self.inner);
        let mut bytes = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut bytes, line).map_err(|error| self.failed(error.into()))?;
            bytes.push(b'\n');
        }
        if let Err(error) = inner.file.write_all_at(&bytes, inner.bytes) {
            // What was written of it is written over the next time, where it cannot be cut off.
            let _ = inner.file.set_len(inner.bytes);
            return Err(self.failed(error));
        }
        inner.bytes += bytes.len() as u64;
        inner.lines += lines.len();
        inner.written += 1;
        for line in lines {
            note(&mut inner.bans, line.clone());
        }
        Ok(inner.written)
    }

    /// Waits until what was appended is on the disk.
    ///
    /// # Errors
    ///
    /// Where the disk does not take it.
    pub fn sync(&self, appended: u64) -> Result<(), StateError> {
        let mut synced = lock(&self.synced);
        if *synced >= appended {
            return Ok(());
        }
        let (file, written) = {
            let inner = lock(&self.inner);
            (inner.file.clone(), inner.written)
        };
        file.sync_data().map_err(|error| self.failed(error))?;
        *synced = written;
        Ok(())
    }

    /// What is known of a ban.
    pub fn get(&self, source: IpAddr) -> Option<KeptBan> {
        lock(&self.inner).bans.get(&source).cloned()
    }

    /// The bans that go on.
    pub fn going_on(&self, now_epoch_s: u64) -> Vec<(IpAddr, KeptBan)> {
        let inner = lock(&self.inner);
        let going_on = inner.bans.iter().filter(|(_, ban)| ban.ends_epoch_s > now_epoch_s);
        going_on.take(maps::BANS_MAX as usize).map(|(source, ban)| (*source, ban.clone())).collect()
    }

    /// Forgets the bans that have ended, and writes the file anew where most of it is of the past.
    ///
    /// # Errors
    ///
    /// Where it cannot be written; it goes on as it is then.
    pub fn sweep(&self, now_epoch_s: u64) -> Result<(), StateError> {
        let mut inner = lock(&self.inner);
        inner.bans.retain(|_, ban| ban.ends_epoch_s > now_epoch_s);
        if inner.lines <= 2 * inner.bans.len() + SPARE_LINES {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for (source, ban) in &inner.bans {
            let line = BanLine::Ban { source: *source, ban: ban.clone() };
            serde_json::to_writer(&mut bytes, &line).map_err(|error| self.failed(error.into()))?;
            bytes.push(b'\n');
        }
        Staged::write(&self.path, &bytes)?.commit()?;
        inner.file = Arc::new(lines::open(&self.path)?);
        inner.bytes = bytes.len() as u64;
        inner.lines = inner.bans.len();
        Ok(())
    }

    fn failed(&self, source: io::Error) -> StateError {
        StateError::Write { path: self.path.clone(), action: "write a ban to it", source }
    }
}

fn note(bans: &mut FxHashMap<IpAddr, KeptBan>, line: BanLine) {
    match line {
        BanLine::Ban { source, ban } => bans.insert(source, ban),
        BanLine::Unban { source } => bans.remove(&source),
    };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
