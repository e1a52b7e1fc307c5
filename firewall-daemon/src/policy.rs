//! The policy: what the lists and the database say, read into memory, then compiled.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use firewall_common::Country;
use ipnetwork::IpNetwork;

use crate::{
    config::{Fate, PacketConfig, RuleConfig, Service},
    feeds::store::StoreError,
};

pub mod prefix;
pub mod list;
pub mod geo;
pub mod asn;
mod sources;
pub mod intervals;
pub mod classes;
pub mod rules;
pub mod table;
pub mod kinds;
pub mod compile;

pub use sources::{Sources, Stamp};

use geo::GeoError;
use intervals::Interval;
use list::ListError;

/// All that a policy is compiled from.
#[derive(Debug)]
pub struct PolicySource {
    /// Prefixes that outrank every rule.
    pub protected: Vec<IpNetwork>,
    /// Lists of prefixes that pass.
    pub allow: Vec<List>,
    /// Lists of prefixes that are dropped.
    pub deny: Vec<List>,
    /// Prefixes by name, for rules.
    pub sets: Vec<(String, Vec<IpNetwork>)>,
    /// Countries.
    pub geo: Option<GeoSource>,
    /// Rules, the first that matches decides.
    pub rules: Vec<RuleConfig>,
    /// The services that anyone may ask; empty: all.
    pub public_ports: Vec<Service>,
    /// What becomes of a packet that no rule decided.
    pub default: Fate,
}

impl Default for PolicySource {
    fn default() -> Self {
        Self {
            protected: Vec::new(),
            allow: Vec::new(),
            deny: Vec::new(),
            sets: Vec::new(),
            geo: None,
            rules: Vec::new(),
            public_ports: Vec::new(),
            default: Fate::Pass,
        }
    }
}

/// A list of prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// The file's name without its extension; `allow` or `deny` for what stands in the configuration.
    pub name: String,
    /// It counts what it would drop, and lets it pass.
    pub shadow: bool,
    /// The prefixes; shared, as they are also kept for who asks by which one it was.
    pub prefixes: Arc<Vec<IpNetwork>>,
}

/// Which countries are let in, and which networks are whose.
#[derive(Clone, Debug)]
pub struct GeoSource {
    /// What the countries mean; without it none is dropped.
    pub mode: Option<GeoMode>,
    /// The countries that the policy names.
    pub countries: BTreeSet<Country>,
    /// Countries that are counted, and let in.
    pub shadow: BTreeSet<Country>,
    /// The country of every IPv4 address that has one.
    pub ranges_v4: Arc<Vec<(Interval<u32>, Country)>>,
    /// The country of every IPv6 address that has one.
    pub ranges_v6: Arc<Vec<(Interval<u128>, Country)>>,
    /// The networks that they were made from, for who asks which one it was.
    pub networks: Arc<Vec<(IpNetwork, Country)>>,
    /// Where they were read.
    pub database: GeoDatabase,
}

impl GeoSource {
    /// From the networks of a database, of which the longest that holds an address decides.
    #[must_use]
    pub fn new(
        mode: Option<GeoMode>,
        countries: BTreeSet<Country>,
        networks: Vec<(IpNetwork, Country)>,
        database: GeoDatabase,
    ) -> Self {
        Self {
            mode,
            countries,
            shadow: BTreeSet::new(),
            ranges_v4: Arc::new(intervals::countries(&networks)),
            ranges_v6: Arc::new(intervals::countries(&networks)),
            networks: Arc::new(networks),
            database,
        }
    }
}

/// What the countries of a policy mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeoMode {
    /// They alone are let in; so an address of no known country is not.
    Only,
    /// They are not let in.
    Block,
}

impl GeoMode {
    /// The word used in the configuration and on the command line.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Only => "only",
            Self::Block => "block",
        }
    }
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
    /// The copy of a feed.
    #[error("feed {name}: {source}")]
    Feed {
        /// The feed.
        name: String,
        /// What is wrong with its copy.
        source: StoreError,
    },
}

impl PolicyError {
    /// 2 where the content of a list is wrong, 1 where a file cannot be had.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::List(ListError::Read { .. }) | Self::Geo(_) | Self::Feed { .. } => 1,
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
        Sources::default().read(config)
    }
}
