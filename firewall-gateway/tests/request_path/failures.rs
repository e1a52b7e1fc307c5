//! The upstream misbehaves: the client gets a plain answer, the figures say what it was.

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use firewall_gateway::limits::{Limits, UPSTREAM_SWEEP_INTERVAL_MS};

use crate::{
    upstream::Upstream,
    world::{World, label, one_request, read_answer, status, upstream_policy},
};

#[test]
fn answers_that_are_none() {
    let limits = Limits { upstream_response_timeout_ms: 200, ..Limits::default() };
    for (path, expected, rejection, failure) in [
        ("/closed", 502, "upstream_failed", "request"),
        ("/garbage", 502, "upstream_failed", "request"),
        ("/switching", 502, "upstream_failed", "request"),
        ("/silent", 504, "upstream_timeout", "response_timeout"),
    ] {
        let world = World::with(limits.clone(), 4);
        let answer = world.exchange(&get(path));
        assert_eq!(status(&answer), expected, "{path}: {answer}");
        let figures = world.settled();
        one_request(&Default::default(), &figures, expected, "h1", rejection);
        assert_eq!(label(&figures.upstream_failures, failure), 1, "{path}: {figures:?}");
        assert_eq!(world.upstream.seen().len(), 1, "{path}: a new connection is not tried twice");
    }
}

#[test]
fn an_answer_cut_in_the_middle_ends_the_connection() {
    let world = World::new();
    let mut client = world.connect();
    client.write_all(get("/cut").as_bytes()).unwrap();
    let mut answer = Vec::new();
    drop(std::io::Read::read_to_end(&mut client, &mut answer));
    let answer = String::from_utf8(answer).unwrap();
    assert!(status(&answer) == 200 && answer.ends_with("hello"), "{answer}");
    drop(client);
    let figures = world.settled();
    one_request(&Default::default(), &figures, 200, "h1", "upstream_failed");
    assert_eq!(label(&figures.upstream_failures, "response_body"), 1);
}

#[test]
fn a_kept_connection_that_died_is_tried_again_once() {
    for (method, rest, expected, retries) in [
        ("GET", "\r\n", 200, 1),
        ("DELETE", "\r\n", 200, 1),
        ("POST", "Content-Length: 0\r\n\r\n", 502, 0),
        ("PUT", "Content-Length: 1\r\n\r\na", 502, 0),
    ] {
        let world = World::new();
        assert_eq!(status(&world.exchange(&get("/"))), 200);
        let head =
            format!("{method} /closed_if_reused HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
        assert_eq!(status(&world.exchange(&format!("{head}{rest}"))), expected, "{method}");
        let figures = world.settled();
        assert_eq!(figures.upstream_retries, retries, "{method}");
        assert_eq!(world.upstream.seen().len() as u64, 2 + retries, "{method}");
        assert_eq!(label(&figures.upstream_failures, "request"), 1 - retries, "{method}");
    }
}

/// Nobody waits for a connection that is not used: it is looked at now and then.
#[test]
fn a_kept_connection_that_its_backend_closes_is_let_go() {
    let world = World::new();
    assert_eq!(status(&world.exchange(&get("/last"))), 200);
    let end = Instant::now() + Duration::from_millis(3 * UPSTREAM_SWEEP_INTERVAL_MS);
    while world.gateway.figures().upstream_connections_active > 0 {
        assert!(Instant::now() < end, "{:?}", world.gateway.figures());
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(status(&world.exchange(&get("/"))), 200);
    let figures = world.settled();
    assert_eq!((figures.upstream_connections_opened, figures.upstream_retries), (2, 0));
}

#[test]
fn no_connection_can_be_had() {
    let world = World::with(Limits { upstream_connect_timeout_ms: 100, ..Limits::default() }, 1);
    let mut holder = world.connect();
    holder.write_all(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    world.upstream.wait_for_request();
    let answer = world.exchange(&get("/"));
    assert_eq!(status(&answer), 503, "{answer}");
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
    world.upstream.release();
    assert_eq!(status(&read_answer(&mut holder)), 200);
    assert_eq!(status(&world.exchange(&get("/"))), 200, "the connection is free again");
    drop(holder);
    let figures = world.settled();
    assert_eq!(label(&figures.upstream_failures, "no_connection"), 1);
    assert_eq!(label(&figures.rejections, "upstream_busy"), 1);
    assert_eq!(figures.upstream_connections_opened, 1);
}

#[test]
fn an_upstream_that_is_not_the_right_one() {
    // Nobody listens; another name; another authority.
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let right = || Upstream::start("api.internal");
    let other = Upstream::start("other.internal");
    let stranger = right();
    let policy = |address: SocketAddr, ca: &str| upstream_policy(address, ca, 4);
    for (name, policy, failure) in [
        ("refused", policy(closed, &other.certificate_pem), "connect"),
        ("name", policy(other.address, &other.certificate_pem), "tls"),
        ("authority", policy(stranger.address, &other.certificate_pem), "tls"),
    ] {
        let world = World::behind(right(), policy, Limits::default());
        let answer = world.exchange(&get("/"));
        assert_eq!(status(&answer), 502, "{name}: {answer}");
        let figures = world.settled();
        one_request(&Default::default(), &figures, 502, "h1", "upstream_failed");
        assert_eq!(label(&figures.upstream_failures, failure), 1, "{name}: {figures:?}");
    }
    assert_eq!((other.seen().len(), stranger.seen().len()), (0, 0));
}

#[test]
fn a_client_that_leaves_is_counted_and_frees_the_upstream() {
    let world = World::with(Limits::default(), 1);
    let mut client = world.connect();
    client.write_all(get("/held").as_bytes()).unwrap();
    world.upstream.wait_for_request();
    drop(client);
    one_request(&Default::default(), &world.settled(), 499, "h1", "client_gone");
    assert_eq!(status(&world.exchange(&get("/"))), 200, "the only upstream connection is free");
    world.upstream.release();
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}
