//! Which answer may be compressed. Compression makes lengths tell of contents, so the default is that
//! nothing is where a secret may stand beside what somebody else chose.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header, response::Parts};

use crate::policy::answer::CompressionPolicy;

/// The rule of a route.
#[derive(Debug)]
pub struct Compression {
    types: Vec<String>,
    bytes_min: u64,
    secrets: bool,
}

/// What of a request decides about compression; read before its headers go to the upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    takes_gzip: bool,
    has_credentials: bool,
    is_plain: bool,
}

impl Asked {
    /// Reads it.
    #[must_use]
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        Self {
            takes_gzip: takes_gzip(headers),
            has_credentials: CREDENTIALS.iter().any(|name| headers.contains_key(*name)),
            is_plain: method != Method::HEAD
                && !headers.contains_key(header::RANGE)
                && !is_fixed(headers),
        }
    }
}

impl Compression {
    /// Prepares a rule.
    #[must_use]
    pub fn new(policy: &CompressionPolicy) -> Self {
        Self {
            types: policy.types.iter().map(|kind| kind.to_ascii_lowercase()).collect(),
            bytes_min: policy.bytes_min,
            secrets: policy.secrets,
        }
    }

    /// Whether the answer is to be compressed; its headers say so then. Where another client would
    /// get it in another form, `Vary` says that in any case.
    #[must_use]
    pub fn take(&self, asked: Asked, head: &mut Parts, length_bytes: Option<u64>) -> bool {
        let headers = &head.headers;
        let whole = head.status.is_success()
            && ![StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::PARTIAL_CONTENT]
                .contains(&head.status);
        let secret = asked.has_credentials || headers.contains_key(header::SET_COOKIE);
        let fits = whole
            && asked.is_plain
            && self.names(headers)
            && !FIXED.iter().any(|name| headers.contains_key(*name))
            && !is_fixed(headers)
            && (self.secrets || !secret)
            && length_bytes.is_none_or(|length| length >= self.bytes_min);
        if !fits {
            return false;
        }
        head.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
        if !asked.takes_gzip {
            return false;
        }
        head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove(header::ACCEPT_RANGES);
        weaken(&mut head.headers);
        true
    }

    fn names(&self, headers: &HeaderMap) -> bool {
        let Some(Ok(kind)) = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) else {
            return false;
        };
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        self.types.iter().any(|known| match known.strip_suffix('*') {
            Some(group) => kind.starts_with(group),
            None => kind == *known,
        })
    }
}

// RFC 9110, 12.5.3: the most exact entry decides, a weight of 0 refuses.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let mut any = false;
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    for entry in values.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')) {
        let (coding, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        let wanted = weight(parameters) > 0;
        match coding.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return wanted,
            "*" => any = wanted,
            _ => {}
        }
    }
    any
}

// In thousandths; what is not a weight is none.
fn weight(parameters: &str) -> u32 {
    let Some((name, value)) = parameters.split_once('=') else {
        return if parameters.trim().is_empty() { 1_000 } else { 0 };
    };
    let value = value.trim();
    let (whole, part) = value.split_once('.').unwrap_or((value, ""));
    let fits = name.trim().eq_ignore_ascii_case("q")
        && matches!(whole, "0" | "1")
        && part.len() <= 3
        && part.bytes().all(|digit| digit.is_ascii_digit());
    if !fits {
        return 0;
    }
    let thousandths = format!("{part:0<3}").parse().unwrap_or(0);
    match whole {
        "1" if thousandths > 0 => 0,
        "1" => 1_000,
        _ => thousandths,
    }
}

fn is_fixed(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CACHE_CONTROL).iter();
    values.filter_map(|value| value.to_str().ok()).any(|text| {
        text.split(',').any(|directive| directive.trim().eq_ignore_ascii_case("no-transform"))
    })
}

// The compressed body is another sequence of bytes, so it is no longer strongly the same.
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(header::ETAG) else { return };
    if tag.as_bytes().starts_with(b"W/") {
        return;
    }
    match HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        Ok(weak) => headers.insert(header::ETAG, weak),
        Err(_) => headers.remove(header::ETAG),
    };
}

/// An answer with one of them is encoded already, a part, or signed as it is.
const FIXED: [&str; 6] =
    ["content-encoding", "content-range", "content-digest", "repr-digest", "digest", "content-md5"];

/// Who sends one of them is somebody.
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "x-api-key", "x-auth-token"];

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            })
            .collect()
    }

    #[test]
    fn weights() {
        for (given, expected) in [
            ("gzip", true),
            ("GZIP", true),
            ("x-gzip", true),
            ("br, gzip;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("gzip; q=0.001", true),
            ("gzip;q=1.000", true),
            ("gzip;q=1.001", false),
            ("gzip;q=2", false),
            ("gzip;q=0.1234", false),
            ("gzip;q=", false),
            ("gzip;q=-1", false),
            ("gzip;level=1", false),
            ("*", true),
            ("*;q=0", false),
            ("*, gzip;q=0", false),
            ("*;q=0, gzip", true),
            ("gzipped", false),
            ("br", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(&headers(&[("accept-encoding", given)])), expected, "{given:?}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn only_what_is_safe_is_compressed() {
        let json = ("content-type", "application/json; charset=utf-8");
        let takes = ("accept-encoding", "gzip");
        let get = Method::GET;
        type Lines<'a> = &'a [(&'static str, &'a str)];
        type Case<'a> = (&'a Method, Lines<'a>, u16, Lines<'a>, Option<u64>, bool, (bool, bool));
        // Method, request, status, answer, length, whether with secrets: compressed, has `Vary`.
        let cases: [Case<'_>; 18] = [
            (&get, &[takes], 200, &[json], None, false, (true, true)),
            (&get, &[takes], 200, &[json], Some(100), false, (true, true)),
            (&get, &[takes], 200, &[json], Some(99), false, (false, false)),
            (&get, &[], 200, &[json], None, false, (false, true)),
            (&Method::HEAD, &[takes], 200, &[json], None, false, (false, false)),
            (&get, &[takes, ("range", "bytes=0-1")], 200, &[json], None, false, (false, false)),
            (&get, &[takes, ("cookie", "a=b")], 200, &[json], None, false, (false, false)),
            (&get, &[takes, ("authorization", "x")], 200, &[json], None, false, (false, false)),
            (&get, &[takes, ("authorization", "x")], 200, &[json], None, true, (true, true)),
            (&get, &[takes], 200, &[json, ("set-cookie", "a=b")], None, false, (false, false)),
            (&get, &[takes], 200, &[json, ("set-cookie", "a=b")], None, true, (true, true)),
            (&get, &[takes], 200, &[json, ("content-encoding", "br")], None, true, (false, false)),
            (
                &get,
                &[takes],
                200,
                &[json, ("cache-control", "public, No-Transform")],
                None,
                true,
                (false, false),
            ),
            (&get, &[takes], 206, &[json], None, true, (false, false)),
            (&get, &[takes], 204, &[json], None, true, (false, false)),
            (&get, &[takes], 404, &[json], None, true, (false, false)),
            (&get, &[takes], 200, &[("content-type", "image/png")], None, true, (false, false)),
            (&get, &[takes], 200, &[("content-type", "TEXT/html")], None, true, (true, true)),
        ];
        for (number, (method, request, status, answer, length, secrets, expected)) in
            cases.into_iter().enumerate()
        {
            let rule = Compression::new(&CompressionPolicy {
                types: vec!["application/JSON".into(), "text/*".into()],
                bytes_min: 100,
                secrets,
            });
            let (mut head, ()) = Response::builder().status(status).body(()).unwrap().into_parts();
            head.headers = headers(answer);
            head.headers.insert(header::ETAG, HeaderValue::from_static("\"x\""));
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("7"));
            let taken = rule.take(Asked::of(method, &headers(request)), &mut head, length);
            let vary = head.headers.contains_key(header::VARY);
            assert_eq!((taken, vary), expected, "case {number}");
            let tag = if taken { "W/\"x\"" } else { "\"x\"" };
            assert_eq!(head.headers[header::ETAG], tag, "case {number}");
            assert_eq!(head.headers.contains_key(header::CONTENT_LENGTH), !taken, "case {number}");
        }
    }
}
