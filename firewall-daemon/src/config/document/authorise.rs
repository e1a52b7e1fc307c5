//! `authorise` of a route as it is written.

use std::collections::BTreeMap;

use firewall_gateway::policy::Day;
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::Entries,
    scalar::{CountryCode, Given, Prefix},
};

/// An entry of `authorise`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteRuleDocument {
    #[serde(default)]
    pub methods: Given<Entries<String>>,
    #[serde(default)]
    pub networks: Given<Entries<Prefix>>,
    #[serde(default)]
    pub countries: Given<Entries<CountryCode>>,
    #[serde(default)]
    pub times: Given<Entries<TimeDocument>>,
    #[serde(default)]
    pub consumers: Given<Entries<String>>,
    #[serde(default)]
    pub scopes: Given<Entries<String>>,
    #[serde(default)]
    pub roles: Given<Entries<String>>,
    #[serde(default)]
    pub claims: Given<Spanned<BTreeMap<String, Entries<String>>>>,
    pub owner: Option<Spanned<OwnerDocument>>,
}

/// An entry of `times`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeDocument {
    #[serde(default)]
    pub days: Given<Entries<Day>>,
    pub from: Option<Spanned<String>>,
    pub to: Option<Spanned<String>>,
}

/// `owner`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerDocument {
    pub parameter: Spanned<String>,
    pub claim: Option<Spanned<String>>,
}
