//! Each limit reached, and what is counted when it is.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use firewall_gateway::limits::Limits;

use crate::world::{PATIENCE, World, one_request, read_answer, read_to_end, status};

#[test]
fn body_over_the_limit_while_streaming() {
    let world = World::with(Limits { body_bytes_max: 4, ..Limits::default() }, 4);
    let chunked = |body: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{body}"
        )
    };
    for (body, expected, rejection) in [
        ("4\r\nabcd\r\n0\r\n\r\n", 200, ""),
        ("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 413, "body_too_large"),
        ("5\r\nabcde\r\n0\r\n\r\n", 413, "body_too_large"),
    ] {
        let before = world.settled();
        assert_eq!(status(&world.exchange(&chunked(body))), expected, "{body:?}");
        let after = world.settled();
        one_request(&before, &after, expected, "h1", rejection);
        assert_eq!(after.upstream_failures, [], "the upstream did nothing wrong");
    }
}

#[test]
fn a_body_over_the_announced_limit_is_never_asked_for() {
    let world = World::with(Limits { body_bytes_max: 4, ..Limits::default() }, 4);
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length:";
    let mut client = world.connect();
    client.write_all(format!("{head} 5\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(status(&read_to_end(&mut client)), 413);
    let mut client = world.connect();
    client.write_all(format!("{head} 4\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut go_on = [0u8; 25];
    client.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"abcd").unwrap();
    assert_eq!(status(&read_to_end(&mut client)), 200);
    assert!(!world.upstream.seen()[0].contains("expect"));
}

#[test]
fn slow_clients_are_cut() {
    let short = Limits {
        header_timeout_ms: 100,
        body_timeout_ms: 100,
        idle_timeout_ms: 200,
        ..Limits::default()
    };
    for (name, sent, expected, rejection) in [
        ("half a head", "GET / HTTP/1.1\r\nHost:", 0, "header_timeout"),
        (
            "half a body",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
            408,
            "body_timeout",
        ),
    ] {
        let world = World::with(short.clone(), 4);
        let mut client = world.connect();
        client.write_all(sent.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // The half head is cut without a TLS goodbye.
        drop(client.read_to_end(&mut answer));
        assert_eq!(status(&String::from_utf8(answer).unwrap()), expected, "{name}");
        one_request(&Default::default(), &world.settled(), 408, "h1", rejection);
    }
}

#[test]
fn idle_connections_are_closed_with_a_goodbye() {
    let world = World::with(
        Limits { header_timeout_ms: 100, idle_timeout_ms: 200, ..Limits::default() },
        4,
    );
    assert_eq!(read_to_end(&mut world.connect()), "", "a connection that asks for nothing");
    let mut client = world.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(status(&read_answer(&mut client)), 200);
    assert_eq!(read_to_end(&mut client), "", "a connection that asks for nothing more");
    let figures = world.settled();
    one_request(&Default::default(), &figures, 200, "h1", "");
    assert_eq!(figures.connections_idle_closed, 2);
}

#[test]
fn a_client_that_does_not_read_is_cut() {
    let world = World::with(Limits { idle_timeout_ms: 200, ..Limits::default() }, 4);
    let mut client = world.connect();
    client.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    // Never read: the kernel's buffers fill, then nothing moves.
    one_request(&Default::default(), &world.settled(), 200, "h1", "slow_read");
}

#[test]
fn a_handshake_that_does_not_come_is_cut() {
    let world = World::with(Limits { tls_handshake_timeout_ms: 100, ..Limits::default() }, 4);
    let mut tcp = TcpStream::connect(world.address).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(tcp.read(&mut [0u8; 1]).unwrap(), 0);
    let mut plain = TcpStream::connect(world.address).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    drop(plain.read_to_end(&mut answer));
    assert!(!answer.starts_with(b"HTTP"));
    let figures = world.settled();
    assert_eq!((figures.tls_handshakes_ok, figures.tls_handshakes_failed), (0, 2));
}

#[test]
fn connections_over_the_limit_are_refused() {
    let world = World::with(Limits { connections_max: 1, ..Limits::default() }, 4);
    let mut first = world.connect();
    first.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(status(&read_answer(&mut first)), 200);
    let mut second = TcpStream::connect(world.address).unwrap();
    second.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(second.read(&mut [0u8; 1]).unwrap(), 0);
    first.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(status(&read_answer(&mut first)), 200, "the first connection is not disturbed");
    drop(first);
    let figures = world.settled();
    assert_eq!((figures.connections_accepted, figures.connections_refused), (2, 1));
}

#[test]
fn values_that_would_switch_a_protection_off_are_refused() {
    assert!(Limits::default().validate().is_ok());
    for limits in [
        Limits { connections_max: 0, ..Limits::default() },
        Limits { header_bytes_max: 1_000_000, ..Limits::default() },
        Limits { header_timeout_ms: 0, ..Limits::default() },
        Limits { http2_streams_max: 0, ..Limits::default() },
    ] {
        let error = limits.validate().unwrap_err();
        assert!(error.to_string().contains(error.key), "{error}");
    }
}
