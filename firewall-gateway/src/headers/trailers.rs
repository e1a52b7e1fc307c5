//! Fields that follow a body: they are held to the rules of headers, and to more, since whoever reads them does
//! so when all has been decided.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{is_framing, is_of_the_inside, is_ours};
use crate::limits::{TRAILER_BYTES_MAX, TRAILERS_MAX};

/// Whether whoever sent these headers takes trailers; HTTP/2 knows no other way to say so either.
#[must_use]
pub fn are_taken(headers: &HeaderMap) -> bool {
    tokens(headers, &header::TE).any(|token| {
        let name = token.split(|byte| *byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"trailers")
    })
}

/// The fields that `Trailer` names and that may follow, in no order, each once.
#[must_use]
pub fn announced(
    headers: &HeaderMap,
    is_kept_out: impl Fn(&HeaderName) -> bool,
) -> Vec<HeaderName> {
    let names = tokens(headers, &header::TRAILER).take(TRAILERS_MAX);
    let names = names.filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok());
    let mut names: Vec<HeaderName> =
        names.filter(|name| may_follow(name) && !is_kept_out(name)).collect();
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    names
}

/// Says what follows, and that we take what follows the answer.
pub fn announce(headers: &mut HeaderMap, names: &[HeaderName]) {
    if names.is_empty() {
        return;
    }
    let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
    if let Ok(value) = HeaderValue::from_str(&names.join(", ")) {
        headers.insert(header::TRAILER, value);
    }
}

/// Tells an upstream that trailers are taken: a word from hop to hop, which `Connection` has to name.
pub fn ask(headers: &mut HeaderMap) {
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
}

/// A client's trailers as they may go on: those that were announced.
#[must_use]
pub fn of_request(mut trailers: HeaderMap, announced: &[HeaderName]) -> HeaderMap {
    super::remove(&mut trailers, |name| !announced.contains(name));
    trailers
}

/// An upstream's trailers as they may go on.
#[must_use]
pub fn of_answer(mut trailers: HeaderMap) -> HeaderMap {
    super::remove(&mut trailers, is_inside);
    trailers
}

/// Whether a field of an answer's trailers stays inside.
#[must_use]
pub fn is_inside(name: &HeaderName) -> bool {
    is_of_the_inside(name.as_str()) || !may_follow(name)
}

/// Whether they are more than what is held.
#[must_use]
pub fn are_too_many(trailers: &HeaderMap) -> bool {
    let bytes: usize = trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    trailers.len() > TRAILERS_MAX || bytes > TRAILER_BYTES_MAX
}

// RFC 9110, 6.5.1: nothing that frames, routes, authenticates, or says how to read what came before; and
// nothing of ours.
fn may_follow(name: &HeaderName) -> bool {
    let text = name.as_str();
    !(is_framing(name)
        || is_ours(text)
        || TOO_LATE.contains(&text)
        || ["content-", "if-", "access-control-", "proxy-", "sec-"]
            .iter()
            .any(|family| text.starts_with(family)))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter(|token| !token.trim_ascii().is_empty())
}

/// What steers how a message is treated, and is no use behind it.
const TOO_LATE: [&str; 23] = [
    "accept-ranges",
    "age",
    "allow",
    "cache-control",
    "clear-site-data",
    "date",
    "early-data",
    "expires",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referrer-policy",
    "refresh",
    "retry-after",
    "set-cookie",
    "strict-transport-security",
    "traceparent",
    "vary",
    "warning",
    "www-authenticate",
    "x-frame-options",
];

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in list {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn what_a_request_says_of_trailers() {
        for (list, taken, names) in [
            (&[][..], false, &[][..]),
            (&[("te", "trailers")], true, &[]),
            (&[("te", "gzip;q=0.5, Trailers ;q=1")], true, &[]),
            (&[("te", "gzip"), ("te", "trailers")], true, &[]),
            (&[("te", "trailersx")], false, &[]),
            (&[("trailer", "X-Late, x-late,,Digest")], false, &["digest", "x-late"]),
            (&[("trailer", "host, content-length, transfer-encoding, te, cookie")], false, &[]),
            (&[("trailer", "content-type, if-match, authorization, set-cookie")], false, &[]),
            (
                &[("trailer", "x-forwarded-for, x_real_ip, x-consumer-scopes, x-request-id")],
                false,
                &[],
            ),
            (&[("trailer", "x-claim"), ("trailer", "a b, x-kept")], false, &["x-kept"]),
        ] {
            let headers = headers(list);
            assert_eq!(are_taken(&headers), taken, "{list:?}");
            let found = announced(&headers, |name| name.as_str() == "x-claim");
            assert_eq!(found, names, "{list:?}");
        }
    }

    #[test]
    fn what_may_follow() {
        let client = headers(&[("x-late", "1"), ("x-other", "2"), ("host", "a")]);
        let passed = of_request(client, &[HeaderName::from_static("x-late")]);
        assert_eq!(passed, headers(&[("x-late", "1")]));
        let answer = headers(&[
            ("grpc-status", "0"),
            ("grpc-message", "a"),
            ("grpc-message", "b"),
            ("server", "inside"),
            ("x-request-id", "theirs"),
            ("set-cookie", "a=b"),
            ("content-length", "5"),
            ("connection", "close"),
        ]);
        let kept = headers(&[("grpc-status", "0"), ("grpc-message", "a"), ("grpc-message", "b")]);
        assert_eq!(of_answer(answer), kept);
    }

    #[test]
    fn they_are_bounded() {
        let of = |fields: usize, bytes: usize| {
            let mut map = HeaderMap::new();
            for field in 0..fields {
                let name = HeaderName::from_bytes(format!("x-{field:02}").as_bytes()).unwrap();
                map.insert(name, HeaderValue::from_str(&"v".repeat(bytes)).unwrap());
            }
            map
        };
        for (fields, bytes, expected) in [
            (TRAILERS_MAX, 1, false),
            (TRAILERS_MAX + 1, 1, true),
            (1, TRAILER_BYTES_MAX - 4, false),
            (1, TRAILER_BYTES_MAX - 3, true),
        ] {
            assert_eq!(are_too_many(&of(fields, bytes)), expected, "{fields} {bytes}");
        }
    }
}
