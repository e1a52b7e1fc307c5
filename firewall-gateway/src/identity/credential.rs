//! Where credentials stand in a request: exactly one of them, in one place.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, header};

use super::Denied;
use crate::{
    headers::{is_ours, must_arrive},
    limits::CREDENTIAL_BYTES_MAX,
    policy::{ApiKeyPolicy, MethodPolicy},
};

/// What a request shows.
pub struct Credential<'a> {
    /// The secret.
    pub text: Cow<'a, [u8]>,
    /// The user name that came with it.
    pub user: Option<Vec<u8>>,
    /// Where it stood.
    pub carrier: Carrier<'a>,
}

/// Where a credential stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier<'a> {
    /// In a header of its own.
    Header(&'a HeaderName),
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: Basic`.
    Basic,
}

impl Carrier<'_> {
    /// Whether keys are taken from there.
    #[must_use]
    pub fn is_of(self, key: &ApiKeyPolicy) -> bool {
        match self {
            Self::Header(name) => key.header.as_deref() == Some(name.as_str()),
            Self::Bearer => key.bearer,
            Self::Basic => key.basic,
        }
    }
}

/// Where a route looks.
#[derive(Debug)]
pub struct Carriers {
    headers: Vec<HeaderName>,
    bearer: bool,
    basic: bool,
}

impl Carriers {
    /// Where these kinds of credentials stand.
    ///
    /// # Errors
    /// The header that cannot carry one.
    pub fn new(methods: &[MethodPolicy]) -> Result<Self, String> {
        let mut carriers = Self { headers: Vec::new(), bearer: false, basic: false };
        for method in methods {
            let MethodPolicy::ApiKey(key) = method;
            if let Some(name) = &key.header {
                let parsed = HeaderName::try_from(name).ok().filter(|_| is_carrier(name));
                carriers.headers.push(parsed.ok_or_else(|| name.clone())?);
            }
            carriers.bearer |= key.bearer;
            carriers.basic |= key.basic;
        }
        Ok(carriers)
    }

    /// The one credential of a request. Two of them, even the same twice, could be read as one by us and as the
    /// other by whoever comes next.
    ///
    /// # Errors
    /// There is none, there are several, or it cannot be read.
    pub fn find<'a>(&'a self, headers: &'a HeaderMap) -> Result<Credential<'a>, Denied> {
        let mut found = None;
        for name in &self.headers {
            for value in headers.get_all(name) {
                let credential = (Carrier::Header(name), value.as_bytes());
                if found.replace(credential).is_some() {
                    return Err(Denied::Several);
                }
            }
        }
        if self.bearer || self.basic {
            for value in headers.get_all(header::AUTHORIZATION) {
                let (carrier, text) = match scheme(value.as_bytes()) {
                    Some((scheme, text))
                        if self.bearer && scheme.eq_ignore_ascii_case(b"bearer") =>
                    {
                        (Carrier::Bearer, text)
                    }
                    Some((scheme, text)) if self.basic && scheme.eq_ignore_ascii_case(b"basic") => {
                        (Carrier::Basic, text)
                    }
                    Some(_) | None if found.is_some() => return Err(Denied::Several),
                    Some(_) | None => return Err(Denied::Scheme),
                };
                if found.replace((carrier, text)).is_some() {
                    return Err(Denied::Several);
                }
            }
        }
        let (carrier, text) = found.ok_or(Denied::Missing)?;
        if text.len() > CREDENTIAL_BYTES_MAX {
            return Err(Denied::CredentialTooLong);
        }
        if carrier != Carrier::Basic {
            return Ok(Credential { text: Cow::Borrowed(text), user: None, carrier });
        }
        let pair = base64(text).ok_or(Denied::CredentialMalformed)?;
        let colon =
            pair.iter().position(|byte| *byte == b':').ok_or(Denied::CredentialMalformed)?;
        let (user, password) = (pair[..colon].to_vec(), pair[colon + 1..].to_vec());
        // As `curl -u KEY:` sends it, or behind the name of its consumer.
        let (text, user) = if password.is_empty() { (user, None) } else { (password, Some(user)) };
        Ok(Credential { text: Cow::Owned(text), user, carrier })
    }

    /// Takes every place away where one could have stood, in all spellings that servers take for the same.
    pub fn remove(&self, headers: &mut HeaderMap) {
        if self.bearer || self.basic {
            headers.remove(header::AUTHORIZATION);
        }
        for name in &self.headers {
            headers.remove(name);
            let same: Vec<HeaderName> = headers
                .keys()
                .filter(|other| is_same(other.as_str(), name.as_str()))
                .cloned()
                .collect();
            for other in same {
                headers.remove(other);
            }
        }
    }
}

/// Whether a header, in lower case, can carry a credential: those that say who the request is for and how long it
/// is cannot.
pub fn is_carrier(name: &str) -> bool {
    HeaderName::try_from(name).is_ok_and(|name| {
        let name = name.as_str();
        !is_ours(name)
            && !must_arrive(name)
            && !["connection", "expect", "te", "trailer", "upgrade"].contains(&name)
    })
}

// CGI-like servers read `X_Api_Key` and `X.Api.Key` as `X-Api-Key`.
fn is_same(one: &str, other: &str) -> bool {
    let plain = |byte: u8| if matches!(byte, b'_' | b'.') { b'-' } else { byte };
    one.len() == other.len() && one.bytes().map(plain).eq(other.bytes().map(plain))
}

// RFC 9110, 11.4: one space or more behind the scheme.
fn scheme(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = value.split_at(end);
    let text = rest.trim_ascii();
    (!text.is_empty()).then_some((scheme, text))
}

/// RFC 4648, 4, with its padding and nothing beside it: one text has one form.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = text.get(..text.len() - padding).filter(|_| padding <= 2)?;
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in digits {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    (bits == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn carriers() -> Carriers {
        let key = ApiKeyPolicy { header: Some("x-api-key".to_owned()), bearer: true, basic: true };
        Carriers::new(&[MethodPolicy::ApiKey(key)]).unwrap()
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn exactly_one_credential_is_taken() {
        let carriers = carriers();
        for (lines, expected) in [
            (&[("x-api-key", "k")][..], Ok(("k", None))),
            (&[("authorization", "Bearer k")], Ok(("k", None))),
            (&[("authorization", "bEARER   k")], Ok(("k", None))),
            // k:
            (&[("authorization", "Basic azo=")], Ok(("k", None))),
            // shop:k
            (&[("authorization", "Basic c2hvcDpr")], Ok(("k", Some("shop")))),
            // :k
            (&[("authorization", "Basic Oms=")], Ok(("k", Some("")))),
            (&[], Err(Denied::Missing)),
            (&[("x-api-key2", "k")], Err(Denied::Missing)),
            (&[("x_api_key", "k")], Err(Denied::Missing)),
            (&[("x-api-key", "k"), ("x-api-key", "k")], Err(Denied::Several)),
            (&[("x-api-key", "k"), ("authorization", "Bearer k")], Err(Denied::Several)),
            (&[("x-api-key", "k"), ("authorization", "Digest k")], Err(Denied::Several)),
            (&[("authorization", "Bearer k"), ("authorization", "Bearer k")], Err(Denied::Several)),
            (&[("authorization", "Bearer k"), ("authorization", "Digest k")], Err(Denied::Several)),
            (&[("authorization", "Digest k")], Err(Denied::Scheme)),
            (&[("authorization", "Bearer")], Err(Denied::Scheme)),
            (&[("authorization", "Bearer ")], Err(Denied::Scheme)),
            (&[("authorization", "k")], Err(Denied::Scheme)),
            (&[("authorization", "")], Err(Denied::Scheme)),
            (&[("authorization", "Basic k")], Err(Denied::CredentialMalformed)),
            (&[("authorization", "Basic azo")], Err(Denied::CredentialMalformed)),
            (&[("authorization", "Basic azp=")], Err(Denied::CredentialMalformed)),
            (&[("authorization", "Basic a===")], Err(Denied::CredentialMalformed)),
            (&[("authorization", "Basic ====")], Err(Denied::CredentialMalformed)),
            (&[("authorization", "Basic a_o=")], Err(Denied::CredentialMalformed)),
            // No colon.
            (&[("authorization", "Basic a2s=")], Err(Denied::CredentialMalformed)),
        ] {
            let headers = headers(lines);
            let found = carriers.find(&headers).map(|found| {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                (text(&found.text), found.user.as_deref().map(text))
            });
            let expected = expected.map(|(text, user)| (text.to_owned(), user.map(str::to_owned)));
            assert_eq!(found, expected, "{lines:?}");
        }
        let long = "k".repeat(CREDENTIAL_BYTES_MAX + 1);
        let found = headers(&[("x-api-key", &long)]);
        assert!(matches!(carriers.find(&found), Err(Denied::CredentialTooLong)));
    }

    #[test]
    fn what_carried_one_goes_in_every_spelling() {
        let mut headers = headers(&[
            ("x-api-key", "a"),
            ("x_api_key", "b"),
            ("x.api-key", "c"),
            ("authorization", "Bearer d"),
            ("x-api-keys", "kept"),
        ]);
        carriers().remove(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-api-keys"]);
    }

    #[test]
    fn some_headers_carry_no_credential() {
        for (name, expected) in [
            ("x-api-key", true),
            ("apikey", true),
            ("authorization", false),
            ("cookie", false),
            ("host", false),
            ("content-length", false),
            ("x-forwarded-for", false),
            ("x-consumer", false),
            ("connection", false),
            ("a b", false),
            ("", false),
        ] {
            assert_eq!(is_carrier(name), expected, "{name}");
        }
    }
}
