//! The same road over HTTP/2.

use std::{error::Error, sync::Arc};

use bytes::Bytes;
use firewall_gateway::limits::Limits;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::{body::Body, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_rustls::TlsConnector;

use crate::world::{World, header, one_request};

#[tokio::test]
async fn requests_and_refusals() {
    let world = World::with(Limits { body_bytes_max: 4, ..Limits::default() }, 4);
    let big = "x".repeat(17_000);
    for (name, request, expected, rejection) in [
        ("plain", get("https://a.example/x?y"), 200, ""),
        ("body", get("https://a.example/").method("POST"), 200, ""),
        (
            "Host that differs",
            get("https://a.example/").header("host", "b.example"),
            400,
            "target_invalid",
        ),
        ("user info", get("https://u@a.example/"), 400, "host_invalid"),
        ("TRACE", get("https://a.example/").method("TRACE"), 405, "method_refused"),
        ("large header", get("https://a.example/").header("x", &big), 431, "headers_too_large"),
        (
            "large body",
            get("https://a.example/").method("PUT").header("x-body", "5"),
            413,
            "body_too_large",
        ),
    ] {
        let before = world.settled();
        let body = if rejection == "body_too_large" {
            "abcde"
        } else if name == "body" {
            "abcd"
        } else {
            ""
        };
        let (status, head, body) = send(&world, request.body(Full::from(body)).unwrap()).await;
        assert_eq!(status, StatusCode::from_u16(expected).unwrap(), "{name}");
        one_request(&before, &world.settled(), expected, "h2", rejection);
        let seen = world.upstream.seen();
        if !rejection.is_empty() {
            assert_eq!(seen, Vec::<String>::new(), "{name}");
            assert_eq!(head["content-type"], "application/problem+json", "{name}");
            assert!(head.get("connection").is_none(), "{name}");
            continue;
        }
        assert_eq!(body, "hello", "{name}");
        assert_eq!(header(&seen[0], "x-forwarded-host"), Some("a.example"), "{name}");
        assert_eq!(header(&seen[0], "x-request-id"), head["x-request-id"].to_str().ok(), "{name}");
        assert!(seen[0].split("\r\n").next().unwrap().ends_with(" HTTP/1.1"), "{name}");
    }
}

#[tokio::test]
async fn streams_over_the_limit_wait_their_turn() {
    let world = World::with(Limits { http2_streams_max: 2, ..Limits::default() }, 8);
    let (sender, _connection) = connect::<Full<Bytes>>(&world).await;
    // The limit comes with the first answer.
    let first =
        sender.clone().send_request(get("https://a.example/").body(Full::default()).unwrap());
    assert_eq!(first.await.unwrap().status(), StatusCode::OK);
    let requests = (0..8).map(|_| {
        let mut sender = sender.clone();
        let request = get("https://a.example/").body(Full::default()).unwrap();
        async move { sender.send_request(request).await.unwrap().status() }
    });
    let mut all = tokio::task::JoinSet::new();
    for request in requests {
        all.spawn(request);
    }
    while let Some(status) = all.join_next().await {
        assert_eq!(status.unwrap(), StatusCode::OK);
    }
    let figures = world.gateway.figures();
    assert!(figures.upstream_connections_opened <= 2, "{figures:?}");
}

async fn send(
    world: &World,
    request: Request<Full<Bytes>>,
) -> (StatusCode, http::HeaderMap, String) {
    let (mut sender, connection) = connect(world).await;
    let response: Response<_> = sender.send_request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    drop(sender);
    drop(connection.await.unwrap());
    (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
}

pub async fn connect<B>(world: &World) -> (http2::SendRequest<B>, JoinHandle<hyper::Result<()>>)
where
    B: Body<Data = Bytes, Error: Error + Send + Sync> + Send + Unpin + 'static,
{
    let tcp = TcpStream::connect(world.address).await.unwrap();
    let tls = TlsConnector::from(Arc::new(world.tls(b"h2")));
    let tls = tls.connect("gateway.test".try_into().unwrap(), tcp).await.unwrap();
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
    (sender, tokio::spawn(connection))
}

pub fn get(uri: &str) -> http::request::Builder {
    Request::builder().version(Version::HTTP_2).uri(uri)
}
