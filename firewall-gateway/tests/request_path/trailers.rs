//! Fields behind bodies, both ways, over both protocols on both sides: and a call as gRPC makes it.

use std::{
    convert::Infallible,
    io::{Read, Write},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use firewall_gateway::policy::RouteLimits;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use tokio::sync::mpsc;

use crate::{
    http2::{connect, get},
    http2_backend::{Http2Backend, Manner},
    http2_upstream::world,
    world::{World, header, label, status},
};

/// Over HTTP/1.1 trailers pass where the client takes them and they are announced, as in the protocol.
#[test]
fn an_answers_trailers_over_http1() {
    let backend = Http2Backend::start(Manner::default());
    let over_http2 = world(&backend, |_| {});
    let over_http1 = World::new();
    // World, path, whether the client takes them, `Trailer` of the answer, what follows its body.
    for (world, path, taken, announced, follows) in [
        (&over_http2, "/announced", true, Some("x-late, x-secret-not"), "x-late: 1\r\n"),
        (&over_http2, "/announced", false, None, ""),
        (&over_http2, "/grpc", true, None, ""),
        (&over_http1, "/chatty", true, Some("x-late"), "x-late: 1\r\n"),
        (&over_http1, "/chatty", false, None, ""),
    ] {
        let te = if taken { "TE: trailers\r\nConnection: TE, close" } else { "Connection: close" };
        let answer = world.exchange(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n{te}\r\n\r\n"));
        assert_eq!(status(&answer), 200, "{path} {taken}: {answer}");
        assert_eq!(header(&answer, "trailer"), announced, "{path} {taken}: {answer}");
        let end = format!("5\r\nhello\r\n0\r\n{follows}\r\n");
        assert!(answer.ends_with(&end), "{path} {taken}: {answer}");
    }
    for world in [over_http1, over_http2] {
        let figures = world.settled();
        assert_eq!(figures.upstream_connections_opened, 1, "it is used again");
        assert_eq!((figures.upstream_failures, figures.rejections), (vec![], vec![]));
    }
}

#[test]
fn a_requests_trailers_pass_where_they_are_announced() {
    let backend = Http2Backend::start(Manner::default());
    let over_http2 = world(&backend, |_| {});
    for (trailer, sent, expected) in [
        ("Trailer: X-Late, X-Other\r\n", "X-Late: 1\r\nX-Not: 2\r\n", &["x-late: 1"][..]),
        ("", "X-Late: 1\r\n", &[]),
        (
            "Trailer: Host, X-Forwarded-For, Content-Length, X-Consumer\r\n",
            "X-Forwarded-For: 1.2.3.4\r\nHost: b\r\nX-Consumer: root\r\n",
            &[],
        ),
        (
            "Trailer: Authorization, X_Real_IP, Cookie\r\n",
            "Authorization: x\r\nX_Real_IP: 1.2.3.4\r\nCookie: a=b\r\n",
            &[],
        ),
    ] {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{trailer}Connection: close\r\n\r\n\
             3\r\nabc\r\n0\r\n{sent}\r\n"
        );
        assert_eq!(status(&over_http2.exchange(&request)), 200, "{request}");
        let seen = backend.seen().remove(0);
        assert_eq!((seen.body.as_str(), &seen.trailers), ("abc", &texts(expected)), "{request}");
        let over_http1 = World::new();
        assert_eq!(status(&over_http1.exchange(&request)), 200, "{request}");
        let seen = over_http1.upstream.seen().remove(0);
        assert_eq!(seen.contains("x-late: 1\r\n"), !expected.is_empty(), "{seen}");
        assert!(!seen.contains("1.2.3.4") && !seen.contains("root"), "{seen}");
    }
}

#[test]
fn more_trailers_than_are_held_are_refused() {
    let backend = Http2Backend::start(Manner::default());
    let over_http2 = world(&backend, |_| {});
    let many: String = (0..65).map(|number| format!("X-{number}: 1\r\n")).collect();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-1\r\n\r\n3\r\nabc\r\n0\r\n{many}\r\n"
    );
    let answer = over_http2.exchange(&request);
    assert_eq!(status(&answer), 431, "{answer}");
    assert_eq!(label(&over_http2.settled().rejections, "headers_too_large"), 1);
    assert_eq!(backend.count(), 0);
    // An answer is on its way already: it is cut off.
    let mut client = over_http2.connect();
    client.write_all(b"GET /many_trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // Without a TLS goodbye.
    drop(client.read_to_end(&mut answer));
    let answer = String::from_utf8(answer).unwrap();
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
    assert_eq!(label(&over_http2.settled().upstream_failures, "response_body"), 1);
}

/// A unary call: `te: trailers` arrives, `grpc-status` comes back behind the body.
#[tokio::test]
async fn a_call_as_grpc_makes_it() {
    let backend = Http2Backend::start(Manner::default());
    let world = world(&backend, |_| {});
    let (mut sender, connection) = connect(&world).await;
    // Path, the head's grpc-status, the trailers' names and values.
    for (path, head, expected) in [
        ("/grpc", None, &[("grpc-message", "fine"), ("grpc-status", "0"), ("x-late", "1")][..]),
        ("/trailers_only", Some("5"), &[]),
    ] {
        let request = get(&format!("https://a.example{path}"))
            .method("POST")
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .header("grpc-timeout", "1S")
            .body(Full::new(Bytes::from_static(b"\0\0\0\0\x03abc")))
            .unwrap();
        let answer: Response<Incoming> = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let status = answer.headers().get("grpc-status").map(|value| value.to_str().unwrap());
        assert_eq!(status, head, "{path}");
        assert!(answer.headers().get("server").is_none(), "{path}");
        let body = answer.into_body().collect().await.unwrap();
        let mut trailers: Vec<_> = body
            .trailers()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        trailers.sort_unstable();
        assert_eq!(trailers, expected, "{path}");
        let seen = backend.seen().remove(0);
        for (name, value) in
            [("te", "trailers"), ("content-type", "application/grpc"), ("grpc-timeout", "1S")]
        {
            assert_eq!(seen.header(name), Some(value), "{path}");
        }
        assert_eq!(seen.body, "\0\0\0\0\x03abc", "{path}");
    }
    drop(sender);
    drop(connection.await.unwrap());
    let figures = world.settled();
    // Trailers are as short as what the library refuses a head with, and are not taken for it.
    assert_eq!((figures.rejections, figures.upstream_failures), (vec![], vec![]));
    assert_eq!(figures.requests.iter().map(|one| one.count).sum::<u64>(), 2);
}

/// A stream both ways: each message is answered before the next one is sent.
#[tokio::test]
async fn a_call_that_goes_back_and_forth() {
    let backend = Http2Backend::start(Manner::default());
    let world = world(&backend, |policy| {
        // Nothing is waited for, as the client waits as well.
        policy.routes[0].limits =
            RouteLimits { body_gather_bytes: Some(0), ..RouteLimits::default() };
    });
    let (mut sender, _connection) = connect::<Messages>(&world).await;
    let (messages, sent) = mpsc::channel(1);
    let request = get("https://a.example/echo").method("POST").header("te", "trailers");
    let answer = tokio::spawn(sender.send_request(request.body(Messages(sent)).unwrap()));
    messages.send(Bytes::from_static(b"one")).await.unwrap();
    let mut body = answer.await.unwrap().unwrap().into_body();
    for (said, next) in [("one", Some("two")), ("two", Some("three")), ("three", None)] {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), said);
        if let Some(next) = next {
            messages.send(Bytes::from_static(next.as_bytes())).await.unwrap();
        }
    }
    drop(messages);
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    let expected: HeaderMap =
        [(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]
            .into_iter()
            .collect();
    assert_eq!(trailers, expected);
    assert!(body.frame().await.is_none());
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A body whose parts come when they are sent.
struct Messages(mpsc::Receiver<Bytes>);

impl Body for Messages {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}
