//! What the upstream is told, and what the client is told, header by header.

use std::io::Write;

use crate::world::{World, header, one_request, read_answer, read_to_end, status};

#[test]
fn identity_headers_are_ours_alone() {
    let world = World::new();
    let spoofed = [
        "X-Forwarded-For: 1.2.3.4",
        "X_Forwarded_For: 1.2.3.4",
        "X.Forwarded.For: 1.2.3.4",
        "X-Forwarded-Host: evil",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Port: 1",
        "X-Real-IP: 1.2.3.4",
        "X_Real_IP: 1.2.3.4",
        "True-Client-IP: 1.2.3.4",
        "Forwarded: for=1.2.3.4",
        "X-Request-Id: mine",
        "X-Original-URL: /admin",
    ];
    let hop_by_hop = [
        "TE: trailers",
        "Trailer: X-Late",
        "Upgrade: websocket",
        "Keep-Alive: timeout=5",
        "Proxy-Authorization: Basic eA==",
        "Proxy-Connection: keep-alive",
        "X-Hop: 1",
        "Connection: close, X-Hop, TE",
    ];
    let kept = ["Authorization: Bearer x", "Cookie: a=b", "Accept: */*", "X-Forward: kept"];
    let lines = [&spoofed[..], &hop_by_hop[..], &kept[..]].concat().join("\r\n");
    let answer = world
        .exchange(&format!("GET /x?y=z HTTP/1.1\r\nHost: public.example:443\r\n{lines}\r\n\r\n"));
    assert_eq!(status(&answer), 200, "{answer}");
    let id = header(&answer, "x-request-id").unwrap().to_owned();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let seen = world.upstream.seen();
    let (head, _) = seen[0].split_once("\r\n\r\n").unwrap();
    let mut found: Vec<&str> = head.lines().collect();
    assert_eq!(found.remove(0), "GET /x?y=z HTTP/1.1");
    found.sort_unstable();
    let mut expected = vec![
        "accept: */*".to_owned(),
        "authorization: Bearer x".to_owned(),
        "cookie: a=b".to_owned(),
        "forwarded: for=127.0.0.1;host=\"public.example:443\";proto=https".to_owned(),
        "host: api.internal".to_owned(),
        "x-forward: kept".to_owned(),
        "x-forwarded-for: 127.0.0.1".to_owned(),
        "x-forwarded-host: public.example:443".to_owned(),
        "x-forwarded-proto: https".to_owned(),
        // What the client takes, said anew from hop to hop.
        "connection: te".to_owned(),
        "te: trailers".to_owned(),
        "x-real-ip: 127.0.0.1".to_owned(),
        format!("x-request-id: {id}"),
    ];
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn the_answer_names_nothing_of_the_inside() {
    let world = World::new();
    let answer = world.exchange("GET /chatty HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut names: Vec<&str> =
        head.lines().skip(1).filter_map(|line| line.split(':').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["connection", "date", "transfer-encoding", "x-kept", "x-request-id"]);
    assert_ne!(header(&answer, "x-request-id"), Some("theirs"));
    assert_eq!(body, "5\r\nhello\r\n0\r\n\r\n");
}

#[test]
fn bodies_pass_whole_and_unannounced_trailers_do_not() {
    let world = World::new();
    for (request, expected) in [
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
            "\r\n\r\nabc",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-Late: 1\r\n\r\n",
            // It is here whole before the upstream is asked, so its length is known.
            "\r\n\r\nabc",
        ),
    ] {
        let before = world.settled();
        assert_eq!(status(&world.exchange(request)), 200);
        let after = world.settled();
        one_request(&before, &after, 200, "h1", "");
        assert_eq!((after.bytes_in - before.bytes_in, after.bytes_out - before.bytes_out), (3, 5));
        let seen = world.upstream.seen();
        assert!(seen[0].ends_with(expected), "{seen:?}");
    }
}

#[test]
fn one_connection_serves_request_after_request() {
    let world = World::new();
    let mut client = world.connect();
    for _ in 0..3 {
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(status(&read_answer(&mut client)), 200);
    }
    client.write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let answer = read_to_end(&mut client);
    assert_eq!((status(&answer), header(&answer, "content-length")), (200, Some("5")));
    drop(client);
    let figures = world.settled();
    assert_eq!(figures.connections_accepted, 1);
    assert_eq!(figures.upstream_connections_opened, 1);
    assert_eq!(figures.upstream_connections_reused, 3);
    assert_eq!(figures.requests.iter().map(|one| one.count).sum::<u64>(), 4);
    assert_eq!(figures.rejections, []);
    assert_eq!((figures.tls_handshakes_ok, figures.tls_handshakes_failed), (1, 0));
}
