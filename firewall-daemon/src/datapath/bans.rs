//! Bans: single sources, in force with the next packet, until a time of their own.

use std::{net::IpAddr, path::Path, time::Duration};

use aya::maps::{Array, HashMap, Map, MapData, MapError};
use firewall_common::{Address, SourceKey, ban_places, maps};
use nix::time::{ClockId, clock_gettime};

use crate::datapath::{error::DatapathError, pins::Staging};

/// The bans in force. All generations share them.
pub struct Bans {
    ends: HashMap<MapData, SourceKey, u64>,
    count: Array<MapData, u64>,
    free: Array<MapData, u64>,
}

/// A ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// An IPv4 address, or the first address of an IPv6 /64.
    pub source: IpAddr,
    /// How long it goes on.
    pub left: Duration,
}

impl Bans {
    /// Opens the bans that are pinned in a folder.
    ///
    /// # Errors
    ///
    /// Where there are none.
    pub fn open(pin_folder: &Path) -> Result<Self, DatapathError> {
        Self::open_staged(&Staging::none(pin_folder))
    }

    /// The same, where some of them are not in their places yet.
    pub(super) fn open_staged(staging: &Staging) -> Result<Self, DatapathError> {
        let map = |name: &'static str| {
            MapData::from_pin(staging.path(name))
                .and_then(Map::from_map_data)
                .map_err(|source| DatapathError::Map { name, source })
        };
        let failed = |name| move |source| DatapathError::Map { name, source };
        Ok(Self {
            ends: map(maps::BANS)?.try_into().map_err(failed(maps::BANS))?,
            count: map(maps::BAN_COUNT)?.try_into().map_err(failed(maps::BAN_COUNT))?,
            free: map(maps::BAN_FREE)?.try_into().map_err(failed(maps::BAN_FREE))?,
        })
    }

    /// Bans a source for a time, or for another time where it is banned already. An IPv6 address
    /// stands for its /64, an IPv4-mapped one for the IPv4 address.
    ///
    /// # Errors
    ///
    /// Where there are [`maps::BANS_MAX`] already, or the kernel refuses.
    pub fn add(&mut self, source: IpAddr, time: Duration) -> Result<(), DatapathError> {
        let time_ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let end_ns = now_ns()?.saturating_add(time_ns);
        let key = key(source);
        let is_new = self.get(key)?.is_none();
        // Before the ban itself: where none is counted, no packet asks for one.
        if is_new {
            self.count_more(1)?;
        }
        self.take_place(key)?;
        let added = self.ends.insert(key, end_ns, 0).map_err(|source| match errno(&source) {
            Some(E2BIG) => DatapathError::BansFull { max: maps::BANS_MAX },
            _ => failed(source),
        });
        if is_new && added.is_err() {
            self.count_more(-1)?;
        }
        added
    }

    /// Ends a ban; false where there was none.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses.
    pub fn remove(&mut self, source: IpAddr) -> Result<bool, DatapathError> {
        let key = key(source);
        if self.get(key)?.is_none() {
            return Ok(false);
        }
        self.ends.remove(&key).map_err(failed)?;
        self.count_more(-1)?;
        Ok(true)
    }

    /// The ban of a source, where it goes on.
    ///
    /// # Errors
    ///
    /// Where the kernel does not answer.
    pub fn find(&self, source: IpAddr) -> Result<Option<Ban>, DatapathError> {
        let key = key(source);
        let Some(end_ns) = self.get(key)? else { return Ok(None) };
        let left = Duration::from_nanos(end_ns.saturating_sub(now_ns()?));
        Ok((!left.is_zero()).then(|| Ban { source: self::source(key), left }))
    }

    /// The bans that go on, in order of address.
    ///
    /// # Errors
    ///
    /// Where the kernel does not answer.
    pub fn list(&self) -> Result<Vec<Ban>, DatapathError> {
        let now_ns = now_ns()?;
        let ban = |(key, end_ns): (SourceKey, u64)| {
            let left = Duration::from_nanos(end_ns.saturating_sub(now_ns));
            (!left.is_zero()).then(|| Ban { source: source(key), left })
        };
        let mut bans: Vec<Ban> = self.entries()?.into_iter().filter_map(ban).collect();
        bans.sort_by_key(|ban| ban.source);
        Ok(bans)
    }

    /// Removes the bans that have ended, frees the places where none is left, and returns how many go on.
    ///
    /// # Errors
    ///
    /// Where the kernel does not answer.
    pub fn sweep(&mut self) -> Result<u64, DatapathError> {
        let (now_ns, counted) = (now_ns()?, self.count()?);
        let mut left = 0;
        let mut free = vec![u64::MAX; ban_places::WORDS as usize];
        for (key, end_ns) in self.entries()? {
            if end_ns > now_ns {
                left += 1;
                let (word, bit) = ban_places::place(key);
                free[word as usize] &= !bit;
                continue;
            }
            match self.ends.remove(&key) {
                Err(source) if errno(&source) != Some(ENOENT) => return Err(failed(source)),
                Ok(()) | Err(_) => {}
            }
        }
        // What was counted wrong by a daemon that died halfway is right again from here on. Where anything
        // failed before, the count stays: too low, it would keep bans from being asked for. It is corrected
        // and not set, as another process may have added a ban meanwhile.
        if left != counted {
            self.count_more(left as i64 - counted as i64)?;
        }
        self.set_free(&free)?;
        Ok(left)
    }

    /// Says where nobody is banned; then takes back the places of those whom another process banned
    /// meanwhile.
    fn set_free(&mut self, free: &[u64]) -> Result<(), DatapathError> {
        let mut is_changed = false;
        for (index, word) in (0..).zip(free) {
            if self.free.get(&index, 0).map_err(places_failed)? != *word {
                self.free.set(index, word, 0).map_err(places_failed)?;
                is_changed = true;
            }
        }
        if is_changed {
            for (key, _) in self.entries()? {
                self.take_place(key)?;
            }
        }
        Ok(())
    }

    /// From here on packets of a source's place ask for a ban.
    fn take_place(&mut self, key: SourceKey) -> Result<(), DatapathError> {
        let (index, bit) = ban_places::place(key);
        let free = self.free.get(&index, 0).map_err(places_failed)?;
        if free & bit == 0 {
            return Ok(());
        }
        self.free.set(index, free & !bit, 0).map_err(places_failed)
    }

    /// Every source once, in order.
    fn entries(&self) -> Result<Vec<(SourceKey, u64)>, DatapathError> {
        // Where another process removes an entry meanwhile, the kernel begins again; not for ever.
        const STEPS_MAX: usize = 2 * maps::BANS_MAX as usize;
        let entries: Result<Vec<_>, MapError> = self.ends.iter().take(STEPS_MAX).collect();
        let mut entries = entries.map_err(failed)?;
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries.dedup_by_key(|(key, _)| *key);
        Ok(entries)
    }

    /// How many there are, ended ones among them until they are swept.
    ///
    /// # Errors
    ///
    /// Where the kernel does not answer.
    pub fn count(&self) -> Result<u64, DatapathError> {
        self.count.get(&0, 0).map_err(|source| DatapathError::Map { name: maps::BAN_COUNT, source })
    }

    fn get(&self, key: SourceKey) -> Result<Option<u64>, DatapathError> {
        match self.ends.get(&key, 0) {
            Ok(end_ns) => Ok(Some(end_ns)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(source) => Err(failed(source)),
        }
    }

    fn count_more(&mut self, by: i64) -> Result<(), DatapathError> {
        let count = self.count()?.saturating_add_signed(by);
        self.set_count(count)
    }

    fn set_count(&mut self, count: u64) -> Result<(), DatapathError> {
        self.count
            .set(0, count, 0)
            .map_err(|source| DatapathError::Map { name: maps::BAN_COUNT, source })
    }
}

const ENOENT: i32 = 2;
const E2BIG: i32 = 7;

fn errno(error: &MapError) -> Option<i32> {
    match error {
        MapError::SyscallError(error) => error.io_error.raw_os_error(),
        _ => None,
    }
}

fn failed(source: MapError) -> DatapathError {
    DatapathError::Map { name: maps::BANS, source }
}

fn places_failed(source: MapError) -> DatapathError {
    DatapathError::Map { name: maps::BAN_FREE, source }
}

fn key(source: IpAddr) -> SourceKey {
    address(source).source_key()
}

/// What a source stands for in the table: an IPv4 address, or the first of an IPv6 /64.
#[must_use]
pub fn normal(address: IpAddr) -> IpAddr {
    source(key(address))
}

/// An address as the program sees it.
#[must_use]
pub fn address(source: IpAddr) -> Address {
    match source {
        IpAddr::V4(address) => Address::V4(address.to_bits()),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            Address::v6((bits >> 64) as u64, bits as u64)
        }
    }
}

fn source(key: SourceKey) -> IpAddr {
    match key.family {
        4 => IpAddr::V4((key.network as u32).into()),
        _ => IpAddr::V6((u128::from(key.network) << 64).into()),
    }
}

/// The clock of the program's `bpf_ktime_get_ns`.
fn now_ns() -> Result<u64, DatapathError> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(DatapathError::Clock)?;
    Ok(Duration::from(now).as_nanos() as u64)
}
