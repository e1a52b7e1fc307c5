//! Heads that are refused, each beside the nearest one that is not.

use http::{Request, Version};

use super::inspect;
use crate::{limits::Limits, rejection::Rejection};

fn check(
    version: Version,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    expected: Result<(&str, &str), Rejection>,
) {
    let mut request = Request::builder().version(version).method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).unwrap();
    let limits = Limits { headers_max: 4, header_bytes_max: 200, ..Limits::default() };
    let found = inspect(&request, &limits).map(|target| (target.host, target.path.to_string()));
    let expected = expected.map(|(host, path)| (host.to_owned(), path.to_owned()));
    assert_eq!(found, expected, "{method} {uri} {headers:?}");
}

#[test]
fn http1_heads() {
    let host: &[(&str, &str)] = &[("host", "a.example")];
    let big = "x".repeat(200);
    for (method, uri, headers, expected) in [
        ("GET", "/a?b=c", host, Ok(("a.example", "/a?b=c"))),
        ("GET", "https://a.example/x", host, Ok(("a.example", "/x"))),
        ("GET", "https://A.example/x", host, Ok(("a.example", "/x"))),
        ("GET", "https://a.example", host, Ok(("a.example", "/"))),
        ("GET", "https://b.example/x", host, Err(Rejection::TargetInvalid)),
        ("GET", "ftp://a.example/x", host, Err(Rejection::TargetInvalid)),
        ("OPTIONS", "*", host, Err(Rejection::TargetInvalid)),
        ("GET", "/a/../b?c", host, Err(Rejection::PathAmbiguous)),
        ("GET", "/a?b=/../c;d%2f", host, Ok(("a.example", "/a?b=/../c;d%2f"))),
        ("GET", "https://a.example/a/%2e%2e/b", host, Err(Rejection::PathAmbiguous)),
        ("GET", "/", &[], Err(Rejection::HostMissing)),
        ("GET", "https://a.example/", &[], Err(Rejection::HostMissing)),
        ("GET", "/", &[("host", "a"), ("host", "a")], Err(Rejection::HostRepeated)),
        ("GET", "/", &[("host", "")], Err(Rejection::HostInvalid)),
        ("GET", "/", &[("host", "user@a")], Err(Rejection::HostInvalid)),
        ("GET", "/", &[("host", "a b")], Err(Rejection::HostInvalid)),
        ("GET", "/", &[("host", "a,b")], Err(Rejection::HostInvalid)),
        ("GET", "/", &[("host", "a/b")], Err(Rejection::HostInvalid)),
        ("GET", "/", &[("host", "a:65536")], Err(Rejection::HostInvalid)),
        ("GET", "/", &[("host", "a:8443")], Ok(("a:8443", "/"))),
        ("GET", "/", &[("host", "[2001:db8::1]:443")], Ok(("[2001:db8::1]:443", "/"))),
        ("GET", "/", &[("host", "[2001:db8::1")], Err(Rejection::HostInvalid)),
        ("get", "/", host, Err(Rejection::MethodRefused)),
        ("TRACE", "/", host, Err(Rejection::MethodRefused)),
        ("CONNECT", "a.example:443", host, Err(Rejection::MethodRefused)),
        ("GET", "/", &[("host", "a"), ("connection", "close, te")], Ok(("a", "/"))),
        ("GET", "/", &[("host", "a"), ("connection", "Host")], Err(Rejection::ConnectionHeader)),
        (
            "GET",
            "/",
            &[("host", "a"), ("connection", "x, X-Forwarded-For")],
            Err(Rejection::ConnectionHeader),
        ),
        (
            "GET",
            "/",
            &[("host", "a"), ("connection", "x_real_ip")],
            Err(Rejection::ConnectionHeader),
        ),
        (
            "GET",
            "/",
            &[("host", "a"), ("connection", "X-Request-Id")],
            Err(Rejection::ConnectionHeader),
        ),
        ("GET", "/", &[("host", "a"), ("expect", "100-Continue")], Ok(("a", "/"))),
        ("GET", "/", &[("host", "a"), ("expect", "more")], Err(Rejection::ExpectationRefused)),
        (
            "POST",
            "/",
            &[("host", "a"), ("content-length", "1"), ("transfer-encoding", "chunked")],
            Err(Rejection::FramingAmbiguous),
        ),
        ("GET", "/", &[("host", "a"), ("a", ""), ("b", ""), ("c", "")], Ok(("a", "/"))),
        (
            "GET",
            "/",
            &[("host", "a"), ("a", ""), ("b", ""), ("c", ""), ("d", "")],
            Err(Rejection::HeadersTooLarge),
        ),
        ("GET", "/", &[("host", "a"), ("a", &big)], Err(Rejection::HeadersTooLarge)),
    ] {
        check(Version::HTTP_11, method, uri, headers, expected);
    }
}

#[test]
fn http2_heads() {
    for (uri, headers, expected) in [
        ("https://a.example/x", &[] as &[(&str, &str)], Ok(("a.example", "/x"))),
        ("https://a.example/x", &[("host", "a.example")], Ok(("a.example", "/x"))),
        ("https://a.example/x", &[("host", "b.example")], Err(Rejection::TargetInvalid)),
        ("https://user@a.example/x", &[], Err(Rejection::HostInvalid)),
        ("https://a.example/x", &[("a", "b ")], Err(Rejection::RequestMalformed)),
        ("https://a.example/x", &[("a", "\tb")], Err(Rejection::RequestMalformed)),
        ("https://a.example/x", &[("a", "b c")], Ok(("a.example", "/x"))),
        ("https://a.example//x", &[], Err(Rejection::PathAmbiguous)),
        ("/x", &[], Err(Rejection::HostMissing)),
    ] {
        check(Version::HTTP_2, "GET", uri, headers, expected);
    }
}
