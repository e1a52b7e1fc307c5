//! Where keys stand in a request: exactly one credential, in one place.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{error::KeyError, text::is_meant};
use crate::{
    headers::plain,
    identity::{Denied, jwt},
    limits::CREDENTIAL_BYTES_MAX,
    policy::ApiKeyPolicy,
};

/// The one credential of a request.
#[derive(Debug)]
pub enum Found<'a> {
    /// A key.
    Key {
        /// What claims to be one.
        text: Cow<'a, [u8]>,
        /// The user name that came with it in `Basic`.
        user: Option<Vec<u8>>,
    },
    /// It may be a token.
    Token,
}

/// Where a route looks.
#[derive(Debug)]
pub struct Carriers {
    header: Option<HeaderName>,
    bearer: bool,
    basic: bool,
    keep: bool,
    /// Whether the route takes tokens too.
    tokens: bool,
}

impl Carriers {
    /// Where keys stand for a route; `tokens` says whether it takes tokens beside them.
    ///
    /// # Errors
    /// The header that cannot carry one.
    pub fn new(policy: &ApiKeyPolicy, tokens: bool) -> Result<Self, String> {
        let header = policy.header.as_ref().map(|name| {
            let usable = HeaderName::from_bytes(name.as_bytes()).ok();
            usable.filter(|_| jwt::is_header_for_claims(name)).ok_or_else(|| name.clone())
        });
        let ApiKeyPolicy { bearer, basic, keep, .. } = *policy;
        Ok(Self { header: header.transpose()?, bearer, basic, keep, tokens })
    }

    /// The one credential of a request. Two of them, even the same twice, could be read as one by us and as the
    /// other by whoever comes next.
    ///
    /// # Errors
    /// There is none, there are several, or it cannot be read.
    pub fn find<'a>(&self, headers: &'a HeaderMap) -> Result<Found<'a>, Denied> {
        let own = self.header.iter().flat_map(|name| headers.get_all(name));
        let asked = self.bearer || self.basic || self.tokens;
        let other = asked.then(|| headers.get_all(header::AUTHORIZATION)).into_iter().flatten();
        let places = own.map(|value| (value, true)).chain(other.map(|value| (value, false)));
        let mut places = places.map(|(value, own)| (value.as_bytes(), own));
        let (value, own) = places.next().ok_or(Denied::Missing)?;
        if places.next().is_some() {
            return Err(Denied::Repeated);
        }
        if own {
            return key(value);
        }
        let (scheme, text) = jwt::scheme(value);
        if scheme.eq_ignore_ascii_case(b"bearer") {
            if self.bearer && (is_meant(text) || !self.tokens) {
                return key(text);
            }
            return if self.tokens { Ok(Found::Token) } else { Err(Denied::Missing) };
        }
        if self.basic && scheme.eq_ignore_ascii_case(b"basic") {
            return basic(text);
        }
        Err(Denied::Missing)
    }

    /// Takes every place away where a key could have stood, in all spellings that servers take for the same.
    pub fn withhold(&self, headers: &mut HeaderMap, by_key: bool) {
        if self.keep {
            return;
        }
        if by_key && (self.bearer || self.basic) {
            headers.remove(header::AUTHORIZATION);
        }
        let Some(name) = &self.header else { return };
        let wanted = plain(name.as_str());
        let same = headers.keys().filter(|other| plain(other.as_str()) == wanted);
        for other in same.cloned().collect::<Vec<_>>() {
            headers.remove(other);
        }
    }

    /// What a 401 says beside `Bearer`: no registered scheme says that a header of its own carries a credential.
    #[must_use]
    pub fn challenges(&self) -> Vec<HeaderValue> {
        let own = self.header.as_ref();
        let own = own.map(|name| format!("ApiKey realm=\"api\", header=\"{name}\""));
        let basic = self.basic.then(|| "Basic realm=\"api\", charset=\"UTF-8\"".to_owned());
        own.into_iter().chain(basic).filter_map(|text| text.parse().ok()).collect()
    }

    /// Whether `Authorization: Bearer` may carry one.
    #[must_use]
    pub fn takes_bearer(&self) -> bool {
        self.bearer
    }
}

fn key(text: &[u8]) -> Result<Found<'_>, Denied> {
    if text.len() > CREDENTIAL_BYTES_MAX {
        return Err(Denied::Key(KeyError::TooLong));
    }
    Ok(Found::Key { text: Cow::Borrowed(text), user: None })
}

// RFC 7617, to the letter: one text has one form.
fn basic(text: &[u8]) -> Result<Found<'_>, Denied> {
    if text.len() > CREDENTIAL_BYTES_MAX {
        return Err(Denied::Key(KeyError::TooLong));
    }
    let wrong = Denied::Key(KeyError::Encoding);
    let pair = STANDARD.decode(text).map_err(|_| wrong)?;
    let colon = pair.iter().position(|byte| *byte == b':').ok_or(wrong)?;
    let (user, password) = (pair[..colon].to_vec(), pair[colon + 1..].to_vec());
    // As `curl -u KEY:` sends it, or behind the name of its consumer.
    let (text, user) = if password.is_empty() { (user, None) } else { (password, Some(user)) };
    Ok(Found::Key { text: Cow::Owned(text), user })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn carriers(tokens: bool) -> Carriers {
        let header = Some("x-api-key".to_owned());
        Carriers::new(&ApiKeyPolicy { header, bearer: true, basic: true, keep: false }, tokens)
            .unwrap()
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
        let carriers = carriers(false);
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
            (&[("x-api-key", "k"), ("x-api-key", "k")], Err(Denied::Repeated)),
            (&[("x-api-key", "k"), ("authorization", "Bearer k")], Err(Denied::Repeated)),
            (&[("x-api-key", "k"), ("authorization", "Digest k")], Err(Denied::Repeated)),
            (
                &[("authorization", "Bearer k"), ("authorization", "Bearer k")],
                Err(Denied::Repeated),
            ),
            (
                &[("authorization", "Bearer k"), ("authorization", "Digest k")],
                Err(Denied::Repeated),
            ),
            (&[("authorization", "Digest k")], Err(Denied::Missing)),
            (&[("authorization", "Bearer")], Ok(("", None))),
            (&[("authorization", "Bearer ")], Ok(("", None))),
            (&[("authorization", "k")], Err(Denied::Missing)),
            (&[("authorization", "")], Err(Denied::Missing)),
            (&[("authorization", "Basic k")], Err(Denied::Key(KeyError::Encoding))),
            (&[("authorization", "Basic azo")], Err(Denied::Key(KeyError::Encoding))),
            (&[("authorization", "Basic azp=")], Err(Denied::Key(KeyError::Encoding))),
            (&[("authorization", "Basic a===")], Err(Denied::Key(KeyError::Encoding))),
            (&[("authorization", "Basic ====")], Err(Denied::Key(KeyError::Encoding))),
            (&[("authorization", "Basic a_o=")], Err(Denied::Key(KeyError::Encoding))),
            // No colon.
            (&[("authorization", "Basic a2s=")], Err(Denied::Key(KeyError::Encoding))),
        ] {
            let headers = headers(lines);
            let found = carriers.find(&headers).map(|found| {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let Found::Key { text: key, user } = found else { panic!("{lines:?}") };
                (text(&key), user.as_deref().map(text))
            });
            let expected = expected.map(|(text, user)| (text.to_owned(), user.map(str::to_owned)));
            assert_eq!(found, expected, "{lines:?}");
        }
        let long = "k".repeat(CREDENTIAL_BYTES_MAX + 1);
        let found = headers(&[("x-api-key", &long)]);
        assert_eq!(carriers.find(&found).err(), Some(Denied::Key(KeyError::TooLong)));
    }

    #[test]
    fn tokens_and_keys_are_told_apart_by_what_they_begin_with() {
        for (value, token) in [("Bearer a.b.c", true), ("Bearer sw_x", false), ("Bearer ", true)] {
            let found = headers(&[("authorization", value)]);
            let found = carriers(true).find(&found).map(|found| matches!(found, Found::Token));
            assert_eq!(found, Ok(token), "{value}");
        }
        let both = headers(&[("authorization", "Bearer a.b.c"), ("x-api-key", "sw_x")]);
        assert_eq!(carriers(true).find(&both).err(), Some(Denied::Repeated));
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
        carriers(true).withhold(&mut headers, false);
        assert!(headers.contains_key("authorization"), "a token goes on");
        carriers(true).withhold(&mut headers, true);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-api-keys"]);
    }
}
