//! `gateway.introspections` as it is written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::Entries,
    scalar::{FilePath, Given, Name, Number},
};

/// An entry of `gateway.introspections`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntrospectionDocument {
    pub name: Spanned<Name>,
    pub upstream: Spanned<Name>,
    pub path: Spanned<String>,
    pub client_id: Spanned<String>,
    pub client_secret_file: Option<FilePath>,
    pub timeout_ms: Option<Number<1, 60_000>>,
    pub cache_s: Option<Number<1, 3_600>>,
    pub issuer: Option<Spanned<String>>,
    #[serde(default)]
    pub audience: Given<Entries<String>>,
    pub consumer_claim: Option<Spanned<String>>,
    pub scopes_claim: Option<Spanned<String>>,
    pub roles_claim: Option<Spanned<String>>,
}
