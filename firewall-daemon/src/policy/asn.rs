//! Databases of autonomous systems in MaxMind DB format: whose network an address is in.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    path::Path,
};

use ipnetwork::IpNetwork;
use maxminddb::{Reader, WithinOptions};
use rustc_hash::FxHashMap;
use serde::Deserialize;

use crate::policy::geo::{self, GeoError, NETWORKS_MAX};

/// The fields that say an autonomous system: as MaxMind and DB-IP write them, and as IPinfo does.
#[derive(Deserialize)]
pub struct AsnRecord<'a> {
    #[serde(default)]
    autonomous_system_number: Option<u32>,
    #[serde(borrow, default)]
    autonomous_system_organization: Option<&'a str>,
    #[serde(borrow, default)]
    asn: Option<&'a str>,
    #[serde(borrow, default)]
    as_name: Option<&'a str>,
}

impl AsnRecord<'_> {
    /// Its number.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        self.autonomous_system_number.or_else(|| self.asn?.strip_prefix("AS")?.parse().ok())
    }

    /// Whose it is.
    #[must_use]
    pub fn organisation(&self) -> Option<&str> {
        self.autonomous_system_organization.or(self.as_name)
    }

    /// The same, as much of it as may be shown.
    #[must_use]
    pub fn bounded_organisation(&self) -> Option<String> {
        self.organisation().map(|name| name.chars().take(NAME_CHARACTERS_MAX).collect())
    }
}

/// A name from a file that goes to terminals and logs.
pub const NAME_CHARACTERS_MAX: usize = 128;

/// An autonomous system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Its number.
    pub asn: u32,
    /// Whose it is, where the database says so.
    pub organisation: Option<String>,
}

/// A database in memory, which is asked for one address at a time.
pub struct Lookup {
    reader: Reader<Vec<u8>>,
}

impl fmt::Debug for Lookup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lookup").finish_non_exhaustive()
    }
}

impl Lookup {
    /// Reads the database.
    ///
    /// # Errors
    ///
    /// Where the file is missing, too large, or none of this format.
    pub fn open(path: &Path) -> Result<Self, GeoError> {
        geo::open(path).map(|reader| Self { reader })
    }

    /// In whose network an address is; nothing where that is not known, or its record cannot be read: it is told
    /// beside what was decided, and decides nothing.
    #[must_use]
    pub fn system(&self, address: IpAddr) -> Option<System> {
        let found = self.reader.lookup(address.to_canonical()).ok()?;
        let record: AsnRecord<'_> = found.decode().ok()??;
        Some(System { asn: record.number()?, organisation: record.bounded_organisation() })
    }
}

/// What a database holds.
#[derive(Debug)]
pub struct AsnDatabase {
    /// Its type, as its maker calls it.
    pub kind: String,
    /// When it was made, in seconds since 1970.
    pub build_epoch_s: u64,
    /// Networks with an autonomous system.
    pub networks: usize,
    /// The networks of those that were asked for.
    pub found: BTreeMap<u32, Vec<IpNetwork>>,
}

/// Reads the networks of these autonomous systems.
///
/// # Errors
///
/// Where the file is missing, is not such a database, or knows none of one that is asked for: a list that
/// never acts would hide a slip of the pen.
pub fn read(path: &Path, wanted: &BTreeSet<u32>) -> Result<AsnDatabase, GeoError> {
    let reader = geo::open(path)?;
    let format = |source| GeoError::Format { path: path.to_path_buf(), source };
    let mut found: BTreeMap<u32, Vec<IpNetwork>> = BTreeMap::new();
    let mut networks = 0;
    // Many networks share a record: it is decoded once.
    let mut numbers: FxHashMap<usize, Option<u32>> = FxHashMap::default();
    for network in reader.networks(WithinOptions::default()).map_err(format)? {
        let network = network.map_err(format)?;
        let Some(offset) = network.offset() else { continue };
        let number = match numbers.get(&offset) {
            Some(number) => *number,
            None => {
                let record: Option<AsnRecord<'_>> = network.decode().map_err(format)?;
                let number = record.as_ref().and_then(AsnRecord::number);
                numbers.insert(offset, number);
                number
            }
        };
        let Some(number) = number else { continue };
        networks += 1;
        if networks > NETWORKS_MAX {
            let max = NETWORKS_MAX as u64;
            return Err(GeoError::TooLarge { path: path.to_path_buf(), unit: "networks", max });
        }
        if wanted.contains(&number) {
            found.entry(number).or_default().push(network.network().map_err(format)?);
        }
    }
    let kind = geo::kind(&reader);
    if networks == 0 {
        return Err(GeoError::NoSystems { path: path.to_path_buf(), kind });
    }
    if let Some(asn) = wanted.iter().find(|number| !found.contains_key(number)) {
        return Err(GeoError::UnknownSystem { path: path.to_path_buf(), asn: *asn });
    }
    let build_epoch_s = reader.metadata().build_epoch;
    Ok(AsnDatabase { kind, build_epoch_s, networks, found })
}
