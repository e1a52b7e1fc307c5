//! Public keys as PEM, as `openssl pkey -pubout` writes them. They have no name: a token with a `kid` finds
//! none of them, and one without finds the one that its algorithm is for.

use aws_lc_rs::{
    rsa,
    signature::{self, ParsedPublicKey, RsaParameters},
};
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject as _};

use super::{
    Key, KeyError, Verification,
    jwk::{RSA_BITS, Read},
};
use crate::identity::jwt::{Algorithm, algorithm::Family};

/// Reads every public key of a text.
pub fn read(text: &str, algorithms: &[Algorithm]) -> Vec<Read> {
    // A private key or a certificate beside them would be passed over in silence.
    let blocks = text.matches("-----BEGIN ").count();
    let public = text.matches("-----BEGIN PUBLIC KEY-----").count();
    if blocks != public {
        return vec![Err(wrong(
            "PUBLIC KEY blocks alone, such as `openssl pkey -pubout` writes",
            "another",
        ))];
    }
    let keys = SubjectPublicKeyInfoDer::pem_slice_iter(text.as_bytes());
    keys.map(|key| match key {
        Ok(der) => one(&der, algorithms),
        Err(error) => Err(wrong("PEM", &error.to_string())),
    })
    .collect()
}

fn one(der: &[u8], algorithms: &[Algorithm]) -> Read {
    if let Ok(key) = rsa::PublicKey::from_der(der) {
        let bits = RsaParameters::public_modulus_len(key.as_ref()).unwrap_or(0) as usize;
        if !RSA_BITS.contains(&bits) {
            return Err(wrong("an RSA key of 2048 to 8192 bits", &bits.to_string()));
        }
    }
    // Which kind it is stands in the key itself: what is of another kind does not parse.
    Ok(Key::new(None, algorithms, |algorithm| {
        let parsed = match algorithm.family() {
            Family::Rsa(parameters) => ParsedPublicKey::new(parameters, der),
            Family::Ec(verification, _) => ParsedPublicKey::new(verification, der),
            Family::Ed25519 => ParsedPublicKey::new(&signature::ED25519, der),
            // A public key as a secret is how anyone would sign (RFC 8725, 2.1).
            Family::Hmac(_) => return None,
        };
        parsed.ok().map(Verification::Public)
    }))
}

fn wrong(expected: &'static str, found: &str) -> KeyError {
    KeyError::Key { kid: String::new(), expected, found: found.to_owned() }
}
