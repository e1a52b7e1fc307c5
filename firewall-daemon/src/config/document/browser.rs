//! `cors`, `csrf` and `cookies` of a route as they are written.

use firewall_gateway::policy::SameSite;
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::Entries,
    scalar::{Flag, Given, Number},
};

/// `cors`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorsDocument {
    pub origins: Entries<String>,
    #[serde(default)]
    pub methods: Given<Entries<String>>,
    #[serde(default)]
    pub headers: Given<Entries<String>>,
    #[serde(default)]
    pub expose: Given<Entries<String>>,
    pub credentials: Option<Flag>,
    pub max_age_s: Option<Number<0, 86_400>>,
}

/// `csrf`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsrfDocument {
    #[serde(default)]
    pub origins: Given<Entries<String>>,
    pub session_cookie: Option<Spanned<String>>,
}

/// `cookies`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CookiesDocument {
    #[serde(default)]
    pub scripts: Given<Entries<String>>,
    pub same_site: Option<SameSite>,
}
