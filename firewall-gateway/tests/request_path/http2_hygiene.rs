//! HTTP/2 messages that would mean something else in HTTP/1, each refused and counted, beside those
//! that are served.

use crate::{
    h2raw::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, frame, get,
        text_block,
    },
    world::{World, label, one_request, requests},
};

const PROTOCOL_ERROR: u32 = 1;

/// What the client sees of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Answer,
    Reset(u32),
    Goaway(u32),
}

struct Case {
    name: &'static str,
    frames: Vec<u8>,
    seen: Seen,
    status: u16,
    rejection: &'static str,
}

fn whole(block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, block)
}

/// A message that the library takes for malformed: its stream is reset, and counted as 400.
fn malformed(name: &'static str, frames: Vec<u8>) -> Case {
    let seen = Seen::Reset(PROTOCOL_ERROR);
    Case { name, frames, seen, status: 400, rejection: "request_malformed" }
}

/// A message that is answered by us.
fn answered(name: &'static str, frames: Vec<u8>, status: u16, rejection: &'static str) -> Case {
    Case { name, frames, seen: Seen::Answer, status, rejection }
}

fn get_with(name: &'static str, field: &'static str, value: &'static str) -> Case {
    malformed(name, whole(&get("/", &[(field, value)])))
}

/// A field that the library cannot read: the connection ends.
fn unreadable(name: &'static str, field: &'static str, value: &'static str) -> Case {
    ends(name, whole(&get("/", &[(field, value)])))
}

fn ends(name: &'static str, frames: Vec<u8>) -> Case {
    Case { seen: Seen::Goaway(PROTOCOL_ERROR), ..malformed(name, frames) }
}

fn pseudo(fields: &[(&'static str, &'static str)]) -> Vec<u8> {
    whole(&text_block(fields))
}

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "https");
const AUTHORITY: (&str, &str) = (":authority", "a.example");
const PATH: (&str, &str) = (":path", "/");

#[test]
fn messages() {
    let post = |length: &'static str| {
        let fields = [(":method", "POST"), SCHEME, AUTHORITY, PATH, ("content-length", length)];
        text_block(&fields)
    };
    let long = "x".repeat(33_000);
    // As many frames as it takes.
    let large = |bytes: usize| {
        let block = get("/", &[("x", &long[..bytes])]);
        let mut frames = frame(HEADERS, END_STREAM, 1, &block[..16_000]);
        let rest: Vec<&[u8]> = block[16_000..].chunks(16_000).collect();
        for (number, part) in rest.iter().enumerate() {
            let flags = if number + 1 == rest.len() { END_HEADERS } else { 0 };
            frames.extend(frame(CONTINUATION, flags, 1, part));
        }
        frames
    };
    let cases = [
        answered("plain", pseudo(&[METHOD, SCHEME, AUTHORITY, PATH]), 200, ""),
        answered(
            "pseudo-headers in another order",
            pseudo(&[PATH, AUTHORITY, METHOD, SCHEME]),
            200,
            "",
        ),
        answered(
            "a host that is the authority",
            whole(&get("/", &[("host", "a.example")])),
            200,
            "",
        ),
        answered("te: trailers", whole(&get("/", &[("te", "trailers")])), 200, ""),
        answered(
            "length and body",
            [frame(HEADERS, END_HEADERS, 1, &post("3")), frame(DATA, END_STREAM, 1, b"abc")]
                .concat(),
            200,
            "",
        ),
        // Names and values that HTTP/1 would read as more than one field.
        unreadable("CR LF in a value", "x", "a\r\nhost: evil"),
        unreadable("LF in a value", "x", "a\nb"),
        unreadable("NUL in a value", "x", "a\0b"),
        unreadable("a colon in a name", "x:y", "a"),
        unreadable("a space in a name", "x y", "a"),
        unreadable("CR LF in a name", "x\r\nhost", "a"),
        unreadable("an empty name", "", "a"),
        unreadable("a name in upper case", "Host", "a.example"),
        answered(
            "a space before a value",
            whole(&get("/", &[("x", " a")])),
            400,
            "request_malformed",
        ),
        answered(
            "a tab behind a value",
            whole(&get("/", &[("x", "a\t")])),
            400,
            "request_malformed",
        ),
        malformed("a space in the path", whole(&get("/a b HTTP/1.1", &[]))),
        malformed("CR LF in the path", whole(&get("/a\r\nb", &[]))),
        malformed("no slash in the path", whole(&get("a", &[]))),
        malformed("an empty path", whole(&get("", &[]))),
        ends(
            "a line break in the method",
            pseudo(&[(":method", "GET\r\n"), SCHEME, AUTHORITY, PATH]),
        ),
        // Pseudo-headers.
        malformed(
            "a pseudo-header behind a field",
            pseudo(&[METHOD, SCHEME, ("x", "y"), PATH, AUTHORITY]),
        ),
        malformed("a path twice", pseudo(&[METHOD, SCHEME, AUTHORITY, PATH, PATH])),
        malformed("no method", pseudo(&[SCHEME, AUTHORITY, PATH])),
        malformed("no scheme", pseudo(&[METHOD, AUTHORITY, PATH])),
        malformed("no path", pseudo(&[METHOD, SCHEME, AUTHORITY])),
        malformed("a status", pseudo(&[METHOD, SCHEME, AUTHORITY, PATH, (":status", "200")])),
        ends(
            "an unknown pseudo-header",
            pseudo(&[METHOD, SCHEME, AUTHORITY, PATH, (":user", "root")]),
        ),
        malformed(
            "a protocol",
            pseudo(&[METHOD, SCHEME, AUTHORITY, PATH, (":protocol", "websocket")]),
        ),
        // Fields of a connection.
        get_with("transfer-encoding", "transfer-encoding", "chunked"),
        get_with("connection", "connection", "close"),
        get_with("upgrade", "upgrade", "h2c"),
        get_with("keep-alive", "keep-alive", "timeout=5"),
        get_with("proxy-connection", "proxy-connection", "keep-alive"),
        get_with("te: gzip", "te", "gzip"),
        // Lengths.
        malformed("a length that is no number", whole(&post("x"))),
        malformed("a length and no body", whole(&post("3"))),
        malformed(
            "two lengths",
            whole(&get("/", &[("content-length", "0"), ("content-length", "1")])),
        ),
        Case {
            name: "less than the length",
            frames: [frame(HEADERS, END_HEADERS, 1, &post("3")), frame(DATA, END_STREAM, 1, b"ab")]
                .concat(),
            seen: Seen::Answer,
            status: 400,
            rejection: "body_malformed",
        },
        Case {
            name: "more than the length",
            frames: [
                frame(HEADERS, END_HEADERS, 1, &post("3")),
                frame(DATA, END_STREAM, 1, b"abcd"),
            ]
            .concat(),
            seen: Seen::Answer,
            status: 400,
            rejection: "body_malformed",
        },
        // Whom and what it is for.
        answered(
            "another host",
            whole(&get("/", &[("host", "evil.example")])),
            400,
            "target_invalid",
        ),
        answered(
            "two hosts",
            whole(&get("/", &[("host", "a.example"), ("host", "a.example")])),
            400,
            "host_repeated",
        ),
        answered("no authority", pseudo(&[METHOD, SCHEME, PATH]), 400, "host_missing"),
        answered(
            "user information",
            pseudo(&[METHOD, SCHEME, (":authority", "root@a.example"), PATH]),
            400,
            "host_invalid",
        ),
        answered(
            "another scheme",
            pseudo(&[METHOD, (":scheme", "ftp"), AUTHORITY, PATH]),
            400,
            "target_invalid",
        ),
        answered(
            "a method in lower case",
            pseudo(&[(":method", "get"), SCHEME, AUTHORITY, PATH]),
            405,
            "method_refused",
        ),
        answered(
            "TRACE",
            pseudo(&[(":method", "TRACE"), SCHEME, AUTHORITY, PATH]),
            405,
            "method_refused",
        ),
        answered(
            "CONNECT",
            pseudo(&[(":method", "CONNECT"), (":authority", "a.example:443")]),
            405,
            "method_refused",
        ),
        answered("dot segments", whole(&get("/a/../b", &[])), 400, "path_ambiguous"),
        answered("coded dot segments", whole(&get("/%2e%2E/b", &[])), 400, "path_ambiguous"),
        answered("a coded slash", whole(&get("/a%2fb", &[])), 400, "path_ambiguous"),
        answered("a parameter", whole(&get("/a;b/c", &[])), 400, "path_ambiguous"),
        answered("coded twice", whole(&get("/a%252fb", &[])), 400, "path_ambiguous"),
        // Sizes: over ours, and over the library's, which answers by itself.
        answered("a large field", large(17_000), 431, "headers_too_large"),
        answered("a larger field", large(33_000), 431, "headers_too_large"),
        // What cannot be read ends the connection.
        Case {
            name: "no HPACK",
            frames: whole(&[0x3f, 0xff, 0xff, 0xff, 0xff, 0xff]),
            seen: Seen::Goaway(PROTOCOL_ERROR),
            status: 400,
            rejection: "request_malformed",
        },
        Case {
            name: "an even stream",
            frames: frame(HEADERS, END_HEADERS | END_STREAM, 2, &get("/", &[])),
            seen: Seen::Goaway(PROTOCOL_ERROR),
            status: 400,
            rejection: "request_malformed",
        },
    ];
    let world = World::new();
    let mut wrong = Vec::new();
    for Case { name, frames, seen, status, rejection } in cases {
        let before = world.settled();
        let mut client = world.http2(&[]);
        client.send(&frames);
        let frame = client.until(&[HEADERS, RST_STREAM, GOAWAY]).expect(name);
        let found = match frame.kind {
            HEADERS => Seen::Answer,
            RST_STREAM => Seen::Reset(frame.code().unwrap()),
            _ => Seen::Goaway(frame.code().unwrap()),
        };
        drop(client);
        let after = world.settled();
        let served = world.upstream.seen().len();
        // A body that breaks is found when the request is on its way.
        let body = rejection == "body_malformed";
        if !body && (found, served) != (seen, usize::from(rejection.is_empty())) {
            wrong.push(format!("{name}: {found:?}, not {seen:?}; {served} served"));
        }
        one_request(&before, &after, status, "h2", rejection);
        assert_eq!(after.http2_floods, [], "{name}");
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn one_bad_stream_does_not_disturb_the_others() {
    let world = World::new();
    let mut client = world.http2(&[]);
    let both = END_HEADERS | END_STREAM;
    client.send(
        &[
            frame(HEADERS, both, 1, &get("/", &[])),
            frame(HEADERS, both, 3, &get("/", &[("transfer-encoding", "chunked")])),
            frame(HEADERS, both, 5, &get("/", &[])),
        ]
        .concat(),
    );
    let mut answers = Vec::new();
    while answers.len() < 3 {
        let frame = client.until(&[HEADERS, RST_STREAM]).unwrap();
        answers.push((frame.stream, frame.kind));
    }
    answers.sort_unstable();
    assert_eq!(answers, [(1, HEADERS), (3, RST_STREAM), (5, HEADERS)]);
    drop(client);
    let figures = world.settled();
    assert_eq!(label(&figures.rejections, "request_malformed"), 1, "{figures:?}");
    assert_eq!(requests(&figures), 3);
}
