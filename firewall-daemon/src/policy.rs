//! The policy: what the lists and the database say, read into memory, then compiled.

use std::{collections::BTreeSet, path::PathBuf};

use firewall_common::Country;
use ipnetwork::IpNetwork;

use crate::config::{ListConfig, PacketConfig};

pub mod prefix;
pub mod list;
pub mod geo;
pub mod intervals;
pub mod table;
pub mod compile;

use geo::GeoError;
use list::ListError;

/// All that a policy is compiled from.
#[derive(Debug, Default)]
pub struct PolicySource {
    /// Prefixes that outrank every rule.
    pub protected: Vec<IpNetwork>,
    /// Prefixes that pass.
    pub allow: Vec<IpNetwork>,
    /// Prefixes that are dropped.
    pub deny: Vec<IpNetwork>,
    /// Countries.
    pub geo: Option<GeoSource>,
}

/// Which countries are let in, and which networks are whose.
#[derive(Debug)]
pub struct GeoSource {
    /// What the countries mean.
    pub mode: GeoMode,
    /// The countries that the policy names.
    pub countries: BTreeSet<Country>,
    /// Every network of the database that has a country.
    pub networks: Vec<(IpNetwork, Country)>,
    /// Where they were read.
    pub database: GeoDatabase,
}

/// What the countries of a policy mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeoMode {
    /// They alone are let in; so an address of no known country is not.
    Only,
    /// They are not let in.
    Block,
}

/// A country database, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeoDatabase {
    /// The file.
    pub path: PathBuf,
    /// Its type, as its maker calls it.
    pub kind: String,
    /// When it was made, in seconds since 1970.
    pub build_epoch_s: u64,
    /// IPv4 networks with a country.
    pub ipv4_networks: u64,
    /// IPv6 networks with a country.
    pub ipv6_networks: u64,
}

/// Why a policy cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A list.
    #[error(transparent)]
    List(#[from] ListError),
    /// The country database.
    #[error(transparent)]
    Geo(#[from] GeoError),
}

impl PolicyError {
    /// 2 where the content of a list is wrong, 1 where a file cannot be had.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::List(ListError::Read { .. }) | Self::Geo(_) => 1,
            Self::List(
                ListError::TooLarge { .. }
                | ListError::TooMany { .. }
                | ListError::LineTooLong { .. }
                | ListError::Entry { .. },
            ) => 2,
        }
    }
}

impl PolicySource {
    /// Reads every list and the database: all file access of a policy.
    ///
    /// # Errors
    ///
    /// The first thing wrong, with its file and line. Nothing is skipped.
    pub fn read(config: &PacketConfig) -> Result<Self, PolicyError> {
        let geo = match &config.geo {
            None => None,
            Some(config) => {
                let (networks, database) = geo::read(&config.database)?;
                let (mode, countries) = (config.mode, config.countries.clone());
                Some(GeoSource { mode, countries, networks, database })
            }
        };
        Ok(Self {
            protected: config.protected.clone(),
            allow: read_list(&config.allow)?,
            deny: read_list(&config.deny)?,
            geo,
        })
    }
}

fn read_list(config: &ListConfig) -> Result<Vec<IpNetwork>, ListError> {
    let mut prefixes = config.prefixes.clone();
    for file in &config.files {
        list::read(file, &mut prefixes)?;
    }
    Ok(prefixes)
}
