//! A certificate with its key: read, held together, and what there is to say of it.

use std::sync::Arc;

use rustls::{
    SignatureAlgorithm, SignatureScheme,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use x509_parser::{extensions::GeneralName, prelude::FromDer, prelude::X509Certificate};

use super::{error::TlsError, ocsp};
use crate::policy::CertificatePolicy;

/// A certificate that can be served.
#[derive(Debug)]
pub struct Certificate {
    /// What there is to say of it.
    pub facts: CertificateFacts,
    plain: Arc<CertifiedKey>,
    /// What its key can sign with: asking the key would make a signer for each answer.
    schemes: Box<[SignatureScheme]>,
    /// The same with the authority's word stapled to it, and when that is over.
    stapled: Option<(Arc<CertifiedKey>, i64)>,
}

/// What there is to say of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Where it stands in the configuration.
    pub place: String,
    /// The hosts in it, in lower case; wildcards as they are.
    pub names: Vec<String>,
    /// `ecdsa`, `ed25519`, `rsa` or `other`.
    pub key: &'static str,
    /// In seconds since 1970.
    pub not_before_epoch_s: i64,
    /// In seconds since 1970; the earliest end of the chain.
    pub not_after_epoch_s: i64,
    /// What keeps the OCSP response from being stapled.
    pub unstapled: Option<String>,
}

impl Certificate {
    /// Reads one.
    ///
    /// # Errors
    /// What of it cannot be used; never the key itself.
    pub fn read(policy: &CertificatePolicy, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let place = &policy.place;
        let malformed = |why: String| TlsError::Certificate { place: place.clone(), why };
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(policy.chain_pem.as_bytes())
                .collect::<Result<_, _>>()
                .map_err(|error| malformed(error.to_string()))?;
        let Some(leaf) = chain.first().cloned() else {
            return Err(malformed("it holds no certificate".to_owned()));
        };
        let (_, parsed) =
            X509Certificate::from_der(&leaf).map_err(|error| malformed(error.to_string()))?;
        let mut not_after_epoch_s = parsed.validity().not_after.timestamp();
        for link in chain.iter().skip(1) {
            let (_, link) =
                X509Certificate::from_der(link).map_err(|error| malformed(error.to_string()))?;
            not_after_epoch_s = not_after_epoch_s.min(link.validity().not_after.timestamp());
        }
        let key = PrivateKeyDer::from_pem_slice(policy.key_pem.as_bytes())
            .map_err(|error| TlsError::Key { place: place.clone(), why: error.to_string() })?;
        let plain = CertifiedKey::from_der(chain, key, provider)
            .map_err(|error| TlsError::Pair { place: place.clone(), why: error.to_string() })?;
        let mut facts = CertificateFacts {
            place: place.clone(),
            names: names(&parsed).map_err(malformed)?,
            key: key_label(plain.key.algorithm()),
            not_before_epoch_s: parsed.validity().not_before.timestamp(),
            not_after_epoch_s,
            unstapled: None,
        };
        let mut stapled = None;
        if let Some(response) = &policy.ocsp_der {
            let word = ocsp::read(response, parsed.raw_serial())
                .map_err(|why| TlsError::Ocsp { place: place.clone(), why })?;
            match word {
                ocsp::Word::Good { until_epoch_s } => {
                    let with = CertifiedKey { ocsp: Some(response.clone()), ..plain.clone() };
                    stapled = Some((Arc::new(with), until_epoch_s));
                }
                ocsp::Word::Bad { status } => {
                    facts.unstapled = Some(format!("it says that the certificate is {status}"));
                }
            }
        }
        let signs = |scheme: &SignatureScheme| plain.key.choose_scheme(&[*scheme]).is_some();
        let known = provider.signature_verification_algorithms.supported_schemes();
        let schemes = known.into_iter().filter(signs).collect();
        Ok(Self { facts, plain: Arc::new(plain), schemes, stapled })
    }

    /// What a handshake at this time is answered with: an OCSP response that is over makes clients
    /// refuse a certificate that they would take without it.
    #[must_use]
    pub fn at(&self, now_epoch_s: impl FnOnce() -> i64) -> &Arc<CertifiedKey> {
        match &self.stapled {
            Some((stapled, until_epoch_s)) if now_epoch_s() < *until_epoch_s => stapled,
            Some(_) | None => &self.plain,
        }
    }

    /// Whether a client with these signature schemes can verify what its key signs.
    #[must_use]
    pub fn is_verifiable(&self, offered: &[SignatureScheme]) -> bool {
        offered.iter().any(|scheme| self.schemes.contains(scheme))
    }
}

impl CertificateFacts {
    /// The name by which people know it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

fn names(certificate: &X509Certificate<'_>) -> Result<Vec<String>, String> {
    let extension = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
    let Some(extension) = extension else { return Ok(Vec::new()) };
    let names = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    // What no client can ask for is no name: it would only confuse those who read the status.
    let plain = |name: &String| {
        let host = name.strip_prefix("*.").unwrap_or(name);
        !host.is_empty()
            && host.len() <= 253
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    Ok(names.filter(plain).collect())
}

fn key_label(algorithm: SignatureAlgorithm) -> &'static str {
    match algorithm {
        SignatureAlgorithm::ECDSA => "ecdsa",
        SignatureAlgorithm::ED25519 => "ed25519",
        SignatureAlgorithm::RSA => "rsa",
        _ => "other",
    }
}
