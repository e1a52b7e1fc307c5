//! How answers look: headers of the policy, errors of the upstream, compression.

use std::io::{Read, Write};

use firewall_gateway::policy::{
    AnswerPolicy,
    answer::{CompressionPolicy, HeaderAction, HeaderRule, STRICT_HEADERS, UpstreamErrors},
};

use crate::world::{World, header, status};

#[test]
fn strict_headers_stand_on_every_answer() {
    let world = World::changed(|policy| {
        policy.answers.strict = Some(true);
        policy.routes[0].path = "/v1/*".to_owned();
        policy.routes[0].answers.headers = vec![HeaderRule {
            name: "Referrer-Policy".to_owned(),
            action: HeaderAction::Set("origin".to_owned()),
        }];
    });
    // Of the upstream, and ours: no route, no valid request, an upstream that breaks off.
    for (request, expected, own) in [
        ("GET /v1/x HTTP/1.1\r\nHost: a\r\n", 200, "origin"),
        ("GET / HTTP/1.1\r\nHost: a\r\n", 404, "no-referrer"),
        ("TRACE /v1/x HTTP/1.1\r\nHost: a\r\n", 405, "no-referrer"),
    ] {
        let answer = world.exchange(&format!("{request}Connection: close\r\n\r\n"));
        assert_eq!(status(&answer), expected, "{answer}");
        for (name, value) in STRICT_HEADERS {
            let value = if name == "referrer-policy" { own } else { value };
            assert_eq!(header(&answer, name), Some(value), "{answer}");
        }
    }
}

#[test]
fn an_error_of_the_upstream_gives_way_to_ours_unless_it_is_kept() {
    for (errors, replaced) in
        [(None, 1), (Some(UpstreamErrors::Replace), 1), (Some(UpstreamErrors::Keep), 0)]
    {
        let world = World::changed(|policy| policy.routes[0].answers.upstream_errors = errors);
        for _ in 0..2 {
            let answer =
                world.exchange("GET /failing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            assert_eq!(status(&answer), 503, "{answer}");
            assert_eq!(header(&answer, "retry-after"), Some("7"), "{answer}");
            assert_eq!(answer.contains("stack trace!"), replaced == 0, "{answer}");
            assert_eq!(header(&answer, "x-inside").is_none(), replaced == 1, "{answer}");
            assert_eq!(header(&answer, "set-cookie").is_none(), replaced == 1, "{answer}");
            let id = header(&answer, "x-request-id").unwrap();
            let own = answer.contains("urn:seawall:problem:upstream-error")
                && answer.contains(&format!("\"request_id\":\"{id}\""));
            assert_eq!(own, replaced == 1, "{answer}");
        }
        let figures = world.settled();
        assert_eq!(figures.upstream_errors_replaced, 2 * replaced);
        assert_eq!(figures.rejections, [], "the upstream answered");
        let [backend] = &figures.backends[..] else { panic!("{figures:?}") };
        assert_eq!((backend.requests, backend.server_errors, backend.failures), (2, 2, 0));
        assert_eq!(figures.upstream_connections_opened, 1, "the connection is kept");
        let [route] = &figures.routes[..] else { panic!("{figures:?}") };
        assert_eq!((route.route.as_str(), route.h1), ("all", [0, 0, 0, 0, 2]));
    }
}

#[test]
fn what_no_route_took_is_counted_apart() {
    let world = World::changed(|policy| policy.routes[0].path = "/v1/*".to_owned());
    for path in ["/v1/a", "/v2", "/v1/b", "/v1/c"] {
        world.exchange(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    }
    let figures = world.settled();
    let routes: Vec<_> = figures.routes.iter().map(|row| (row.route.as_str(), row.h1)).collect();
    assert_eq!(routes, [("(none)", [0, 0, 0, 1, 0]), ("all", [0, 3, 0, 0, 0])]);
    let durations =
        |row: &firewall_gateway::figures::RouteFigures| row.duration.buckets.iter().sum();
    let durations: Vec<u64> = figures.routes.iter().map(durations).collect();
    assert_eq!(durations, [1, 3]);
}

#[test]
fn answers_are_compressed_where_it_is_asked_for_and_safe() {
    let world = World::changed(|policy| policy.routes[0].answers = compressing());
    let plain = "[1,2,3,4]\n".repeat(4_000);
    for (lines, compressed) in [
        ("Accept-Encoding: br, gzip\r\n", true),
        ("Accept-Encoding: gzip;q=0\r\n", false),
        ("", false),
        ("Accept-Encoding: gzip\r\nCookie: a=b\r\n", false),
        ("Accept-Encoding: gzip\r\nAuthorization: Bearer x\r\n", false),
        ("Accept-Encoding: gzip\r\nRange: bytes=0-1\r\n", false),
    ] {
        let (head, body) = bytes(&world, &format!("GET /json HTTP/1.1\r\nHost: a\r\n{lines}"));
        assert_eq!(status(&head), 200, "{lines}");
        let found = header(&head, "content-encoding");
        assert_eq!(found, compressed.then_some("gzip"), "{lines}");
        assert_eq!(header(&head, "etag"), Some(if compressed { "W/\"x\"" } else { "\"x\"" }));
        let text = if compressed { gunzip(&dechunk(&body)) } else { body };
        assert_eq!(String::from_utf8(text).unwrap(), plain, "{lines}");
    }
    let (head, body) = bytes(&world, "HEAD /json HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n");
    assert_eq!((header(&head, "content-encoding"), body.len()), (None, 0));
    let (head, _) = bytes(&world, "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n");
    assert_eq!(header(&head, "content-encoding"), None, "no type is no listed type");
    let figures = world.settled();
    assert_eq!(figures.responses_compressed, 1);
    assert!(figures.bytes_out < 6 * plain.len() as u64, "bytes as they are sent: {figures:?}");
}

#[test]
fn what_the_upstream_has_said_is_not_held_back() {
    let world = World::changed(|policy| policy.routes[0].answers = compressing());
    let mut client = world.connect();
    let request =
        "GET /parts HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n";
    client.write_all(request.as_bytes()).unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 4_096];
    // The first part has to come while the upstream holds the second.
    while !inflated(&seen).ends_with(b"first") {
        let length = client.read(&mut buffer).unwrap();
        assert!(length > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..length]);
    }
    world.upstream.release();
    client.read_to_end(&mut seen).unwrap();
    assert_eq!(inflated(&seen), b"firstsecond");
}

fn compressing() -> AnswerPolicy {
    let compression = CompressionPolicy {
        types: vec!["application/json".to_owned()],
        bytes_min: 0,
        secrets: false,
    };
    AnswerPolicy { compression: Some(compression), ..AnswerPolicy::default() }
}

fn bytes(world: &World, request: &str) -> (String, Vec<u8>) {
    let mut client = world.connect();
    client.write_all(format!("{request}Connection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    parts(&answer).unwrap()
}

fn parts(answer: &[u8]) -> Option<(String, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    Some((String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end..].to_vec()))
}

/// What of a compressed answer can be read so far.
fn inflated(answer: &[u8]) -> Vec<u8> {
    let Some((_, body)) = parts(answer) else { return Vec::new() };
    gunzip(&dechunk(&body))
}

fn dechunk(mut body: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    while let Some(line) = body.windows(2).position(|two| two == b"\r\n") {
        let length =
            usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap(), 16).unwrap();
        let Some(chunk) = body.get(line + 2..line + 2 + length) else { break };
        data.extend_from_slice(chunk);
        body = body.get(line + 4 + length..).unwrap_or_default();
    }
    data
}

fn gunzip(data: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut decoder = flate2::write::GzDecoder::new(&mut text);
    decoder.write_all(data).unwrap();
    drop(decoder.flush());
    drop(decoder);
    text
}
