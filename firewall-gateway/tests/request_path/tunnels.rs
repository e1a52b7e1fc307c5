//! Connections that leave HTTP behind: only where the route and the backend agree, and bounded.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::mpsc,
    thread,
    time::Duration,
};

use firewall_gateway::{
    figures::Figures,
    limits::Limits,
    policy::{BackendPolicy, DeliveryPolicy},
};

use crate::upstream::Upstream;
use crate::world::{
    Client, World, gateway_policy, header, read_answer, read_head, route_policy, status,
    upstream_policy,
};

const AGREES: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
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

fn until(world: &World, mut is_so: impl FnMut(&Figures) -> bool) {
    let met = (0..500).any(|_| {
        thread::sleep(Duration::from_millis(10));
        is_so(&world.gateway.figures())
    });
    assert!(met, "{:?}", world.gateway.figures());
}

fn send(client: &mut Client, lines: &str) {
    let request = format!("GET /chat HTTP/1.1\r\nHost: gateway.test\r\n{lines}\r\n");
    client.write_all(request.as_bytes()).unwrap();
}

/// Behind it a backend that answers each head with `answer` and sends back whatever follows.
fn world(
    upgrades: &[&str],
    answer: &'static str,
    limits: Limits,
) -> (World, mpsc::Receiver<String>) {
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
                drop(heads.send(String::from_utf8_lossy(&head).into_owned()));
                drop(stream.write_all(answer.as_bytes()));
                let mut some = [0; 1024];
                while let Ok(length @ 1..) = stream.read(&mut some) {
                    if stream.write_all(&some[..length]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    let mut way = upstream_policy(address, "", 4);
    way.tls = None;
    way.backends = vec![BackendPolicy::new(address)];
    way.delivery = DeliveryPolicy::default();
    let mut policy = gateway_policy(way, limits);
    let mut route = route_policy("/*");
    route.upgrades = upgrades.iter().map(|name| (*name).to_owned()).collect();
    policy.routes = vec![route];
    (World::serving(Upstream::start("api.internal"), &policy), seen)
}
