//! The one token of a request: `Authorization: Bearer`, and nowhere else. A token in the query would stand
//! in logs and histories.

use http::{HeaderMap, header};

use super::TokenError;
use crate::{identity::Denied, limits::JWT_TOKEN_BYTES_MAX};

/// Takes the token out of the headers.
///
/// # Errors
/// There is none, more than one, or one that cannot be one.
pub fn token(headers: &HeaderMap) -> Result<&str, Denied> {
    // RFC 6750, 2.1, without what no JWS has.
    taken(headers, b"-_.=+/")
}

/// The same, for a token that says nothing by itself.
///
/// # Errors
/// As [`token`].
pub fn opaque(headers: &HeaderMap) -> Result<&str, Denied> {
    taken(headers, b"-_.=+/~")
}

fn taken<'a>(headers: &'a HeaderMap, also: &[u8]) -> Result<&'a str, Denied> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Denied::Missing)?;
    // Servers differ on which of two they read: the backend might not read the one that was verified.
    if values.next().is_some() {
        return Err(Denied::Repeated);
    }
    let (scheme, token) = scheme(value.as_bytes());
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(Denied::Missing);
    }
    if token.len() > JWT_TOKEN_BYTES_MAX {
        return Err(Denied::Jwt(TokenError::TooLong));
    }
    // A comma would begin a second credential (RFC 9110, 11.4).
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || also.contains(byte);
    match std::str::from_utf8(token) {
        Ok(text) if !text.is_empty() && token.iter().all(fits) => Ok(text),
        Ok(_) | Err(_) => Err(Denied::Jwt(TokenError::Malformed)),
    }
}

/// The scheme of a credential, and what stands behind it (RFC 9110, 11.4).
#[must_use]
pub fn scheme(value: &[u8]) -> (&[u8], &[u8]) {
    match value.iter().position(|byte| *byte == b' ') {
        Some(end) => (&value[..end], value[end..].trim_ascii()),
        None => (value, &[]),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::{TokenError, token};
    use crate::identity::Denied;

    #[test]
    fn exactly_one_token_is_taken() {
        let long = format!("Bearer {}", "a".repeat(crate::limits::JWT_TOKEN_BYTES_MAX + 1));
        let malformed = Err(Denied::Jwt(TokenError::Malformed));
        for (values, expected) in [
            (&[][..], Err(Denied::Missing)),
            (&["Bearer a.b.c"][..], Ok("a.b.c")),
            (&["bEARER   a.b.c  "], Ok("a.b.c")),
            (&["Basic a.b.c"], Err(Denied::Missing)),
            (&["Bearera.b.c"], Err(Denied::Missing)),
            (&["a.b.c"], Err(Denied::Missing)),
            (&[""], Err(Denied::Missing)),
            (&["Bearer"], malformed),
            (&["Bearer "], malformed),
            (&["Bearer a.b.c d.e.f"], malformed),
            (&["Bearer a.b.c, Bearer d.e.f"], malformed),
            (&["Bearer \"a.b.c\""], malformed),
            (&["Bearer\ta.b.c"], Err(Denied::Missing)),
            (&["Bearer a.b.c", "Bearer a.b.c"], Err(Denied::Repeated)),
            (&["Basic x", "Bearer a.b.c"], Err(Denied::Repeated)),
            (&["Bearer a.b.c", ""], Err(Denied::Repeated)),
            (&[long.as_str()], Err(Denied::Jwt(TokenError::TooLong))),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(token(&headers), expected, "{values:?}");
        }
        let mut headers = HeaderMap::new();
        let bytes = HeaderValue::from_bytes(b"Bearer a.\xff.c").unwrap();
        headers.insert(header::AUTHORIZATION, bytes);
        assert_eq!(token(&headers), malformed);
    }
}
