//! Paths in one form, and what routes make of requests beside sending them on.

use std::{io::Write, time::Instant};

use firewall_gateway::policy::{
    ForwardPolicy, HeaderCondition, HeaderTest, RouteAction, RouteLimits, RoutePolicy,
};

use crate::{
    h2raw::{END_HEADERS, END_STREAM, HEADERS, frame, get},
    upstream::Upstream,
    world::{Client, World, header, label, one_request, read_answer, status},
};

/// Paths as they stand in a request, and as the upstream is asked for them.
const PATHS: [(&str, Option<&str>); 34] = [
    ("/", Some("/")),
    ("/a/b.c?d=/../e;f%2f", Some("/a/b.c?d=/../e;f%2f")),
    ("/%61%2D%7eb", Some("/a-~b")),
    ("/caf%c3%a9", Some("/caf%C3%A9")),
    ("/a%20b%2bc", Some("/a%20b%2Bc")),
    ("/100%25", Some("/100%25")),
    ("/a/..b/c...", Some("/a/..b/c...")),
    ("//", None),
    ("/a//b", None),
    ("/a//", None),
    ("/.", None),
    ("/a/..", None),
    ("/a/../b", None),
    ("/a/./b", None),
    ("/%2e%2E/a", None),
    ("/a/.%2e", None),
    ("/a%2fb", None),
    ("/a%5Cb", None),
    ("/a\\b", None),
    ("/a;b", None),
    ("/a;/b", None),
    ("/a/..;/b", None),
    ("/a%3bb", None),
    ("/a%00b", None),
    ("/a%0d%0aX:1", None),
    ("/a%7fb", None),
    ("/a%", None),
    ("/a%2", None),
    ("/a%zz", None),
    ("/a%u002fb", None),
    ("/a%252fb", None),
    ("/a%25%32%65", None),
    ("/a%c0%afb", None),
    ("/a%ff", None),
];

#[test]
fn a_path_has_one_form_over_http1() {
    let world = World::new();
    for (path, expected) in PATHS {
        let before = world.settled();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = world.exchange(&request);
        let expected_status = if expected.is_some() { 200 } else { 400 };
        assert_eq!(status(&answer), expected_status, "{path}: {answer}");
        let rejection = if expected.is_some() { "" } else { "path_ambiguous" };
        one_request(&before, &world.settled(), expected_status, "h1", rejection);
        assert_eq!(asked(&world.upstream).as_deref(), expected, "{path}");
    }
}

#[test]
fn a_path_has_one_form_over_http2() {
    let world = World::new();
    for (path, expected) in PATHS {
        let before = world.settled();
        let mut client = world.http2(&[]);
        let block = get(path, &[]);
        assert!(client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)), "{path}");
        assert!(client.until(&[HEADERS]).is_some(), "{path}: no answer");
        drop(client);
        let rejection = if expected.is_some() { "" } else { "path_ambiguous" };
        let expected_status = if expected.is_some() { 200 } else { 400 };
        one_request(&before, &world.settled(), expected_status, "h2", rejection);
        assert_eq!(asked(&world.upstream).as_deref(), expected, "{path}");
    }
}

#[test]
fn methods_and_headers_choose_a_route() {
    let methods = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let version =
        HeaderCondition { name: "x-version".to_owned(), test: HeaderTest::Value("2".to_owned()) };
    let (world, [second, third]) = World::routed(vec![
        RoutePolicy { headers: vec![version], ..RoutePolicy::to_upstream("new", "/items/*", 1) },
        RoutePolicy {
            methods: methods(&["GET"]),
            ..RoutePolicy::to_upstream("read", "/items/*", 0)
        },
        RoutePolicy {
            methods: methods(&["POST"]),
            ..RoutePolicy::to_upstream("write", "/items/*", 2)
        },
    ]);
    // One connection: a method that is not served here does not end it.
    let mut client = world.connect();
    for (request, expected) in [
        ("GET /items/1 HTTP/1.1\nHost: a\n\n", Ok(0)),
        ("HEAD /items/1 HTTP/1.1\nHost: a\n\n", Ok(0)),
        ("GET /items/1 HTTP/1.1\nHost: a\nX-Version: 2\n\n", Ok(1)),
        ("GET /items/1 HTTP/1.1\nHost: a\nX-Version: 2\nX-Version: 1\n\n", Ok(0)),
        ("POST /items HTTP/1.1\nHost: a\nContent-Length: 2\n\nhi", Ok(2)),
        ("DELETE /items/1 HTTP/1.1\nHost: a\n\n", Err(("method_not_allowed", "GET, HEAD, POST"))),
        ("GET /other HTTP/1.1\nHost: a\n\n", Err(("route_missing", ""))),
    ] {
        let answer = if request.starts_with("HEAD") {
            head(&mut client, request)
        } else {
            ask(&mut client, request)
        };
        let seen = [&world.upstream, &second, &third].map(|upstream| upstream.seen().len());
        match expected {
            Ok(upstream) => {
                let mut counts = [0; 3];
                counts[upstream] = 1;
                assert_eq!((status(&answer), seen), (200, counts), "{request}");
            }
            Err((problem, allow)) => {
                assert_eq!(seen, [0; 3], "{request}");
                assert!(answer.contains(&problem.replace('_', "-")), "{request}: {answer}");
                assert_eq!(header(&answer, "allow").unwrap_or_default(), allow, "{request}");
                assert_eq!(header(&answer, "content-type"), Some("application/problem+json"));
            }
        }
    }
    drop(client);
    let figures = world.settled();
    assert_eq!(label(&figures.rejections, "method_not_allowed"), 1, "{figures:?}");
    assert_eq!(label(&figures.rejections, "route_missing"), 1, "{figures:?}");
    assert_eq!(figures.connections_accepted, 1, "{figures:?}");
}

#[test]
fn paths_are_rewritten() {
    let rewriting = |name: &str, path: &str, to: &str| RoutePolicy {
        action: RouteAction::Forward(ForwardPolicy {
            rewrite: Some(to.to_owned()),
            ..ForwardPolicy::to(0)
        }),
        ..RoutePolicy::to_upstream(name, path, 0)
    };
    let (world, _others) = World::routed(vec![
        rewriting("user", "/users/{id}", "/v2/users/{id}"),
        rewriting("strip", "/api/*", "/*"),
        RoutePolicy::to_upstream("rest", "/*", 0),
    ]);
    let mut client = world.connect();
    for (path, expected) in [
        ("/users/7?x=1&y", "/v2/users/7?x=1&y"),
        ("/users/caf%c3%a9", "/v2/users/caf%C3%A9"),
        ("/api/a/b", "/a/b"),
        ("/api/", "/"),
        ("/api?q", "/?q"),
        ("/other", "/other"),
    ] {
        let answer = ask(&mut client, &format!("GET {path} HTTP/1.1\nHost: a\n\n"));
        assert_eq!(status(&answer), 200, "{path}: {answer}");
        assert_eq!(asked(&world.upstream).as_deref(), Some(expected), "{path}");
    }
}

#[test]
fn clients_are_sent_elsewhere() {
    let to = |name: &str, path: &str, to: &str, status: u16| RoutePolicy {
        action: RouteAction::Redirect { to: to.to_owned(), status },
        ..RoutePolicy::to_upstream(name, path, 0)
    };
    let (world, others) = World::routed(vec![
        to("moved", "/old/*", "https://new.example/*", 308),
        to("user", "/u/{id}", "/users/{id}", 301),
        to("host", "/{host}/*", "http://fixed.example:8080/{host}", 302),
    ]);
    let mut client = world.connect();
    for (path, code, expected) in [
        ("/old/a/b?x=1", 308, "https://new.example/a/b?x=1"),
        (
            "/old/evil.example?next=//evil.example",
            308,
            "https://new.example/evil.example?next=//evil.example",
        ),
        ("/u/7", 301, "/users/7"),
        ("/evil.example/x", 302, "http://fixed.example:8080/evil.example"),
        ("/@evil.example/x", 302, "http://fixed.example:8080/@evil.example"),
    ] {
        let answer = ask(&mut client, &format!("GET {path} HTTP/1.1\nHost: a\n\n"));
        assert_eq!(status(&answer), code, "{path}: {answer}");
        assert_eq!(header(&answer, "location"), Some(expected), "{path}");
        assert!(header(&answer, "x-request-id").is_some(), "{path}: {answer}");
    }
    drop(client);
    let figures = world.settled();
    assert_eq!(figures.rejections, [], "{figures:?}");
    let redirected: u64 = figures.requests.iter().map(|one| one.count).sum();
    assert_eq!(redirected, 5, "{figures:?}");
    let seen = [world.upstream.seen().len(), others[0].seen().len(), others[1].seen().len()];
    assert_eq!(seen, [0; 3]);
}

#[test]
fn clients_are_told_to_come_again() {
    let maintenance = |detail: Option<&str>| RouteAction::Maintenance {
        retry_after_s: 600,
        detail: detail.map(str::to_owned),
    };
    let (world, _others) = World::routed(vec![
        RoutePolicy {
            action: maintenance(Some("Back at 10:00 UTC.")),
            ..RoutePolicy::to_upstream("worded", "/worded/*", 0)
        },
        RoutePolicy { action: maintenance(None), ..RoutePolicy::to_upstream("plain", "/*", 0) },
    ]);
    for (path, detail) in [
        ("/worded/a", "Back at 10:00 UTC."),
        ("/a", "The service is being worked on. Try again later."),
    ] {
        let before = world.settled();
        let answer =
            world.exchange(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        assert_eq!(status(&answer), 503, "{path}: {answer}");
        assert_eq!(header(&answer, "retry-after"), Some("600"), "{path}");
        assert!(answer.contains("urn:seawall:problem:maintenance"), "{path}: {answer}");
        assert!(answer.contains(&format!("\"detail\":\"{detail}\"")), "{path}: {answer}");
        one_request(&before, &world.settled(), 503, "h1", "maintenance");
    }
    assert_eq!(world.upstream.seen(), Vec::<String>::new());
}

#[test]
fn a_route_has_limits_of_its_own() {
    let limits = RouteLimits {
        body_bytes_max: Some(4),
        body_timeout_ms: Some(200),
        upstream_response_timeout_ms: Some(200),
        ..RouteLimits::default()
    };
    let (world, _others) = World::routed(vec![
        RoutePolicy { limits, ..RoutePolicy::to_upstream("tight", "/silent", 0) },
        RoutePolicy::to_upstream("rest", "/*", 0),
    ]);
    let post = |path: &str, length: u32, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    for (request, expected, rejection) in [
        (post("/silent", 5, "abcde"), 413, "body_too_large"),
        (post("/silent", 4, "ab"), 408, "body_timeout"),
        (post("/silent", 4, "abcd"), 504, "upstream_timeout"),
        (post("/other", 5, "abcde"), 200, ""),
    ] {
        let before = world.settled();
        let start = Instant::now();
        let answer = world.exchange(&request);
        assert_eq!(status(&answer), expected, "{request}: {answer}");
        assert!(start.elapsed().as_secs() < 5, "{request}: {:?}", start.elapsed());
        one_request(&before, &world.settled(), expected, "h1", rejection);
    }
}

fn ask(client: &mut Client, request: &str) -> String {
    client.write_all(lines(request).as_bytes()).unwrap();
    read_answer(client)
}

// The answer to HEAD has a length, and no body.
fn head(client: &mut Client, request: &str) -> String {
    client.write_all(lines(request).as_bytes()).unwrap();
    crate::world::read_head(client)
}

fn lines(request: &str) -> String {
    request.replace('\n', "\r\n")
}

/// The target of the only request that the upstream has seen since it was last asked.
fn asked(upstream: &Upstream) -> Option<String> {
    let seen = upstream.seen();
    assert!(seen.len() < 2, "{seen:?}");
    seen.first().and_then(|request| request.split(' ').nth(1)).map(str::to_owned)
}
