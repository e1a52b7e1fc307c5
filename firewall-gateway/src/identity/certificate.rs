//! mTLS: whose a client certificate is that the handshake has verified.
//!
//! A name of a certificate stands for a consumer only as a whole: half a name would be another's.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use http::{HeaderName, HeaderValue};

use super::{
    Identity, Method, Recognised,
    consumers::{Consumer, Consumers},
};
use crate::{headers::X_CONSUMER_CREDENTIAL, policy::ConsumerPolicy, tls::ClientCertificate};

/// Why a certificate is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the labels below say what each one is")]
pub enum CertificateError {
    Unknown,
    Several,
    Expired,
    Network,
}

impl CertificateError {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Several, Self::Expired, Self::Network];

    /// The value of the metric label and of the access log's `denied`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unknown => "certificate_unknown",
            Self::Several => "certificate_several",
            Self::Expired => "certificate_expired",
            Self::Network => "certificate_network",
        }
    }
}

/// Which consumers are known by which names of certificates.
#[derive(Debug, Default)]
pub struct Certificates(HashMap<Box<str>, Entry>);

#[derive(Debug)]
struct Entry {
    consumer: Arc<Consumer>,
    headers: Arc<[(HeaderName, HeaderValue)]>,
}

impl Certificates {
    /// Those of a policy.
    #[must_use]
    pub fn new(policy: &[ConsumerPolicy], consumers: &Consumers) -> Self {
        let entries = policy.iter().flat_map(|one| {
            let consumer = consumers.find(&one.name);
            let headers: Arc<[_]> = consumer.headers(&consumer.scopes).into();
            one.certificates.iter().map(move |name| {
                let entry = Entry { consumer: consumer.clone(), headers: headers.clone() };
                (name.as_str().into(), entry)
            })
        });
        Self(entries.collect())
    }

    /// Whose a certificate is.
    ///
    /// # Errors
    /// Why it is nobody's.
    pub fn verify(
        &self,
        certificate: &ClientCertificate,
        address: IpAddr,
        now_epoch_s: u64,
    ) -> Result<Recognised, CertificateError> {
        // A connection may outlive the certificate that it was opened with.
        if i64::try_from(now_epoch_s).is_ok_and(|now| now > certificate.not_after_epoch_s) {
            return Err(CertificateError::Expired);
        }
        let entry = self.entry(certificate)?;
        let consumer = &entry.consumer;
        let networks = &consumer.networks;
        if !networks.is_empty() && !networks.iter().any(|network| network.contains(address)) {
            return Err(CertificateError::Network);
        }
        let fingerprint = certificate.fingerprint.to_str().unwrap_or_default();
        let credential = fingerprint.get(..CREDENTIAL_CHARS).unwrap_or(fingerprint);
        let identity = Identity {
            consumer: consumer.name.clone(),
            scopes: consumer.scopes.clone(),
            roles: consumer.roles.clone(),
            claims: None,
            method: Method::Certificate,
            credential: credential.into(),
        };
        let mut headers = entry.headers.to_vec();
        headers.extend(HeaderValue::from_str(credential).map(|it| (X_CONSUMER_CREDENTIAL, it)));
        Ok(Recognised { identity, headers })
    }

    fn entry(&self, certificate: &ClientCertificate) -> Result<&Entry, CertificateError> {
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let all = text(&certificate.names);
        let names: Vec<&str> = split(&all).collect();
        // X.509-SVID, 2: it has exactly one URI. Of two, each would be a workload's.
        let uris = names.iter().filter(|name| name.starts_with("URI:")).count();
        let of_one = names.into_iter().filter(|name| uris < 2 || !name.starts_with(SPIFFE));
        let whole = [
            format!("subject:{}", text(&certificate.subject)),
            format!("sha256:{}", text(&certificate.fingerprint)),
        ];
        let mut found: Option<&Entry> = None;
        for name in of_one.chain(whole.iter().map(String::as_str)) {
            let Some(entry) = self.0.get(name) else { continue };
            if found.is_some_and(|found| found.consumer.name != entry.consumer.name) {
                return Err(CertificateError::Several);
            }
            found = Some(entry);
        }
        found.ok_or(CertificateError::Unknown)
    }
}

/// A name of a certificate as a policy may write it, or what was expected.
///
/// # Errors
/// What was expected.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let (kind, rest) = name.split_once(':').unwrap_or_default();
    let fits = match kind {
        "sha256" => {
            rest.len() == 64 && rest.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
        }
        "subject" | "URI" | "DNS" | "email" | "IP" => {
            !rest.is_empty()
                && rest.bytes().all(|byte| (b' '..=b'~').contains(&byte))
                && (kind == "subject" || split(name).count() == 1)
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(NAME_EXPECTED) }
}

/// The names of a list as [`ClientCertificate::names`] holds it: a comma in a name has a backslash before it.
fn split(names: &str) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    names.split(move |character| {
        let separates = character == ',' && !escaped;
        escaped = character == '\\' && !escaped;
        separates
    })
}

/// Of a SHA-256 in hexadecimal, enough to tell certificates apart.
const CREDENTIAL_CHARS: usize = 16;
const SPIFFE: &str = "URI:spiffe://";
const NAME_EXPECTED: &str = "subject:, URI:, DNS:, email: or IP: and a name as the access log shows it, or sha256: and \
                             64 hexadecimal digits in lower case";

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::{CertificateError, Certificates, check_name};
    use crate::{identity::consumers::Consumers, policy::ConsumerPolicy, tls::ClientCertificate};

    fn shown(common_name: &str, uris: &[&str], names: &[&str]) -> ClientCertificate {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let uri = |uri: &&str| SanType::URI((*uri).try_into().unwrap());
        let name = |name: &&str| SanType::DnsName((*name).try_into().unwrap());
        params.subject_alt_names = uris.iter().map(uri).chain(names.iter().map(name)).collect();
        let key = KeyPair::generate().unwrap();
        ClientCertificate::read(params.self_signed(&key).unwrap().der()).unwrap()
    }

    fn certificates() -> Certificates {
        let consumer = |name: &str, certificates: &[&str], networks: &[&str]| ConsumerPolicy {
            name: name.to_owned(),
            scopes: vec!["read".to_owned()],
            roles: vec![],
            networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
            certificates: certificates.iter().map(|name| (*name).to_owned()).collect(),
        };
        let policy = [
            consumer("shop", &["URI:spiffe://example/shop", "DNS:shop.example"], &[]),
            consumer("bank", &["subject:CN=bank\\,CN=root", "URI:spiffe://example/a\\,b"], &[]),
            consumer("far", &["DNS:far.example"], &["192.0.2.0/24"]),
        ];
        Certificates::new(&policy, &Consumers::new(&policy))
    }

    #[test]
    fn a_name_stands_for_a_consumer_as_a_whole() {
        use CertificateError::{Network, Several, Unknown};
        let certificates = certificates();
        for (shown, expected) in [
            (shown("x", &["spiffe://example/shop"], &[]), Ok("shop")),
            (shown("x", &[], &["shop.example"]), Ok("shop")),
            (shown("x", &["spiffe://example/shop"], &["shop.example"]), Ok("shop")),
            (shown("x", &["https://example"], &["shop.example"]), Ok("shop")),
            (shown("bank,CN=root", &[], &[]), Ok("bank")),
            (shown("x", &["spiffe://example/a,b"], &[]), Ok("bank")),
            (shown("x", &[], &[]), Err(Unknown)),
            (shown("shop.example", &[], &[]), Err(Unknown)),
            (shown("x", &["spiffe://example/shop/more"], &[]), Err(Unknown)),
            (shown("x", &["spiffe://example"], &[]), Err(Unknown)),
            // A comma in a name is not the end of one.
            (shown("x", &["spiffe://other/,DNS:shop.example"], &[]), Err(Unknown)),
            (shown("x", &["spiffe://other/\\,DNS:shop.example"], &[]), Err(Unknown)),
            (shown("bank", &[], &["root"]), Err(Unknown)),
            // Two workloads at once are none.
            (shown("x", &["spiffe://example/shop", "spiffe://example/other"], &[]), Err(Unknown)),
            (shown("x", &["spiffe://example/shop", "https://other"], &[]), Err(Unknown)),
            (shown("bank,CN=root", &["spiffe://example/shop"], &[]), Err(Several)),
            (shown("x", &[], &["far.example"]), Err(Network)),
        ] {
            let found = certificates.verify(&shown, "198.51.100.1".parse().unwrap(), 1_000);
            let found = found.map(|recognised| recognised.identity.consumer.to_string());
            assert_eq!(found, expected.map(str::to_owned), "{shown:?}");
        }
        let far = shown("x", &[], &["far.example"]);
        let found = certificates.verify(&far, "192.0.2.7".parse().unwrap(), 1_000).unwrap();
        let headers: Vec<(&str, &[u8])> =
            found.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let credential = &far.fingerprint.as_bytes()[..16];
        assert_eq!(
            headers,
            [
                ("x-consumer", &b"far"[..]),
                ("x-consumer-scopes", b"read"),
                ("x-consumer-credential", credential)
            ]
        );
    }

    #[test]
    fn a_certificate_is_over_on_an_open_connection_too() {
        let shop = shown("x", &[], &["shop.example"]);
        let until = u64::try_from(shop.not_after_epoch_s).unwrap();
        let address = "198.51.100.1".parse().unwrap();
        assert!(certificates().verify(&shop, address, until).is_ok());
        let over = certificates().verify(&shop, address, until + 1).unwrap_err();
        assert_eq!(over, CertificateError::Expired);
    }

    #[test]
    fn names_of_a_policy_are_whole_names() {
        for (name, fits) in [
            ("URI:spiffe://example/shop", true),
            ("DNS:shop.example", true),
            ("email:a@b", true),
            ("IP:2001:db8::1", true),
            ("subject:CN=a,O=b", true),
            ("URI:a\\,b", true),
            (&format!("sha256:{}", "0a".repeat(32)), true),
            (&format!("sha256:{}", "0A".repeat(32)), false),
            ("sha256:00", false),
            ("URI:a,DNS:b", false),
            ("URI:", false),
            ("uri:a", false),
            ("spiffe://example/shop", false),
            ("subject:CN=J\u{f6}rg", false),
            ("", false),
        ] {
            assert_eq!(check_name(name).is_ok(), fits, "{name}");
        }
    }
}
