//! Connections that leave HTTP behind: only where the route and the backend agree, and bounded.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use firewall_gateway::{
    identity::{
        api_key::store::KeyChange,
        session::record::{Ending, SessionChange},
    },
    limits::Limits,
    policy::{
        ApiKeyPolicy, AuthenticationPolicy, BackendPolicy, ConsumerPolicy, DeliveryPolicy,
        RoutePolicy, UpstreamPolicy,
    },
};

use serde_json::json;

use crate::keys::{give, grant};
use crate::login_place::{Place, now};
use crate::upstream::Upstream;
use crate::world::{
    Client, World, gateway_policy, header, read_answer, read_head, route_policy, status, until,
    upstream_policy,
};

pub const AGREES: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
                      Sec-WebSocket-Accept: yes\r\nServer: secret\r\n\r\n";

/// What a backend answers, and whether its client then has a tunnel.
#[test]
fn a_tunnel_is_agreed_on_by_all() {
    let ask = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    for (upgrades, asked, answer, expected) in [
        (&["websocket"][..], ask, AGREES, 101),
        // The route does not know of it: an ordinary request, which no backend may answer with 101.
        (&[], ask, AGREES, 502),
        (&["other"], ask, AGREES, 502),
        (&["websocket"], "Upgrade: websocket\r\n", AGREES, 502),
        (&["websocket"], "", AGREES, 502),
        (&["websocket"], ask, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", 502),
        (&["websocket"], ask, "HTTP/1.1 101 Switching Protocols\r\n\r\n", 502),
        (&["websocket"], ask, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", 200),
        (&["websocket"], ask, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 403),
    ] {
        let (world, seen) = world(upgrades, answer, Limits::default());
        let mut client = world.connect();
        send(&mut client, asked);
        let head = if expected == 101 { read_head(&mut client) } else { read_answer(&mut client) };
        assert_eq!(status(&head), expected, "{upgrades:?} {asked:?} {answer:?}: {head}");
        let sent = seen.recv().unwrap();
        let forwarded = header(&sent, "upgrade").is_some();
        assert_eq!(forwarded, upgrades == ["websocket"] && asked == ask, "{sent}");
        if expected != 101 {
            continue;
        }
        assert_eq!(header(&head, "sec-websocket-accept"), Some("yes"), "{head}");
        assert_eq!(header(&head, "upgrade"), Some("websocket"), "{head}");
        assert_eq!(header(&head, "server"), None, "{head}");
        assert!(header(&head, "x-request-id").is_some(), "{head}");
        for word in ["one", "GET / HTTP/1.1\r\n\r\n", "three"] {
            client.write_all(word.as_bytes()).unwrap();
            let mut back = vec![0; word.len()];
            client.read_exact(&mut back).unwrap();
            assert_eq!(back, word.as_bytes());
        }
        let figures = world.gateway.figures();
        assert_eq!((figures.tunnels_opened, figures.tunnels_active), (1, 1));
        assert_eq!(figures.requests, [], "a request ends with its tunnel");
        drop(client);
        until(&world, |figures| figures.tunnels_active == 0);
        let figures = world.gateway.figures();
        let [request] = &figures.requests[..] else { panic!("{:?}", figures.requests) };
        assert_eq!((request.status, request.count), (101, 1));
        assert_eq!((figures.bytes_in, figures.bytes_out), (26, 26));
        assert!(figures.rejections.iter().all(|row| row.count == 0), "{:?}", figures.rejections);
    }
}

#[test]
fn a_tunnel_in_which_nobody_speaks_is_closed() {
    let limits = Limits { tunnel_idle_timeout_ms: 200, ..Limits::default() };
    let (world, _seen) = world(&["websocket"], AGREES, limits);
    let mut client = world.connect();
    send(&mut client, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    assert_eq!(status(&read_head(&mut client)), 101);
    let mut rest = Vec::new();
    // The end may come as a reset.
    let _ended = client.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    until(&world, |figures| figures.tunnels_active == 0);
    assert_eq!(world.gateway.figures().tunnels_idle_closed, 1);
}

/// What a tunnel may take to end that is no longer anybody's.
const CUT: Duration = Duration::from_millis(100);

#[test]
fn a_tunnel_ends_with_the_credential_of_its_client() {
    let (address, _seen) = backend(AGREES);
    let place = Place::with(|policy| {
        policy.upstreams = vec![way(address)];
        let keys = ApiKeyPolicy {
            header: Some("x-api-key".to_owned()),
            bearer: false,
            basic: false,
            keep: false,
        };
        let by_key = RoutePolicy {
            authentication: vec![AuthenticationPolicy::ApiKey(keys)],
            ..RoutePolicy::to_upstream("keys", "/keys/*", 0)
        };
        policy.routes.insert(0, by_key);
        policy.routes.iter_mut().for_each(|route| route.upgrades = vec!["websocket".to_owned()]);
        policy.consumers = vec![ConsumerPolicy {
            name: "shop".to_owned(),
            scopes: vec![],
            roles: vec![],
            networks: vec![],
            certificates: vec![],
        }];
    });
    let open = |path: &str, line: &str| {
        let mut client = place.world.connect();
        let ask = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
        let head = format!("GET {path} HTTP/1.1\r\nHost: gateway.test\r\n{ask}{line}\r\n");
        client.write_all(head.as_bytes()).unwrap();
        let answer = read_head(&mut client);
        assert_eq!(status(&answer), 101, "{answer}");
        client
    };
    let speaks = |client: &mut Client| {
        client.write_all(b"a word").unwrap();
        let mut back = [0; 6];
        client.read_exact(&mut back).is_ok_and(|()| &back == b"a word")
    };
    let keys = [(); 3].map(|()| give(&place.world, grant("shop"), None));
    let key_line = |place: usize| format!("X-API-Key: {}\r\n", keys[place].reveal());
    let session = |sid: &str, subject: &str| {
        let claims = json!({"sid": sid, "sub": subject, "preferred_username": subject});
        format!("Cookie: {}\r\n", place.log_in(&claims))
    };
    let gateway = &place.world.gateway;
    let sid = |sid: &str| Ending::ProviderSession { login: "main".to_owned(), sid: sid.to_owned() };
    let ends_at = now() + 2;
    let mut bystanders =
        [open("/keys/a", &key_line(2)), open("/app/a", &session("p-3", "eve")), open("/open", "")];
    for (number, (what, path, line, end, cut)) in [
        (
            "a key that is revoked",
            "/keys/a",
            key_line(0),
            &(|| gateway.keys().change(&[KeyChange::Revoke { hash: keys[0].hash() }]))
                as &dyn Fn(),
            CUT,
        ),
        (
            "a key whose time is over",
            "/keys/a",
            key_line(1),
            &|| {
                let hash = keys[1].hash();
                gateway.keys().change(&[KeyChange::End { hash, ends_epoch_s: ends_at }]);
            },
            Duration::from_secs(5),
        ),
        (
            "a session that is taken back",
            "/app/a",
            session("p-1", "ada"),
            &|| gateway.sessions().change(vec![SessionChange::End(Ending::Consumer("ada".into()))]),
            CUT,
        ),
        (
            "a session that the provider ended",
            "/app/a",
            session("p-2", "bob"),
            &|| gateway.sessions().change(vec![SessionChange::End(sid("p-2"))]),
            CUT,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = open(path, &line);
        assert!(speaks(&mut client), "{what}");
        let begun = Instant::now();
        end();
        let mut rest = Vec::new();
        // The end may come as a reset.
        let _ended = client.read_to_end(&mut rest);
        let took = begun.elapsed();
        eprintln!("{what}: cut after {took:?}");
        assert!(rest.is_empty() && took < cut, "{what}: {took:?}");
        until(&place.world, |figures| figures.tunnels_revoked == number as u64 + 1);
        assert!(bystanders.iter_mut().all(speaks), "{what}");
    }
    until(&place.world, |figures| figures.tunnels_active == 3);
    assert_eq!(place.world.gateway.figures().tunnels_idle_closed, 0);
}

fn send(client: &mut Client, lines: &str) {
    let request = format!("GET /chat HTTP/1.1\r\nHost: gateway.test\r\n{lines}\r\n");
    client.write_all(request.as_bytes()).unwrap();
}

/// Behind it a backend that answers each head with `answer` and sends back whatever follows.
pub fn world(
    upgrades: &[&str],
    answer: &'static str,
    limits: Limits,
) -> (World, mpsc::Receiver<String>) {
    let (address, seen) = backend(answer);
    let mut policy = gateway_policy(way(address), limits);
    let mut route = route_policy("/*");
    route.upgrades = upgrades.iter().map(|name| (*name).to_owned()).collect();
    policy.routes = vec![route];
    (World::serving(Upstream::start("api.internal"), &policy), seen)
}

fn way(address: SocketAddr) -> UpstreamPolicy {
    UpstreamPolicy {
        tls: None,
        backends: vec![BackendPolicy::new(address)],
        delivery: DeliveryPolicy::default(),
        ..upstream_policy(address, "", 16)
    }
}

/// Answers each head so, and sends back whatever follows; `{accept}` is what a WebSocket's client waits for.
fn backend(answer: &'static str) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let (heads, seen) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let heads = heads.clone();
            thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0; 1];
                while !head.ends_with(b"\r\n\r\n") {
                    if stream.read_exact(&mut byte).is_err() {
                        return;
                    }
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let accept = header(&head, "sec-websocket-key").map(accepted).unwrap_or_default();
                drop(heads.send(head));
                drop(stream.write_all(answer.replace("{accept}", &accept).as_bytes()));
                let mut some = [0; 1024];
                while let Ok(length @ 1..) = stream.read(&mut some) {
                    if stream.write_all(&some[..length]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, seen)
}

/// RFC 6455, 4.2.2
fn accepted(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}
