//! The `packet` section as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::{
        Entries,
        feeds::{FeedDocument, GeoUpdateDocument},
        limits::{LimitsDocument, SynCookiesDocument},
        rules::RuleDocument,
    },
    scalar::{CountryCode, FilePath, Flag, Given, Name, Number, Prefix, ports::PublicService},
};

/// `packet`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PacketDocument {
    #[serde(default)]
    pub protected: Vec<Prefix>,
    #[serde(default)]
    pub protect: ProtectDocument,
    #[serde(default)]
    pub allow: ListDocument,
    #[serde(default)]
    pub deny: ListDocument,
    #[serde(default)]
    pub sets: Given<Spanned<BTreeMap<Name, ListDocument>>>,
    #[serde(default)]
    pub feeds: Given<Entries<FeedDocument>>,
    #[serde(default)]
    pub geo: Given<Spanned<GeoDocument>>,
    #[serde(default)]
    pub shadow: ShadowDocument,
    #[serde(default)]
    pub default: Given<FateDocument>,
    #[serde(default)]
    pub public_ports: Vec<Spanned<PublicService>>,
    #[serde(default)]
    pub rules: Given<Entries<RuleDocument>>,
    #[serde(default)]
    pub limits: LimitsDocument,
    #[serde(default)]
    pub syn_cookies: Given<SynCookiesDocument>,
    #[serde(default)]
    pub malformed: Given<FateDocument>,
    #[serde(default)]
    pub tcp_flags: Given<FateDocument>,
    #[serde(default)]
    pub fragments: Given<FateDocument>,
    #[serde(default)]
    pub non_ip: Given<FateDocument>,
    #[serde(default)]
    pub events: EventsDocument,
    #[serde(default)]
    pub kernel_log: KernelLogDocument,
    #[serde(default)]
    pub pin_path: Given<Spanned<FilePath>>,
}

/// `packet.protect`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtectDocument {
    #[serde(default)]
    pub ssh_peer: Given<Flag>,
    #[serde(default)]
    pub gateway: Given<Flag>,
    #[serde(default)]
    pub resolvers: Given<Flag>,
}

/// `packet.allow`, `packet.deny` and an entry of `packet.sets`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListDocument {
    #[serde(default)]
    pub prefixes: Vec<Spanned<Prefix>>,
    #[serde(default)]
    pub files: Vec<Spanned<FilePath>>,
    #[serde(default)]
    pub asns: Vec<Spanned<Number<1, 4_294_967_295>>>,
}

/// `packet.geo`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeoDocument {
    pub database: FilePath,
    #[serde(default)]
    pub only: Given<Entries<CountryCode>>,
    #[serde(default)]
    pub block: Given<Entries<CountryCode>>,
    #[serde(default)]
    pub asn_database: Given<FilePath>,
    #[serde(default)]
    pub age_max_days: Given<Number<1, 3_650>>,
    #[serde(default)]
    pub update: Given<Spanned<GeoUpdateDocument>>,
}

/// `packet.shadow`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowDocument {
    #[serde(default)]
    pub policy: Flag,
    #[serde(default)]
    pub lists: Vec<Spanned<String>>,
    #[serde(default)]
    pub countries: Vec<Spanned<CountryCode>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FateDocument {
    Drop,
    Pass,
}

/// `packet.events`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsDocument {
    #[serde(default)]
    pub sample_one_in: Given<Number<0, 1_000_000_000>>,
    #[serde(default)]
    pub first_of_source: Given<Flag>,
    #[serde(default)]
    pub events_per_s_max: Given<Number<0, 1_000_000>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelLogDocument {
    #[default]
    Off,
    Debug,
}
