//! What is refused before the upstream hears of it, each beside what is served.

use crate::world::{World, header, one_request, status};

struct Case {
    name: &'static str,
    request: String,
    status: u16,
    rejection: &'static str,
}

fn case(name: &'static str, request: &str, status: u16, rejection: &'static str) -> Case {
    Case { name, request: request.replace('\n', "\r\n"), status, rejection }
}

#[test]
fn http1_requests() {
    let world = World::new();
    let post = "POST / HTTP/1.1\nHost: a\nConnection: close\n";
    let many = (0..101).map(|n| format!("X-{n}: 1\n")).collect::<String>();
    let far_too_many = (0..300).map(|n| format!("X-{n}: 1\n")).collect::<String>();
    let close = "Connection: close\n\n";
    let get = |rest: &str| format!("GET / HTTP/1.1\nHost: a\n{rest}{close}");
    let cases = [
        case("plain", &get(""), 200, ""),
        case("HTTP/1.0 with Host", &format!("GET / HTTP/1.0\nHost: a\n{close}"), 200, ""),
        case(
            "absolute form of the same host",
            &format!("GET https://a/x HTTP/1.1\nHost: a\n{close}"),
            200,
            "",
        ),
        case(
            "absolute form of another host",
            &format!("GET https://b/x HTTP/1.1\nHost: a\n{close}"),
            400,
            "target_invalid",
        ),
        case("no Host", "GET / HTTP/1.1\nConnection: close\n\n", 400, "host_missing"),
        case("two Hosts", &get("Host: a\n"), 400, "host_repeated"),
        case("user info in Host", "GET / HTTP/1.1\nHost: u@a\n\n", 400, "host_invalid"),
        case("CONNECT", "CONNECT a:443 HTTP/1.1\nHost: a:443\n\n", 405, "method_refused"),
        case("TRACE", "TRACE / HTTP/1.1\nHost: a\n\n", 405, "method_refused"),
        case("method in lower case", "get / HTTP/1.1\nHost: a\n\n", 405, "method_refused"),
        case(
            "Connection names Host",
            "GET / HTTP/1.1\nHost: a\nConnection: Host\n\n",
            400,
            "connection_header",
        ),
        case(
            "Connection names ours",
            "GET / HTTP/1.1\nHost: a\nConnection: X-Forwarded-For\n\n",
            400,
            "connection_header",
        ),
        case(
            "length and chunks",
            &format!("{post}Content-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n"),
            400,
            "framing_ambiguous",
        ),
        case(
            "chunks and length",
            &format!("{post}Transfer-Encoding: chunked\nContent-Length: 5\n\n0\n\n"),
            400,
            "framing_ambiguous",
        ),
        case(
            "equal lengths",
            &format!("{post}Content-Length: 1\nContent-Length: 1\n\na"),
            400,
            "framing_ambiguous",
        ),
        case(
            "gzip, chunked",
            &format!("{post}Transfer-Encoding: gzip, chunked\n\n0\n\n"),
            400,
            "framing_ambiguous",
        ),
        case(
            "chunked twice",
            &format!("{post}Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n0\n\n"),
            400,
            "framing_ambiguous",
        ),
        case(
            "chunked not last",
            &format!("{post}Transfer-Encoding: chunked, gzip\n\n0\n\n"),
            400,
            "request_malformed",
        ),
        case("bad length", &format!("{post}Content-Length: x\n\n"), 400, "request_malformed"),
        case(
            "broken chunk",
            &format!("{post}Transfer-Encoding: chunked\n\nzz\n"),
            400,
            "body_malformed",
        ),
        case("space before colon", "GET / HTTP/1.1\nHost : a\n\n", 400, "request_malformed"),
        case("folded header", "GET / HTTP/1.1\nHost: a\nX: 1\n 2\n\n", 400, "request_malformed"),
        case("unknown expectation", &get("Expect: wonders\n"), 417, "expectation_refused"),
        case("upgrade is not offered on", &get("Upgrade: websocket\n"), 200, ""),
        case("one header too many", &get(&many), 431, "headers_too_large"),
        case("three times too many", &get(&far_too_many), 431, "headers_too_large"),
        case(
            "a header of 17 KB",
            &get(&format!("X: {}\n", "x".repeat(17_000))),
            431,
            "headers_too_large",
        ),
        case(
            "a header of 70 KB",
            &get(&format!("X: {}\n", "x".repeat(70_000))),
            431,
            "headers_too_large",
        ),
        case("not HTTP", "hello\n\n", 400, "request_malformed"),
        case(
            "announced too large",
            &format!("{post}Content-Length: 1048577\n\n"),
            413,
            "body_too_large",
        ),
        Case {
            name: "bare LF",
            request: "GET / HTTP/1.1\nHost: a\n\n".to_owned(),
            status: 400,
            rejection: "framing_ambiguous",
        },
    ];
    for Case { name, request, status: expected, rejection } in cases {
        let before = world.settled();
        let answer = world.exchange(&request);
        assert_eq!(status(&answer), expected, "{name}: {answer}");
        one_request(&before, &world.settled(), expected, "h1", rejection);
        let seen = world.upstream.seen();
        let reaches_upstream = rejection.is_empty();
        // A broken chunk is found when the request is already on its way.
        if rejection != "body_malformed" {
            assert_eq!(seen.len(), usize::from(reaches_upstream), "{name}: {seen:?}");
        }
        if reaches_upstream {
            assert!(answer.ends_with("hello"), "{name}: {answer}");
        } else {
            shows_nothing(name, &answer);
        }
    }
}

#[test]
fn paths_with_two_readings() {
    let world = World::new();
    for (path, served) in [
        ("/a/b.c?d=/../%2e", true),
        ("/a/", true),
        ("/a%20b", true),
        ("/a/../b", false),
        ("/./a", false),
        ("/%2e%2e/a", false),
        ("/a//b", false),
        ("/a%2Fb", false),
        ("/a%5cb", false),
        ("/a\\b", false),
        ("/a;b/c", false),
        ("/a/..;/b", false),
        ("/a%3bb", false),
        ("/a%00", false),
        ("/a%252fb", false),
        ("/a%zz", false),
    ] {
        let before = world.settled();
        let answer =
            world.exchange(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        let (expected, rejection) = if served { (200, "") } else { (400, "path_ambiguous") };
        assert_eq!(status(&answer), expected, "{path}: {answer}");
        one_request(&before, &world.settled(), expected, "h1", rejection);
        assert_eq!(world.upstream.seen().len(), usize::from(served), "{path}");
    }
}

#[test]
fn a_smuggled_second_request_is_not_served() {
    let world = World::new();
    let hidden = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\nX: 12345\r\n\r\n";
    let answer = world.exchange(hidden);
    assert_eq!(status(&answer), 400);
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    one_request(&Default::default(), &world.settled(), 400, "h1", "framing_ambiguous");
    assert_eq!(world.upstream.seen(), Vec::<String>::new());
}

fn shows_nothing(name: &str, answer: &str) {
    for secret in ["hyper", "rustls", "seawall/", "127.0.0.1", "api.internal", "server:"] {
        assert!(!answer.to_lowercase().contains(secret), "{name} shows {secret}: {answer}");
    }
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { panic!("{name}: {answer}") };
    if body.is_empty() {
        return;
    }
    assert_eq!(header(head, "content-type"), Some("application/problem+json"), "{name}");
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    let id = problem["request_id"].as_str().unwrap();
    assert_eq!(header(head, "x-request-id"), Some(id), "{name}");
    assert_eq!(id.len(), 32, "{name}");
    assert_eq!(problem["status"].as_u64(), Some(u64::from(status(answer))), "{name}");
}
