//! Keys as JSON (RFC 7517, RFC 7518 section 6, RFC 8037).

use aws_lc_rs::{
    hmac,
    signature::{ParsedPublicKey, RsaPublicKeyComponents},
};
use serde_json::{Map, Value};

use super::{Key, KeyError, Source, Verification, shown};
use crate::{
    identity::jwt::{Algorithm, algorithm::Family, json, verify::decoded},
    limits::{JWT_KEYS_DEPTH_MAX, JWT_KEYS_VALUES_MAX, JWT_KID_BYTES_MAX},
};

/// A key, nothing where it is none for us, or what is wrong with it.
pub type Read = Result<Option<Key>, KeyError>;

/// Reads a JWK, or a set of them.
///
/// # Errors
/// It is neither.
pub fn read(text: &str, algorithms: &[Algorithm], source: Source) -> Result<Vec<Read>, KeyError> {
    let mut members = json::object(text.as_bytes(), BOUNDS).map_err(|error| KeyError::Form {
        found: match error {
            json::JsonError::Malformed => "no JSON object",
            json::JsonError::Repeated => "a JSON object with a member twice",
            json::JsonError::TooLarge => "a JSON object that is too deep or too large",
        },
    })?;
    if members.contains_key("kty") {
        return Ok(vec![key(&members, algorithms, source)]);
    }
    match members.remove("keys") {
        Some(Value::Array(keys)) => {
            Ok(keys.iter().map(|one| entry(one, algorithms, source)).collect())
        }
        Some(_) => Err(KeyError::Form { found: "`keys` that is no list" }),
        None => Err(KeyError::Form { found: "a JSON object without `keys` and `kty`" }),
    }
}

fn entry(value: &Value, algorithms: &[Algorithm], source: Source) -> Read {
    match value {
        Value::Object(members) => key(members, algorithms, source),
        _ => Err(KeyError::Form { found: "a key that is no object" }),
    }
}

fn key(members: &Map<String, Value>, algorithms: &[Algorithm], source: Source) -> Read {
    let kid = match members.get("kid") {
        None => None,
        Some(Value::String(kid)) if (1..=JWT_KID_BYTES_MAX).contains(&kid.len()) => {
            Some(kid.clone())
        }
        Some(_) => return Err(wrong("", "a `kid` of 1 to 256 bytes", "another value")),
    };
    let jwk = Jwk { members, kid: kid.as_deref().unwrap_or_default() };
    if !jwk.is_for_verifying()? {
        return Ok(None);
    }
    let algorithms = match jwk.text("alg")? {
        None => algorithms.to_vec(),
        // A key for something else, such as RSA-OAEP, is none for us.
        Some(name) => {
            algorithms.iter().copied().filter(|algorithm| algorithm.name() == name).collect()
        }
    };
    let Some(kty) = jwk.text("kty")? else {
        return Err(jwk.wrong("`kty`", "none"));
    };
    let private = match kty {
        "RSA" | "EC" | "OKP" => members.contains_key("d"),
        _ => false,
    };
    if private {
        // Whoever has it can make tokens: it does not belong here, and would better be replaced.
        return Err(jwk.wrong("a public key", "a private one, with `d`"));
    }
    match kty {
        "RSA" => jwk.rsa(kid.clone(), &algorithms),
        "EC" => jwk.ec(kid.clone(), &algorithms),
        "OKP" => jwk.okp(kid.clone(), &algorithms),
        "oct" if source == Source::Fetched => {
            Err(jwk.wrong("public keys at an endpoint", "a shared secret (`oct`)"))
        }
        "oct" => jwk.oct(kid.clone(), &algorithms),
        // RFC 7517, 5: kinds that are not known are passed over.
        _ => Ok(None),
    }
}

struct Jwk<'a> {
    members: &'a Map<String, Value>,
    kid: &'a str,
}

impl Jwk<'_> {
    fn wrong(&self, expected: &'static str, found: &str) -> KeyError {
        wrong(self.kid, expected, found)
    }

    fn text(&self, name: &'static str) -> Result<Option<&str>, KeyError> {
        match self.members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong("text", &format!("`{name}` of another kind"))),
        }
    }

    fn bytes(&self, name: &'static str) -> Result<Vec<u8>, KeyError> {
        let text = self
            .text(name)?
            .ok_or_else(|| self.wrong("all parts of a key", &format!("no `{name}`")))?;
        decoded(text.as_bytes()).ok_or_else(|| {
            self.wrong("base64url without padding", &format!("something else in `{name}`"))
        })
    }

    /// RFC 7517, 4.2 and 4.3: a key says what it is for, or nothing.
    fn is_for_verifying(&self) -> Result<bool, KeyError> {
        let signs = self.text("use")?.is_none_or(|purpose| purpose == "sig");
        let verifies = match self.members.get("key_ops") {
            None => true,
            Some(Value::Array(operations)) => operations.iter().any(|one| one == "verify"),
            Some(_) => return Err(self.wrong("a list in `key_ops`", "another value")),
        };
        Ok(signs && verifies)
    }

    fn rsa(&self, kid: Option<String>, algorithms: &[Algorithm]) -> Read {
        let (n, e) = (self.bytes("n")?, self.bytes("e")?);
        let bits = bits(&n);
        if !RSA_BITS.contains(&bits) {
            return Err(self.wrong("an RSA key of 2048 to 8192 bits", &format!("{bits}")));
        }
        // NIST SP 800-56B: odd, above 2^16; a smaller one has a history of forged signatures.
        if bits_odd_above_16(&e).is_none() {
            return Err(self.wrong("an odd RSA exponent from 65537 on", "another one"));
        }
        let parts = RsaPublicKeyComponents { n, e };
        let mut refused = false;
        let key = Key::new(kid, algorithms, |algorithm| {
            let Family::Rsa(parameters) = algorithm.family() else { return None };
            let parsed = parts.to_parsed_public_key(parameters);
            refused |= parsed.is_err();
            parsed.ok().map(Verification::Public)
        });
        if refused { Err(self.wrong("an RSA key", "numbers that are none")) } else { Ok(key) }
    }

    fn ec(&self, kid: Option<String>, algorithms: &[Algorithm]) -> Read {
        let curve = self.text("crv")?.ok_or_else(|| self.wrong("`crv`", "none"))?;
        let Some((_, coordinate_bytes)) = CURVES.iter().find(|(name, _)| *name == curve) else {
            return Ok(None);
        };
        let mut point = vec![SEC1_UNCOMPRESSED];
        for name in ["x", "y"] {
            let coordinate = self.bytes(name)?;
            // RFC 7518, 6.2.1.2: the full length of the curve, zeros in front.
            if coordinate.len() != *coordinate_bytes {
                return Err(self.wrong("coordinates of the curve's length", "others"));
            }
            point.extend(coordinate);
        }
        let mut refused = false;
        let key = Key::new(kid, algorithms, |algorithm| {
            let Family::Ec(verification, name) = algorithm.family() else { return None };
            if name != curve {
                return None;
            }
            let parsed = ParsedPublicKey::new(verification, &point);
            refused |= parsed.is_err();
            parsed.ok().map(Verification::Public)
        });
        if refused { Err(self.wrong("a point of the curve", "one beside it")) } else { Ok(key) }
    }

    fn okp(&self, kid: Option<String>, algorithms: &[Algorithm]) -> Read {
        // X25519 is for agreement, and Ed448 is not to be had.
        if self.text("crv")?.ok_or_else(|| self.wrong("`crv`", "none"))? != "Ed25519" {
            return Ok(None);
        }
        let x = self.bytes("x")?;
        if x.len() != aws_lc_rs::signature::ED25519_PUBLIC_KEY_LEN {
            return Err(self.wrong("32 bytes in `x`", &format!("{}", x.len())));
        }
        let mut refused = false;
        let key = Key::new(kid, algorithms, |algorithm| {
            let Family::Ed25519 = algorithm.family() else { return None };
            let parsed = ParsedPublicKey::new(&aws_lc_rs::signature::ED25519, &x);
            refused |= parsed.is_err();
            parsed.ok().map(Verification::Public)
        });
        if refused { Err(self.wrong("an Ed25519 key", "bytes that are none")) } else { Ok(key) }
    }

    fn oct(&self, kid: Option<String>, algorithms: &[Algorithm]) -> Read {
        let secret = self.bytes("k")?;
        let short = algorithms.iter().find_map(|algorithm| match algorithm.family() {
            Family::Hmac(hmac) if secret.len() < hmac.tag_len() => Some(hmac.tag_len()),
            _ => None,
        });
        if let Some(bytes) = short {
            // RFC 7518, 3.2: whoever has one token can try all shorter ones.
            let found = format!("{} where its algorithm needs {bytes}", secret.len());
            return Err(self.wrong("a secret at least as long as its digest", &found));
        }
        Ok(Key::new(kid, algorithms, |algorithm| match algorithm.family() {
            Family::Hmac(algorithm) => {
                Some(Verification::Secret(Box::new(hmac::Key::new(algorithm, &secret))))
            }
            _ => None,
        }))
    }
}

fn wrong(kid: &str, expected: &'static str, found: &str) -> KeyError {
    KeyError::Key { kid: shown(kid), expected, found: found.to_owned() }
}

/// Bits of a number without zeros in front, big end first.
fn bits(number: &[u8]) -> usize {
    match number.first() {
        Some(first) => number.len() * 8 - first.leading_zeros() as usize,
        None => 0,
    }
}

fn bits_odd_above_16(number: &[u8]) -> Option<usize> {
    let bits = bits(number);
    let odd = number.last().is_some_and(|last| last % 2 == 1);
    (odd && bits > 16 && number.first() != Some(&0)).then_some(bits)
}

const BOUNDS: json::Bounds =
    json::Bounds { depth: JWT_KEYS_DEPTH_MAX, values: JWT_KEYS_VALUES_MAX };
/// The least that is believed today, and the most that the library takes.
pub const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;
/// Names and bytes of a coordinate.
const CURVES: [(&str, usize); 3] = [("P-256", 32), ("P-384", 48), ("P-521", 66)];
/// SEC 1, 2.3.3.
const SEC1_UNCOMPRESSED: u8 = 4;
