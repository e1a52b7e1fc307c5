//! What one value of `gateway.certificates` and `gateway.tls` alone cannot tell.

use std::path::Path;

use firewall_gateway::{
    limits::{CERTIFICATES_MAX, CHALLENGES_MAX},
    policy::{TlsVersion, UnknownName},
};

use crate::config::{
    AcmeConfig, CertificateConfig, ClientCertificateConfig, ConfigError, TlsConfig,
    document::{
        Entries,
        tls::{
            AcmeDocument, CertificateDocument, TlsDocument, UnknownNameDocument, VersionDocument,
        },
    },
    scalar::Given,
    valid::Check,
};

/// Who recorded a session and steals the keys of its tickets reads it: they are kept for twice this long.
const TICKET_LIFETIME_S: u32 = 6 * 3_600;

/// RFC 5321 lets an address have 254 bytes.
const CONTACT_BYTES_MAX: usize = 261;

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

    pub(super) fn acme(&self, acme: AcmeDocument, state: &Path) -> Result<AcmeConfig, ConfigError> {
        let names = self.counted("names", 1..=CHALLENGES_MAX, acme.names)?;
        for name in &names {
            if !is_host(&name.value) {
                let message = format!(
                    "names: expected the name of a host such as www.example.com, found {:?}; \
                     a wildcard cannot be proved by tls-alpn-01",
                    name.value
                );
                return self.error(name.referenced, message);
            }
        }
        let mut names = self.each_once("names", names, |name| name.to_ascii_lowercase())?;
        names.sort();
        for contact in &acme.contact {
            let address = contact.value.strip_prefix("mailto:").unwrap_or_default();
            if !address.contains('@') || contact.value.len() > CONTACT_BYTES_MAX {
                let message =
                    format!("contact: expected mailto: and an address, found {:?}", contact.value);
                return self.error(contact.referenced, message);
            }
        }
        Ok(AcmeConfig {
            directory: acme.directory.0,
            names,
            contact: acme.contact.into_iter().map(|contact| contact.value).collect(),
            ca: acme.ca.map(|path| self.file(path)),
            store: state.join("acme"),
        })
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

/// Two labels or more, none of which is a wildcard.
fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let ends_in_a_number = name.rsplit('.').next().is_some_and(|last| last.parse::<u64>().is_ok());
    name.len() <= 253 && name.contains('.') && name.split('.').all(label) && !ends_in_a_number
}
