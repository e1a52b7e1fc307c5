//! Connections and requests of addresses, alone and by many threads at once.

use std::{
    net::IpAddr,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use super::{AddressTable, Held, ROW_SLOTS, Seat};
use crate::{clients::Full, limits::ADDRESS_SLOTS_MIN, policy::RequestRate};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn table() -> Arc<AddressTable> {
    Arc::new(AddressTable::new(1, Instant::now()))
}

fn seat(table: &Arc<AddressTable>, text: &str, max: u16) -> Result<Option<Seat>, Full> {
    AddressTable::seat(table, address(text), Held::Connection, max)
}

#[test]
fn an_ipv4_address_and_an_ipv6_network_have_so_many_connections() {
    for (first, same, other) in [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"),
    ] {
        let table = table();
        let mut held = vec![seat(&table, first, 2).unwrap().unwrap()];
        held.push(seat(&table, same, 2).unwrap().unwrap());
        assert!(matches!(seat(&table, same, 2), Err(Full)), "{first} and {same}");
        assert!(seat(&table, other, 2).unwrap().is_some(), "{other}");
        held.pop();
        assert!(seat(&table, first, 2).unwrap().is_some(), "{first} gave one back");
    }
}

#[test]
fn connections_and_requests_are_counted_apart() {
    let table = table();
    let take = |held, max| AddressTable::seat(&table, address("192.0.2.1"), held, max);
    let connections: Vec<_> =
        (0..u16::MAX).map(|_| take(Held::Connection, u16::MAX).unwrap().unwrap()).collect();
    assert!(take(Held::Connection, u16::MAX).is_err());
    let request = take(Held::Request, 1).unwrap().unwrap();
    assert!(take(Held::Request, 1).is_err());
    drop(connections);
    assert!(take(Held::Request, 1).is_err(), "it is held on");
    drop(request);
    assert!(take(Held::Request, 1).unwrap().is_some());
}

#[test]
fn requests_come_at_their_rate_after_a_burst() {
    let (table, start) = (table(), Instant::now());
    let rate = RequestRate { per_s: 10, burst: 3 };
    let after = |ms| start + Duration::from_millis(ms);
    let ask = |text, ms| table.request(address(text), rate, after(ms)).unwrap();
    for (ms, expected_ms) in [
        (0, None),
        (0, None),
        (0, None),
        (0, Some(100)),
        (60, Some(40)),
        (100, None),
        (101, Some(99)),
        (1_000, None),
        (1_000, None),
        (1_000, None),
        (1_000, Some(100)),
    ] {
        let found = ask("192.0.2.1", ms).err().map(|wait| wait.as_millis());
        // The table's clock began a moment before the test's.
        let near = |found: u128, expected: u128| found.abs_diff(expected) <= 1;
        let same = match (found, expected_ms) {
            (Some(found), Some(expected)) => near(found, expected),
            (found, expected) => found == expected,
        };
        assert!(same, "at {ms} ms: {found:?}, not {expected_ms:?}");
    }
    assert_eq!(ask("192.0.2.2", 1_000), Ok(()), "another address");
}

#[test]
fn threads_together_get_exactly_what_one_would() {
    const THREADS: usize = 8;
    const TRIES: usize = 1_000;
    let table = table();
    let now = Instant::now() + Duration::from_secs(1);
    let rate = RequestRate { per_s: 1, burst: 500 };
    let barrier = Barrier::new(THREADS);
    let counts = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let mut seats = Vec::new();
                    let mut requests = 0;
                    for _ in 0..TRIES {
                        seats.extend(seat(&table, "192.0.2.1", 700).ok().flatten());
                        let asked = table.request(address("192.0.2.1"), rate, now);
                        requests += usize::from(asked == Some(Ok(())));
                    }
                    barrier.wait();
                    (seats.len(), requests)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let sum = counts.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(sum, (700, 500));
    let again: Vec<_> =
        (0..701).map_while(|_| seat(&table, "192.0.2.1", 700).ok().flatten()).collect();
    assert_eq!(again.len(), 700, "all were given back");
}

#[test]
fn more_addresses_than_slots_end_nobody_s_connections() {
    let table = table();
    let number =
        |number: u32| IpAddr::from((u32::from_be_bytes([10, 0, 0, 0]) + number).to_be_bytes());
    let many = 4 * ADDRESS_SLOTS_MIN as u32;
    let rate = RequestRate { per_s: 1, burst: 1 };
    let held = AddressTable::seat(&table, number(0), Held::Connection, 1).unwrap().unwrap();
    for one in 1..many {
        // Without a connection any slot may be taken over: a fresh address is never refused.
        assert_eq!(table.request(number(one), rate, Instant::now()), Some(Ok(())));
    }
    assert!(
        matches!(AddressTable::seat(&table, number(0), Held::Connection, 1), Err(Full)),
        "the held one stayed"
    );
    let seats: Vec<_> = (1..many)
        .filter_map(|one| AddressTable::seat(&table, number(one), Held::Connection, 1).unwrap())
        .collect();
    assert!(seats.len() < ADDRESS_SLOTS_MIN, "{}", seats.len());
    assert!(seats.len() > ADDRESS_SLOTS_MIN - 2 * ROW_SLOTS, "{}", seats.len());
    drop((held, seats));
    assert!(AddressTable::seat(&table, number(0), Held::Connection, 1).unwrap().is_some());
}
