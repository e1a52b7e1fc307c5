//! The configurations that were in force, with the files that they name: what `rollback` goes back to.
//!
//! `generations/N/` holds the configuration, a copy of each list and of the database, and `record.json`.
//! A file that did not change since the record before is the same file on the disk (a hard link).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{StateError, StateFolder, file};
use crate::{
    config::{Config, PacketConfig},
    policy::Stamp,
};

/// So many are kept.
pub const KEPT_MAX: usize = 16;
/// They take so many bytes at most, each file counted once; older ones make way. The newest two stay.
pub const KEPT_BYTES_MAX: u64 = 1 << 30;
/// A list or database that is larger is not kept: a rollback takes it as it stands then.
pub const FILE_BYTES_MAX: u64 = 256 << 20;

const FOLDER: &str = "generations";
const RECORD: &str = "record.json";
const CONFIG: &str = "seawall.yaml";
const RECORD_BYTES_MAX: u64 = 1 << 20;
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// A configuration that was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// From 1; it goes on across restarts.
    pub number: u32,
    /// When it came into force, in seconds since 1970.
    pub at_epoch_s: u64,
    /// Who put it in force.
    pub who: String,
    /// By which verb.
    pub verb: String,
    /// The lists and databases that it names.
    pub files: Vec<KeptFile>,
}

/// A file of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptFile {
    /// Where it stands.
    pub path: PathBuf,
    /// What it was then.
    pub stamp: Option<Stamp>,
    /// Whether there is a copy.
    pub kept: bool,
}

/// The history of a state folder.
#[derive(Clone, Debug)]
pub struct History {
    folder: PathBuf,
}

impl StateFolder {
    /// Its history.
    #[must_use]
    pub fn history(&self) -> History {
        History { folder: self.path().join(FOLDER) }
    }
}

/// The files that a configuration names.
#[must_use]
pub fn files(packet: &PacketConfig) -> BTreeSet<PathBuf> {
    let lists = [&packet.allow, &packet.deny].into_iter().chain(packet.sets.values());
    let lists = lists.flat_map(|list| &list.files);
    lists.chain(packet.geo.iter().map(|geo| &geo.database)).cloned().collect()
}

impl History {
    /// What is there, the oldest first. What cannot be read is passed over: the rest can still be gone
    /// back to.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
        let mut records: Vec<Record> =
            entries.filter_map(number).filter_map(|number| self.record(number).ok()).collect();
        records.sort_by_key(|record| record.number);
        records
    }

    /// One of them.
    ///
    /// # Errors
    ///
    /// Where there is none of this number, or it is not whole.
    pub fn record(&self, number: u32) -> Result<Record, StateError> {
        let path = self.of(number).join(RECORD);
        let bytes = file::read(&path, RECORD_BYTES_MAX)?;
        let wrong = |found: String| StateError::Content {
            path: path.display().to_string(),
            expected: "the record of a configuration, whole",
            found,
        };
        let record: Record =
            serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if record.number != number {
            return Err(wrong(format!("that of number {}", record.number)));
        }
        Ok(record)
    }

    /// The configuration of one of them.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub fn text(&self, number: u32) -> Result<Vec<u8>, StateError> {
        file::read(&self.of(number).join(CONFIG), CONFIG_BYTES_MAX)
    }

    /// Whether a configuration is what the newest record holds, its files too.
    #[must_use]
    pub fn is_newest(&self, config: &Config) -> bool {
        self.records().last().is_some_and(|newest| self.is(newest, config))
    }

    fn is(&self, record: &Record, config: &Config) -> bool {
        let text = self.text(record.number);
        let now = files(&config.packet);
        let same = |kept: &KeptFile| {
            now.contains(&kept.path) && kept.stamp.is_some() && kept.stamp == Stamp::at(&kept.path)
        };
        text.is_ok_and(|text| text == *config.text)
            && record.files.len() == now.len()
            && record.files.iter().all(same)
    }

    /// Keeps a configuration that came into force, and forgets the oldest. Returns its number; that of
    /// the newest where it is the same.
    ///
    /// # Errors
    ///
    /// Where it cannot be written; the others stay.
    pub fn keep(
        &self,
        config: &Config,
        who: &str,
        verb: &str,
        at_epoch_s: u64,
    ) -> Result<u32, StateError> {
        let failed = |action| {
            let path = self.folder.clone();
            move |source| StateError::Write { path, action, source }
        };
        let records = self.records();
        let newest = records.last();
        if let Some(newest) = newest.filter(|newest| self.is(newest, config)) {
            return Ok(newest.number);
        }
        let number = self.highest().saturating_add(1);
        let new = self.folder.join(".new");
        // What an earlier daemon left when it died.
        let _ = fs::remove_dir_all(&new);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&new);
        made.map_err(failed("make a folder in it"))?;
        let kept = files(&config.packet).into_iter().enumerate().map(|(at, path)| {
            let before = newest.and_then(|newest| self.copy_of(newest, &path));
            keep_file(&path, &new.join(at.to_string()), before)
        });
        let files: Vec<KeptFile> =
            kept.collect::<io::Result<_>>().map_err(failed("copy a list"))?;
        let record = Record { number, at_epoch_s, who: who.into(), verb: verb.into(), files };
        file::write(&new.join(CONFIG), &config.text)?;
        let bytes = serde_json::to_vec_pretty(&record)
            .map_err(|error| failed("put it in words")(error.into()))?;
        file::write(&new.join(RECORD), &bytes)?;
        fs::rename(&new, self.of(number)).map_err(failed("put a record in its place"))?;
        file::sync_folder(&self.of(number)).map_err(failed("write it to the disk"))?;
        self.forget_oldest();
        Ok(number)
    }

    /// Where the copy of a file stands that a record has.
    fn copy_of(&self, record: &Record, path: &Path) -> Option<(PathBuf, Stamp)> {
        let at = record.files.iter().position(|file| file.path == path && file.kept)?;
        Some((self.of(record.number).join(at.to_string()), record.files.get(at)?.stamp?))
    }

    /// Puts the files of a record back where they stood. They go back again where the value is dropped.
    ///
    /// # Errors
    ///
    /// Where one cannot be written; none has changed then.
    pub fn put_back(&self, record: &Record) -> Result<PutBack, StateError> {
        let mut done = PutBack::default();
        for (at, kept) in record.files.iter().enumerate() {
            if !kept.kept || (kept.stamp.is_some() && kept.stamp == Stamp::at(&kept.path)) {
                continue;
            }
            let copy = self.of(record.number).join(at.to_string());
            done.one(&copy, &kept.path).map_err(|source| StateError::Write {
                path: kept.path.clone(),
                action: "put it back as it was",
                source,
            })?;
        }
        Ok(done)
    }

    fn of(&self, number: u32) -> PathBuf {
        self.folder.join(number.to_string())
    }

    /// Of the records that cannot be read too: a number is never given twice.
    fn highest(&self) -> u32 {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).max().unwrap_or(0)
    }

    /// Forgets the oldest until the bounds are met. What cannot be removed is tried again the next time.
    fn forget_oldest(&self) {
        let mut numbers: Vec<u32> = self.records().iter().map(|record| record.number).collect();
        while numbers.len() > 2
            && (numbers.len() > KEPT_MAX || self.bytes(&numbers) > KEPT_BYTES_MAX)
        {
            let _ = fs::remove_dir_all(self.of(numbers.remove(0)));
        }
    }

    fn bytes(&self, numbers: &[u32]) -> u64 {
        let folders = numbers.iter().filter_map(|number| fs::read_dir(self.of(*number)).ok());
        let files = folders.flatten().flatten().filter_map(|entry| entry.metadata().ok());
        let by_inode: BTreeMap<u64, u64> = files.map(|file| (file.ino(), file.len())).collect();
        by_inode.values().sum()
    }
}

/// Copies a file, or links to the copy before where it is still that.
fn keep_file(path: &Path, copy: &Path, before: Option<(PathBuf, Stamp)>) -> io::Result<KeptFile> {
    let stamp = Stamp::at(path);
    let without = |stamp| Ok(KeptFile { path: path.to_path_buf(), stamp, kept: false });
    let Some(known) = stamp else { return without(None) };
    if known.bytes() > FILE_BYTES_MAX {
        return without(stamp);
    }
    match before {
        Some((before, then)) if then == known => fs::hard_link(before, copy)?,
        _ => {
            fs::copy(path, copy)?;
            fs::File::open(copy)?.sync_all()?;
        }
    }
    // It changed while it was copied: the copy is of neither.
    if Stamp::at(path) != stamp {
        fs::remove_file(copy)?;
        return without(None);
    }
    Ok(KeptFile { path: path.to_path_buf(), stamp, kept: true })
}

/// Files that were put back.
#[derive(Debug, Default)]
#[must_use = "they go back again where it is dropped"]
pub struct PutBack {
    /// Where each stands, and where what stood there is now.
    files: Vec<(PathBuf, Option<PathBuf>)>,
}

impl PutBack {
    fn one(&mut self, copy: &Path, path: &Path) -> io::Result<()> {
        let beside = |prefix: &str, suffix: &str| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            path.with_file_name(format!("{prefix}{name}{suffix}"))
        };
        let (new, aside) = (beside(".", ".new"), beside("", ".replaced"));
        fs::copy(copy, &new)?;
        fs::File::open(&new)?.sync_all()?;
        let was_there = path.exists();
        if was_there {
            let _ = fs::remove_file(&aside);
            fs::hard_link(path, &aside)?;
        }
        fs::rename(&new, path)?;
        self.files.push((path.to_path_buf(), was_there.then_some(aside)));
        file::sync_folder(path)
    }

    /// Leaves them as they are now, and says what was done.
    #[must_use]
    pub fn settle(mut self) -> Vec<String> {
        let told = std::mem::take(&mut self.files).into_iter().map(|(path, aside)| match aside {
            Some(aside) => format!(
                "{} is as it was then; what stood there is now {}",
                path.display(),
                aside.display()
            ),
            None => format!("{} is there again", path.display()),
        });
        told.collect()
    }
}

impl Drop for PutBack {
    fn drop(&mut self) {
        for (path, aside) in self.files.drain(..) {
            let undone = match aside {
                Some(aside) => fs::rename(aside, &path),
                None => fs::remove_file(&path),
            };
            if let Err(error) = undone {
                tracing::error!(%error, path = %path.display(), "a list cannot be put back");
            }
        }
    }
}

#[cfg(test)]
mod tests;
