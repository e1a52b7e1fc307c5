//! The header of a token: whose signature it says it has. It is read before anything is verified, so it
//! chooses nothing but one of our own keys.

use serde_json::{Map, Value};

use super::{Algorithm, TokenError, json};
use crate::limits::{JWT_HEADER_DEPTH_MAX, JWT_HEADER_VALUES_MAX, JWT_KID_BYTES_MAX, JWT_TYPES};

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The key's name.
    pub kid: Option<String>,
    /// What kind of token it is.
    pub typ: Option<String>,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// It is none, or asks for something that is refused.
    pub fn read(bytes: &[u8]) -> Result<Self, TokenError> {
        let members = json::object(bytes, BOUNDS).map_err(|error| match error {
            json::JsonError::Malformed => TokenError::HeaderMalformed,
            json::JsonError::Repeated => TokenError::HeaderRepeated,
            json::JsonError::TooLarge => TokenError::HeaderTooLarge,
        })?;
        for (names, error) in REFUSED {
            if names.iter().any(|name| members.contains_key(*name)) {
                return Err(*error);
            }
        }
        let name = match members.get("alg") {
            Some(Value::String(name)) => name,
            Some(_) => return Err(TokenError::HeaderType),
            None => return Err(TokenError::AlgorithmMissing),
        };
        if name.eq_ignore_ascii_case("none") {
            return Err(TokenError::AlgorithmNone);
        }
        let algorithm = Algorithm::parse(name).ok_or(TokenError::AlgorithmUnknown)?;
        let kid = text(&members, "kid")?;
        if kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > JWT_KID_BYTES_MAX) {
            return Err(TokenError::HeaderType);
        }
        Ok(Self { algorithm, kid, typ: text(&members, "typ")? })
    }

    /// Whether it is a kind of token that is taken.
    ///
    /// An ID token or a logout token of the same issuer has the same keys; their `typ` is what tells them
    /// apart (RFC 8725, 3.11).
    ///
    /// # Errors
    /// It is another kind.
    pub fn check_type(&self, types: &[String]) -> Result<(), TokenError> {
        let Some(typ) = &self.typ else {
            return if types.is_empty() { Ok(()) } else { Err(TokenError::TypeRefused) };
        };
        // RFC 7515, 4.1.9: a media type, whose `application/` may be left out.
        let lower = typ.to_ascii_lowercase();
        let short = lower.strip_prefix("application/").unwrap_or(&lower);
        let taken = if types.is_empty() {
            JWT_TYPES.contains(&short)
        } else {
            types.iter().any(|taken| taken == short)
        };
        if taken { Ok(()) } else { Err(TokenError::TypeRefused) }
    }
}

fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, TokenError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(TokenError::HeaderType),
    }
}

const BOUNDS: json::Bounds =
    json::Bounds { depth: JWT_HEADER_DEPTH_MAX, values: JWT_HEADER_VALUES_MAX };

/// Members that would let a token bring its own key, ask for what we do not do, or be read in two ways.
const REFUSED: &[(&[&str], TokenError)] = &[
    (&["jku", "x5u", "x5c", "jwk"], TokenError::EmbeddedKey),
    (&["crit"], TokenError::Critical),
    (&["b64"], TokenError::PayloadUnencoded),
    (&["enc", "zip"], TokenError::Encrypted),
];
