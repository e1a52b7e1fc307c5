//! One backend is slow, and a copy of the request goes to another: once, within a budget, and only where that
//! does no harm.

use std::time::{Duration, Instant};

use firewall_gateway::policy::{DeliveryPolicy, EjectionPolicy, HedgePolicy, RetryPolicy};

use crate::{
    delivery::{World, ask},
    server::Mode,
    world::status,
};

#[test]
fn a_slow_get_is_asked_of_another_and_given_up() {
    // What hangs would hold a client for as long as this.
    let world = World::new(2, hedged(20, RetryPolicy::default()));
    assert_eq!(world.each(1, 20, "GET", |_| {}), [(200, 20)]);
    assert_eq!((world.upstream().hedges, world.upstream().hedges_refused), (0, 0), "in time");
    for method in ["GET", "HEAD"] {
        let before = world.upstream();
        world.servers[0].be(Mode::Hung);
        let begun = Instant::now();
        let mut client = world.connect();
        for _ in 0..4 {
            assert_eq!(status(&ask(&mut client, method, "")), 200, "{method}");
        }
        assert!(begun.elapsed() < RESPONSE / 2, "{method}: {:?}", begun.elapsed());
        let after = world.upstream();
        // Of four in a row two fall on the one that hangs.
        assert_eq!((after.hedges - before.hedges, after.hedges_won - before.hedges_won), (2, 2));
        // The other is given up at once: neither place nor connection is held.
        world.until(|| world.in_flight() == [0, 0]);
        assert_eq!(world.upstream().in_flight, 0, "{method}");
        assert_eq!(world.backend(0).failures, 0, "{method}: being slower is no failure");
        assert_eq!(world.backend(0).state, "up");
        world.servers[0].be(Mode::Well);
    }
}

#[test]
fn what_must_not_be_repeated_is_not_hedged() {
    let world = World::new(2, hedged(10, RetryPolicy::default()));
    world.servers[0].be(Mode::Slow);
    world.servers[1].be(Mode::Slow);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(world.each(1, 2, method, |_| {}), [(200, 2)], "{method}");
    }
    assert_eq!(world.upstream().hedges, 0);
    // Both are slow: the first copy is followed by no second one, and the first answer counts.
    assert_eq!(world.each(1, 4, "GET", |_| {}), [(200, 4)]);
    assert_eq!(world.upstream().hedges, 4);
    let asked: u64 = (0..2).map(|place| world.backend(place).requests).sum();
    assert_eq!(asked, 8 + 2 * 4);
}

#[test]
fn copies_are_of_the_budget_of_retries() {
    let retries = RetryPolicy { budget_percent: 0, budget_per_second: 0, ..RetryPolicy::default() };
    let world = World::new(2, hedged(10, retries));
    world.servers[0].be(Mode::Slow);
    world.servers[1].be(Mode::Slow);
    assert_eq!(world.each(1, 10, "GET", |_| {}), [(200, 10)]);
    let upstream = world.upstream();
    assert_eq!((upstream.hedges, upstream.hedges_refused), (0, 10), "{upstream:?}");
}

#[test]
fn an_answer_that_is_an_error_waits_for_the_other() {
    let retries = RetryPolicy { attempts_max: 0, statuses: vec![503], ..RetryPolicy::default() };
    let world = World::new(2, hedged(40, retries));
    world.servers[0].be(Mode::Slow);
    world.servers[1].be(Mode::Failing);
    // The one that fails is asked first of every second: those are its own 500s, at once.
    let sent = world.each(1, 10, "GET", |_| {});
    let count = |status: u16| sent.iter().find(|one| one.0 == status).map_or(0, |one| one.1);
    assert_eq!((count(200), count(500)), (5, 5), "a copy that fails costs nobody the answer");
    assert_eq!((world.upstream().hedges, world.upstream().hedges_won), (5, 0));
}

#[test]
fn a_trial_that_is_outrun_has_failed() {
    let ejection = EjectionPolicy { failures: 1, first_ms: 50, max_ms: 60_000, percent_max: 50 };
    let retries = RetryPolicy { statuses: vec![500], ..RetryPolicy::default() };
    let world = World::new(2, DeliveryPolicy { ejection, ..hedged(20, retries) });
    world.servers[0].be(Mode::Failing);
    world.until(|| world.get() == 200 && world.backend(0).ejections == 1);
    world.servers[0].be(Mode::Hung);
    world.until(|| world.get() == 200 && world.backend(0).ejections == 2);
    assert_eq!(world.backend(0).state, "ejected", "and so for longer");
}

const RESPONSE: Duration = Duration::from_secs(8);

fn hedged(after_ms: u64, retries: RetryPolicy) -> DeliveryPolicy {
    DeliveryPolicy {
        hedge: Some(HedgePolicy { after_ms }),
        response_timeout_ms: Some(RESPONSE.as_millis() as u64),
        ejection: EjectionPolicy { failures: 0, ..EjectionPolicy::default() },
        retries,
        ..DeliveryPolicy::default()
    }
}
