//! Streams of HTTP/2 that leave HTTP behind (RFC 8441): the backend is asked as HTTP/1.1 asks, and what is decided of
//! the one is decided of the other.

use std::time::{Duration, Instant};

use bytes::Bytes;
use firewall_gateway::limits::Limits;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::{body::Incoming, client::conn::http2::SendRequest, ext::Protocol};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::sleep,
};

use crate::{
    h2raw::SETTINGS,
    http2::{connect, get},
    tunnels::{AGREES, world},
    world::{header, label, until},
};

type Sender = SendRequest<Empty<Bytes>>;

const ACCEPTS: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
                       Sec-WebSocket-Accept: {accept}\r\nServer: secret\r\n\r\n";
const OTHER: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n";

#[tokio::test]
async fn a_tunnel_is_agreed_on_by_all() {
    for (upgrades, protocol, answer, expected) in [
        (&["websocket"][..], "websocket", ACCEPTS, 200),
        (&["other"], "other", OTHER, 200),
        // Nobody but the gateway could see that the backend has not understood.
        (&["websocket"], "websocket", AGREES, 502),
        (&["websocket"], "websocket", OTHER, 502),
        // A tunnel to the client, and none to the backend.
        (&["websocket"], "websocket", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", 502),
        (&["websocket"], "websocket", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 403),
        // The route does not know of it: a stream like that can be nothing else.
        (&["other"], "websocket", ACCEPTS, 405),
    ] {
        let (world, seen) = world(upgrades, answer, Limits::default());
        let (mut sender, _connection) = connect(&world).await;
        let response = opened(&mut sender, protocol).await;
        let name = format!("{upgrades:?} {protocol} {answer:?}: {response:?}");
        assert_eq!(response.status(), expected, "{name}");
        if expected == 405 {
            assert!(seen.try_recv().is_err(), "{name}");
            continue;
        }
        let sent = seen.recv().unwrap();
        assert!(sent.starts_with("GET /chat HTTP/1.1\r\n"), "{sent}");
        assert_eq!(header(&sent, "upgrade"), Some(protocol), "{sent}");
        assert_eq!(header(&sent, "sec-websocket-version"), Some("13"), "{sent}");
        let key = header(&sent, "sec-websocket-key");
        assert_eq!(key.map(str::len), (protocol == "websocket").then_some(24), "{sent}");
        if expected != 200 {
            let refused = world.gateway.figures().rejections;
            let ours = u64::from(expected == 502);
            assert_eq!(label(&refused, "upstream_failed"), ours, "{name}");
            let failures = world.gateway.figures().upstream_failures;
            assert_eq!(label(&failures, "request"), ours, "it is the backend's: {name}");
            continue;
        }
        for absent in ["connection", "upgrade", "sec-websocket-accept", "server"] {
            assert!(!response.headers().contains_key(absent), "{name}");
        }
        assert!(response.headers().contains_key("x-request-id"), "{name}");
        let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        for word in ["one", "GET / HTTP/1.1\r\n\r\n", "three"] {
            stream.write_all(word.as_bytes()).await.unwrap();
            let mut back = vec![0; word.len()];
            stream.read_exact(&mut back).await.unwrap();
            assert_eq!(back, word.as_bytes(), "{name}");
        }
        let figures = world.gateway.figures();
        assert_eq!((figures.tunnels_opened, figures.tunnels_active), (1, 1), "{name}");
        assert_eq!(figures.requests, [], "a request ends with its tunnel");
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"", "{name}");
        until(&world, |figures| figures.tunnels_active == 0);
        let figures = world.gateway.figures();
        let [request] = &figures.requests[..] else { panic!("{:?}", figures.requests) };
        assert_eq!(
            (request.status, request.protocol.as_str(), request.count),
            (200, "h2", 1),
            "{name}"
        );
        assert_eq!((figures.bytes_in, figures.bytes_out), (26, 26), "{name}");
        assert!(figures.rejections.iter().all(|row| row.count == 0), "{:?}", figures.rejections);
    }
}

/// A connection lasts as long as a tunnel over it, however quiet that is, and its other streams are served meanwhile.
#[tokio::test]
async fn a_tunnel_lasts_beside_other_streams() {
    let short = Limits {
        idle_timeout_ms: 100,
        body_timeout_ms: 100,
        upstream_connect_timeout_ms: 100,
        upstream_response_timeout_ms: 100,
        ..Limits::default()
    };
    let (world, _seen) = world(&["websocket"], ACCEPTS, short);
    let (mut sender, connection) = connect(&world).await;
    let response = opened(&mut sender, "websocket").await;
    assert_eq!(response.status(), StatusCode::OK);
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    // More than all of them together.
    sleep(Duration::from_millis(1_000)).await;
    let nowhere = get("https://gateway.test/nowhere").body(Empty::new()).unwrap();
    let answer = sender.send_request(nowhere).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "its 101 is no answer to a GET");
    stream.write_all(b"a word").await.unwrap();
    let mut back = [0; 6];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"a word");
    assert_eq!(world.gateway.figures().connections_active, 1);
    drop(stream);
    connection.await.unwrap().unwrap();
    until(&world, |figures| figures.tunnels_active == 0 && figures.connections_active == 0);
    assert_eq!(world.gateway.figures().connections_idle_closed, 1);
}

#[tokio::test]
async fn a_tunnel_in_which_nobody_speaks_is_closed() {
    let limits = Limits { tunnel_idle_timeout_ms: 200, ..Limits::default() };
    let (world, _seen) = world(&["websocket"], ACCEPTS, limits);
    let (mut sender, _connection) = connect(&world).await;
    let response = opened(&mut sender, "websocket").await;
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let mut rest = Vec::new();
    // The end may come as a reset.
    let _ended = stream.read_to_end(&mut rest).await;
    assert_eq!(rest, b"");
    until(&world, |figures| figures.tunnels_active == 0);
    assert_eq!(world.gateway.figures().tunnels_idle_closed, 1);
}

/// Clients are told of it only where a route has use for it.
#[test]
fn it_is_offered_where_a_route_allows_it() {
    const ENABLE_CONNECT_PROTOCOL: [u8; 6] = [0, 8, 0, 0, 0, 1];
    for (upgrades, expected) in [(&["websocket"][..], true), (&[], false)] {
        let (world, _seen) = world(upgrades, ACCEPTS, Limits::default());
        let settings = world.http2(&[]).until(&[SETTINGS]).unwrap().payload;
        let offered = settings.chunks(6).any(|one| one == ENABLE_CONNECT_PROTOCOL);
        assert_eq!(offered, expected, "{upgrades:?} {settings:?}");
    }
}

/// Asks until the gateway's settings are here.
async fn opened(sender: &mut Sender, protocol: &str) -> Response<Incoming> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = "https://gateway.test/chat".parse().unwrap();
        request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
        request.extensions_mut().insert(Protocol::from(protocol));
        match sender.send_request(request).await {
            Ok(response) => return response,
            Err(error) => assert!(error.is_user() && Instant::now() < end, "{error:?}"),
        }
        sleep(Duration::from_millis(5)).await;
    }
}
