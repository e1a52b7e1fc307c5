//! What of the policy TLS cannot be set up with.

/// A certificate, key or list that cannot be used; never the key itself.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum TlsError {
    #[error("gateway.certificate: expected a certificate, found none")]
    NoCertificate,
    #[error("{place}.certificate: expected a certificate chain in PEM: {why}")]
    Certificate { place: String, why: String },
    #[error("{place}.private_key: expected a private key in PEM: {why}")]
    Key { place: String, why: String },
    #[error("{place}.certificate and {place}.private_key do not go together: {why}")]
    Pair { place: String, why: String },
    #[error("{place}.ocsp: expected the OCSP response for this certificate: {why}")]
    Ocsp { place: String, why: String },
    #[error(
        "{place}.certificate: expected a certificate with a DNS name, by which it is chosen; found none in its subjectAltName"
    )]
    NoName { place: String },
    #[error(
        "{place}.certificate: expected each name in one certificate for each kind of key, found {name} with a key of kind {key} in {other}.certificate too; remove one of them"
    )]
    Conflict { place: String, other: String, name: String, key: &'static str },
    #[error("gateway.tls.client_ca: expected certificates of authorities in PEM: {0}")]
    ClientCa(String),
    #[error("gateway.tls.client_crl: expected revocation lists in PEM: {0}")]
    ClientCrl(String),
    #[error("gateway: TLS cannot be set up: {0}")]
    Setup(String),
}
