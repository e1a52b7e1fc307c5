//! What the everyday verbs ask for, and what they are answered.

use std::{net::IpAddr, path::PathBuf};

use firewall_common::Country;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::{
    config::{LimitScope, RateConfig, country},
    policy::prefix,
    status::LimitStatus,
};

/// Prefixes or addresses in one request: it is answered within seconds, and fits its bound on bytes.
pub const NAMED_MAX: usize = 256;
/// Bans that are listed in one answer; how many there are is always told.
pub const BANS_LISTED_MAX: usize = 16_384;

/// A list that verbs change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListKind {
    /// What is dropped.
    Deny,
    /// What passes.
    Allow,
}

impl ListKind {
    /// The word used in the configuration and on the command line.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
        }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Deny => Self::Allow,
            Self::Allow => Self::Deny,
        }
    }
}

/// A prefix, written and read as everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix(pub IpNetwork);

impl Serialize for Prefix {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        prefix::parse(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// A country, written and read as everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountryCode(pub Country);

impl Serialize for CountryCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CountryCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        country::parse(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// `deny add`, `allow add`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListAdd {
    /// To which list.
    pub list: ListKind,
    /// What.
    pub prefixes: Vec<Prefix>,
    /// Why.
    pub comment: Option<String>,
    /// For how long; for good without it.
    pub for_s: Option<u64>,
}

/// `deny remove`, `allow remove`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListRemove {
    /// From which list.
    pub list: ListKind,
    /// What.
    pub prefixes: Vec<Prefix>,
}

/// `ban`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BanAdd {
    /// Whom.
    pub addresses: Vec<IpAddr>,
    /// For how long.
    pub for_s: u64,
    /// Why.
    pub reason: Option<String>,
}

/// `geo block`, `geo allow`, `geo only`, `geo reset`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GeoAsk {
    /// These are not let in any more.
    Block(Vec<CountryCode>),
    /// These are let in again.
    Allow(Vec<CountryCode>),
    /// These alone are let in.
    Only(Vec<CountryCode>),
    /// As the configuration says.
    Reset {},
}

/// What came into force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The generation that it came into force with; nothing for bans, which every generation shares.
    pub generation: Option<u32>,
    /// What changed, a sentence each.
    pub changed: Vec<String>,
    /// What keeps it from acting in part, or is good to know.
    pub notes: Vec<String>,
}

impl Changed {
    /// The filter came off these interfaces.
    #[must_use]
    pub fn detached(interfaces: &[String]) -> Self {
        let changed = interfaces.iter().map(|name| format!("detached from {name}")).collect();
        Self { changed, ..Self::default() }
    }
}

/// `deny list`, `allow list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListShown {
    /// What verbs added.
    pub entries: Vec<crate::state::Entry>,
    /// What the configuration has: the list's name, where it stands, and how many prefixes it has.
    pub configured: Vec<Configured>,
}

/// A list of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configured {
    /// Its name.
    pub name: String,
    /// The file in which its prefixes stand.
    pub file: PathBuf,
    /// How many.
    pub prefixes: u64,
}

/// `bans`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BansShown {
    /// How many go on.
    pub total: u64,
    /// The first [`BANS_LISTED_MAX`], in order of address.
    pub bans: Vec<BanShown>,
}

/// A ban that goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanShown {
    /// An IPv4 address, or the first address of an IPv6 /64.
    pub source: IpAddr,
    /// How long it goes on.
    pub left_s: u64,
    /// When it ends, in seconds since 1970.
    pub ends_epoch_s: u64,
    /// Why.
    pub reason: Option<String>,
    /// Who asked for it; nothing where it was found in the kernel alone.
    pub who: Option<String>,
}

/// `geo show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeoShown {
    /// `only`, `block` or `none`.
    pub mode: String,
    /// The countries that the policy names.
    pub countries: Vec<String>,
    /// Who changed it by a verb; nothing where it is as the configuration says.
    pub changed_by: Option<String>,
    /// The database; nothing where there is none.
    pub database: Option<PathBuf>,
}

/// `limit set`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSet {
    /// Which.
    pub scope: LimitScope,
    /// To what; nothing clears it.
    pub rate: Option<RateConfig>,
}

/// `limit show`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LimitsShown {
    /// The limits in force.
    pub limits: Vec<LimitStatus>,
    /// The scopes that verbs changed.
    pub changed: Vec<String>,
}
