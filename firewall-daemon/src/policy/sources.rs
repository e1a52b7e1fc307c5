//! The files of a policy, as they were read: what did not change since is not read again. A list of a
//! million prefixes takes longer to read than to put in force.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, Metadata},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ipnetwork::IpNetwork;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::{
    config::{ListConfig, PacketConfig},
    feeds::store::{self, StoreError},
    policy::{
        GeoSource, List, PolicyError, PolicySource, asn,
        geo::{self, GeoError},
        list::{self, ListError},
    },
};

/// A file that changed so shortly before it was read may change once more within the same tick of the
/// file system's clock, and look the same.
const SETTLED: Duration = Duration::from_secs(2);

/// The files that were read, each with what it was then. It holds the files of one policy, no others.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    lists: FxHashMap<PathBuf, Kept<Vec<IpNetwork>>>,
    databases: FxHashMap<PathBuf, Kept<GeoSource>>,
    /// With which of them were asked for.
    systems: FxHashMap<PathBuf, Kept<(BTreeSet<u32>, Systems)>>,
    /// To say in whose network an address is.
    lookups: FxHashMap<PathBuf, Kept<asn::Lookup>>,
}

/// The networks of autonomous systems, by their number.
type Systems = BTreeMap<u32, Arc<Vec<IpNetwork>>>;

/// What was read of a file.
#[derive(Debug)]
struct Kept<T> {
    /// Nothing where it was still changing.
    stamp: Option<Stamp>,
    content: Arc<T>,
}

/// The content is shared, whatever it is.
impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { stamp: self.stamp, content: self.content.clone() }
    }
}

/// What differs when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// What a file is now; nothing where it cannot be asked.
    #[must_use]
    pub fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self::of(&metadata))
    }

    /// How long the file is.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether a file that was read now will look otherwise once it is changed.
    fn is_settled(&self, now: SystemTime) -> bool {
        let changed = Duration::from_secs(self.changed.0.try_into().unwrap_or_default());
        now.duration_since(UNIX_EPOCH + changed).is_ok_and(|since| since > SETTLED)
    }
}

/// What is kept of a file, where it is as it was; else what `read` makes of it.
fn kept<T, E>(
    files: &mut FxHashMap<PathBuf, Kept<T>>,
    path: &Path,
    read: impl FnOnce() -> Result<T, E>,
) -> Result<Arc<T>, E> {
    // Asked before it is read: what changes meanwhile is read again the next time. That it cannot be
    // asked, reading it says better.
    let stamp = fs::metadata(path).ok().map(|metadata| Stamp::of(&metadata));
    if let Some(kept) = files.get(path)
        && kept.stamp.is_some()
        && kept.stamp == stamp
    {
        return Ok(kept.content.clone());
    }
    let now = SystemTime::now();
    let content = Arc::new(read()?);
    let stamp = stamp.filter(|stamp| stamp.is_settled(now));
    files.insert(path.to_path_buf(), Kept { stamp, content: content.clone() });
    Ok(content)
}

impl Sources {
    /// Reads every list and the database: all file access of a policy.
    ///
    /// # Errors
    ///
    /// The first thing wrong, with its file and line. Nothing is skipped.
    pub fn read(&mut self, config: &PacketConfig) -> Result<PolicySource, PolicyError> {
        let geo = match &config.geo {
            None => None,
            Some(config_geo) => {
                let source = self.database(&config_geo.database)?;
                Some(GeoSource {
                    mode: config_geo.mode,
                    countries: config_geo.countries.clone(),
                    shadow: config.shadow.countries.clone(),
                    ..GeoSource::clone(&source)
                })
            }
        };
        let systems = self.systems(config)?;
        let mut deny = self.lists("deny", &config.deny, &systems)?;
        for feed in &config.feeds {
            let prefixes = self.feed(&feed.copy);
            let prefixes =
                prefixes.map_err(|source| PolicyError::Feed { name: feed.name.clone(), source })?;
            deny.push(List { name: feed.name.clone(), shadow: false, prefixes });
        }
        for list in &mut deny {
            list.shadow = config.shadow.lists.contains(&list.name);
        }
        let source = PolicySource {
            protected: config.protected.clone(),
            allow: self.lists("allow", &config.allow, &systems)?,
            deny,
            sets: self.sets(&config.sets, &systems)?,
            geo,
            rules: config.rules.clone(),
            public_ports: config.public_ports.clone(),
            default: config.default,
        };
        self.forget_others(config);
        Ok(source)
    }

    /// A list for what stands in the configuration, where anything does, and one for each file; the names
    /// are those that the configuration was checked with.
    fn lists(
        &mut self,
        inline: &str,
        config: &ListConfig,
        systems: &Systems,
    ) -> Result<Vec<List>, ListError> {
        let mut contents = Vec::new();
        if !config.prefixes.is_empty() {
            contents.push(Arc::new(config.prefixes.clone()));
        }
        for file in &config.files {
            contents.push(self.list(file)?);
        }
        contents.extend(config.asns.iter().filter_map(|asn| systems.get(asn)).cloned());
        let named = config.names(inline).into_iter().zip(contents);
        Ok(named.map(|(name, prefixes)| List { name, shadow: false, prefixes }).collect())
    }

    fn sets(
        &mut self,
        sets: &BTreeMap<String, ListConfig>,
        systems: &Systems,
    ) -> Result<Vec<(String, Vec<IpNetwork>)>, ListError> {
        let mut read = Vec::new();
        for (name, config) in sets {
            let mut prefixes = config.prefixes.clone();
            for file in &config.files {
                let content = self.list(file)?;
                if prefixes.len() + content.len() > list::PREFIXES_MAX {
                    // It says in which line the bound is reached.
                    list::read(file, &mut prefixes)?;
                }
                prefixes.extend_from_slice(&content);
            }
            for networks in config.asns.iter().filter_map(|asn| systems.get(asn)) {
                prefixes.extend_from_slice(networks);
            }
            read.push((name.clone(), prefixes));
        }
        Ok(read)
    }

    fn list(&mut self, path: &Path) -> Result<Arc<Vec<IpNetwork>>, ListError> {
        kept(&mut self.lists, path, || {
            let mut prefixes = Vec::new();
            list::read(path, &mut prefixes)?;
            Ok(prefixes)
        })
    }

    /// The last good copy of a feed; empty where there is none yet.
    fn feed(&mut self, path: &Path) -> Result<Arc<Vec<IpNetwork>>, StoreError> {
        kept(&mut self.lists, path, || {
            Ok(store::read(path)?.map(|copy| copy.prefixes).unwrap_or_default())
        })
    }

    /// The networks of all autonomous systems that the lists name; the database is read only for them.
    fn systems(&mut self, config: &PacketConfig) -> Result<Systems, GeoError> {
        let wanted: BTreeSet<u32> = named(config).flat_map(|list| list.asns.clone()).collect();
        let database = config.geo.as_ref().and_then(|geo| geo.asn_database.as_ref());
        let Some(path) = database.filter(|_| !wanted.is_empty()) else {
            return Ok(Systems::new());
        };
        if self.systems.get(path).is_some_and(|kept| kept.content.0 != wanted) {
            self.systems.clear();
        }
        let read = kept(&mut self.systems, path, || {
            let found = asn::read(path, &wanted)?.found.into_iter();
            let found = found.map(|(asn, networks)| (asn, Arc::new(networks)));
            Ok::<_, GeoError>((wanted.clone(), found.collect()))
        })?;
        Ok(read.1.clone())
    }

    /// The database of autonomous systems, where one is configured and can be read. Nothing is decided by it, so
    /// one that is not there yet is no reason to refuse a policy.
    pub fn asn_lookup(&mut self, config: &PacketConfig) -> Option<Arc<asn::Lookup>> {
        let path = config.geo.as_ref().and_then(|geo| geo.asn_database.as_ref())?;
        match kept(&mut self.lookups, path, || asn::Lookup::open(path)) {
            Ok(lookup) => Some(lookup),
            Err(error) => {
                tracing::warn!(%error, "no autonomous system is told with events and explanations");
                None
            }
        }
    }

    fn database(&mut self, path: &Path) -> Result<Arc<GeoSource>, GeoError> {
        kept(&mut self.databases, path, || {
            let (networks, database) = geo::read(path)?;
            Ok(GeoSource::new(None, Default::default(), networks, database))
        })
    }

    /// What a policy no longer names takes no more room.
    fn forget_others(&mut self, config: &PacketConfig) {
        self.lists.retain(|path, _| {
            named(config).any(|list| list.files.contains(path))
                || config.feeds.iter().any(|feed| feed.copy == *path)
        });
        let database = config.geo.as_ref().map(|geo| &geo.database);
        self.databases.retain(|path, _| database == Some(path));
        let systems = config.geo.as_ref().and_then(|geo| geo.asn_database.as_ref());
        self.systems.retain(|path, _| systems == Some(path));
        self.lookups.retain(|path, _| systems == Some(path));
    }
}

/// Every list and set of a policy.
fn named(config: &PacketConfig) -> impl Iterator<Item = &ListConfig> {
    [&config.allow, &config.deny].into_iter().chain(config.sets.values())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_when_it_differs_and_not_before() {
        let path = std::env::temp_dir().join(format!("seawall-sources-{}", std::process::id()));
        let mut files = FxHashMap::default();
        let mut read = |expected: &str| {
            let mut reads = 0;
            let content = kept(&mut files, &path, || {
                reads += 1;
                fs::read_to_string(&path)
            });
            assert_eq!(*content.expect("readable"), expected);
            reads
        };
        let settle = || {
            // As if it had been written long ago, which the time of its change shows too.
            std::thread::sleep(SETTLED + Duration::from_millis(1_100));
        };
        fs::write(&path, "one").expect("written");
        assert_eq!((read("one"), read("one")), (1, 1), "it may still change unseen");
        settle();
        assert_eq!((read("one"), read("one"), read("one")), (1, 0, 0));
        // Of the same length, and with the time of the other.
        let modified = fs::metadata(&path).and_then(|found| found.modified()).expect("a time");
        fs::write(&path, "two").expect("written");
        let file = fs::File::options().write(true).open(&path).expect("it opens");
        file.set_modified(modified).expect("set");
        assert_eq!(read("two"), 1);
        fs::remove_file(&path).expect("removed");
        let gone = kept(&mut files, &path, || fs::read_to_string(&path));
        assert!(gone.is_err(), "what is kept of a file that is gone is not used");
    }
}
