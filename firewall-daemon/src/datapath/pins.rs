//! The folder of pins: what the generations share, and what keeps the filter attached.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, symlink},
    path::{Path, PathBuf},
};

use aya::maps::{MapInfo, MapType};
use firewall_common::{
    SourceKey, ban_places,
    counter::{Count, Loss, SLOTS},
    limits::{AGGREGATES, BucketRow, ROWS},
    maps,
};
use nix::{
    fcntl::{Flock, FlockArg},
    sys::statfs::{BPF_FS_MAGIC, statfs},
};

use crate::datapath::error::DatapathError;

/// What the name of a pinned link begins with.
const LINK: &str = "link_";
/// A symbolic link that points to the number of the layout: a BPF file system holds no files.
const ABI: &str = "abi";

/// A folder on a bpffs that this process alone uses.
pub struct PinFolder {
    path: PathBuf,
    /// Held for as long as the folder is in use; a process that dies lets go of it.
    _claim: Flock<File>,
}

impl PinFolder {
    /// Makes the folder, or takes over what a daemon that died left there.
    pub fn claim(path: &Path) -> Result<Self, DatapathError> {
        let parent = path.parent().unwrap_or(path);
        let on_bpffs = [path, parent]
            .iter()
            .any(|folder| statfs(*folder).is_ok_and(|stat| stat.filesystem_type() == BPF_FS_MAGIC));
        if !on_bpffs {
            return Err(DatapathError::NotBpffs { path: path.to_path_buf() });
        }
        let failed =
            |action| move |source| DatapathError::Pin { path: path.to_path_buf(), action, source };
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed("make the folder")(error));
            }
            Ok(()) | Err(_) => {}
        }
        let folder = File::open(path).map_err(failed("open the folder"))?;
        let claim = Flock::lock(folder, FlockArg::LockExclusiveNonblock)
            .map_err(|_| DatapathError::PinFolderInUse { path: path.to_path_buf() })?;
        Ok(Self { path: path.to_path_buf(), _claim: claim })
    }

    /// Makes ready for a generation of this version: what a newer one has pinned is refused and left as it
    /// is, and of what an older one has pinned that goes which this one cannot read.
    pub fn prepare(&self) -> Result<(), DatapathError> {
        let path = self.path.join(ABI);
        let unknown = |found: String| DatapathError::PinsUnknown {
            path: self.path.clone(),
            found,
            known: maps::ABI,
        };
        let failed = |action| {
            let path = path.clone();
            move |source| DatapathError::Pin { path, action, source }
        };
        let found = match fs::read_link(&path) {
            Ok(target) => {
                let target = target.to_string_lossy().into_owned();
                let number = target.parse::<u32>().ok().filter(|number| *number <= maps::ABI);
                Some(number.ok_or_else(|| unknown(format!("layout {target:?}")))?)
            }
            // Before the fifth nothing said so; each map is looked at by itself.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("read")(error)),
        };
        self.remove_unlike()?;
        if found == Some(maps::ABI) {
            return Ok(());
        }
        if found.is_some() {
            fs::remove_file(&path).map_err(failed("remove"))?;
        }
        symlink(maps::ABI.to_string(), &path).map_err(failed("make"))
    }

    /// Removes the shared maps of an earlier version that this one cannot read: the loader would use
    /// them as they are. A program that is still attached keeps its own hold on them.
    fn remove_unlike(&self) -> Result<(), DatapathError> {
        let words = |words: usize| 8 * words as u32;
        let source = size_of::<SourceKey>() as u32;
        let expected: [(&str, MapType, u32, u32, u32); 10] = [
            (maps::BUCKETS, MapType::Array, 4, size_of::<BucketRow>() as u32, ROWS),
            (maps::AGGREGATES, MapType::Array, 4, words(1), AGGREGATES),
            (maps::HASH_KEY, MapType::Array, 4, words(2), 1),
            (maps::BANS, MapType::Hash, source, words(1), maps::BANS_MAX),
            (maps::BAN_COUNT, MapType::Array, 4, words(1), 1),
            (maps::BAN_FREE, MapType::Array, 4, words(1), ban_places::WORDS),
            (maps::SEEN, MapType::Array, 4, 4, maps::SEEN_MAX),
            (maps::COUNTERS, MapType::PerCpuArray, 4, size_of::<Count>() as u32, SLOTS),
            (maps::LOSSES, MapType::PerCpuArray, 4, words(1), Loss::ALL.len() as u32),
            (maps::EVENTS, MapType::RingBuf, 0, 0, maps::EVENTS_BYTES),
        ];
        for (name, kind, key, value, entries) in expected {
            let path = self.path.join(name);
            if !path.exists() {
                continue;
            }
            let alike = MapInfo::from_pin(&path).is_ok_and(|info| {
                info.map_type().is_ok_and(|found| found == kind)
                    && info.key_size() == key
                    && info.value_size() == value
                    && info.max_entries() == entries
            });
            if !alike {
                tracing::warn!(pin = %path.display(), "a map of another version: starting anew");
                fs::remove_file(&path).map_err(|source| DatapathError::Pin {
                    path,
                    action: "remove",
                    source,
                })?;
            }
        }
        Ok(())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the link of an interface is pinned.
    pub fn link(&self, interface_index: u32, mode: &str) -> PathBuf {
        self.path.join(format!("{LINK}{interface_index}_{mode}"))
    }

    /// The links that are pinned here, each with the index of its interface: a program is attached by
    /// each.
    pub fn links(&self) -> Vec<(PathBuf, Option<u32>)> {
        let Ok(entries) = fs::read_dir(&self.path) else { return Vec::new() };
        let link = |name: String| {
            let index = name.strip_prefix(LINK)?.split('_').next()?.parse().ok();
            Some((self.path.join(&name), index))
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(link).collect()
    }

    /// Removes every pin, and the folder where it is not the mount point itself.
    pub fn remove(&self) -> Result<(), DatapathError> {
        let mut result = Ok(());
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| DatapathError::Pin { path, action: "remove", source }
        };
        match fs::read_dir(&self.path) {
            Ok(entries) => {
                for entry in entries.flatten() {
                    let removed = fs::remove_file(entry.path()).map_err(failed(&entry.path()));
                    result = result.and(removed);
                }
            }
            Err(error) => result = Err(failed(&self.path)(error)),
        }
        match fs::remove_dir(&self.path) {
            // Under its systemd unit the daemon may write in the folder and not beside it: an empty one stays.
            Err(error)
                if ![io::ErrorKind::ResourceBusy, io::ErrorKind::ReadOnlyFilesystem]
                    .contains(&error.kind()) =>
            {
                result.and(Err(failed(&self.path)(error)))
            }
            Ok(()) | Err(_) => result,
        }
    }
}
