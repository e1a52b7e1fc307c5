//! What an authority is shown that looks whether a name is ours: tls-alpn-01 (RFC 8737).

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{server::ClientHello, sign::CertifiedKey};

use super::{certificate::Certificate, error::TlsError, provider};
use crate::{limits::CHALLENGES_MAX, policy::ChallengePolicy};

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
            let certificate = Certificate::read(&challenge.certificate, &provider)?;
            shown.insert(challenge.name.to_ascii_lowercase(), certificate.plain().clone());
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
