//! A backend's share, its ejections and its return, with time as an argument.

use super::{Server, Standing};
use crate::policy::{BackendPolicy, EjectionPolicy};

const EJECTION: EjectionPolicy =
    EjectionPolicy { failures: 3, first_ms: 100, max_ms: 350, percent_max: 50 };

#[test]
fn a_slow_start_grows_to_the_weight() {
    let policy = BackendPolicy { weight: 4, ..BackendPolicy::new(([10, 0, 0, 1], 80).into()) };
    for (risen_ms, now_ms, expected) in [
        (0, 1, 400),
        (1_000, 1_000, 40),
        (1_000, 1_050, 40),
        (1_000, 1_500, 200),
        (1_000, 1_999, 396),
        (1_000, 2_000, 400),
        (1_000, 999, 40),
    ] {
        let server = Server::new(&policy, None, risen_ms);
        let weight = server.candidate(0, now_ms, 1_000).weight;
        assert_eq!(weight, expected, "risen at {risen_ms}, now {now_ms}");
        assert_eq!(server.candidate(0, now_ms, 0).weight, 400, "without a slow start");
    }
}

#[test]
fn failures_in_a_row_eject_for_longer_each_time_and_one_success_brings_back() {
    let server = Server::new(&BackendPolicy::new(([10, 0, 0, 1], 80).into()), None, 0);
    assert!(!server.failed(false, &EJECTION) && !server.failed(false, &EJECTION));
    server.succeeded(false, 1);
    for expected in [false, false, true] {
        assert_eq!(server.failed(false, &EJECTION), expected, "a success ended the row");
    }
    let mut now_ms = 1_000;
    for wait_ms in [100, 200, 350, 350] {
        server.eject(now_ms, &EJECTION);
        assert_eq!(server.standing(now_ms + wait_ms - 1), Standing::Ejected, "{wait_ms} ms");
        now_ms += wait_ms;
        assert_eq!(server.standing(now_ms), Standing::Trial, "{wait_ms} ms");
        assert!(!server.try_again(now_ms, false, &EJECTION), "not with what must not be lost");
        assert!(server.try_again(now_ms, true, &EJECTION));
        assert!(!server.try_again(now_ms, true, &EJECTION), "one at a time");
        assert!(server.failed(true, &EJECTION), "one failure of a trial is enough");
    }
    server.eject(now_ms, &EJECTION);
    now_ms += 350 + 100;
    assert!(server.try_again(now_ms, false, &EJECTION), "nothing else came");
    server.give_up_trial();
    assert!(server.try_again(now_ms, true, &EJECTION));
    server.succeeded(true, now_ms);
    assert_eq!(server.standing(now_ms), Standing::Up);
    assert_eq!(server.candidate(0, now_ms, 1_000).weight, 10, "it starts slowly");
}

#[test]
fn a_latency_fades() {
    let server = Server::new(&BackendPolicy::new(([10, 0, 0, 1], 80).into()), None, 0);
    server.answered(8_000, 1_000);
    for (now_ms, expected) in
        [(1_000, 8_000), (1_999, 8_000), (2_000, 4_000), (4_500, 1_000), (u64::MAX, 0)]
    {
        assert_eq!(server.candidate(0, now_ms, 0).latency_us, expected, "at {now_ms} ms");
    }
    server.answered(16_000, 1_000);
    assert_eq!(server.candidate(0, 1_000, 0).latency_us, 9_000);
}

#[test]
fn a_quota_is_exact_over_threads() {
    let policy = BackendPolicy { quota: 100, ..BackendPolicy::new(([10, 0, 0, 1], 80).into()) };
    let server = Server::new(&policy, None, 0);
    let entered: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| (0..50).filter(|_| server.enter(true)).count()))
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).sum()
    });
    assert_eq!(entered, 100);
    assert!(!server.enter(true) && server.enter(false));
    server.leave();
    server.leave();
    assert!(server.enter(true));
}
