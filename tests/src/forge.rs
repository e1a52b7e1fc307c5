//! Keys and tokens of an issuer, good ones and every other kind.

use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
    hmac, rand, rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
        ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
        RSA_PSS_SHA512, RsaEncoding,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

/// Who signs.
#[derive(Debug)]
pub struct Signer {
    /// The name of its key.
    pub kid: String,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Rsa(Box<rsa::KeyPair>),
    Ec(Box<EcdsaKeyPair>, &'static str),
    Ed25519(Box<Ed25519KeyPair>),
    Secret(Vec<u8>),
}

/// Kinds of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Kind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
    Secret,
}

impl Signer {
    /// A new key.
    #[must_use]
    pub fn new(kid: &str, kind: Kind) -> Self {
        let pair = match kind {
            Kind::Rsa => {
                Pair::Rsa(Box::new(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("a key")))
            }
            Kind::P256 => Pair::Ec(
                Box::new(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key")),
                "P-256",
            ),
            Kind::P384 => Pair::Ec(
                Box::new(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key")),
                "P-384",
            ),
            Kind::P521 => Pair::Ec(
                Box::new(EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).expect("a key")),
                "P-521",
            ),
            Kind::Ed25519 => Pair::Ed25519(Box::new(Ed25519KeyPair::generate().expect("a key"))),
            Kind::Secret => {
                let mut secret = vec![0; 64];
                rand::fill(&mut secret).expect("random bytes");
                Pair::Secret(secret)
            }
        };
        Self { kid: kid.to_owned(), pair }
    }

    /// One whose secret is known to everyone: a public key, say.
    #[must_use]
    pub fn with_secret(kid: &str, secret: &[u8]) -> Self {
        Self { kid: kid.to_owned(), pair: Pair::Secret(secret.to_vec()) }
    }

    /// The same key under another name.
    #[must_use]
    pub fn named(self, kid: &str) -> Self {
        Self { kid: kid.to_owned(), ..self }
    }

    /// What verifiers are told of the key, as a JWK.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let kid = &self.kid;
        match &self.pair {
            Pair::Rsa(pair) => {
                let (n, e) = numbers(pair.public_key().as_ref());
                json!({"kty": "RSA", "kid": kid, "use": "sig", "n": url(&n), "e": url(&e)})
            }
            Pair::Ec(pair, curve) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "kid": kid, "x": url(x), "y": url(y)})
            }
            Pair::Ed25519(pair) => {
                let x = url(pair.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x})
            }
            Pair::Secret(secret) => json!({"kty": "oct", "kid": kid, "k": url(secret)}),
        }
    }

    /// The public key as DER.
    ///
    /// # Panics
    /// A secret has none.
    #[must_use]
    pub fn der(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_der(),
            Pair::Ec(pair, _) => pair.public_key().as_der(),
            Pair::Ed25519(pair) => pair.public_key().as_der(),
            Pair::Secret(_) => panic!("a secret has no public key"),
        }
        .expect("a key");
        der.as_ref().to_vec()
    }

    /// The public key as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        let text = STANDARD.encode(self.der());
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).expect("text"))
            .collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// A signature by this algorithm.
    ///
    /// # Panics
    /// The key is not for it.
    #[must_use]
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = rand::SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "RS256" => &RSA_PKCS1_SHA256,
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    other => panic!("an RSA key cannot sign with {other}"),
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).expect("signed");
                signature
            }
            Pair::Ec(pair, _) => pair.sign(&random, message).expect("signed").as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Secret(secret) => {
                let digest = match algorithm {
                    "HS256" => hmac::HMAC_SHA256,
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    other => panic!("a secret cannot sign with {other}"),
                };
                hmac::sign(&hmac::Key::new(digest, secret), message).as_ref().to_vec()
            }
        }
    }

    /// A token with its usual header.
    #[must_use]
    pub fn token(&self, algorithm: &str, claims: &Value) -> String {
        self.with_header(
            &json!({"alg": algorithm, "typ": "JWT", "kid": self.kid}),
            algorithm,
            claims,
        )
    }

    /// A token with a header of its own.
    #[must_use]
    pub fn with_header(&self, header: &Value, algorithm: &str, claims: &Value) -> String {
        self.of_texts(&header.to_string(), algorithm, &claims.to_string())
    }

    /// A token of what was written by hand, signed as it stands.
    #[must_use]
    pub fn of_texts(&self, header: &str, algorithm: &str, claims: &str) -> String {
        let signed = format!("{}.{}", url(header.as_bytes()), url(claims.as_bytes()));
        let signature = self.sign(algorithm, signed.as_bytes());
        format!("{signed}.{}", url(&signature))
    }
}

/// A set of keys, as an endpoint has it.
#[must_use]
pub fn jwks<'a>(signers: impl IntoIterator<Item = &'a Signer>) -> String {
    let keys: Vec<Value> = signers.into_iter().map(Signer::jwk).collect();
    json!({"keys": keys}).to_string()
}

/// base64url without padding.
#[must_use]
pub fn url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The two numbers of an RSA key (RFC 8017, A.1.1): a sequence of two INTEGERs.
fn numbers(der: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (_, content) = item(der);
    let (rest, n) = item(content);
    let (_, e) = item(rest);
    let plain = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        number[zeros..].to_vec()
    };
    (plain(n), plain(e))
}

/// What is behind an item of DER, and its content.
fn item(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, start) = match der[1] {
        short @ 0..=0x7f => (usize::from(short), 2),
        long => {
            let bytes = usize::from(long & 0x7f);
            let length =
                der[2..2 + bytes].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, 2 + bytes)
        }
    };
    (&der[start + length..], &der[start..start + length])
}
