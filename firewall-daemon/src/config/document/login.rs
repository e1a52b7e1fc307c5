//! `gateway.logins` as it is written.

use std::collections::BTreeMap;

use firewall_gateway::policy::ClientAuthentication;
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::Entries,
    scalar::{Address, FilePath, Flag, Given, Name, Number, Url},
};

/// `gateway.session_store`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionStoreDocument {
    pub address: Address,
    pub password: Option<FilePath>,
    pub prefix: Option<Name>,
    pub timeout_ms: Option<Number<1, 1_000>>,
    pub away_max_s: Option<Number<5, 86_400>>,
}

/// An entry of `gateway.logins`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginDocument {
    pub issuer: Spanned<Url>,
    pub client_id: Spanned<String>,
    pub client_secret_file: Option<FilePath>,
    pub client_authentication: Option<Spanned<ClientAuthentication>>,
    pub origin: Spanned<String>,
    #[serde(default)]
    pub scopes: Given<Entries<String>>,
    pub ca: Option<FilePath>,
    pub refresh_s: Option<Number<60, 86_400>>,
    pub stale_max_s: Option<Number<300, 2_592_000>>,
    #[serde(default)]
    pub algorithms: Given<Entries<String>>,
    pub leeway_s: Option<Number<0, 300>>,
    pub consumer_claim: Option<Spanned<String>>,
    pub scopes_claim: Option<Spanned<String>>,
    pub roles_claim: Option<Spanned<String>>,
    pub headers: Option<Spanned<BTreeMap<String, String>>>,
    pub cookie: Option<Spanned<String>>,
    pub after_logout: Option<Spanned<String>>,
    #[serde(default)]
    pub front_channel_logout: Flag,
    pub idle_timeout_s: Option<Number<60, 2_592_000>>,
    pub absolute_timeout_s: Option<Number<300, 2_592_000>>,
}
