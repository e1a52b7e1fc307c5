//! Draining: what is in flight is finished, what is idle is closed, what is new goes elsewhere.

use std::{io::Write, net::TcpStream};

use firewall_gateway::limits::Limits;

use crate::world::{World, header, one_request, read_answer, read_to_end, status};

#[test]
fn what_is_in_flight_is_finished() {
    let world = World::new();
    let mut client = world.connect();
    client.write_all(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    world.upstream.wait_for_request();
    let mut idle = world.connect();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(status(&read_answer(&mut idle)), 200);
    world.gateway.drain();
    assert_eq!(read_to_end(&mut idle), "", "an idle connection is closed with a goodbye");
    drop(idle);
    while TcpStream::connect(world.address).is_ok() {
        std::thread::yield_now();
    }
    assert!(!world.gateway.is_drained(), "a request is in flight");
    world.upstream.release();
    let answer = read_to_end(&mut client);
    assert_eq!((status(&answer), header(&answer, "connection")), (200, Some("close")), "{answer}");
    drop(client);
    let figures = world.gateway.finish();
    assert_eq!(
        figures.requests.iter().map(|one| (one.status, one.count)).collect::<Vec<_>>(),
        [(200, 2)]
    );
    assert_eq!((figures.rejections.len(), figures.connections_active), (0, 0));
}

#[test]
fn a_request_that_was_on_its_way_is_answered() {
    let world = World::new();
    let mut client = world.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let answer = read_answer(&mut client);
    assert_eq!((status(&answer), header(&answer, "connection")), (200, None), "{answer}");
    world.gateway.drain();
    while TcpStream::connect(world.address).is_ok() {
        std::thread::yield_now();
    }
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let answer = read_to_end(&mut client);
    assert_eq!((status(&answer), header(&answer, "connection")), (200, Some("close")), "{answer}");
    assert_eq!(world.gateway.finish().connections_active, 0);
}

/// The kernel gives connections to threads by a hash; who has more than the other moves new ones there.
#[test]
fn connections_are_even_over_threads_and_all_are_drained() {
    const CONNECTIONS: u64 = 40;
    let world = World::of_threads(2);
    let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| world.connect()).collect();
    for client in &mut clients {
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(status(&read_answer(client)), 200);
    }
    let figures = world.gateway.figures();
    assert_eq!(
        (figures.connections_accepted, figures.connections_refused, figures.connections_active),
        (CONNECTIONS, 0, CONNECTIONS)
    );
    // None at all where the hash gives every second one to the other thread: once in a million runs.
    let moved = figures.connections_moved;
    assert!((1..CONNECTIONS).contains(&moved), "{moved}");
    world.gateway.drain();
    for client in &mut clients {
        assert_eq!(read_to_end(client), "", "closed with a goodbye, wherever it is");
    }
    drop(clients);
    let figures = world.gateway.finish();
    let answered: u64 = figures.requests.iter().map(|one| one.count).sum();
    assert_eq!((answered, figures.connections_active), (CONNECTIONS, 0));
}

#[test]
fn what_takes_too_long_is_cut() {
    let world = World::with(Limits { drain_timeout_ms: 100, ..Limits::default() }, 4);
    let mut client = world.connect();
    client.write_all(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    world.upstream.wait_for_request();
    let figures = world.gateway.finish();
    one_request(&Default::default(), &figures, 503, "h1", "drain_cut");
    assert_eq!(figures.connections_active, 0);
}
