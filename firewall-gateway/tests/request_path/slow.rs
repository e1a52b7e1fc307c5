//! Clients that take their time: with a head, with a body, with reading what they asked for.

use std::{
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use firewall_gateway::limits::{BODY_STALL_MAX_MS, Limits};

use crate::{
    h2raw::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, WINDOW_UPDATE, frame,
        get, request,
    },
    world::{World, label, one_request, read_answer, read_to_end, requests, status},
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
