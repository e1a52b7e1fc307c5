//! `packet.feeds` and `packet.geo.update` as they are written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::scalar::{FilePath, Flag, Given, Name, Number, Url};

/// An entry of `packet.feeds`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedDocument {
    pub name: Spanned<Name>,
    pub url: Url,
    #[serde(default)]
    pub format: FeedFormatDocument,
    #[serde(default)]
    pub count_min: Given<Spanned<Number<0, 1_000_000_000>>>,
    #[serde(default)]
    pub column: Given<Spanned<Number<1, 64>>>,
    #[serde(default)]
    pub header: Given<Spanned<Flag>>,
    #[serde(default)]
    pub interval_s: Given<Number<300, 2_592_000>>,
    #[serde(default)]
    pub bytes_max: Given<Number<1_024, 67_108_864>>,
    #[serde(default)]
    pub prefixes_max: Given<Number<1, 4_000_000>>,
    #[serde(default)]
    pub shrink_max_percent: Given<Number<0, 100>>,
    #[serde(default)]
    pub grow_max_percent: Given<Number<0, 1_000_000>>,
    #[serde(default)]
    pub ca: Given<FilePath>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedFormatDocument {
    #[default]
    Plain,
    Tab,
    Netset,
    Csv,
    SpamhausJson,
}

/// `packet.geo.update`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeoUpdateDocument {
    pub provider: ProviderDocument,
    #[serde(default)]
    pub url: Given<Url>,
    #[serde(default)]
    pub asn_url: Given<Url>,
    #[serde(default)]
    pub account_id: Given<Spanned<Number<1, 4_294_967_295>>>,
    #[serde(default)]
    pub key_file: Given<Spanned<FilePath>>,
    #[serde(default)]
    pub interval_s: Given<Number<3_600, 2_592_000>>,
    #[serde(default)]
    pub bytes_max: Given<Number<1_024, 536_870_912>>,
    #[serde(default)]
    pub shrink_max_percent: Given<Number<0, 100>>,
    #[serde(default)]
    pub grow_max_percent: Given<Number<0, 1_000_000>>,
    #[serde(default)]
    pub ca: Given<FilePath>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderDocument {
    DbipLite,
    Maxmind,
    Ipinfo,
    Url,
}
