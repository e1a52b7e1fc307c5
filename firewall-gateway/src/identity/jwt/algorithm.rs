//! Signature algorithms by their names (RFC 7518, RFC 8037, RFC 9864), each with what keys it is for.

use std::fmt;

use aws_lc_rs::{
    hmac,
    signature::{
        self, EcdsaVerificationAlgorithm, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
        RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
        RSA_PSS_2048_8192_SHA512, RsaParameters,
    },
};
use serde::{Deserialize, Serialize};

/// A signature algorithm. What is not here is refused: `none` most of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are those of the RFCs")]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
    Ed25519,
    HS256,
    HS384,
    HS512,
}

/// What keys an algorithm is for, and how it verifies.
#[derive(Clone, Copy)]
pub enum Family {
    /// RSA, with the padding and digest.
    Rsa(&'static RsaParameters),
    /// ECDSA with `r` and `s` side by side, on the curve of this name.
    Ec(&'static EcdsaVerificationAlgorithm, &'static str),
    /// Ed25519.
    Ed25519,
    /// A shared secret.
    Hmac(hmac::Algorithm),
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
        Self::Ed25519,
        Self::HS256,
        Self::HS384,
        Self::HS512,
    ];

    /// The algorithm of a name, which is compared to the letter.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Its name in headers and keys.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
            Self::Ed25519 => "Ed25519",
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
        }
    }

    /// Whether both sides have the same secret.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }

    /// What keys it is for.
    #[must_use]
    pub fn family(self) -> Family {
        match self {
            Self::RS256 => Family::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Self::RS384 => Family::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            Self::RS512 => Family::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            Self::PS256 => Family::Rsa(&RSA_PSS_2048_8192_SHA256),
            Self::PS384 => Family::Rsa(&RSA_PSS_2048_8192_SHA384),
            Self::PS512 => Family::Rsa(&RSA_PSS_2048_8192_SHA512),
            Self::ES256 => Family::Ec(&signature::ECDSA_P256_SHA256_FIXED, "P-256"),
            Self::ES384 => Family::Ec(&signature::ECDSA_P384_SHA384_FIXED, "P-384"),
            Self::ES512 => Family::Ec(&signature::ECDSA_P521_SHA512_FIXED, "P-521"),
            Self::EdDSA | Self::Ed25519 => Family::Ed25519,
            Self::HS256 => Family::Hmac(hmac::HMAC_SHA256),
            Self::HS384 => Family::Hmac(hmac::HMAC_SHA384),
            Self::HS512 => Family::Hmac(hmac::HMAC_SHA512),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Algorithm;

    #[test]
    fn names_are_read_to_the_letter() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.name()), Some(algorithm));
            let json = serde_json::to_string(&algorithm).unwrap();
            assert_eq!(json, format!("\"{algorithm}\""));
        }
        for name in ["", "none", "rs256", "RS256 ", "ES256K", "RS1", "Ed448", "eddsa", "RSA-OAEP"] {
            assert_eq!(Algorithm::parse(name), None, "{name}");
        }
    }
}
