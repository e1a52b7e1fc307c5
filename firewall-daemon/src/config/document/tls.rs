//! What `gateway` says of TLS, as it is written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::Entries,
    scalar::{FilePath, Number, Url},
};

/// An entry of `gateway.certificates`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateDocument {
    pub certificate: FilePath,
    pub private_key: FilePath,
    pub ocsp: Option<FilePath>,
}

/// `gateway.acme`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcmeDocument {
    pub directory: Url,
    pub names: Entries<String>,
    #[serde(default)]
    pub contact: Vec<Spanned<String>>,
    pub ca: Option<FilePath>,
}

/// `gateway.tls`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsDocument {
    #[serde(default)]
    pub version_min: VersionDocument,
    #[serde(default)]
    pub unknown_name: UnknownNameDocument,
    pub ticket_lifetime_s: Option<Number<1, 604_800>>,
    pub client_ca: Option<FilePath>,
    pub client_crl: Option<Spanned<FilePath>>,
}

/// `client_certificate` of a route.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificateDocument {
    None,
    Optional,
    Required,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub enum VersionDocument {
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownNameDocument {
    #[default]
    Default,
    Refuse,
}
