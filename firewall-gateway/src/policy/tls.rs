//! What a worker serves TLS with: certificates, keys, and whom it asks for a certificate.

use std::fmt;

use serde::{Deserialize, Serialize};

/// TLS towards the clients.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsPolicy {
    /// The first is the default: for clients that name no host.
    pub certificates: Vec<CertificatePolicy>,
    /// What becomes of clients that name a host which no certificate carries.
    pub unknown_name: UnknownName,
    /// The oldest version that is served.
    pub version_min: TlsVersion,
    /// Keys that session tickets are sealed with, the current one first; without one a session
    /// ends with its worker.
    pub ticket_keys: Vec<TicketKey>,
    /// What clients are told of how long a ticket is good.
    pub ticket_lifetime_s: u32,
    /// Whose clients may show a certificate; without it none is asked for.
    pub client_certificates: Option<ClientCertificatePolicy>,
    /// Whether an authority may look whether a name is ours (RFC 8737).
    pub acme: bool,
}

/// A certificate chain and its key, as text: the worker can read no file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificatePolicy {
    /// Where it stands in the configuration, for whoever reads an error.
    pub place: String,
    /// The chain, leaf first, as PEM.
    pub chain_pem: String,
    /// The private key of the leaf, as PEM.
    pub key_pem: String,
    /// What the authority says of the leaf's revocation (RFC 6960), stapled while it is good.
    pub ocsp_der: Option<Vec<u8>>,
}

/// What is shown to an authority that looks whether a name is ours.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengePolicy {
    /// The name.
    pub name: String,
    /// Signed by itself, with the authority's digest in it.
    pub certificate: CertificatePolicy,
}

/// Who signs the certificates of clients, and which of them are revoked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificatePolicy {
    /// The only authorities, as PEM.
    pub ca_pem: String,
    /// Their revocation lists, as PEM; empty where none is asked.
    pub crl_pem: String,
}

/// What becomes of clients that name a host which no certificate carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownName {
    /// They get the default certificate.
    #[default]
    Default,
    /// Their handshake ends.
    Refuse,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

/// What the keys of session tickets are derived from.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketKey(pub [u8; TICKET_KEY_BYTES]);

/// As many bits as the cipher of the tickets has.
pub const TICKET_KEY_BYTES: usize = 32;

// Keys must not reach a log through a `{policy:?}` somewhere.
impl fmt::Debug for CertificatePolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CertificatePolicy")
            .field("place", &self.place)
            .field("chain_pem", &format_args!("{} bytes", self.chain_pem.len()))
            .field("key_pem", &"redacted")
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TicketKey(redacted)")
    }
}
