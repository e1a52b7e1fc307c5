//! What a gateway must not pass on: requests that two readers could understand differently.

use seawall_tests::requirement;

use crate::site::Site;

/// Each ends in `Connection: close` where the gateway might otherwise wait for the next request.
const CASES: [(&str, &str, u16); 22] = [
    ("a proper request", "GET / HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n", 200),
    ("no host", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
    ("two hosts", "GET / HTTP/1.1\r\nHost: api.example\r\nHost: api.example\r\n\r\n", 400),
    ("user information in the host", "GET / HTTP/1.1\r\nHost: a@api.example\r\n\r\n", 400),
    (
        "a target on another host",
        "GET https://evil.example/ HTTP/1.1\r\nHost: api.example\r\n\r\n",
        400,
    ),
    ("a tunnel", "CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n\r\n", 405),
    ("TRACE", "TRACE / HTTP/1.1\r\nHost: api.example\r\n\r\n", 405),
    ("a method in lower case", "get / HTTP/1.1\r\nHost: api.example\r\n\r\n", 405),
    (
        "length and encoding together",
        "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "two lengths",
        "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        400,
    ),
    (
        "the same length twice",
        "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        400,
    ),
    (
        "a length with a sign",
        "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: +5\r\n\r\nhello",
        400,
    ),
    (
        "an encoding before chunked",
        "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "two encodings",
        "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "an encoding with a strange space",
        "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "an encoding in HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "a chunk of no size",
        "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        400,
    ),
    ("lines that end in LF alone", "GET / HTTP/1.1\nHost: api.example\n\n", 400),
    ("a folded header", "GET / HTTP/1.1\r\nHost: api.example\r\nX-A: b\r\n c\r\n\r\n", 400),
    (
        "a Connection that names Host",
        "GET / HTTP/1.1\r\nHost: api.example\r\nConnection: Host\r\n\r\n",
        400,
    ),
    (
        "a Connection that names what we set",
        "GET / HTTP/1.1\r\nHost: api.example\r\nConnection: X-Forwarded-For\r\n\r\n",
        400,
    ),
    (
        "an expectation that is not known",
        "GET / HTTP/1.1\r\nHost: api.example\r\nExpect: 200-ok\r\n\r\n",
        417,
    ),
];

/// Those that the HTTP library refuses before any code of ours sees a request: 400 and no body.
const BARE: [&str; 5] = [
    "two lengths",
    "a length with a sign",
    "an encoding with a strange space",
    "an encoding in HTTP/1.0",
    "a folded header",
];

#[test]
fn a_request_with_two_readings_is_refused_and_ends_the_connection() {
    if !requirement::root("a_request_with_two_readings_is_refused_and_ends_the_connection") {
        return;
    }
    let site = Site::start("", "");
    let mut bare = Vec::new();
    for (name, bytes, status) in CASES {
        // What follows is the attack: a second request that only one of two readers sees.
        let smuggled = format!("{bytes}GET /smuggled HTTP/1.1\r\nHost: api.example\r\n\r\n");
        let reply = site.ground.raw(smuggled.as_bytes());
        assert_eq!(reply.status(), Some(status), "{name}: {reply:?}");
        assert_eq!(reply.answers(), 1, "{name}: {reply:?}");
        if status == 200 {
            continue;
        }
        let (head, body) = reply.text.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        if body.is_empty() {
            // The HTTP library's own refusal: it says nothing at all of the inside.
            bare.push(name);
            continue;
        }
        assert!(head.contains("content-type: application/problem+json"), "{name}: {head}");
        assert!(head.contains("x-request-id: "), "{name}: {head}");
        for inside in ["hyper", "rustls", "127.0.0.1", "api.internal", "8443", "/src/"] {
            assert!(!reply.text.contains(inside), "{name} shows {inside}: {}", reply.text);
        }
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], status, "{name}");
        for member in ["type", "title", "detail", "request_id"] {
            assert!(problem[member].is_string(), "{name} lacks {member}: {body}");
        }
    }
    assert_eq!(bare, BARE);
    let all = CASES.len() as u64;
    site.wait_for_metric("seawall_gateway_requests_total", &[], all);
    site.wait_for_metric("seawall_gateway_rejections_total", &[], all - 1);
}
