//! HTTP/2 floods: each ends its connection, has its own counter, and leaves others undisturbed.

use std::io::Write;

use firewall_gateway::limits::{
    HTTP2_EMPTY_FRAMES_PER_S_MAX, HTTP2_PENDING_RESETS_MAX, HTTP2_PINGS_PER_S_MAX,
    HTTP2_PRIORITIES_PER_S_MAX, HTTP2_RESETS_PER_S_MAX, HTTP2_SETTINGS_PER_S_MAX,
    HTTP2_WINDOW_UPDATES_PER_S_MAX, Limits,
};

use crate::{
    h2raw::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PRIORITY,
        RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, get,
    },
    world::{World, label, read_answer, status},
};

const ENHANCE_YOUR_CALM: u32 = 11;
const BOTH: u8 = END_HEADERS | END_STREAM;

/// Sends what `attack` makes of the numbers from 0 until the connection ends; one of this kind is
/// counted, and a client that was there before is served on.
fn check(name: &str, kind: &str, attack: impl Fn(u32) -> Vec<u8>) {
    const ROUNDS_MAX: u32 = 20_000;
    let world = World::new();
    let mut other = world.connect();
    let mut ask = || {
        other.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(status(&read_answer(&mut other)), 200, "{name}: another client");
    };
    ask();
    let mut client = world.http2(&[]);
    let ended = (0..ROUNDS_MAX).find(|round| !client.send(&attack(*round)));
    let goodbye = client.end();
    assert!(ended.is_some() || goodbye.is_some(), "{name}: {ROUNDS_MAX} and no end");
    if let Some(frame) = goodbye {
        assert_eq!(frame.code(), Some(ENHANCE_YOUR_CALM), "{name}");
    }
    ask();
    drop(other);
    let figures = world.settled();
    assert_eq!(label(&figures.http2_floods, kind), 1, "{name}: {figures:?}");
    assert_eq!(figures.http2_floods.len(), 1, "{name}: {figures:?}");
    assert!(label(&figures.rejections, "http2_flood") >= 1, "{name}: {figures:?}");
}

#[test]
fn settings() {
    check("SETTINGS", "settings", |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]));
    check("empty SETTINGS", "settings", |_| frame(SETTINGS, 0, 0, &[]));
}

#[test]
fn ping() {
    check("PING", "ping", |round| frame(PING, 0, 0, &u64::from(round).to_be_bytes()));
    check("PING that answers none", "ping", |_| frame(PING, ACK, 0, &[0; 8]));
}

#[test]
fn priority() {
    check("PRIORITY", "priority", |_| frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 1]));
    check("a kind that is not known", "priority", |_| frame(0xee, 0, 0, &[0; 3]));
}

#[test]
fn window_updates() {
    check("WINDOW_UPDATE", "window_update", |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]));
}

#[test]
fn empty_frames() {
    check("DATA of nothing", "empty", |round| match round {
        0 => frame(HEADERS, END_HEADERS, 1, &get("/", &[])),
        _ => frame(DATA, 0, 1, &[]),
    });
}

/// CVE-2023-44487: streams that are opened and reset at once.
#[test]
fn rapid_reset() {
    check("rapid reset", "reset", |round| {
        let stream = 2 * round + 1;
        let opened = frame(HEADERS, BOTH, stream, &get("/held", &[]));
        [opened, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    });
}

/// CVE-2025-8671 (MadeYouReset): streams that we have to reset for the client's errors.
#[test]
fn made_you_reset() {
    check("a window beyond its bound", "error_reset", |round| {
        let stream = 2 * round + 1;
        let opened = frame(HEADERS, BOTH, stream, &get("/held", &[]));
        [opened, frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff])].concat()
    });
    check("malformed requests", "error_reset", |round| {
        frame(HEADERS, BOTH, 2 * round + 1, &get("/", &[("te", "gzip")]))
    });
}

/// CVE-2024-27316 and its kin: a header block without an end.
#[test]
fn continuation() {
    check("CONTINUATION without end", "continuation", |round| match round {
        0 => frame(HEADERS, END_STREAM, 1, &get("/", &[])),
        _ => frame(CONTINUATION, 0, 1, &[0, 1, b'x', 1, b'y']),
    });
    check("CONTINUATION of nothing", "continuation", |round| match round {
        0 => frame(HEADERS, END_STREAM, 1, &get("/", &[])),
        _ => frame(CONTINUATION, 0, 1, &[]),
    });
}

/// A field in the table of the connection, named again and again: few bytes that decode to many.
#[test]
fn hpack_bomb() {
    let value = "x".repeat(4_000);
    let mut first = get("/", &[]);
    // With indexing, so that it is number 62.
    first.extend([0x40, 1, b'x', 127, 0xa1, 0x1e]);
    first.extend(value.as_bytes());
    check("a field many times", "header_list", |round| {
        let mut block = if round == 0 { first.clone() } else { get("/", &[]) };
        block.extend(vec![0x80 | 62; 8_000]);
        frame(HEADERS, BOTH, 2 * round + 1, &block)
    });
}

#[test]
fn what_a_second_allows_disturbs_nobody() {
    let world = World::new();
    let mut client = world.http2(&[]);
    let mut bytes = Vec::new();
    for (count, frame) in [
        (HTTP2_SETTINGS_PER_S_MAX - 2, frame(SETTINGS, 0, 0, &[])),
        (HTTP2_PINGS_PER_S_MAX - 1, frame(PING, 0, 0, &[0; 8])),
        (HTTP2_PRIORITIES_PER_S_MAX - 1, frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 1])),
        (HTTP2_WINDOW_UPDATES_PER_S_MAX - 1, frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
    ] {
        bytes.extend(frame.repeat(count as usize));
    }
    bytes.extend(frame(HEADERS, END_HEADERS, 1, &get("/", &[])));
    bytes.extend(frame(DATA, 0, 1, &[]).repeat(HTTP2_EMPTY_FRAMES_PER_S_MAX as usize - 1));
    bytes.extend(frame(DATA, END_STREAM, 1, &[]));
    assert!(client.send(&bytes));
    assert_eq!(client.until(&[HEADERS, RST_STREAM, GOAWAY]).unwrap().kind, HEADERS);
    drop(client);
    assert_eq!(world.settled().http2_floods, []);
    assert!(HTTP2_PENDING_RESETS_MAX < HTTP2_RESETS_PER_S_MAX as usize);
}

#[test]
fn streams_over_the_limit_are_refused_and_counted() {
    let world = World::with(Limits { http2_streams_max: 2, ..Limits::default() }, 4);
    let mut client = world.http2(&[]);
    client.send(
        &(0..4)
            .flat_map(|n| frame(HEADERS, BOTH, 2 * n + 1, &get("/held", &[])))
            .collect::<Vec<_>>(),
    );
    let refused: Vec<_> = (0..2)
        .map(|_| client.until(&[RST_STREAM]).unwrap())
        .map(|frame| (frame.stream, frame.code()))
        .collect();
    assert_eq!(refused, [(5, Some(7)), (7, Some(7))]);
    world.upstream.release();
    let answered: Vec<_> = (0..2).map(|_| client.until(&[HEADERS]).unwrap().stream).collect();
    assert_eq!(answered.len(), 2);
    drop(client);
    let figures = world.settled();
    assert_eq!(label(&figures.rejections, "stream_refused"), 2, "{figures:?}");
    assert_eq!(figures.http2_floods, []);
}
