//! HTTP/2 to backends: what they are sent, what they refuse, how connections end.

use std::{
    env, fs,
    io::Write,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use firewall_gateway::{
    limits::Limits,
    policy::{
        BackendPolicy, BackendProtocol, DeliveryPolicy, GatewayPolicy, HealthPolicy, RetryPolicy,
    },
};
use http::StatusCode;
use http_body_util::{BodyExt, Full};
use tokio::task::JoinSet;

use crate::{
    h2raw::{DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RawHttp2, frame, text_block},
    http2::{connect, get},
    http2_backend::{Http2Backend, Manner},
    world::{
        PATIENCE, World, header, label, one_request, read_answer, read_head, status,
        upstream_policy,
    },
};

/// A gateway in front of this backend, over HTTP/2.
pub fn world(backend: &Http2Backend, change: impl FnOnce(&mut GatewayPolicy)) -> World {
    World::changed(|policy| {
        let mut way = upstream_policy(backend.address, &backend.certificate_pem, 4);
        way.delivery.protocol = BackendProtocol::Http2;
        policy.upstreams = vec![way];
        change(policy);
    })
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let backend = Http2Backend::start(Manner::default());
    let world = world(&backend, |_| {});
    let (sender, _connection) = connect(&world).await;
    let mut all = JoinSet::new();
    for number in 0..100 {
        let mut sender = sender.clone();
        let request = get(&format!("https://a.example/held?{number}"));
        all.spawn(async move {
            let answer = sender.send_request(request.body(Full::<Bytes>::default()).unwrap()).await;
            answer.unwrap().status()
        });
    }
    eventually(|| backend.count() == 100).await;
    backend.release();
    while let Some(status) = all.join_next().await {
        assert_eq!(status.unwrap(), StatusCode::OK);
    }
    assert!(backend.seen().iter().all(|seen| seen.connection == 0));
    assert_eq!(backend.connections(), 1);
    let figures = world.gateway.figures();
    assert_eq!((figures.upstream_connections_opened, figures.upstream_connections_active), (1, 1));
    assert_eq!(figures.upstream_connections_reused, 99);
    assert_eq!((figures.upstream_requests_refused, figures.upstream_retries), (0, 0));
}

#[test]
fn a_backend_is_told_the_same_as_over_http1() {
    for (alpn, scheme) in [(Some(&b"h2"[..]), "https"), (None, "http")] {
        let backend = Http2Backend::start(Manner { alpn, ..Manner::default() });
        let world = world(&backend, |policy| {
            if alpn.is_none() {
                policy.upstreams[0].tls = None;
            }
        });
        let before = world.settled();
        let answer = world.exchange(
            "POST /a/b?c=d HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 1.2.3.4\r\nUpgrade: x\r\n\
             Keep-Alive: 1\r\nX-Kept: yes\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
        );
        assert_eq!(status(&answer), 200, "{answer}");
        assert!(answer.ends_with("hello") && header(&answer, "server").is_none(), "{answer}");
        one_request(&before, &world.settled(), 200, "h1", "");
        let seen = backend.seen().remove(0);
        let id = header(&answer, "x-request-id").unwrap();
        let expected = [
            format!("POST {scheme}://api.internal/a/b?c=d"),
            "content-length: 3".to_owned(),
            "forwarded: for=127.0.0.1;host=\"a.example\";proto=https".to_owned(),
            "x-forwarded-for: 127.0.0.1".to_owned(),
            "x-forwarded-host: a.example".to_owned(),
            "x-forwarded-proto: https".to_owned(),
            "x-kept: yes".to_owned(),
            "x-real-ip: 127.0.0.1".to_owned(),
            format!("x-request-id: {id}"),
        ];
        assert_eq!(seen.head, expected);
        assert_eq!((seen.body.as_str(), seen.trailers.len()), ("abc", 0));
    }
}

#[test]
fn a_backend_that_does_not_agree_is_not_spoken_to() {
    for alpn in [&b""[..], b"http/1.1"] {
        let backend = Http2Backend::start(Manner { alpn: Some(alpn), ..Manner::default() });
        let world = world(&backend, |_| {});
        let answer = world.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&answer), 502, "{alpn:?}: {answer}");
        assert_eq!(label(&world.settled().upstream_failures, "tls"), 1, "{alpn:?}");
        assert_eq!(backend.count(), 0, "{alpn:?}");
    }
}

/// What a backend has not begun with is sent again, whatever it is; what it may have begun with is not.
#[test]
fn what_is_refused_unread_is_sent_once_more() {
    let post = "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
    let get = "GET {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    // Path, request, status, requests that arrived, refused, sent again.
    for (path, request, expected, arrived, refused, retries) in [
        ("/refused_once", post, 200, 1, 1, 1),
        ("/refused_once", get, 200, 1, 1, 1),
        ("/refused", post, 502, 0, 4, 3),
        ("/reset", post, 502, 1, 0, 0),
        ("/reset", get, 502, 1, 0, 0),
        ("/", post, 200, 1, 0, 0),
    ] {
        let backend = Http2Backend::start(Manner::default());
        let world = world(&backend, |_| {});
        let answer = world.exchange(&request.replace("{}", path));
        assert_eq!(status(&answer), expected, "{path}: {answer}");
        let figures = world.settled();
        assert_eq!(backend.count(), arrived, "{path}");
        assert_eq!(figures.upstream_requests_refused, refused, "{path}");
        assert_eq!(figures.upstream_retries, retries, "{path}");
        // One stream that goes wrong takes no connection with it.
        assert_eq!(backend.connections(), 1, "{path}");
        assert_eq!(label(&figures.upstream_failures, "request"), u64::from(expected == 502));
        if expected == 200 {
            assert_eq!(backend.seen()[0].body, if request == post { "abc" } else { "" });
        }
    }
}

/// RFC 9113, 6.8: the streams after the last one that GOAWAY names go elsewhere, that one is answered here.
#[test]
fn streams_beyond_the_last_go_to_another_connection() {
    let backend = Script::start(|number, connection| {
        let mut first = None;
        while let Some(headers) = connection.until(&[HEADERS]) {
            if number > 0 {
                answer(connection, headers.stream, b"second");
                continue;
            }
            let Some(stream) = first else {
                first = Some(headers.stream);
                continue;
            };
            // Both are here: the second is not begun with.
            let goodbye = [u32::to_be_bytes(stream), u32::to_be_bytes(0)].concat();
            connection.send(&frame(GOAWAY, 0, 0, &goodbye));
            answer(connection, stream, b"first");
        }
    });
    let world = World::changed(|policy| policy.upstreams = vec![backend.way()]);
    let send = |body: &str| {
        let mut client = world.connect();
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        client.write_all((head + body).as_bytes()).unwrap();
        client
    };
    let mut first = send("abc");
    until(|| world.gateway.figures().backends.iter().any(|row| row.in_flight == 1));
    let mut second = send("defg");
    for (client, expected) in [(&mut first, "first"), (&mut second, "second")] {
        let answer = read_answer(client);
        assert_eq!((status(&answer), answer.ends_with(expected)), (200, true), "{answer}");
    }
    drop((first, second));
    let figures = world.settled();
    assert_eq!(figures.upstream_connections_opened, 2);
    assert_eq!((figures.upstream_requests_refused, figures.upstream_retries), (1, 1));
    assert_eq!(figures.upstream_failures, []);
}

/// A backend that restarts says goodbye again and again: nothing is lost, and nothing arrives twice.
#[test]
fn a_backend_that_says_goodbye_loses_no_post() {
    let backend = Http2Backend::start(Manner { goodbye_after: 20, ..Manner::default() });
    let world = world(&backend, |_| {});
    thread::scope(|scope| {
        for client in 0..8 {
            let world = &world;
            scope.spawn(move || {
                let mut connection = world.connect();
                for number in 0..50 {
                    let body = format!("{client}-{number:02}");
                    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
                    connection.write_all((head.to_owned() + &body).as_bytes()).unwrap();
                    let answer = read_answer(&mut connection);
                    assert_eq!(status(&answer), 200, "{body}: {answer}");
                }
            });
        }
    });
    let mut bodies: Vec<String> = backend.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies.len(), 400);
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 400, "none arrived twice");
    let figures = world.settled();
    assert_eq!(figures.upstream_failures, []);
    println!(
        "400 POSTs over {} connections, {} refused unread, {} sent again",
        backend.connections(),
        figures.upstream_requests_refused,
        figures.upstream_retries
    );
    assert!(backend.connections() >= 400 / 100);
    until(|| world.gateway.figures().upstream_connections_active <= 1);
}

#[tokio::test]
async fn streams_and_connections_are_bounded() {
    let backend = Http2Backend::start(Manner { streams_max: 2, ..Manner::default() });
    let world = world(&backend, |policy| {
        policy.upstreams[0].connections_max = 2;
        policy.limits = Limits { upstream_connect_timeout_ms: 300, ..Limits::default() };
    });
    // The backend says with its first answer how much it takes.
    let answer = world.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(status(&answer), 200);
    backend.seen();
    let (sender, _connection) = connect(&world).await;
    let ask = || {
        let mut sender = sender.clone();
        let request = get("https://a.example/held").body(Full::<Bytes>::default()).unwrap();
        async move { sender.send_request(request).await.unwrap().status() }
    };
    let mut held = JoinSet::new();
    for _ in 0..4 {
        held.spawn(ask());
    }
    eventually(|| backend.count() == 4).await;
    assert_eq!(backend.connections(), 2);
    assert_eq!(ask().await, StatusCode::SERVICE_UNAVAILABLE, "no stream is left");
    assert_eq!(label(&world.gateway.figures().upstream_failures, "no_connection"), 1);
    // One that waits gets the place of one that ends.
    let waiting = tokio::spawn(ask());
    backend.release();
    while let Some(status) = held.join_next().await {
        assert_eq!(status.unwrap(), StatusCode::OK);
    }
    assert_eq!(waiting.await.unwrap(), StatusCode::OK);
    assert_eq!(backend.connections(), 2);
}

#[test]
fn a_client_that_reads_nothing_holds_up_no_other() {
    let backend = Http2Backend::start(Manner::default());
    let world = world(&backend, |_| {});
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut client = world.connect();
        client.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(status(&read_head(&mut client)), 200);
        slow.push(client);
    }
    let begun = Instant::now();
    for _ in 0..20 {
        let answer = world.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(answer.ends_with("hello"), "{answer}");
    }
    println!("20 requests beside 20 clients that read nothing: {:?}", begun.elapsed());
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_client_that_leaves_leaves_the_connection() {
    let backend = Http2Backend::start(Manner::default());
    let world = world(&backend, |_| {});
    let mut client = world.connect();
    client.write_all(b"GET /silent HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    until(|| backend.count() == 1);
    drop(client);
    until(|| world.gateway.figures().backends.iter().all(|row| row.in_flight == 0));
    let answer = world.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(status(&answer), 200);
    assert_eq!(backend.connections(), 1);
}

/// A backend whose machine is gone answers nothing, not even a ping. 25 s: the bounds of `limits`.
#[test]
fn a_dead_connection_is_given_up() {
    let backend = Script::start(|number, connection| {
        let Some(headers) = connection.until(&[HEADERS]) else { return };
        if number == 0 {
            // It is there and says nothing.
            thread::sleep(Duration::from_secs(60));
        }
        answer(connection, headers.stream, b"second");
        connection.end();
    });
    let world = World::changed(|policy| {
        let mut way = backend.way();
        way.delivery.response_timeout_ms = Some(50_000);
        way.delivery.retries = RetryPolicy { attempts_max: 0, ..RetryPolicy::default() };
        policy.upstreams = vec![way];
    });
    let begun = Instant::now();
    let mut client = world.connect();
    client.get_ref().set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let answer = read_answer(&mut client);
    let spent = begun.elapsed();
    // The connection was new, so that the failure is the backend's.
    assert_eq!(status(&answer), 502, "{answer}");
    assert!(spent > Duration::from_secs(20) && spent < Duration::from_secs(40), "{spent:?}");
    let again = world.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(again.ends_with("second"), "{again}");
    drop(client);
    until(|| world.gateway.figures().upstream_connections_active == 1);
}

#[test]
fn a_backend_that_goes_finishes_and_its_connection_ends() {
    let backend = Http2Backend::start(Manner::default());
    let other = Http2Backend::start(Manner::default());
    let world = world(&backend, |_| {});
    let mut client = world.connect();
    client.write_all(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    until(|| backend.count() == 1);
    // Another certificate: what goes there fails, which is not what is looked at.
    assert!(world.gateway.set_backends("api", &[BackendPolicy::new(other.address)]));
    let _elsewhere = world.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    backend.release();
    let answer = read_answer(&mut client);
    assert_eq!((status(&answer), answer.ends_with("hello")), (200, true), "{answer}");
    until(|| world.gateway.figures().upstream_connections_active == 0);
}

#[test]
fn checks_speak_what_requests_do() {
    let backend = Http2Backend::start(Manner::default());
    let health = HealthPolicy {
        path: "/health".to_owned(),
        interval_ms: 20,
        timeout_ms: 1_000,
        healthy_after: 1,
        unhealthy_after: 1,
        statuses: vec![200],
    };
    let world = world(&backend, |policy| {
        let delivery =
            DeliveryPolicy { health: Some(health), ..policy.upstreams[0].delivery.clone() };
        policy.upstreams[0].delivery = delivery;
    });
    until(|| world.gateway.figures().standings.iter().any(|row| row.checks_ok > 2));
    let seen = backend.seen().remove(0);
    assert_eq!(seen.head[0], "GET https://api.internal/health");
    assert_eq!(seen.header("user-agent"), Some("seawall-health"));
    assert_eq!(seen.header("connection"), None);
    assert!(world.gateway.figures().standings.iter().all(|row| row.checks_failed == 0));
}

#[tokio::test]
async fn large_bodies_pass_both_ways() {
    let backend = Http2Backend::start(Manner::default());
    let world = world(&backend, |policy| {
        policy.limits = Limits { body_bytes_max: 4 << 20, ..Limits::default() };
    });
    let (mut sender, _connection) = connect(&world).await;
    let body = Bytes::from("x".repeat(3 << 20));
    let request = get("https://a.example/large").method("POST").body(Full::new(body)).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), 8 << 20);
    assert_eq!(backend.seen()[0].body.len(), 3 << 20);
}

/// A real server: nginx says goodbye after each tenth request of a connection.
#[test]
fn nginx_is_a_backend() {
    if Command::new("nginx").arg("-v").output().is_err() {
        assert!(env::var_os("SEAWALL_TESTS_STRICT").is_none(), "there is no nginx here");
        eprintln!("SKIPPED nginx_is_a_backend: there is no nginx here");
        return;
    }
    let nginx = Nginx::start();
    let world = World::changed(|policy| {
        let mut way = upstream_policy(nginx.address, &nginx.certificate_pem, 4);
        way.delivery.protocol = BackendProtocol::Http2;
        policy.upstreams = vec![way];
    });
    thread::scope(|scope| {
        for _ in 0..4 {
            let world = &world;
            scope.spawn(move || {
                let mut client = world.connect();
                for number in 0..50 {
                    let (method, body) = [("GET", ""), ("POST", "abc")][number % 2];
                    let length = body.len();
                    let head = format!(
                        "{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
                    );
                    client.write_all((head + body).as_bytes()).unwrap();
                    let answer = read_answer(&mut client);
                    assert_eq!(
                        (status(&answer), answer.ends_with("HTTP/2.0 api.internal")),
                        (200, true),
                        "{answer}"
                    );
                }
            });
        }
    });
    let figures = world.settled();
    println!(
        "200 requests to nginx over {} connections, {} sent again",
        figures.upstream_connections_opened, figures.upstream_retries
    );
    assert!(figures.upstream_connections_opened >= 200 / 10 / 4, "{figures:?}");
    assert_eq!(figures.upstream_failures, []);
}

struct Nginx {
    address: std::net::SocketAddr,
    certificate_pem: String,
    process: Child,
    folder: PathBuf,
}

impl Nginx {
    fn start() -> Self {
        let pair = rcgen::generate_simple_self_signed(vec!["api.internal".to_owned()]).unwrap();
        let folder = env::temp_dir().join(format!("seawall-nginx-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let certificate_pem = pair.cert.pem();
        fs::write(folder.join("server.pem"), &certificate_pem).unwrap();
        fs::write(folder.join("server.key"), pair.signing_key.serialize_pem()).unwrap();
        // Nobody else takes the port in between, or nginx does not start.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let at = folder.display();
        let text = format!(
            "daemon off; master_process off; pid {at}/pid; error_log stderr;
             events {{}}
             http {{
               access_log off; keepalive_requests 10;
               client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;
               fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;
               server {{
                 listen {address} ssl http2;
                 ssl_certificate {at}/server.pem; ssl_certificate_key {at}/server.key;
                 location / {{ return 200 '$server_protocol $host'; }}
               }}
             }}"
        );
        fs::write(folder.join("nginx.conf"), text).unwrap();
        let process =
            Command::new("nginx").arg("-c").arg(folder.join("nginx.conf")).spawn().unwrap();
        until(|| TcpStream::connect(address).is_ok());
        Self { address, certificate_pem, process, folder }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// A backend that writes frames as they stand: one thread a connection, numbered from 0.
struct Script {
    address: std::net::SocketAddr,
}

impl Script {
    fn start(script: impl Fn(u32, &mut RawHttp2<TcpStream>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(script);
        thread::spawn(move || {
            for (number, tcp) in (0..).zip(listener.incoming().flatten()) {
                let script = script.clone();
                thread::spawn(move || {
                    if let Ok(mut connection) = RawHttp2::accept(tcp, &[]) {
                        script(number, &mut connection);
                    }
                });
            }
        });
        Self { address }
    }

    fn way(&self) -> firewall_gateway::policy::UpstreamPolicy {
        let mut way = upstream_policy(self.address, "", 4);
        way.tls = None;
        way.delivery.protocol = BackendProtocol::Http2;
        way
    }
}

fn answer(connection: &mut RawHttp2<TcpStream>, stream: u32, body: &[u8]) {
    let length = body.len().to_string();
    let head = text_block(&[(":status", "200"), ("content-length", &length)]);
    connection.send(&frame(HEADERS, END_HEADERS, stream, &head));
    connection.send(&frame(DATA, END_STREAM, stream, body));
}

async fn eventually(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "it does not come about");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn until(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "it does not come about");
        thread::sleep(Duration::from_millis(1));
    }
}
