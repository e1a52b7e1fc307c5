//! Consumers and their API keys as they are written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::Entries,
    scalar::{Flag, Given, Name, Number, Prefix},
};

/// An entry of `gateway.consumers`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerDocument {
    pub name: Spanned<Name>,
    #[serde(default)]
    pub scopes: Given<Entries<String>>,
    #[serde(default)]
    pub roles: Given<Entries<String>>,
    #[serde(default)]
    pub networks: Given<Entries<Prefix>>,
    #[serde(default)]
    pub certificates: Given<Entries<String>>,
}

/// Credentials that do not hold, a minute.
pub type FailuresPerMin = Number<1, 1_000_000>;

/// `gateway.authentication_failures`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailuresDocument {
    pub address_per_min: Option<FailuresPerMin>,
    pub network_per_min: Option<FailuresPerMin>,
    pub consumer_per_min: Option<FailuresPerMin>,
}

/// `api_key`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyDocument {
    #[serde(default)]
    pub from: Given<Entries<PlaceWord>>,
    pub header: Option<Spanned<String>>,
    pub keep: Option<Flag>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceWord {
    Header,
    Bearer,
    Basic,
}

impl std::fmt::Display for PlaceWord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Header => "header",
            Self::Bearer => "bearer",
            Self::Basic => "basic",
        })
    }
}
