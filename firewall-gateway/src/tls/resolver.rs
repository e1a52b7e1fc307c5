//! Which certificate a client gets: by the host it names and the signatures it can verify.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use rustls::{
    SignatureScheme,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{
    certificate::Certificate, challenge::Challenges, error::TlsError, names::NameTable, now_epoch_s,
};
use crate::policy::UnknownName;

/// All certificates, by name.
#[derive(Debug)]
pub struct Resolver {
    names: NameTable<Arc<Certificate>>,
    /// Those that carry the first one's name, and so differ from it in the kind of key alone.
    default: Vec<Arc<Certificate>>,
    unknown_name: UnknownName,
    unknown_names: AtomicU64,
    challenges: Challenges,
}

impl Resolver {
    /// Sorts certificates by name; the first is the default.
    ///
    /// # Errors
    /// Two that would be chosen for the same client, or one that would never be.
    pub fn new(
        certificates: Vec<Certificate>,
        unknown_name: UnknownName,
    ) -> Result<Self, TlsError> {
        let mut names: NameTable<Arc<Certificate>> = NameTable::default();
        let mut default = Vec::new();
        for (number, certificate) in certificates.into_iter().enumerate() {
            let certificate = Arc::new(certificate);
            let facts = &certificate.facts;
            if number == 0 {
                default.push(certificate.clone());
            } else if facts.names.is_empty() {
                return Err(TlsError::NoName { place: facts.place.clone() });
            }
            for name in &facts.names {
                let sharing = names.entry(name);
                let same = |other: &&Arc<Certificate>| other.facts.key == facts.key;
                match sharing.iter().find(same) {
                    // A certificate may name a host twice.
                    Some(other) if Arc::ptr_eq(other, &certificate) => {}
                    Some(other) => {
                        return Err(TlsError::Conflict {
                            place: facts.place.clone(),
                            other: other.facts.place.clone(),
                            name: name.clone(),
                            key: facts.key,
                        });
                    }
                    None => {
                        sharing.push(certificate.clone());
                        sharing.sort_by_key(|one| preference(one.facts.key));
                    }
                }
            }
        }
        let first = default.first().ok_or(TlsError::NoCertificate)?;
        if let Some(sharing) = first.facts.names.first().map(|name| names.entry(name).clone()) {
            default = sharing;
        }
        Ok(Self {
            names,
            default,
            unknown_name,
            unknown_names: AtomicU64::default(),
            challenges: Challenges::default(),
        })
    }

    /// What is shown to an authority that looks whether a name is ours.
    pub fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// Clients so far that named a host which no certificate carries.
    pub fn unknown_names(&self) -> u64 {
        self.unknown_names.load(Relaxed)
    }

    fn find(&self, host: Option<&str>) -> Option<&[Arc<Certificate>]> {
        let Some(host) = host else { return Some(&self.default) };
        if let Some(found) = self.names.find(host) {
            return Some(found);
        }
        self.unknown_names.fetch_add(1, Relaxed);
        match self.unknown_name {
            UnknownName::Default => Some(&self.default),
            UnknownName::Refuse => None,
        }
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if Challenges::is_asked(&hello) {
            return self.challenges.find(hello.server_name()?);
        }
        let found = self.find(hello.server_name())?;
        let chosen = choose(found, hello.signature_schemes())?;
        Some(chosen.at(now_epoch_s).clone())
    }
}

/// The first that the client can verify; where it can verify none, the library says so with the first.
fn choose<'a>(
    found: &'a [Arc<Certificate>],
    schemes: &[SignatureScheme],
) -> Option<&'a Arc<Certificate>> {
    found.iter().find(|one| one.is_verifiable(schemes)).or(found.first())
}

/// A signature with ECDSA costs a tenth of one with RSA.
fn preference(key: &str) -> u8 {
    match key {
        "ecdsa" => 0,
        "ed25519" => 1,
        "rsa" => 2,
        _ => 3,
    }
}

/// What the library says where a resolver gives no certificate; test `a_name_that_no_certificate_carries`
/// holds it to that.
pub const REFUSED: &str = "no server certificate chain resolved";
