//! From claims to who it is: consumer, scopes, roles, and what backends are told.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::TokenError;
use crate::{
    headers::{X_CONSUMER, X_CONSUMER_CREDENTIAL, X_CONSUMER_ROLES, X_CONSUMER_SCOPES},
    identity::{Identity, Method},
    limits::{CLAIM_HEADER_BYTES_MAX, CONSUMER_BYTES_MAX, JWT_GRANT_BYTES_MAX, JWT_GRANTS_MAX},
    policy::JwtPolicy,
};

/// Who it is that these claims are about.
///
/// # Errors
/// A claim that is asked for is missing, of another kind, or too large.
pub fn identity(
    claims: Map<String, Value>,
    policy: &JwtPolicy,
    credential: Arc<str>,
) -> Result<Identity, TokenError> {
    // Seen here once, so that it cannot fail in a request.
    for one in &policy.headers {
        header(&claims, &one.claim)?;
    }
    let names = Claims {
        consumer: &policy.consumer_claim,
        scopes: policy.scopes_claim.as_deref(),
        roles: policy.roles_claim.as_deref(),
    };
    identity_of(claims, names, Method::Jwt, credential)
}

/// Which claims say who it is.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// The consumer.
    pub consumer: &'a str,
    /// What it was granted; `scope` or else `scp` where there is none.
    pub scopes: Option<&'a str>,
    /// What it is.
    pub roles: Option<&'a str>,
}

/// The same, by the names of claims.
///
/// # Errors
/// As [`identity`].
pub fn identity_of(
    claims: Map<String, Value>,
    names: Claims<'_>,
    method: Method,
    credential: Arc<str>,
) -> Result<Identity, TokenError> {
    let consumer = match claim(&claims, names.consumer) {
        None | Some(Value::Null) => return Err(TokenError::ClaimMissing),
        Some(Value::String(text)) => consumer(text)?,
        Some(_) => return Err(TokenError::ClaimType),
    };
    let scopes = match names.scopes {
        Some(name) => claim(&claims, name),
        // RFC 9068 and RFC 8693 say `scope`; Entra ID and Okta say `scp`.
        None => claims.get("scope").or_else(|| claims.get("scp")),
    };
    let scopes = grants(scopes, Words::Spaced)?;
    let roles = names.roles.and_then(|name| claim(&claims, name));
    let roles = grants(roles, Words::Whole)?;
    Ok(Identity {
        consumer,
        scopes: scopes.into(),
        roles: roles.into(),
        claims: Some(Arc::new(claims)),
        method,
        credential,
    })
}

/// What backends are told of somebody whose claims say it.
///
/// # Errors
/// It is longer than a header may be.
pub fn told(identity: &Identity) -> Result<Vec<(HeaderName, HeaderValue)>, TokenError> {
    let said = [
        (X_CONSUMER, identity.consumer.to_string()),
        (X_CONSUMER_SCOPES, identity.scopes.join(" ")),
        (X_CONSUMER_ROLES, identity.roles.join(" ")),
        (X_CONSUMER_CREDENTIAL, identity.credential.to_string()),
    ];
    let said = said.into_iter().filter(|(_, text)| !text.is_empty());
    said.map(|(name, text)| Ok((name, text_header(&text)?))).collect()
}

/// The claim of a name, or else at a path such as `realm_access.roles`. A name may have dots itself, as
/// `https://example.com/roles` does.
#[must_use]
pub fn claim<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    let mut value = claims.get(first)?;
    for name in rest.split('.') {
        value = value.as_object()?.get(name)?;
    }
    Some(value)
}

/// What a header says of a claim; nothing where there is none, or it is an object.
///
/// What is not plain, and `%`, is percent-encoded, and so are commas in entries of a list: a claim ends no
/// header, and no entry is read as two.
///
/// # Errors
/// It is longer than a header may be.
pub fn header(claims: &Map<String, Value>, path: &str) -> Result<Option<HeaderValue>, TokenError> {
    let text = match claim(claims, path) {
        None | Some(Value::Null | Value::Object(_)) => return Ok(None),
        Some(Value::String(text)) => encoded(text, b""),
        Some(Value::Array(entries)) => {
            let entries = entries.iter().filter_map(|entry| match entry {
                Value::String(text) => Some(encoded(text, b",")),
                Value::Number(_) | Value::Bool(_) => Some(entry.to_string()),
                Value::Null | Value::Array(_) | Value::Object(_) => None,
            });
            entries.collect::<Vec<_>>().join(",")
        }
        Some(plain @ (Value::Number(_) | Value::Bool(_))) => plain.to_string(),
    };
    if text.len() > CLAIM_HEADER_BYTES_MAX {
        return Err(TokenError::ClaimsTooLarge);
    }
    HeaderValue::from_str(&text).map(Some).map_err(|_| TokenError::ClaimType)
}

/// A text as a header says it.
///
/// # Errors
/// It is longer than a header may be.
fn text_header(text: &str) -> Result<HeaderValue, TokenError> {
    let text = encoded(text, b"");
    if text.len() > CLAIM_HEADER_BYTES_MAX {
        return Err(TokenError::ClaimsTooLarge);
    }
    HeaderValue::from_str(&text).map_err(|_| TokenError::ClaimType)
}

fn encoded(text: &str, also: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | 0..=0x1f | 0x7f..=0xff => encoded.push_str(&format!("%{byte:02X}")),
            _ if also.contains(&byte) => encoded.push_str(&format!("%{byte:02X}")),
            plain => encoded.push(char::from(plain)),
        }
    }
    encoded
}

fn consumer(text: &str) -> Result<Arc<str>, TokenError> {
    match text.len() {
        0 => Err(TokenError::ClaimMissing),
        1..=CONSUMER_BYTES_MAX if !text.chars().any(char::is_control) => Ok(text.into()),
        1..=CONSUMER_BYTES_MAX => Err(TokenError::ClaimType),
        _ => Err(TokenError::ClaimsTooLarge),
    }
}

/// How a text names several things.
#[derive(Clone, Copy)]
enum Words {
    /// Words between spaces (RFC 6749, 3.3).
    Spaced,
    /// Not at all.
    Whole,
}

fn grants(value: Option<&Value>, words: Words) -> Result<Vec<Arc<str>>, TokenError> {
    let found: Vec<&str> = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => match words {
            Words::Spaced => text.split(' ').filter(|word| !word.is_empty()).collect(),
            Words::Whole => vec![text],
        },
        Some(Value::Array(entries)) => {
            let texts: Option<Vec<&str>> = entries.iter().map(Value::as_str).collect();
            texts.ok_or(TokenError::ClaimType)?
        }
        Some(_) => return Err(TokenError::ClaimType),
    };
    if found.len() > JWT_GRANTS_MAX || found.iter().any(|one| one.len() > JWT_GRANT_BYTES_MAX) {
        return Err(TokenError::ClaimsTooLarge);
    }
    Ok(found.into_iter().map(Arc::from).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{TokenError, claim, header};

    fn claims() -> Map<String, Value> {
        let claims = json!({
            "sub": "a", "realm_access": {"roles": ["x", "y,z"]}, "https://e.example/roles": ["q"],
            "a.b": 1, "a": {"b": 2, "c": {"d": true}}, "name": "Jürgen 5%\r\nX: y", "none": null,
            "long": "x".repeat(5_000), "mixed": [1, "a", null, [], false],
        });
        claims.as_object().expect("an object").clone()
    }

    #[test]
    fn paths() {
        let claims = claims();
        for (path, expected) in [
            ("sub", Some(json!("a"))),
            ("realm_access.roles", Some(json!(["x", "y,z"]))),
            ("https://e.example/roles", Some(json!(["q"]))),
            ("a.b", Some(json!(1))),
            ("a.c.d", Some(json!(true))),
            ("a.c.d.e", None),
            ("a.", None),
            (".a", None),
            ("", None),
            ("sub.x", None),
            ("none", Some(Value::Null)),
        ] {
            assert_eq!(claim(&claims, path), expected.as_ref(), "{path}");
        }
    }

    #[test]
    fn a_claim_stays_within_its_header() {
        let claims = claims();
        for (path, expected) in [
            ("sub", Ok(Some("a"))),
            ("name", Ok(Some("J%C3%BCrgen 5%25%0D%0AX: y"))),
            ("realm_access.roles", Ok(Some("x,y%2Cz"))),
            ("mixed", Ok(Some("1,a,false"))),
            ("a.c.d", Ok(Some("true"))),
            ("a", Ok(None)),
            ("none", Ok(None)),
            ("missing", Ok(None)),
            ("long", Err(TokenError::ClaimsTooLarge)),
        ] {
            let found = header(&claims, path);
            let found =
                found.as_ref().map(|value| value.as_ref().map(|value| value.to_str().unwrap()));
            assert_eq!(found, expected.as_ref().copied(), "{path}");
        }
    }
}
