//! A quiet HTTP/1 connection is parked, and nobody notices.

use std::{io::Write, thread, time::Duration};

use firewall_gateway::limits::{Limits, PARK_AFTER_MS};

use crate::world::{World, header, read_answer, read_to_end, status};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_parked_connection_serves_on() {
    let world = World::new();
    let mut client = world.connect();
    for _ in 0..3 {
        client.write_all(REQUEST).unwrap();
        let answer = read_answer(&mut client);
        assert_eq!((status(&answer), header(&answer, "connection")), (200, None), "{answer}");
        quiet();
    }
    // The head comes in two parts, and the first one wakes the connection.
    let (first, rest) = REQUEST.split_at(7);
    client.write_all(first).unwrap();
    thread::sleep(Duration::from_millis(50));
    client.write_all(rest).unwrap();
    assert_eq!(status(&read_answer(&mut client)), 200);
    quiet();
    // What is ambiguous is so after a rest too.
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
    client.write_all(b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    assert_eq!(status(&read_to_end(&mut client)), 400);
    drop(client);
    assert_eq!(world.settled().connections_accepted, 1);
}

#[test]
fn a_parked_connection_ends_when_it_is_time() {
    let limits = Limits { idle_timeout_ms: PARK_AFTER_MS + 500, ..Limits::default() };
    let world = World::with(limits, 4);
    let mut client = world.connect();
    client.write_all(REQUEST).unwrap();
    assert_eq!(status(&read_answer(&mut client)), 200);
    assert_eq!(read_to_end(&mut client), "");
    drop(client);
    let figures = world.settled();
    assert_eq!((figures.connections_idle_closed, figures.rejections.len()), (1, 0));
}

#[test]
fn a_parked_connection_that_is_left_or_drained_ends() {
    let world = World::new();
    let (mut left, mut drained) = (world.connect(), world.connect());
    for client in [&mut left, &mut drained] {
        client.write_all(REQUEST).unwrap();
        assert_eq!(status(&read_answer(client)), 200);
    }
    quiet();
    drop(left);
    world.gateway.drain();
    assert_eq!(read_to_end(&mut drained), "");
    drop(drained);
    let figures = world.gateway.finish();
    assert_eq!((figures.connections_active, figures.rejections.len()), (0, 0));
}

fn quiet() {
    thread::sleep(Duration::from_millis(PARK_AFTER_MS + 300));
}
