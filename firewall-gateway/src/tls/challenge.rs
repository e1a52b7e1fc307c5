//! What an authority is shown that looks whether a name is ours: tls-alpn-01 (RFC 8737).

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::ClientHello,
    sign::CertifiedKey,
};

use super::{error::TlsError, provider};
use crate::{
    limits::CHALLENGES_MAX,
    policy::{CertificatePolicy, ChallengePolicy},
};

/// What an authority offers, and nobody else.
pub const PROTOCOL: &[u8] = b"acme-tls/1";

/// What is shown at this moment, by name.
#[derive(Debug, Default)]
pub struct Challenges {
    shown: ArcSwap<HashMap<String, Arc<CertifiedKey>>>,
}

impl Challenges {
    /// Shows these, and no others.
    ///
    /// # Errors
    /// One that cannot be used; what was shown before stays.
    pub fn replace(&self, challenges: &[ChallengePolicy]) -> Result<(), TlsError> {
        let provider = provider();
        let mut shown = HashMap::new();
        for challenge in challenges.iter().take(CHALLENGES_MAX) {
            let key = pair(&challenge.certificate, &provider)?;
            shown.insert(challenge.name.to_ascii_lowercase(), Arc::new(key));
        }
        self.shown.store(Arc::new(shown));
        Ok(())
    }

    /// Whether an authority asks: one that also offers HTTP is none (RFC 8737, 3).
    #[must_use]
    pub fn is_asked(hello: &ClientHello<'_>) -> bool {
        hello
            .alpn()
            .is_some_and(|mut offered| offered.next() == Some(PROTOCOL) && offered.next().is_none())
    }

    /// What is shown for a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.shown.load().get(name).cloned()
    }
}

// Not looked into as other certificates are: its one extension is critical and known to authorities
// alone, so that whoever verifies certificates refuses it.
fn pair(policy: &CertificatePolicy, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let place = || policy.place.clone();
    let leaf = CertificateDer::from_pem_slice(policy.chain_pem.as_bytes())
        .map_err(|error| TlsError::Certificate { place: place(), why: error.to_string() })?;
    let key = PrivateKeyDer::from_pem_slice(policy.key_pem.as_bytes())
        .map_err(|error| TlsError::Key { place: place(), why: error.to_string() })?;
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|error| TlsError::Key { place: place(), why: error.to_string() })?;
    Ok(CertifiedKey::new(vec![leaf], key))
}
