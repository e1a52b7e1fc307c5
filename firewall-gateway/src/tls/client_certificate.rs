//! Certificates of clients: who may have signed them, and what of them the upstream learns.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderValue;
use rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use x509_parser::{
    asn1_rs::ToDer as _,
    extensions::GeneralName,
    objects::{oid_registry, oid2abbrev},
    prelude::{CertificateRevocationList, FromDer, X509Certificate},
    x509::{AttributeTypeAndValue, X509Name},
};

use super::error::TlsError;
use crate::{
    limits::{CLIENT_NAMES_BYTES_MAX, CLIENT_SUBJECT_BYTES_MAX},
    policy::ClientCertificatePolicy,
};

/// What a client's certificate is held against.
#[derive(Debug)]
pub struct ClientTrust {
    /// Asks for a certificate, and takes a client that has none.
    pub verifier: Arc<dyn ClientCertVerifier>,
    /// When the first of the revocation lists is over, where there are any.
    pub lists_until_epoch_s: Option<i64>,
    /// Stands for all of it.
    pub digest: Vec<u8>,
}

impl ClientTrust {
    /// Reads authorities and lists.
    ///
    /// # Errors
    /// The one that cannot be used.
    pub fn read(
        policy: &ClientCertificatePolicy,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(policy.ca_pem.as_bytes()) {
            let added = authority
                .map_err(|error| error.to_string())
                .and_then(|authority| roots.add(authority).map_err(|error| error.to_string()));
            added.map_err(TlsError::ClientCa)?;
        }
        if roots.is_empty() {
            return Err(TlsError::ClientCa("it holds no certificate".to_owned()));
        }
        let mut lists = Vec::new();
        let mut lists_until_epoch_s: Option<i64> = None;
        for list in CertificateRevocationListDer::pem_slice_iter(policy.crl_pem.as_bytes()) {
            let list = list.map_err(|error| TlsError::ClientCrl(error.to_string()))?;
            let (_, parsed) = CertificateRevocationList::from_der(&list)
                .map_err(|error| TlsError::ClientCrl(error.to_string()))?;
            let until = parsed.next_update().map(|next| next.timestamp()).ok_or_else(|| {
                TlsError::ClientCrl("one of them names no next update".to_owned())
            })?;
            lists_until_epoch_s = Some(lists_until_epoch_s.map_or(until, |first| first.min(until)));
            lists.push(list);
        }
        if lists.is_empty() && !policy.crl_pem.is_empty() {
            return Err(TlsError::ClientCrl("it holds no list".to_owned()));
        }
        // A list that is over says nothing of who was revoked since.
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .with_crls(lists)
                .enforce_revocation_expiration()
                .allow_unauthenticated()
                .build()
                .map_err(|error| TlsError::ClientCrl(error.to_string()))?;
        let mut all = policy.ca_pem.as_bytes().to_vec();
        all.push(0);
        all.extend_from_slice(policy.crl_pem.as_bytes());
        let digest = digest(&SHA256, &all).as_ref().to_vec();
        Ok(Self { verifier, lists_until_epoch_s, digest })
    }
}

/// A certificate that was verified, as the upstream and the log are told of it.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The subject as RFC 4514 writes it, in ASCII.
    pub subject: HeaderValue,
    /// Its alternative names: `DNS:`, `URI:`, `email:` or `IP:` each, with commas between.
    pub names: HeaderValue,
    /// SHA-256 of the certificate, in hexadecimal.
    pub fingerprint: HeaderValue,
    /// In seconds since 1970.
    pub not_after_epoch_s: i64,
}

impl ClientCertificate {
    /// Reads the leaf of a chain that was verified; nothing where it cannot be told to the upstream
    /// whole: half a name would be another's name.
    #[must_use]
    pub fn read(leaf: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
        let subject = subject(parsed.subject())?;
        let names = names(&parsed)?;
        if subject.len() > CLIENT_SUBJECT_BYTES_MAX || names.len() > CLIENT_NAMES_BYTES_MAX {
            return None;
        }
        let mut fingerprint = String::with_capacity(64);
        for byte in digest(&SHA256, leaf).as_ref() {
            write!(fingerprint, "{byte:02x}").ok()?;
        }
        Some(Self {
            subject: HeaderValue::try_from(subject).ok()?,
            names: HeaderValue::try_from(names).ok()?,
            fingerprint: HeaderValue::try_from(fingerprint).ok()?,
            not_after_epoch_s: parsed.validity().not_after.timestamp(),
        })
    }
}

// RFC 4514, 2.1: the last name first.
fn subject(name: &X509Name<'_>) -> Option<String> {
    let mut sets: Vec<String> = Vec::new();
    for set in name.iter_rdn() {
        let parts: Option<Vec<String>> = set.iter().map(attribute).collect();
        sets.push(parts?.join("+"));
    }
    sets.reverse();
    Some(sets.join(","))
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    let kind = attribute.attr_type();
    let name =
        oid2abbrev(kind, oid_registry()).map_or_else(|_| kind.to_id_string(), ToOwned::to_owned);
    if let Ok(text) = attribute.as_str() {
        return Some(format!("{name}={}", escape(text)));
    }
    let mut value = format!("{name}=#");
    for byte in attribute.attr_value().to_der_vec().ok()? {
        write!(value, "{byte:02x}").ok()?;
    }
    Some(value)
}

fn names(certificate: &X509Certificate<'_>) -> Option<String> {
    let Some(extension) = certificate.subject_alternative_name().ok()? else {
        return Some(String::new());
    };
    let names = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(format!("DNS:{}", escape(name))),
        GeneralName::URI(uri) => Some(format!("URI:{}", escape(uri))),
        GeneralName::RFC822Name(mailbox) => Some(format!("email:{}", escape(mailbox))),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| format!("IP:{address}")),
        _ => None,
    });
    Some(names.collect::<Vec<String>>().join(","))
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).to_string())
}

// RFC 4514, 2.4: what separates names is escaped, and so is whatever no header may carry.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (place, byte) in text.bytes().enumerate() {
        let at_edge = place == 0 || place + 1 == text.len();
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => {
                escaped.push('\\');
                escaped.push(char::from(byte));
            }
            b' ' if at_edge => escaped.push_str("\\20"),
            b'#' if place == 0 => escaped.push_str("\\23"),
            b' '..=b'~' => escaped.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => _ = write!(escaped, "\\{byte:02x}"),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::ClientCertificate;

    fn read(params: CertificateParams) -> Option<ClientCertificate> {
        let key = KeyPair::generate().unwrap();
        ClientCertificate::read(params.self_signed(&key).unwrap().der())
    }

    #[test]
    fn nothing_in_a_name_can_be_taken_for_another() {
        for (common_name, expected) in [
            ("alice", "CN=alice"),
            ("alice,CN=root", "CN=alice\\,CN=root"),
            ("a+b=c", "CN=a\\+b=c"),
            ("\r\nX-Evil: 1", "CN=\\0d\\0aX-Evil: 1"),
            (" #\\ ", "CN=\\20#\\\\\\20"),
            ("#1", "CN=\\231"),
            ("Jörg", "CN=J\\c3\\b6rg"),
        ] {
            let mut params = CertificateParams::default();
            params.distinguished_name.remove(DnType::CommonName);
            params.distinguished_name.push(DnType::CommonName, common_name);
            let found = read(params).unwrap();
            assert_eq!(found.subject, expected);
        }
    }

    #[test]
    fn names_stand_in_their_order() {
        let mut params = CertificateParams::default();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.distinguished_name.push(DnType::CommonName, "alice");
        params.subject_alt_names = vec![
            SanType::URI("spiffe://example/a,b".try_into().unwrap()),
            SanType::DnsName("alice.example".try_into().unwrap()),
            SanType::Rfc822Name("alice@example".try_into().unwrap()),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
        ];
        let found = read(params).unwrap();
        assert_eq!(found.subject, "CN=alice,O=Example");
        assert_eq!(
            found.names,
            "URI:spiffe://example/a\\,b,DNS:alice.example,email:alice@example,IP:2001:db8::1"
        );
        assert_eq!(found.fingerprint.len(), 64);
    }

    #[test]
    fn what_cannot_be_told_whole_is_not_told() {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, "x".repeat(1_100));
        assert!(read(params).is_none());
    }
}
