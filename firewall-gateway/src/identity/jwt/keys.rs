//! The keys of an issuer, each pinned to what it may verify: a token chooses one of them by its name, and
//! never what is done with it.

mod jwk;

mod pem;

use std::fmt;

use aws_lc_rs::{hmac, signature::ParsedPublicKey};

use super::{Algorithm, TokenError};
use crate::limits::{JWT_KEYS_MAX, JWT_KEYS_TEXT_BYTES_MAX};

/// Where keys are from: an endpoint is believed less than the administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The configuration or a file of it: what is wrong in it is an error.
    Local,
    /// An endpoint: one key that is wrong is left out, and a shared secret is always wrong.
    Fetched,
}

/// Keys that can be used.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    left_out: Vec<KeyError>,
}

/// One key.
#[derive(Debug)]
struct Key {
    kid: Option<String>,
    uses: Vec<(Algorithm, Verification)>,
}

/// A key that is ready for one algorithm.
pub enum Verification {
    /// With a public key.
    Public(ParsedPublicKey),
    /// With a shared secret.
    Secret(Box<hmac::Key>),
}

impl KeySet {
    /// Reads a JWK, a set of them, or PEM.
    ///
    /// # Errors
    /// What is wrong with it; of an endpoint's keys, that none of them can be used.
    pub fn read(text: &str, algorithms: &[Algorithm], source: Source) -> Result<Self, KeyError> {
        if text.len() > JWT_KEYS_TEXT_BYTES_MAX {
            return Err(KeyError::TooLong { found: text.len() });
        }
        let found = match text.trim_start().starts_with("-----BEGIN") {
            true => pem::read(text, algorithms),
            false => jwk::read(text, algorithms, source)?,
        };
        let mut set = Self { keys: Vec::new(), left_out: Vec::new() };
        for key in found {
            match key.and_then(|key| key.map_or(Ok(()), |key| set.add(key))) {
                Ok(()) => {}
                Err(error) if source == Source::Fetched => set.left_out.push(error),
                Err(error) => return Err(error),
            }
        }
        if set.keys.is_empty() {
            let first = set.left_out.into_iter().next();
            return Err(first.unwrap_or(KeyError::None));
        }
        Ok(set)
    }

    fn add(&mut self, key: Key) -> Result<(), KeyError> {
        if self.keys.len() == JWT_KEYS_MAX {
            return Err(KeyError::TooMany);
        }
        let clash = |other: &Key| {
            key.kid.is_some()
                && key.kid == other.kid
                && key.uses.iter().any(|(one, _)| other.verification(*one).is_some())
        };
        if self.keys.iter().any(clash) {
            let kid = key.kid.as_deref().map(shown).unwrap_or_default();
            return Err(KeyError::Repeated { kid });
        }
        self.keys.push(key);
        Ok(())
    }

    /// The key that a token names, ready for its algorithm.
    ///
    /// # Errors
    /// There is none, or it is not clear which one.
    pub fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&Verification, TokenError> {
        let mut named =
            self.keys.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid).peekable();
        if named.peek().is_none() {
            return Err(TokenError::KeyUnknown);
        }
        let mut fitting = named.filter_map(|key| key.verification(algorithm));
        let first = fitting.next().ok_or(TokenError::KeyMismatch)?;
        // Trying several keys would be work that anyone may ask for.
        match fitting.next() {
            None => Ok(first),
            Some(_) => Err(TokenError::KeyAmbiguous),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none; there is always one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// What was left out of an endpoint's keys, and why.
    #[must_use]
    pub fn left_out(&self) -> &[KeyError] {
        &self.left_out
    }
}

impl Key {
    /// A key for what `verification` can make of it, of the algorithms that are asked for.
    fn new(
        kid: Option<String>,
        algorithms: &[Algorithm],
        mut verification: impl FnMut(Algorithm) -> Option<Verification>,
    ) -> Option<Self> {
        let uses = algorithms.iter().filter_map(|one| Some((*one, verification(*one)?)));
        let uses: Vec<_> = uses.collect();
        (!uses.is_empty()).then_some(Self { kid, uses })
    }

    fn verification(&self, algorithm: Algorithm) -> Option<&Verification> {
        self.uses.iter().find(|(one, _)| *one == algorithm).map(|(_, verification)| verification)
    }
}

impl Verification {
    /// Whether a signature is that of a message.
    #[must_use]
    pub fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
            Self::Secret(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

impl fmt::Debug for Verification {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Public(_) => "a public key",
            Self::Secret(_) => "a secret",
        })
    }
}

/// Keys that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum KeyError {
    #[error("expected at most {JWT_KEYS_TEXT_BYTES_MAX} bytes of keys, found {found}")]
    TooLong { found: usize },
    #[error("expected a JWK, a set of them ({{\"keys\": [...]}}) or PEM, found {found}")]
    Form { found: &'static str },
    #[error(
        "expected a key for one of the algorithms, found none; do `algorithms` and the keys fit, and are they public keys for signatures?"
    )]
    None,
    #[error("expected at most {JWT_KEYS_MAX} keys, found more")]
    TooMany,
    #[error(
        "key {kid:?}: expected each key once, found a second one of this name for the same algorithm"
    )]
    Repeated { kid: String },
    #[error("key {kid:?}: expected {expected}, found {found}")]
    Key { kid: String, expected: &'static str, found: String },
}

/// A name from outside, as it may stand in a message.
fn shown(kid: &str) -> String {
    const SHOWN_CHARACTERS_MAX: usize = 64;
    kid.chars().take(SHOWN_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests;
