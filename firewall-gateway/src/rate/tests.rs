//! Each algorithm against a slow one that is easy to believe (`reference`), on a million arrivals: by one thread, and by two
//! that share the table, in the order in which they had its lock.

mod reference;

mod arrivals;

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
};

use self::{
    arrivals::{Arrivals, KEYS, Shape},
    reference::Reference,
};
use super::{
    algorithm::Algorithm,
    fixed_window::FixedWindow,
    leaky_bucket::LeakyBucket,
    sliding_counter::SlidingCounter,
    sliding_log::SlidingLog,
    table::{Place as _, Table},
    token_bucket::TokenBucket,
};

const ARRIVALS: usize = 1_000_000;
const SEEDS: u64 = 10;

/// What an algorithm decided, in the order in which it was asked: kept in its state, and so under the lock of its row.
struct Recorded<A>(A);

#[derive(Default)]
struct Record<S> {
    state: S,
    asked: Vec<(u64, u64, Result<u64, u64>)>,
}

impl<A: Algorithm> Algorithm for Recorded<A> {
    type State = Record<A::State>;

    fn ask(&self, state: &mut Self::State, now_ns: u64, cost: u64) -> Result<u64, u64> {
        let answer = self.0.ask(&mut state.state, now_ns, cost);
        state.asked.push((now_ns, cost, answer));
        answer
    }

    fn charge(&self, state: &mut Self::State, now_ns: u64, cost: u64) {
        self.0.charge(&mut state.state, now_ns, cost);
    }

    fn left(&self, state: &mut Self::State, now_ns: u64) -> u64 {
        self.0.left(&mut state.state, now_ns)
    }

    fn fresh_at_ns(&self, state: &Self::State) -> u64 {
        self.0.fresh_at_ns(&state.state)
    }
}

/// One thread: every decision, every wait, every time to come again and every rest is the reference's.
fn alone<A: Algorithm, R: Reference>(
    algorithm: impl Fn(Shape) -> A,
    reference: impl Fn(Shape) -> R,
) {
    let (mut arrived, mut passed) = (0, 0);
    for seed in 0..SEEDS {
        let shape = Shape::of(seed);
        let table = Table::new(algorithm(shape), 1_000);
        let mut references: Vec<R> = (0..KEYS).map(|_| reference(shape)).collect();
        let (mut now_ns, mut arrivals) = (shape.begin_ns, Arrivals::new(seed, shape));
        let mut again = None;
        for _ in 0..ARRIVALS / SEEDS as usize {
            let (mut key, step_ns, cost) = arrivals.next();
            now_ns += step_ns;
            // Some come again in the very nanosecond that they were told.
            if let Some((whose, at_ns)) = again.take().filter(|(_, at_ns)| *at_ns >= now_ns) {
                (key, now_ns) = (whose, at_ns);
            }
            let mut held = table.hold(key, now_ns).expect("room");
            let reference = &mut references[key as usize];
            let answer = held.ask(cost);
            let left = held.standing().left;
            let shown = format!("seed {seed}, {shape:?}, key {key}, at {now_ns}, cost {cost}");
            assert_eq!(answer.ok(), reference.ask(now_ns, cost), "{shown}");
            if !R::QUEUES {
                assert!(left == 0 || reference.ask(now_ns, left).is_some(), "{shown}: {left}");
                assert!(reference.ask(now_ns, left + 1).is_none(), "{shown}: {left}");
            }
            match answer {
                Ok(_) => {
                    held.charge(cost);
                    reference.take(now_ns, cost);
                    passed += 1;
                }
                Err(after_ns) => {
                    again = (arrived % 8 == 0).then_some((key, now_ns + after_ns));
                    assert!(
                        reference.ask(now_ns + after_ns, cost).is_some(),
                        "{shown}: {after_ns}"
                    );
                    let before_ns = now_ns + after_ns - 1;
                    assert!(reference.ask(before_ns, cost).is_none(), "{shown}: {after_ns}");
                }
            }
            arrived += 1;
        }
        assert_eq!(table.counts().keys.load(Relaxed), KEYS);
        for key in 0..KEYS {
            // What is fresh is worth what was never there: that is why it may be forgotten.
            let fresh_at_ns = {
                let mut held = table.hold(key, now_ns).expect("room");
                now_ns + held.standing().reset_ns
            };
            let most = shape.most(R::QUEUES);
            assert!(references[key as usize].ask(fresh_at_ns, most).is_some(), "seed {seed}");
        }
    }
    assert_eq!(arrived, ARRIVALS);
    // Neither all nor none: the test would show nothing.
    assert!((ARRIVALS / 10..ARRIVALS * 9 / 10).contains(&passed), "{passed} passed");
}

/// Two threads on one table: replayed in the order in which they had the lock, each decision is the reference's, and so is
/// the number of those that passed.
fn together<A, R>(algorithm: impl Fn(Shape) -> A, reference: impl Fn(Shape) -> R)
where
    A: Algorithm + Sync,
    A::State: Send,
    R: Reference,
{
    let mut arrived = 0;
    for seed in 0..SEEDS {
        let shape = Shape::of(seed);
        let table = Table::new(Recorded(algorithm(shape)), 1_000);
        let clock = AtomicU64::new(shape.begin_ns);
        let run = |thread: u64| {
            let mut arrivals = Arrivals::new(seed * 2 + thread, shape);
            let mut passed = 0u64;
            for _ in 0..ARRIVALS / SEEDS as usize / 2 {
                let (key, step_ns, cost) = arrivals.next();
                // Read before the lock is had, as in the gateway: the order of the two may differ.
                let now_ns = clock.fetch_add(step_ns, Relaxed) + step_ns;
                let mut held = table.hold(key, now_ns).expect("room");
                if held.ask(cost).is_ok() {
                    held.charge(cost);
                    passed += 1;
                }
            }
            passed
        };
        let passed: u64 = thread::scope(|scope| {
            [scope.spawn(|| run(0)), scope.spawn(|| run(1))]
                .map(|it| it.join().unwrap())
                .iter()
                .sum()
        });
        let mut replayed = 0;
        for key in 0..KEYS {
            let mut reference = reference(shape);
            let mut held = table.hold(key, 0).expect("room");
            let record = held.state().expect("a state");
            arrived += record.asked.len();
            for (number, (now_ns, cost, answer)) in record.asked.iter().enumerate() {
                let expected = reference.ask(*now_ns, *cost);
                assert_eq!(answer.ok(), expected, "seed {seed}, {shape:?}, key {key}, {number}");
                if expected.is_some() {
                    reference.take(*now_ns, *cost);
                    replayed += 1;
                }
            }
        }
        assert_eq!(passed, replayed, "seed {seed}");
    }
    assert_eq!(arrived, ARRIVALS);
}

fn token_bucket(shape: Shape) -> TokenBucket {
    TokenBucket { quota: shape.quota, burst: shape.burst }
}

fn leaky_bucket(shape: Shape) -> LeakyBucket {
    LeakyBucket { quota: shape.quota, wait_max_ns: shape.wait_max_ns }
}

fn fixed_window(shape: Shape) -> FixedWindow {
    FixedWindow { quota: shape.quota }
}

fn sliding_log(shape: Shape) -> SlidingLog {
    SlidingLog { quota: shape.quota }
}

fn sliding_counter(shape: Shape) -> SlidingCounter {
    SlidingCounter { quota: shape.quota }
}

#[test]
fn token_bucket_is_its_reference() {
    alone(token_bucket, reference::Bucket::new);
}

#[test]
fn leaky_bucket_is_its_reference() {
    alone(leaky_bucket, reference::Queue::new);
}

#[test]
fn fixed_window_is_its_reference() {
    alone(fixed_window, reference::Windows::new);
}

#[test]
fn sliding_log_is_its_reference() {
    alone(sliding_log, reference::Last::new);
}

#[test]
fn sliding_counter_is_its_reference() {
    alone(sliding_counter, reference::Weighted::new);
}

#[test]
fn token_bucket_is_its_reference_on_two_threads() {
    together(token_bucket, reference::Bucket::new);
}

#[test]
fn leaky_bucket_is_its_reference_on_two_threads() {
    together(leaky_bucket, reference::Queue::new);
}

#[test]
fn fixed_window_is_its_reference_on_two_threads() {
    together(fixed_window, reference::Windows::new);
}

#[test]
fn sliding_log_is_its_reference_on_two_threads() {
    together(sliding_log, reference::Last::new);
}

#[test]
fn sliding_counter_is_its_reference_on_two_threads() {
    together(sliding_counter, reference::Weighted::new);
}
