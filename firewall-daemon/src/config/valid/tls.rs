//! What one value of `gateway.certificates` and `gateway.tls` alone cannot tell.

use firewall_gateway::{
    limits::CERTIFICATES_MAX,
    policy::{TlsVersion, UnknownName},
};

use crate::config::{
    CertificateConfig, ClientCertificateConfig, ConfigError, TlsConfig,
    document::{
        Entries,
        tls::{CertificateDocument, TlsDocument, UnknownNameDocument, VersionDocument},
    },
    scalar::Given,
    valid::Check,
};

/// Who recorded a session and steals the keys of its tickets reads it: they are kept for twice this long.
const TICKET_LIFETIME_S: u32 = 6 * 3_600;

impl Check<'_> {
    pub(super) fn certificates(
        &self,
        certificates: Given<Entries<CertificateDocument>>,
    ) -> Result<Vec<CertificateConfig>, ConfigError> {
        let Some(certificates) = certificates.0 else { return Ok(Vec::new()) };
        let certificates = self.counted("certificates", 1..=CERTIFICATES_MAX, certificates)?;
        let checked = certificates.into_iter().map(|entry| CertificateConfig {
            certificate: self.file(entry.value.certificate),
            private_key: self.file(entry.value.private_key),
            ocsp: entry.value.ocsp.map(|path| self.file(path)),
        });
        Ok(checked.collect())
    }

    pub(super) fn tls(&self, tls: TlsDocument) -> Result<TlsConfig, ConfigError> {
        let client_certificates = match (tls.client_ca, tls.client_crl) {
            (Some(ca), crl) => Some(ClientCertificateConfig {
                ca: self.file(ca),
                crl: crl.map(|crl| self.file(crl.value)),
            }),
            (None, None) => None,
            (None, Some(crl)) => {
                let message = "client_crl: expected client_ca beside it, found none; \
                               without authorities no client is asked for a certificate";
                return self.error(crl.referenced, message.to_owned());
            }
        };
        Ok(TlsConfig {
            version_min: match tls.version_min {
                VersionDocument::V1_2 => TlsVersion::V1_2,
                VersionDocument::V1_3 => TlsVersion::V1_3,
            },
            unknown_name: match tls.unknown_name {
                UnknownNameDocument::Default => UnknownName::Default,
                UnknownNameDocument::Refuse => UnknownName::Refuse,
            },
            ticket_lifetime_s: tls
                .ticket_lifetime_s
                .map_or(TICKET_LIFETIME_S, |number| number.cast()),
            client_certificates,
        })
    }
}
