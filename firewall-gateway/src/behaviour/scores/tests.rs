//! Scores over time, whose they are, who decides, and what a full table does.

use std::{net::IpAddr, sync::Barrier, thread};

use super::*;

const HALF_LIFE_S: u32 = 60;
const MINUTE_MS: u64 = 60_000;

const SLOTS: usize = 1_024;

fn address(text: &str) -> Whose<'static> {
    Whose::Address(text.parse().unwrap())
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 0.1
}

#[test]
fn a_score_halves_with_each_half_life() {
    let scores = Scores::new(HALF_LIFE_S, SLOTS);
    let one = address("192.0.2.1");
    let added = scores.add(one, Signal::NotFound, 80, 1_000).unwrap();
    assert!(close(added.before, 0.0) && close(added.after, 80.0), "{added:?}");
    for (after_ms, expected) in [
        (0, 80.0),
        (MINUTE_MS / 2, 56.57),
        (MINUTE_MS, 40.0),
        (2 * MINUTE_MS, 20.0),
        (10 * MINUTE_MS, 0.08),
        (1_000 * MINUTE_MS, 0.0),
    ] {
        let known = scores.known(one, 1_000 + after_ms);
        assert!(close(known.score, expected), "{after_ms}: {known:?}, not {expected}");
    }
    // What came before decays together with what comes now.
    let added = scores.add(one, Signal::NotFound, 10, 1_000 + MINUTE_MS).unwrap();
    assert!(close(added.before, 40.0) && close(added.after, 50.0), "{added:?}");
    // A clock that another thread has read a moment earlier changes nothing.
    let added = scores.add(one, Signal::NotFound, 10, 1_000).unwrap();
    assert!(close(added.after, 60.0), "{added:?}");
    assert!(close(scores.known(one, 1_000 + 2 * MINUTE_MS).score, 30.0));
    assert_eq!(scores.falls_in_ms(100.0, 50.0), MINUTE_MS);
    assert_eq!(scores.falls_in_ms(10.0, 50.0), 0);
}

#[test]
fn an_ipv6_host_is_its_64_and_an_ipv4_one_its_address() {
    let scores = Scores::new(HALF_LIFE_S, SLOTS);
    for (first, same, other) in [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
    ] {
        scores.add(address(first), Signal::NotFound, 8, 5).unwrap();
        let found = [first, same, other].map(|one| scores.known(address(one), 5).score);
        assert_eq!(found, [8.0, 8.0, 0.0], "{first}");
    }
    assert_eq!(scores.counts(), (2, 0));
}

#[test]
fn one_of_many_that_see_the_same_score_decides() {
    let scores = Scores::new(HALF_LIFE_S, SLOTS);
    let one = address("192.0.2.1");
    let decided: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let added = scores.add(one, Signal::NotFound, 100, 7).unwrap();
                    usize::from(scores.decide(&added, 7, &Refusals::of(1_000)).is_some())
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(decided, 1);
    assert_eq!(scores.known(one, 7).until_ms, 1_007);
    // Afterwards it may be decided again, of what it did since.
    assert_eq!(scores.known(one, 1_007).until_ms, 0);
    let later = 100 * MINUTE_MS;
    scores.add(one, Signal::Flood, 3, later).unwrap();
    let added = scores.add(one, Signal::ScannerPath, 300, later).unwrap();
    let seen = scores.decide(&added, later, &Refusals::of(1_000)).unwrap();
    assert_eq!(seen, [(Signal::ScannerPath, 1), (Signal::Flood, 1)]);
    assert_eq!(scores.known(one, later).score, 0.0);
}

/// Threads that see the first offence of one address in the same instant share its slot, free or taken from another:
/// nothing of what one did is lost to the other.
#[test]
fn first_offences_in_one_instant_share_a_slot() {
    const THREADS: usize = 4;
    // One row: from the ninth address on each displaces another.
    let scores = Scores::new(HALF_LIFE_S, ROW_SLOTS);
    let barrier = Barrier::new(THREADS);
    let rounds: u32 = 2_000;
    let decided: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let decides = |number: u32| {
                        let one = Whose::Address(IpAddr::from(number.to_be_bytes()));
                        barrier.wait();
                        let added = scores.add(one, Signal::NotFound, 100, 7).unwrap();
                        scores.decide(&added, 7, &Refusals::of(1_000)).is_some()
                    };
                    (1..=rounds).filter(|number| decides(*number)).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(decided, rounds as usize);
    assert_eq!(scores.counts(), (ROW_SLOTS as u64, u64::from(rounds) - ROW_SLOTS as u64));
}

#[test]
fn signals_are_counted_to_255_and_forgotten_with_the_score() {
    let scores = Scores::new(HALF_LIFE_S, SLOTS);
    let one = address("192.0.2.1");
    for _ in 0..300 {
        scores.add(one, Signal::NotFound, 1, 0).unwrap();
    }
    let added = scores.add(one, Signal::Challenged, 6, 0).unwrap();
    let seen = scores.decide(&added, 0, &Refusals::of(0)).unwrap();
    assert_eq!(seen, [(Signal::NotFound, 255), (Signal::Challenged, 1)]);
    scores.add(one, Signal::Slow, 2, MINUTE_MS).unwrap();
    let added = scores.add(one, Signal::Forbidden, 2, 10 * MINUTE_MS).unwrap();
    assert_eq!(
        scores.decide(&added, 10 * MINUTE_MS, &Refusals::of(0)).unwrap(),
        [(Signal::Forbidden, 1)]
    );
}

#[test]
fn a_full_table_lets_go_of_the_lowest_score_and_counts_it() {
    // One row.
    let scores = Scores::new(HALF_LIFE_S, ROW_SLOTS);
    let nth = |number: u32| Whose::Address(IpAddr::from(number.to_be_bytes()));
    for number in 1..=ROW_SLOTS as u32 {
        scores.add(nth(number), Signal::NotFound, 10 * number, 0).unwrap();
    }
    assert_eq!(scores.counts(), (8, 0));
    scores.add(nth(100), Signal::NotFound, 90, 0).unwrap();
    assert_eq!(scores.counts(), (8, 1));
    let found = [1, 2, 8, 100].map(|number| scores.known(nth(number), 0).score);
    assert_eq!(found, [0.0, 20.0, 80.0, 90.0]);
    // Whoever is refused stays before others.
    let added = scores.add(nth(2), Signal::NotFound, 1, 0).unwrap();
    scores.decide(&added, 0, &Refusals::of(5_000)).unwrap();
    scores.add(nth(101), Signal::NotFound, 1, 0).unwrap();
    assert_eq!(scores.known(nth(2), 0).until_ms, 5_000);
    assert_eq!(scores.known(nth(3), 0).score, 0.0);
    // What has decayed is nobody's loss.
    scores.add(nth(102), Signal::NotFound, 1, 100 * MINUTE_MS).unwrap();
    assert_eq!(scores.counts(), (8, 2));
}

#[test]
fn a_score_has_an_end() {
    let scores = Scores::new(HALF_LIFE_S, SLOTS);
    let one = address("192.0.2.1");
    for _ in 0..1_000 {
        scores.add(one, Signal::NotFound, 100_000, 9).unwrap();
    }
    assert!(close(scores.known(one, 9).score, 262_144.0), "{:?}", scores.known(one, 9));
}

#[test]
fn each_refusal_in_a_row_is_longer_until_it_is_forgotten() {
    let scores = Scores::new(HALF_LIFE_S, SLOTS);
    let refusals =
        Refusals { first_ms: 600, factor: 4, longest_ms: 5_000, remember_ms: 10 * MINUTE_MS };
    let shop = Whose::Consumer("shop");
    let mut now_ms = 1_000;
    for expected_ms in [600, 2_400, 5_000, 5_000] {
        let added = scores.add(shop, Signal::Flood, 100, now_ms).unwrap();
        assert!(scores.decide(&added, now_ms, &refusals).is_some());
        assert_eq!(scores.known(shop, now_ms).until_ms, now_ms + expected_ms);
        assert!(scores.decide(&added, now_ms, &refusals).is_none(), "once");
        // It comes again at the end of each.
        now_ms += expected_ms;
        assert_eq!(scores.known(shop, now_ms).until_ms, 0);
    }
    for (later_ms, expected_ms) in [(10 * MINUTE_MS - 1, 5_000), (10 * MINUTE_MS, 600)] {
        now_ms += later_ms;
        let added = scores.add(shop, Signal::Flood, 100, now_ms).unwrap();
        assert!(scores.decide(&added, now_ms, &refusals).is_some());
        assert_eq!(scores.known(shop, now_ms).until_ms, now_ms + expected_ms, "{later_ms}");
        now_ms += expected_ms;
    }
}

#[test]
fn a_consumer_is_its_name_and_no_address() {
    let scores = Scores::new(HALF_LIFE_S, SLOTS);
    scores.add(Whose::Consumer("192.0.2.1"), Signal::NotFound, 8, 5).unwrap();
    let others = [address("192.0.2.1"), Whose::Consumer("192.0.2.10"), Whose::Consumer("")];
    assert_eq!(others.map(|one| scores.known(one, 5).score), [0.0; 3]);
    assert_eq!(scores.known(Whose::Consumer("192.0.2.1"), 5).score, 8.0);
}
