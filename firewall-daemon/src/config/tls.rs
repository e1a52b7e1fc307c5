//! What the configuration says of TLS towards clients.

use std::path::PathBuf;

use firewall_gateway::policy::{TlsVersion, UnknownName};

/// A certificate, its key, and what its authority says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateConfig {
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub private_key: PathBuf,
    /// OCSP response, DER.
    pub ocsp: Option<PathBuf>,
}

/// The `gateway.acme` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeConfig {
    /// Where the authority's directory is.
    pub directory: String,
    /// Hosts, in lower case and sorted.
    pub names: Vec<String>,
    /// Whom the authority may write to, as URLs.
    pub contact: Vec<String>,
    /// Who may have signed the directory's own certificate, PEM; else those of the host.
    pub ca: Option<PathBuf>,
    /// The folder for the account and the certificate.
    pub store: PathBuf,
}

/// The `gateway.tls` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// The oldest version that is served.
    pub version_min: TlsVersion,
    /// What becomes of clients that name a host which no certificate carries.
    pub unknown_name: UnknownName,
    /// How long the key of session tickets is the current one.
    pub ticket_lifetime_s: u32,
    /// Whose clients may show a certificate; without it none is asked for.
    pub client_certificates: Option<ClientCertificateConfig>,
}

/// Who signs the certificates of clients, and which of them are revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificateConfig {
    /// The authorities, PEM.
    pub ca: PathBuf,
    /// Their revocation lists, PEM.
    pub crl: Option<PathBuf>,
}
