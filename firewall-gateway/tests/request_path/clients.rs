//! Whose a connection and a request are, and how much one address may have.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use firewall_gateway::policy::{AddressHeader, ClientsPolicy, ProxyProtocol, RequestRate};
use socket2::{Domain, Socket, Type};

use crate::world::{
    Client, PATIENCE, World, header, label, over, read_answer, read_to_end, status,
};

const PROXY: [u8; 4] = [127, 0, 0, 2];
const STRANGER: [u8; 4] = [127, 0, 0, 3];

fn trusting(policy: ClientsPolicy) -> World {
    let trusted_proxies = vec![IpAddr::from(PROXY).into(), "10.0.0.0/8".parse().unwrap()];
    World::for_clients(ClientsPolicy { trusted_proxies, ..policy })
}

/// A TCP connection from this address of the loopback.
fn tcp(world: &World, from: [u8; 4]) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::from(from), 0)).into()).unwrap();
    socket.connect(&world.address.into()).unwrap();
    let tcp = TcpStream::from(socket);
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp
}

/// The same, with these bytes before TLS.
fn client(world: &World, from: [u8; 4], before: &[u8]) -> Client {
    let mut tcp = tcp(world, from);
    tcp.write_all(before).unwrap();
    over(tcp, world.tls(b"http/1.1"))
}

/// The upstream's view of one GET with these header lines.
fn told(world: &World, client: &mut Client, lines: &str) -> (String, String, String) {
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    client.write_all(request.as_bytes()).unwrap();
    assert_eq!(status(&read_answer(client)), 200, "{lines}");
    let seen = world.upstream.seen().remove(0);
    let said = |name| header(&seen, name).unwrap().to_owned();
    (said("x-forwarded-for"), said("x-real-ip"), said("forwarded"))
}

fn v2(source: [u8; 4], tlvs: &[u8]) -> Vec<u8> {
    let length = u8::try_from(12 + tlvs.len()).unwrap();
    let head = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0", &[length][..]].concat();
    [&head[..], &source, &[192, 0, 2, 2, 0x12, 0x34, 1, 0xbb], tlvs].concat()
}

#[test]
fn a_proxy_header_names_the_client() {
    let policy = ClientsPolicy { proxy_protocol: ProxyProtocol::Required, ..Default::default() };
    let world = trusting(policy);
    for (name, before, expected) in [
        ("version 1", b"PROXY TCP4 198.51.100.7 192.0.2.2 4660 443\r\n".to_vec(), "198.51.100.7"),
        ("IPv6", b"PROXY TCP6 2001:db8::7 2001:db8::1 4660 443\r\n".to_vec(), "2001:db8::7"),
        ("version 2", v2([198, 51, 100, 7], &[]), "198.51.100.7"),
        ("TLVs", v2([198, 51, 100, 7], &[1, 0, 2, b'h', b'2', 4, 0, 1, 0]), "198.51.100.7"),
        ("of the proxy's own", b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.2"),
    ] {
        let mut client = client(&world, PROXY, &before);
        let (chain, real, forwarded) =
            told(&world, &mut client, "X-Forwarded-For: 203.0.113.9\r\n");
        // Only "of the proxy's own" is a trusted address, so only there the header counts.
        if name == "of the proxy's own" {
            assert_eq!(chain, "203.0.113.9, 127.0.0.2", "{name}");
            continue;
        }
        assert_eq!((chain.as_str(), real.as_str()), (expected, expected), "{name}");
        assert!(forwarded.contains(expected), "{name}: {forwarded}");
    }
    let figures = world.settled();
    assert_eq!((figures.connections_refused_proxy, figures.tls_handshakes_failed), (0, 0));
}

#[test]
fn a_connection_without_a_trusted_proxy_header_is_closed() {
    let policy = ClientsPolicy { proxy_protocol: ProxyProtocol::Required, ..Default::default() };
    let world = trusting(policy);
    let line = b"PROXY TCP4 198.51.100.7 192.0.2.2 4660 443\r\n";
    let mut refused = 0;
    for (name, from, before) in [
        ("from a stranger", STRANGER, &line[..]),
        ("none: TLS at once", PROXY, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ("none: HTTP", PROXY, b"GET / HTTP/1.1\r\n\r\n"),
        ("garbage", PROXY, b"PROXY TCP4 198.51.100.7\r\n"),
        ("too long", PROXY, &[b"PROXY UNKNOWN ", [b'x'; 100].as_slice()].concat()),
        ("a version that is not known", PROXY, b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c"),
    ] {
        let mut tcp = tcp(&world, from);
        tcp.write_all(before).unwrap();
        // Closed or reset, without a byte.
        assert!(matches!(tcp.read(&mut [0; 1]), Ok(0) | Err(_)), "{name}");
        refused += 1;
        assert_eq!(world.settled().connections_refused_proxy, refused, "{name}");
    }
    let start = Instant::now();
    let mut tcp = tcp(&world, PROXY);
    tcp.write_all(b"PROXY TC").unwrap();
    assert!(matches!(tcp.read(&mut [0; 1]), Ok(0) | Err(_)), "half a header");
    assert!(start.elapsed() < PATIENCE, "within its time");
    let figures = world.settled();
    assert_eq!(figures.connections_refused_proxy, refused + 1);
    assert_eq!((figures.tls_handshakes_ok, figures.tls_handshakes_failed), (0, 0));
}

#[test]
fn a_proxy_header_that_nobody_asked_for_is_no_tls() {
    let world = trusting(ClientsPolicy::default());
    let mut tcp = tcp(&world, PROXY);
    tcp.write_all(b"PROXY TCP4 198.51.100.7 192.0.2.2 4660 443\r\n").unwrap();
    let mut answer = Vec::new();
    drop(tcp.read_to_end(&mut answer));
    assert_eq!(world.settled().tls_handshakes_failed, 1);
}

#[test]
fn headers_name_a_client_where_a_trusted_proxy_wrote_them() {
    for (which, lines, from_proxy, from_stranger) in [
        (AddressHeader::XForwardedFor, "", "127.0.0.2", "127.0.0.3"),
        (
            AddressHeader::XForwardedFor,
            "X-Forwarded-For: 203.0.113.9, 198.51.100.7\r\n",
            "198.51.100.7, 127.0.0.2",
            "127.0.0.3",
        ),
        (
            AddressHeader::XForwardedFor,
            "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-For: 10.1.2.3\r\n",
            "198.51.100.7, 10.1.2.3, 127.0.0.2",
            "127.0.0.3",
        ),
        (AddressHeader::XForwardedFor, "Forwarded: for=198.51.100.7\r\n", "127.0.0.2", "127.0.0.3"),
        (
            AddressHeader::Forwarded,
            "Forwarded: for=198.51.100.7;proto=https\r\nX-Forwarded-For: 203.0.113.9\r\n",
            "198.51.100.7, 127.0.0.2",
            "127.0.0.3",
        ),
        // Other spellings are nobody's.
        (
            AddressHeader::XForwardedFor,
            "X_Forwarded_For: 198.51.100.7\r\n",
            "127.0.0.2",
            "127.0.0.3",
        ),
    ] {
        let world = trusting(ClientsPolicy { address_header: which, ..Default::default() });
        for (from, expected) in [(PROXY, from_proxy), (STRANGER, from_stranger)] {
            let mut client = client(&world, from, b"");
            let (chain, real, forwarded) = told(&world, &mut client, lines);
            let first = expected.split(", ").next().unwrap();
            assert_eq!((chain.as_str(), real.as_str()), (expected, first), "{from:?} {lines:?}");
            assert_eq!(forwarded, format!("for={first};host=\"a\";proto=https"));
        }
    }
}

#[test]
fn an_address_has_so_many_connections_and_a_trusted_proxy_any() {
    let world = trusting(ClientsPolicy { connections_max: 2, ..Default::default() });
    let mut held: Vec<Client> = Vec::new();
    for (from, served) in
        [(STRANGER, true), (STRANGER, true), (STRANGER, false), ([127, 0, 0, 4], true)]
    {
        let mut client = client(&world, from, b"");
        let sent = client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        if served {
            sent.unwrap();
            assert_eq!(status(&read_answer(&mut client)), 200, "{from:?}");
            held.push(client);
        } else {
            assert!(sent.is_err() || client.read(&mut [0; 1]).is_err(), "{from:?}");
        }
    }
    for _ in 0..4 {
        let mut client = client(&world, PROXY, b"");
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(status(&read_answer(&mut client)), 200, "the proxy");
        held.push(client);
    }
    drop(held);
    assert_eq!(world.settled().connections_refused_address, 1);
    let mut again = client(&world, STRANGER, b"GET");
    drop(again.write_all(b""));
    drop(again);
    assert_eq!(world.settled().connections_refused_address, 1, "what ended was given back");
}

#[test]
fn connections_are_counted_against_the_address_that_a_proxy_names() {
    let policy = ClientsPolicy {
        proxy_protocol: ProxyProtocol::Required,
        connections_max: 1,
        ..Default::default()
    };
    let world = trusting(policy);
    let mut held = Vec::new();
    for (source, served) in
        [([198, 51, 100, 7], true), ([198, 51, 100, 7], false), ([198, 51, 100, 8], true)]
    {
        let mut client = client(&world, PROXY, &v2(source, &[]));
        let sent = client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(sent.is_ok() && client.read(&mut [0; 12]).is_ok(), served, "{source:?}");
        held.push(client);
    }
    drop(held);
    assert_eq!(world.settled().connections_refused_address, 1);
}

#[test]
fn requests_over_the_rate_are_refused_with_the_time_to_wait() {
    let rate = RequestRate { per_s: 1, burst: 2 };
    let world = trusting(ClientsPolicy { requests: Some(rate), ..Default::default() });
    let mut proxy = client(&world, PROXY, b"");
    let mut ask = |lines: &str| {
        proxy.write_all(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").as_bytes()).unwrap();
        read_answer(&mut proxy)
    };
    let start = Instant::now();
    assert_eq!(status(&ask("X-Forwarded-For: 198.51.100.7\r\n")), 200);
    assert_eq!(status(&ask("X-Forwarded-For: 198.51.100.7\r\n")), 200);
    let refused = ask("X-Forwarded-For: 198.51.100.7\r\n");
    assert!(start.elapsed() < Duration::from_secs(1), "too slow for this test to mean anything");
    assert_eq!(status(&refused), 429, "{refused}");
    assert_eq!(header(&refused, "retry-after"), Some("1"), "{refused}");
    assert_eq!(header(&refused, "content-type"), Some("application/problem+json"));
    assert!(refused.contains("urn:seawall:problem:address-rate"), "{refused}");
    assert_eq!(status(&ask("X-Forwarded-For: 198.51.100.8\r\n")), 200, "another address");
    // A malformed request is a request too, and another connection is the same address.
    assert_eq!(status(&ask("X-Forwarded-For: 198.51.100.8\r\nExpect: wonders\r\n")), 417);
    let mut direct = client(&world, STRANGER, b"");
    let two = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2);
    direct.write_all(two.as_bytes()).unwrap();
    assert_eq!((status(&read_answer(&mut direct)), status(&read_answer(&mut direct))), (200, 200));
    let mut other = client(&world, STRANGER, b"");
    other.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(status(&read_to_end(&mut other)), 429);
    drop((proxy, direct));
    assert_eq!(label(&world.settled().rejections, "address_rate"), 2);
}

#[test]
fn an_address_has_so_many_requests_in_flight_over_all_its_connections() {
    let world = trusting(ClientsPolicy { requests_active_max: 2, ..Default::default() });
    let mut held: Vec<Client> = Vec::new();
    for _ in 0..2 {
        let mut client = client(&world, STRANGER, b"");
        client.write_all(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        world.upstream.wait_for_request();
        world.upstream.seen();
        held.push(client);
    }
    let mut third = client(&world, STRANGER, b"");
    third.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let refused = read_answer(&mut third);
    assert_eq!(status(&refused), 429, "{refused}");
    assert_eq!(header(&refused, "retry-after"), Some("1"), "{refused}");
    let mut other = client(&world, [127, 0, 0, 4], b"");
    other.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(status(&read_answer(&mut other)), 200, "another address");
    world.upstream.release();
    for client in &mut held {
        assert_eq!(status(&read_answer(client)), 200);
    }
    third.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(status(&read_answer(&mut third)), 200, "what ended was given back");
    drop((held, third, other));
    assert_eq!(label(&world.settled().rejections, "address_busy"), 1);
}

/// A trusted proxy's id is the request's, in the answer and at the upstream; nobody else's is.
#[test]
fn a_request_id_is_kept_where_a_trusted_proxy_made_it() {
    let world = trusting(ClientsPolicy::default());
    let good = "0192f3c1-8b1e-7cc2-9a55-3f6d2f7e9a10";
    let long = format!("X-Request-Id: {}\r\n", "a".repeat(129));
    let longest = format!("X-Request-Id: {}\r\n", "a".repeat(128));
    for (name, from, lines, kept) in [
        ("a UUID", PROXY, format!("X-Request-Id: {good}\r\n"), true),
        ("the longest", PROXY, longest, true),
        ("of HAProxy", PROXY, "X-Request-Id: 7F000001:8296_7F00001E:1F90\r\n".to_owned(), true),
        ("of a stranger", STRANGER, format!("X-Request-Id: {good}\r\n"), false),
        ("none", PROXY, String::new(), false),
        ("too long", PROXY, long, false),
        ("too short", PROXY, "X-Request-Id: 1234567890abcdefghi\r\n".to_owned(), false),
        ("two", PROXY, format!("X-Request-Id: {good}\r\nX-Request-Id: {good}\r\n"), false),
        ("a space", PROXY, "X-Request-Id: 1234567890 abcdefghijk\r\n".to_owned(), false),
        ("a quote", PROXY, "X-Request-Id: 1234567890\"abcdefghijk\r\n".to_owned(), false),
        ("beyond ASCII", PROXY, "X-Request-Id: 1234567890abcdefghijk\u{e9}\r\n".to_owned(), false),
        ("another spelling", PROXY, format!("X_Request_Id: {good}\r\n"), false),
    ] {
        let mut client = client(&world, from, b"");
        client.write_all(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").as_bytes()).unwrap();
        let answer = read_answer(&mut client);
        assert_eq!(status(&answer), 200, "{name}: {answer}");
        let id = header(&answer, "x-request-id").unwrap();
        assert_eq!(lines.contains(id), kept, "{name}: {id}");
        let hex = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(kept || hex, "{name}: {id}");
        let seen = world.upstream.seen().remove(0);
        assert_eq!(header(&seen, "x-request-id"), Some(id), "{name}");
        assert_eq!(seen.to_lowercase().matches("request-id").count(), 1, "{name}: {seen}");
    }
}
