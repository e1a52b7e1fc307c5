//! What the databases say of an address. No daemon is asked.

use std::{net::IpAddr, path::PathBuf};

use serde::Serialize;

use crate::{
    config::GeoConfig,
    policy::{
        asn::AsnRecord,
        geo::{self, GeoError, Record},
    },
};

/// What the databases say of an address.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The address.
    pub address: String,
    /// The country, where it is known.
    pub country: Option<String>,
    /// The network of the country database that holds it.
    pub network: Option<String>,
    /// The country database.
    pub database: PathBuf,
    /// When that was made, in seconds since 1970.
    pub build_epoch_s: u64,
    /// The autonomous system, where a database says it.
    pub asn: Option<u32>,
    /// Whose it is.
    pub organisation: Option<String>,
    /// The network of the database of autonomous systems.
    pub asn_network: Option<String>,
    /// The database of autonomous systems, where there is one.
    pub asn_database: Option<PathBuf>,
}

/// Looks an address up. An IPv4 address in IPv6 clothes is the IPv4 address: that is how packets are judged.
///
/// # Errors
///
/// Where a database cannot be read.
pub fn lookup(geo: &GeoConfig, address: IpAddr) -> Result<Found, GeoError> {
    let address = address.to_canonical();
    let format = |path: &PathBuf| {
        let path = path.clone();
        move |source| GeoError::Format { path, source }
    };
    let reader = geo::open(&geo.database)?;
    let wrong = || format(&geo.database);
    let mut found = Found {
        address: address.to_string(),
        database: geo.database.clone(),
        build_epoch_s: reader.metadata().build_epoch,
        asn_database: geo.asn_database.clone(),
        ..Found::default()
    };
    // An IPv4 database knows nothing of IPv6, which is no fault of its.
    let speaks = |version: u16| version == 6 || address.is_ipv4();
    if speaks(reader.metadata().ip_version) {
        let result = reader.lookup(address).map_err(wrong())?;
        let record: Option<Record<'_>> = result.decode().map_err(wrong())?;
        if let Some(country) = record.as_ref().and_then(geo::country) {
            found.country = Some(country.to_string());
            found.network = Some(result.network().map_err(wrong())?.to_string());
        }
    }
    let Some(path) = &geo.asn_database else { return Ok(found) };
    let reader = geo::open(path)?;
    let wrong = || format(path);
    if speaks(reader.metadata().ip_version) {
        let result = reader.lookup(address).map_err(wrong())?;
        let record: Option<AsnRecord<'_>> = result.decode().map_err(wrong())?;
        if let Some(record) = record.filter(|record| record.number().is_some()) {
            found.asn = record.number();
            found.organisation = record.bounded_organisation();
            found.asn_network = Some(result.network().map_err(wrong())?.to_string());
        }
    }
    Ok(found)
}
