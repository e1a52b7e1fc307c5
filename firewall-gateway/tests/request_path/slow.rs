//! Clients that take their time: with a head, with a body, with reading what they asked for.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use firewall_gateway::{
    limits::{BODY_STALL_MAX_MS, Limits},
    policy::UpstreamPolicy,
};

use crate::{
    h2raw::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, WINDOW_UPDATE, frame,
        get, request,
    },
    upstream::Upstream,
    world::{
        World, label, one_request, read_answer, read_to_end, requests, status, until,
        upstream_policy,
    },
};

const BOTH: u8 = END_HEADERS | END_STREAM;
const CANCEL: u32 = 8;

/// A rate that a test can stay under without taking long: what a stall is forgiven is used up by
/// the wait alone.
fn fast_only() -> Limits {
    Limits { bytes_per_s_min: 1_048_576, ..Limits::default() }
}

#[test]
fn a_body_that_drips_is_cut_before_its_time_is_over() {
    let world = World::with(Limits { body_timeout_ms: 60_000, ..fast_only() }, 4);
    let start = Instant::now();
    let mut client = world.connect();
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n").unwrap();
    // A byte buys a microsecond, and each wait for it costs a hundred milliseconds.
    while client.write_all(b"x").and_then(|()| client.flush()).is_ok() {
        if world.gateway.figures().rejections.iter().any(|row| row.count > 0) {
            break;
        }
        assert!(start.elapsed() < Duration::from_millis(BODY_STALL_MAX_MS * 3), "it is not cut");
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(status(&read_to_end(&mut client)), 408);
    assert!(start.elapsed() >= Duration::from_millis(BODY_STALL_MAX_MS - 1_000), "too early");
    one_request(&Default::default(), &world.settled(), 408, "h1", "slow_body");
}

#[test]
fn an_answer_that_is_read_in_drips_is_cut() {
    let world = World::with(Limits { idle_timeout_ms: 300, ..fast_only() }, 4);
    let mut client = world.connect();
    client.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut drip = [0u8; 4096];
    let start = Instant::now();
    // 4 KiB every 20 ms: never a stall, and a fifth of the rate.
    while client.read(&mut drip).is_ok_and(|read| read > 0) {
        assert!(start.elapsed() < Duration::from_secs(30), "it is not cut");
        thread::sleep(Duration::from_millis(20));
    }
    one_request(&Default::default(), &world.settled(), 200, "h1", "slow_read");
}

#[test]
fn an_answer_that_is_read_as_it_comes_is_not_cut() {
    let world = World::with(Limits { idle_timeout_ms: 300, ..fast_only() }, 4);
    let mut client = world.connect();
    client.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut client).len() / 1_000, 8_388);
    drop(client);
    one_request(&Default::default(), &world.settled(), 200, "h1", "");
}

/// A stream whose client grants it no window is reset alone; another stream of the connection is
/// served meanwhile and afterwards.
#[test]
fn a_stream_without_a_window_is_reset_alone() {
    let world = World::with(Limits { idle_timeout_ms: 300, ..Limits::default() }, 4);
    // SETTINGS_INITIAL_WINDOW_SIZE is 0: every stream waits for a WINDOW_UPDATE of its own.
    let mut client = world.http2(&[(4, 0)]);
    client.send(&frame(HEADERS, BOTH, 1, &get("/", &[])));
    assert_eq!(client.until(&[HEADERS]).unwrap().stream, 1);
    for stream in [3, 5] {
        client.send(
            &[
                frame(HEADERS, BOTH, stream, &get("/", &[])),
                frame(WINDOW_UPDATE, 0, stream, &100u32.to_be_bytes()),
            ]
            .concat(),
        );
        let data = client.until(&[DATA, RST_STREAM]).unwrap();
        if stream == 3 {
            assert_eq!((data.stream, data.payload.as_slice()), (3, &b"hello"[..]));
            let reset = client.until(&[RST_STREAM]).unwrap();
            assert_eq!((reset.stream, reset.code()), (1, Some(CANCEL)));
        } else {
            assert_eq!((data.stream, data.payload.as_slice()), (5, &b"hello"[..]));
        }
    }
    drop(client);
    let figures = world.settled();
    assert_eq!(label(&figures.rejections, "slow_read"), 1, "{figures:?}");
    let all: u64 = figures.rejections.iter().map(|row| row.count).sum();
    assert_eq!((all, requests(&figures)), (1, 3), "{figures:?}");
}

/// Many streams without a window: none of them lives longer, and their answers wait at the upstream.
#[test]
fn a_zero_window_flood_holds_nothing() {
    let world = World::with(Limits { idle_timeout_ms: 300, ..Limits::default() }, 16);
    let mut client = world.http2(&[(4, 0)]);
    for stream in 0..100 {
        client.send(&frame(HEADERS, BOTH, 2 * stream + 1, &get("/", &[])));
    }
    let mut resets = 0;
    while resets < 100 {
        let frame = client.until(&[RST_STREAM]).unwrap();
        assert_eq!(frame.code(), Some(CANCEL));
        resets += 1;
    }
    drop(client);
    let figures = world.settled();
    assert_eq!(label(&figures.rejections, "slow_read"), 100, "{figures:?}");
}

/// Small answers that a client does not take are read from the backend nevertheless: its connection is another's.
#[test]
fn answers_that_nobody_takes_hold_no_connection() {
    let world = World::with(Limits::default(), 1);
    let mut client = world.http2(&[(4, 0)]);
    for number in 0..20 {
        client.send(&frame(HEADERS, BOTH, 2 * number + 1, &get("/", &[])));
        client.until(&[HEADERS]).unwrap();
    }
    let answer = world.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(status(&answer), 200, "{answer}");
    drop(client);
    // A stream may end a moment after its connection.
    until(&world, |figures| requests(figures) == 21);
    assert_eq!(world.settled().upstream_connections_opened, 1);
}

/// A backend answers before it has read all, and the client reads nothing before it has sent all: neither waits
/// for the other.
#[test]
fn an_upload_goes_on_while_its_answer_is_not_read() {
    const UPLOAD_BYTES: usize = 12 << 20;
    const ANSWER_BYTES: usize = 8 << 20;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let way =
        UpstreamPolicy { tls: None, ..upstream_policy(listener.local_addr().unwrap(), "", 4) };
    let backend = thread::spawn(move || {
        let (reading, _) = listener.accept().unwrap();
        let mut writing = reading.try_clone().unwrap();
        let answering = thread::spawn(move || {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {ANSWER_BYTES}\r\n\r\n");
            writing.write_all(&[head.into_bytes(), vec![b'x'; ANSWER_BYTES]].concat()).unwrap();
        });
        let mut reading = BufReader::new(reading);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            reading.read_line(&mut line).unwrap();
        }
        reading.read_exact(&mut vec![0; UPLOAD_BYTES]).unwrap();
        answering.join().unwrap();
    });
    let limits = Limits { body_bytes_max: UPLOAD_BYTES as u64, ..Limits::default() };
    let world = World::behind(Upstream::start("api.internal"), way, limits);
    let mut client = world.connect();
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {UPLOAD_BYTES}\r\n\r\n");
    client.write_all(&[head.into_bytes(), vec![b'x'; UPLOAD_BYTES]].concat()).unwrap();
    assert_eq!(read_answer(&mut client).len() / 1_000, ANSWER_BYTES / 1_000);
    backend.join().unwrap();
    drop(client);
    one_request(&Default::default(), &world.settled(), 200, "h1", "");
}

#[test]
fn a_header_block_that_does_not_end_is_cut() {
    let world = World::with(Limits { header_timeout_ms: 200, ..Limits::default() }, 4);
    for (name, frames) in [
        ("CONTINUATION does not come", vec![frame(HEADERS, END_STREAM, 1, &get("/", &[]))]),
        ("the frame does not end", vec![frame(HEADERS, BOTH, 1, &get("/", &[]))[..20].to_vec()]),
        (
            "CONTINUATION does not end",
            vec![
                frame(HEADERS, END_STREAM, 1, &get("/", &[])),
                frame(CONTINUATION, END_HEADERS, 1, b"abc")[..10].to_vec(),
            ],
        ),
    ] {
        let before = world.settled();
        let mut client = world.http2(&[]);
        client.send(&frames.concat());
        client.end();
        one_request(&before, &world.settled(), 408, "h2", "header_timeout");
        println!("{name}");
    }
}

#[test]
fn a_body_that_does_not_come_is_cut_in_http2_too() {
    let world = World::with(Limits { body_timeout_ms: 200, ..Limits::default() }, 4);
    let mut client = world.http2(&[]);
    client.send(
        &[frame(HEADERS, END_HEADERS, 1, &request("POST", "/", &[])), frame(DATA, 0, 1, b"a")]
            .concat(),
    );
    assert_eq!(client.until(&[HEADERS]).unwrap().stream, 1);
    drop(client);
    one_request(&Default::default(), &world.settled(), 408, "h2", "body_timeout");
}
