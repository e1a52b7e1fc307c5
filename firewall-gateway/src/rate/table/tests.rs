//! What a table forgets, and what it does not.

use std::sync::atomic::Ordering::Relaxed;

use super::{Place as _, Standing, Table};
use crate::rate::{
    algorithm::Quota, concurrency::Concurrency, fixed_window::FixedWindow, sliding_log::SlidingLog,
    token_bucket::TokenBucket,
};

const NOW: u64 = 1_800_000_000_000_000_000;
const S: u64 = 1_000_000_000;

fn quota(units: u64) -> Quota {
    Quota { units, window_ns: S }
}

/// Keys as hashes are.
fn key(number: u64) -> u64 {
    (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

fn counts<A: super::Algorithm>(table: &Table<A>) -> [u64; 3] {
    let counts = table.counts();
    [&counts.keys, &counts.displaced, &counts.untracked].map(|count| count.load(Relaxed))
}

#[test]
fn memory_is_bounded_and_who_is_at_the_limit_is_forgotten_last() {
    let table = Table::new(TokenBucket { quota: quota(10), burst: 10 }, 64);
    let mut guilty = table.hold(key(0), NOW).unwrap();
    guilty.charge(10);
    assert_eq!(guilty.ask(1), Err(S / 10));
    drop(guilty);
    for number in 1..100_000 {
        let mut held = table.hold(key(number), NOW).unwrap();
        assert_eq!(held.ask(1), Ok(0), "{number}");
        held.charge(1);
    }
    assert!(table.hold(key(0), NOW).unwrap().ask(1).is_err());
    // Twice as many slots as were asked for; whoever found one taken displaced somebody.
    let [keys, displaced, untracked] = counts(&table);
    assert_eq!((keys, displaced, untracked), (128, 100_000 - 128, 0));
    // Those of before have their whole budget again: nobody loses anything.
    for number in 100_000..100_100 {
        let mut held = table.hold(key(number), NOW + 2 * S).unwrap();
        held.charge(1);
    }
    assert_eq!(counts(&table), [128, 100_000 - 128, 0]);
}

#[test]
fn so_many_keys_as_were_asked_for_hardly_displace_each_other() {
    let table = Table::new(FixedWindow { quota: quota(10) }, 65_536);
    for number in 0..65_536 {
        table.hold(key(number), NOW).unwrap().charge(1);
    }
    let [keys, displaced, _] = counts(&table);
    assert_eq!(keys + displaced, 65_536);
    assert!(displaced < 65_536 / 1_000, "{displaced}");
}

#[test]
fn what_is_in_flight_is_never_forgotten() {
    let table = Table::new(Concurrency { units: 1 }, 1);
    for number in 0..16 {
        table.hold(key(number), NOW).unwrap().charge(1);
    }
    assert!(table.hold(key(16), NOW).is_none());
    assert_eq!(counts(&table), [16, 0, 1]);
    assert_eq!(table.hold(key(3), NOW).unwrap().ask(1), Err(S));
    Concurrency::release(table.hold(key(3), NOW).unwrap().state().unwrap());
    assert!(table.hold(key(16), NOW).is_some());
    assert_eq!(counts(&table), [16, 0, 1]);
}

#[test]
fn time_of_a_key_never_goes_back() {
    let table = Table::new(FixedWindow { quota: quota(1) }, 64);
    table.hold(key(1), NOW + S).unwrap().charge(1);
    // Another thread read its clock before, and had the lock after.
    let mut held = table.hold(key(1), NOW + S - 1).unwrap();
    assert_eq!(held.ask(1), Err(S));
    assert_eq!(held.standing(), Standing { left: 0, reset_ns: S });
}

#[test]
fn a_log_remembers_no_more_than_its_limit() {
    let table = Table::new(SlidingLog { quota: quota(4) }, 64);
    let mut held = table.hold(key(1), NOW).unwrap();
    for _ in 0..1_000 {
        held.charge(7);
    }
    drop(held);
    for later in 1..1_000 {
        let mut held = table.hold(key(1), NOW + later).unwrap();
        held.charge(7);
        assert!(held.ask(1).is_err());
        assert!(held.state().unwrap().entries() <= 4);
    }
    assert!(table.hold(key(1), NOW + 1_000 + S).unwrap().ask(4).is_ok());
}
