//! Country databases in MaxMind DB format, read whole into networks and countries.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use firewall_common::Country;
pub use firewall_gateway::countries::Record;
use ipnetwork::IpNetwork;
use maxminddb::{MaxMindDbError, Reader, WithinOptions};

use crate::policy::GeoDatabase;

/// A file may have so many bytes; the largest city databases have a quarter of it.
pub const FILE_BYTES_MAX: u64 = 512 << 20;
/// A database may have so many networks; the largest have six million.
pub const NETWORKS_MAX: usize = 16_000_000;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// The file cannot be read.
    #[error("country database {path}: expected a readable file, found: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file is too large, or has too many networks.
    #[error(
        "country database {path}: expected at most {max} {unit}, found more; is it the right file?"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is counted.
        unit: &'static str,
        /// How many there may be.
        max: u64,
    },
    /// The file is none of this format, or only a part of one.
    #[error(
        "country database {path}: expected a whole file in MaxMind DB format (.mmdb), found: {source}; fetch it again"
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What the reader met.
        source: MaxMindDbError,
    },
    /// A database of something else.
    #[error(
        "country database {path}: expected records with country.iso_code, registered_country.iso_code or country_code, found none in this database of type {kind:?}; a country or city database has them"
    )]
    NoCountries {
        /// The file.
        path: PathBuf,
        /// Its type, as its maker calls it.
        kind: String,
    },
    /// The other way round.
    #[error(
        "database of autonomous systems {path}: expected records with autonomous_system_number or asn, found none in this database of type {kind:?}; an ASN database has them"
    )]
    NoSystems {
        /// The file.
        path: PathBuf,
        /// Its type, as its maker calls it.
        kind: String,
    },
    /// An autonomous system that has no network.
    #[error(
        "database of autonomous systems {path}: expected a network of AS{asn}, found none; is it the right number in `asns`?"
    )]
    UnknownSystem {
        /// The file.
        path: PathBuf,
        /// Its number.
        asn: u32,
    },
}

/// The country of a record, where it says one.
#[must_use]
pub fn country(record: &Record<'_>) -> Option<Country> {
    record.first(Country::parse)
}

/// Reads every network that has a country.
///
/// # Errors
///
/// Where the file is missing, is not such a database, or names no country.
pub fn read(path: &Path) -> Result<(Vec<(IpNetwork, Country)>, GeoDatabase), GeoError> {
    let too_large = |unit, max| GeoError::TooLarge { path: path.to_path_buf(), unit, max };
    let format = |source| GeoError::Format { path: path.to_path_buf(), source };
    let reader = open(path)?;

    let mut networks = Vec::new();
    let (mut ipv4_networks, mut ipv6_networks) = (0, 0);
    // Many networks share a record: it is decoded once.
    let mut countries: HashMap<usize, Option<Country>> = HashMap::new();
    for found in reader.networks(WithinOptions::default()).map_err(format)? {
        let found = found.map_err(format)?;
        let Some(offset) = found.offset() else { continue };
        let country = match countries.get(&offset) {
            Some(country) => *country,
            None => {
                let record: Option<Record<'_>> = found.decode().map_err(format)?;
                let country = record.as_ref().and_then(country);
                countries.insert(offset, country);
                country
            }
        };
        let Some(country) = country else { continue };
        if networks.len() == NETWORKS_MAX {
            return Err(too_large("networks", NETWORKS_MAX as u64));
        }
        let network = found.network().map_err(format)?;
        match network {
            IpNetwork::V4(_) => ipv4_networks += 1,
            IpNetwork::V6(_) => ipv6_networks += 1,
        }
        networks.push((network, country));
    }
    let kind = kind(&reader);
    if networks.is_empty() {
        return Err(GeoError::NoCountries { path: path.to_path_buf(), kind });
    }
    let database = GeoDatabase {
        path: path.to_path_buf(),
        kind,
        build_epoch_s: reader.metadata().build_epoch,
        ipv4_networks,
        ipv6_networks,
    };
    Ok((networks, database))
}

/// Reads a database into memory.
///
/// # Errors
///
/// Where the file is missing, too large, or none of this format.
pub fn open(path: &Path) -> Result<Reader<Vec<u8>>, GeoError> {
    let failed = |source| GeoError::Read { path: path.to_path_buf(), source };
    if fs::metadata(path).map_err(failed)?.len() > FILE_BYTES_MAX {
        let (path, unit, max) = (path.to_path_buf(), "bytes", FILE_BYTES_MAX);
        return Err(GeoError::TooLarge { path, unit, max });
    }
    let bytes = fs::read(path).map_err(failed)?;
    Reader::from_source(bytes)
        .map_err(|source| GeoError::Format { path: path.to_path_buf(), source })
}

/// The type of a database, as its maker calls it.
#[must_use]
pub fn kind(reader: &Reader<Vec<u8>>) -> String {
    reader.metadata().database_type.chars().take(KIND_CHARACTERS_MAX).collect()
}

/// A name longer than this is cut: it comes from a file and goes to logs.
const KIND_CHARACTERS_MAX: usize = 64;
