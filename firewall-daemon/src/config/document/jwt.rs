//! `gateway.jwt` as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::{Entries, consumers::ApiKeyDocument},
    scalar::{FilePath, Flag, Given, Name, Number, Url},
};

/// An entry of `gateway.jwt`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtDocument {
    pub issuer: Spanned<String>,
    pub audience: Entries<String>,
    pub jwks_url: Option<Spanned<Url>>,
    pub jwks_file: Option<FilePath>,
    pub keys: Option<String>,
    #[serde(default)]
    pub refresh_s: Given<Spanned<Number<60, 86_400>>>,
    #[serde(default)]
    pub stale_max_s: Given<Spanned<Number<300, 2_592_000>>>,
    #[serde(default)]
    pub ca: Given<Spanned<FilePath>>,
    pub algorithms: Entries<String>,
    #[serde(default)]
    pub types: Given<Entries<String>>,
    #[serde(default)]
    pub authorized_parties: Given<Entries<String>>,
    pub leeway_s: Option<Number<0, 300>>,
    pub age_max_s: Option<Number<1, 31_536_000>>,
    #[serde(default)]
    pub claims_required: Given<Entries<String>>,
    pub consumer_claim: Option<Spanned<String>>,
    pub scopes_claim: Option<Spanned<String>>,
    pub roles_claim: Option<Spanned<String>>,
    pub headers: Option<Spanned<BTreeMap<String, String>>>,
}

/// An entry of `authentication` of a route.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthenticationDocument {
    pub jwt: Option<Spanned<Name>>,
    pub api_key: Option<Spanned<ApiKeyDocument>>,
    pub certificate: Option<Spanned<Flag>>,
    pub introspection: Option<Spanned<Name>>,
    pub session: Option<Spanned<Name>>,
}
