//! The policy: what the lists and the database say, read into memory, then compiled.

use std::{collections::BTreeSet, path::PathBuf};

use firewall_common::Country;
use ipnetwork::IpNetwork;

pub mod intervals;
pub mod table;
pub mod compile;

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
