//! Pins of a generation that is not in force yet: they are made beside those that are, and put in their place
//! once it is attached. A start that fails so leaves the pins of before to whoever starts next.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use aya::{
    maps::{MapInfo, MapType},
    programs::Xdp,
};
use firewall_common::{
    SourceKey, ban_places,
    counter::{Count, Loss, SLOTS},
    limits::{AGGREGATES, BucketRow, ROWS},
    maps,
    rules::{RULE_SLOTS, RuleSlot},
};

use super::{ABI, PROGRAM};
use crate::datapath::error::DatapathError;

/// What the name of a pin ends with that is not in force yet. A BPF file system allows no dot.
const NEXT: &str = "_next";

/// A map that the generations share, as this version wants it.
struct SharedMap {
    name: &'static str,
    kind: MapType,
    key: u32,
    value: u32,
    entries: u32,
}

const fn map(name: &'static str, kind: MapType, value: usize, entries: u32) -> SharedMap {
    SharedMap { name, kind, key: 4, value: value as u32, entries }
}

const WORD: usize = size_of::<u64>();

const SHARED: [SharedMap; 13] = [
    map(maps::BUCKETS, MapType::Array, size_of::<BucketRow>(), ROWS),
    map(maps::AGGREGATES, MapType::Array, WORD, AGGREGATES),
    map(maps::HASH_KEY, MapType::Array, 2 * WORD, 1),
    SharedMap {
        key: size_of::<SourceKey>() as u32,
        ..map(maps::BANS, MapType::Hash, WORD, maps::BANS_MAX)
    },
    map(maps::BAN_COUNT, MapType::Array, WORD, 1),
    map(maps::BAN_FREE, MapType::Array, WORD, ban_places::WORDS),
    map(maps::SEEN, MapType::Array, 4, maps::SEEN_MAX),
    map(maps::COUNTERS, MapType::PerCpuArray, size_of::<Count>(), SLOTS),
    map(maps::LOSSES, MapType::PerCpuArray, WORD, Loss::ALL.len() as u32),
    map(maps::RULE_COUNTERS, MapType::PerCpuArray, size_of::<Count>(), RULE_SLOTS),
    map(maps::RULE_NAMES, MapType::Array, size_of::<RuleSlot>(), RULE_SLOTS),
    map(maps::GENERATION, MapType::Array, 4, 1),
    SharedMap { key: 0, ..map(maps::EVENTS, MapType::RingBuf, 0, maps::EVENTS_BYTES) },
];

impl SharedMap {
    /// Whether what is pinned can be used as it is; the loader would use anything.
    fn is_alike(&self, path: &Path) -> bool {
        MapInfo::from_pin(path).is_ok_and(|info| {
            info.map_type().is_ok_and(|found| found == self.kind)
                && info.key_size() == self.key
                && info.value_size() == self.value
                && info.max_entries() == self.entries
        })
    }
}

/// Where the shared maps are found or made.
pub struct Staging {
    folder: PathBuf,
    /// Maps that are made anew, beside what is pinned by their names.
    maps: Vec<&'static str>,
}

impl Staging {
    /// Nothing is made anew but what is missing, which is made in its place.
    pub fn none(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), maps: Vec::new() }
    }

    /// Made anew is what is missing, or is of another version: that one stays as it is.
    pub(super) fn of(folder: &Path) -> Self {
        let is_usable = |map: &&SharedMap| {
            let path = folder.join(map.name);
            let is_alike = map.is_alike(&path);
            if !is_alike && path.exists() {
                tracing::warn!(pin = %path.display(), "a map of another version: starting anew");
            }
            is_alike
        };
        let maps = SHARED.iter().filter(|map| !is_usable(map)).map(|map| map.name).collect();
        Self { folder: folder.to_path_buf(), maps }
    }

    /// What an earlier daemon left.
    pub(super) fn left(folder: &Path) -> Self {
        let names = SHARED.iter().map(|map| map.name);
        let maps = names.filter(|name| is_there(&next(folder, name))).collect();
        Self { folder: folder.to_path_buf(), maps }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The maps that are made anew, and where.
    pub fn made(&self) -> impl Iterator<Item = (&'static str, PathBuf)> {
        self.maps.iter().map(|name| (*name, next(&self.folder, name)))
    }

    /// Where a map is.
    pub fn path(&self, name: &str) -> PathBuf {
        let made = self.made().find(|(made, _)| *made == name);
        made.map_or_else(|| self.folder.join(name), |(_, path)| path)
    }

    /// Says of which layout the pins are to be.
    pub(super) fn write_layout(&self) -> Result<(), DatapathError> {
        let path = next(&self.folder, ABI);
        let made = symlink(maps::ABI.to_string(), &path);
        made.map_err(|source| DatapathError::Pin { path, action: "make", source })
    }

    /// Pins the program that is about to be in force: the last of the pins to be put in place, so that what
    /// a daemon left that died meanwhile is known for what it is.
    pub fn pin_program(&self, program: &mut Xdp) -> Result<(), DatapathError> {
        let path = next(&self.folder, PROGRAM);
        program.pin(&path).map_err(|error| DatapathError::Pin {
            path,
            action: "pin the program",
            source: io::Error::other(error),
        })
    }

    /// The generation is attached: its pins are those in force, the layout first, as an older daemon must not
    /// take them for its own.
    pub fn commit(&self) -> Result<(), DatapathError> {
        let names = [ABI].into_iter().chain(self.maps.iter().copied()).chain([PROGRAM]);
        for name in names {
            let from = next(&self.folder, name);
            if is_there(&from) {
                let to = self.folder.join(name);
                fs::rename(from, &to).map_err(|source| DatapathError::Pin {
                    path: to,
                    action: "put in place",
                    source,
                })?;
            }
        }
        Ok(())
    }

    /// The generation is not attached: none of its pins stays.
    pub fn discard(&self) {
        for name in [ABI, PROGRAM].iter().chain(&self.maps) {
            let path = next(&self.folder, name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(pin = %path.display(), %error, "a pin of no use cannot be removed");
                }
                Ok(()) | Err(_) => {}
            }
        }
    }
}

pub(super) fn next(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{NEXT}"))
}

/// Also a link that points nowhere.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
