//! Content types: which of those that an operation takes a body has, and how it is read.

use http::{HeaderMap, header};

/// `type/subtype`, in lower case, with what is said beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// Such as `application`.
    pub kind: String,
    /// Such as `json`.
    pub subtype: String,
    parameters: Vec<(String, String)>,
}

/// How a body of a content type is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/json` and everything `+json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`.
    Multipart,
    /// `text/plain`.
    Text,
    /// It is not.
    Other,
}

impl MediaType {
    /// Reads the value of a `Content-Type`; nothing where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut pieces = text.split(';');
        let (kind, subtype) = pieces.next()?.trim().split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let mut parameters: Vec<(String, String)> = Vec::new();
        for piece in pieces {
            let (name, value) = piece.trim().split_once('=')?;
            let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let value = match quoted {
                Some(inner) if !inner.contains(['"', '\\']) => inner,
                None if is_token(value) => value,
                _ => return None,
            };
            let name = name.to_ascii_lowercase();
            if !is_token(&name) || parameters.iter().any(|(known, _)| *known == name) {
                return None;
            }
            parameters.push((name, value.to_owned()));
        }
        let (kind, subtype) = (kind.to_ascii_lowercase(), subtype.to_ascii_lowercase());
        Some(Self { kind, subtype, parameters })
    }

    /// What is said beside it.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How exactly this one, of a document, names another: nothing where it does not.
    #[must_use]
    pub fn names(&self, other: &Self) -> Option<u8> {
        match (self.kind.as_str(), self.subtype.as_str()) {
            ("*", "*") => Some(0),
            (kind, "*") => (kind == other.kind).then_some(1),
            (kind, subtype) => (kind == other.kind && subtype == other.subtype).then_some(2),
        }
    }

    /// How a body of it is read.
    #[must_use]
    pub fn format(&self) -> Format {
        match (self.kind.as_str(), self.subtype.as_str()) {
            ("application", "json") => Format::Json,
            (_, subtype) if subtype.ends_with("+json") => Format::Json,
            ("application", "x-www-form-urlencoded") => Format::Form,
            ("multipart", "form-data") => Format::Multipart,
            ("text", "plain") => Format::Text,
            _ => Format::Other,
        }
    }

    /// Whether its text is UTF-8, as far as it says.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.parameter("charset").is_none_or(|charset| {
            charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii")
        })
    }
}

/// What a body is said to be; nothing where that is not said once.
#[must_use]
pub fn given(headers: &HeaderMap) -> Option<MediaType> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(given), None) = (types.next(), types.next()) else { return None };
    given.to_str().ok().and_then(MediaType::parse)
}

/// Whether a body has to be decoded before it is what it is said to be: nobody has looked at what comes out of it, and
/// a few bytes may become many.
#[must_use]
pub fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

// RFC 9110, 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::{Format, MediaType};

    #[test]
    fn content_types_are_read() {
        for (text, expected) in [
            ("application/json", Some(Format::Json)),
            ("Application/JSON; charset=UTF-8", Some(Format::Json)),
            ("application/problem+json", Some(Format::Json)),
            ("application/x-www-form-urlencoded", Some(Format::Form)),
            ("multipart/form-data; boundary=\"a b\"", Some(Format::Multipart)),
            ("text/plain;charset=utf-8", Some(Format::Text)),
            ("application/xml", Some(Format::Other)),
            ("", None),
            ("json", None),
            ("application/", None),
            ("application/json, text/plain", None),
            ("application/json; charset", None),
            ("application/json; charset=a; charset=b", None),
            ("application/json; charset=\"a\\\"b\"", None),
            ("application/json;", None),
        ] {
            let found = MediaType::parse(text).map(|found| found.format());
            assert_eq!(found, expected, "{text}");
        }
        let form = MediaType::parse("multipart/form-data; boundary=\"a b\"").unwrap();
        assert_eq!(form.parameter("boundary"), Some("a b"));
    }

    #[test]
    fn the_closest_name_counts() {
        let one = |text| MediaType::parse(text).unwrap();
        for (range, exactness) in [
            ("application/json", Some(2)),
            ("application/*", Some(1)),
            ("*/*", Some(0)),
            ("text/*", None),
            ("application/xml", None),
        ] {
            assert_eq!(one(range).names(&one("application/json; a=b")), exactness, "{range}");
        }
    }

    #[test]
    fn other_characters_are_other_texts() {
        for (text, expected) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("application/json; charset=\"US-ASCII\"", true),
            ("application/json; charset=utf-16", false),
            ("application/json; charset=iso-8859-1", false),
        ] {
            assert_eq!(MediaType::parse(text).unwrap().is_utf8(), expected, "{text}");
        }
    }
}
