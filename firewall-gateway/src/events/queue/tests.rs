//! Bounds, order and exact counts, whatever becomes of the sinks.

use std::thread;

use tokio::runtime;

use super::*;
use crate::events::{
    decision::Decision,
    event::{Event, tests::ended},
};

fn event() -> Event {
    Event::of_request(Decision::Refused, ended("/"))
}

fn queue(events: usize, sinks: &[(&'static str, usize)]) -> Queue {
    Queue::new(Bounds { events, bytes: usize::MAX }, sinks)
}

fn lost(figures: &SinkFigures) -> Vec<(&str, u64)> {
    let rows = figures.lost.iter().filter(|row| row.count > 0);
    rows.map(|row| (row.label.as_str(), row.count)).collect()
}

/// What is to be had at once.
fn now(queue: &Queue, place: usize) -> Option<Vec<u64>> {
    let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let next = queue.next(place, Duration::ZERO);
    let taken =
        runtime.block_on(async { tokio::time::timeout(Duration::from_millis(5), next).await });
    let batch = taken.ok()??;
    Some(batch.iter().map(|event| event.sequence).collect())
}

#[test]
fn a_full_line_loses_the_newest_and_another_line_none() {
    let queue = queue(3, &[("file", 2), ("webhook", 100)]);
    for _ in 0..3 {
        queue.push(event());
    }
    // What is under way counts until it is settled.
    assert_eq!(now(&queue, 0), Some(vec![1, 2]));
    queue.push(event());
    queue.settle(0, 2, 0, Loss::Undelivered);
    queue.push(event());
    assert_eq!(now(&queue, 0), Some(vec![3, 5]), "4 is the gap that shows");
    assert_eq!(now(&queue, 1), Some(vec![1, 2, 3]));
    queue.settle(1, 1, 2, Loss::Undelivered);
    assert_eq!(now(&queue, 1), None);
    let figures = queue.figures();
    assert_eq!((figures[0].sent, figures[0].waiting), (2, 2));
    assert_eq!(lost(&figures[0]), [("queue_full", 1)]);
    assert_eq!((figures[1].sent, figures[1].waiting), (1, 0));
    assert_eq!(lost(&figures[1]), [("queue_full", 2), ("undelivered", 2)]);
}

#[test]
fn bytes_are_bounded_too() {
    let bytes = event().bytes();
    let queue = Queue::new(Bounds { events: 100, bytes: 3 * bytes }, &[("file", 100)]);
    for _ in 0..5 {
        queue.push(event());
    }
    assert_eq!(now(&queue, 0), Some(vec![1, 2, 3]));
    queue.settle(0, 3, 0, Loss::Undelivered);
    queue.push(event());
    assert_eq!(now(&queue, 0), Some(vec![6]));
    assert_eq!(lost(&queue.figures()[0]), [("queue_full", 2)]);
}

#[test]
fn a_batch_is_bounded_in_bytes_and_never_empty() {
    let long = Event::of_request(Decision::Refused, ended(&"x".repeat(EVENTS_BATCH_BYTES_MAX)));
    let queue = queue(100, &[("file", 100)]);
    for event in [event(), event(), long.clone(), long, event()] {
        queue.push(event);
    }
    for expected in [vec![1, 2], vec![3], vec![4], vec![5]] {
        assert_eq!(now(&queue, 0), Some(expected));
        queue.settle(0, 1, 0, Loss::Undelivered);
    }
}

#[test]
fn an_event_waits_for_others_and_not_for_long() {
    let queue = queue(100, &[("file", 3)]);
    let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let wait = Duration::from_secs(1);
        let begun = Instant::now();
        let (batch, ()) = tokio::join!(queue.next(0, wait), async {
            queue.push(event());
            tokio::time::sleep(wait / 10).await;
            queue.push(event());
        });
        assert_eq!(batch.unwrap().len(), 2);
        assert!(begun.elapsed() >= wait, "{:?}", begun.elapsed());
        queue.settle(0, 2, 0, Loss::Undelivered);
        let begun = Instant::now();
        let long = Duration::from_secs(60);
        let (batch, ()) = tokio::join!(queue.next(0, long), async {
            (0..4).for_each(|_| queue.push(event()));
        });
        assert_eq!(batch.unwrap().len(), 3, "enough");
        queue.settle(0, 3, 0, Loss::Undelivered);
        // Closed: the rest goes at once, then there is no more, and what comes is lost.
        queue.close();
        let closed = Instant::now();
        queue.push(event());
        assert_eq!(queue.next(0, long).await.unwrap().len(), 1);
        queue.settle(0, 1, 0, Loss::Undelivered);
        assert!(queue.next(0, long).await.is_none());
        assert!(begun.elapsed() < long / 2, "{:?}", begun.elapsed());
        queue.over().await;
        assert!(closed.elapsed() >= Duration::from_millis(EVENTS_END_TIMEOUT_MS - 1));
    });
    assert_eq!(lost(&queue.figures()[0]), [("stopped", 1)]);
}

#[test]
fn what_is_given_up_is_counted() {
    let queue = queue(100, &[("file", 2)]);
    (0..5).for_each(|_| queue.push(event()));
    assert_eq!(now(&queue, 0), Some(vec![1, 2]));
    queue.abandon(0);
    assert_eq!(lost(&queue.figures()[0]), [("stopped", 5)]);
    assert_eq!(queue.figures()[0].waiting, 0);
}

#[test]
fn threads_that_push_at_once_lose_and_disorder_nothing_uncounted() {
    const EACH: u64 = 20_000;
    let queue = queue(64, &[("file", 7), ("syslog", 64)]);
    let taken: Vec<Vec<u64>> = thread::scope(|scope| {
        let pushers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| (0..EACH).for_each(|_| queue.push(event())))).collect();
        let takers: Vec<_> = [0, 1]
            .map(|place| {
                let queue = &queue;
                scope.spawn(move || {
                    let runtime =
                        runtime::Builder::new_current_thread().enable_time().build().unwrap();
                    runtime.block_on(async {
                        let mut numbers = Vec::new();
                        while let Some(batch) = queue.next(place, Duration::ZERO).await {
                            numbers.extend(batch.iter().map(|event| event.sequence));
                            queue.settle(place, batch.len(), 0, Loss::Undelivered);
                        }
                        numbers
                    })
                })
            })
            .into();
        pushers.into_iter().for_each(|thread| thread.join().unwrap());
        queue.close();
        takers.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (numbers, figures) in taken.iter().zip(queue.figures()) {
        assert!(numbers.is_sorted_by(|one, next| one < next));
        assert_eq!(numbers.len() as u64, figures.sent);
        assert_eq!(figures.sent + figures.lost_total(), 4 * EACH);
        assert!(figures.sent > 0);
    }
}
