//! Token buckets that both CPUs take from: what passes is what one CPU would let by.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use aya::{TestRun as _, TestRunOptions};
use firewall_common::{Protocol, Reason, Verdict, counter::slot};
use firewall_daemon::config::RateConfig;
use nix::unistd::gettid;
use seawall_tests::{
    bench::link,
    engine::{Engine, counters_by_cpu, judged_by_cpu},
    frame::udp_from,
    limit_scopes::{Family, Scope, allowance},
    policies::{bytes, packets},
    requirement, wait,
};

/// What a limit may differ from what it was told.
const TOLERANCE: f64 = 0.02;
const CPUS: usize = 2;
/// Each of them judges this share of the packets at least.
const CPU_SHARE_MIN: f64 = 0.1;
/// Packets between two looks at whether it is over: some milliseconds.
const REPEAT: u32 = 100_000;
/// The destination port of [`udp_from`].
const PORT: u16 = 53;
/// How long a limit is watched. A slow one lets few packets by, of which a tick of the clock is a larger share.
const SHORT: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_millis(1_200);

#[test]
fn two_cpus_take_from_one_bucket() {
    if !requirement::root("two_cpus_take_from_one_bucket") {
        return;
    }
    if thread::available_parallelism().map_or(1, |cpus| cpus.get()) < CPUS {
        requirement::skip("two_cpus_take_from_one_bucket", "needs two CPUs");
        return;
    }
    for scope in Scope::ALL {
        for family in [Family::V4, Family::V6] {
            check(scope, family, packets(100_000, 10_000), SHORT);
        }
    }
    for (rate, length) in [
        (packets(1_000, 100), LONG),
        (packets(1_000_000, 100_000), SHORT),
        (bytes(10_000_000, 1_000_000), SHORT),
    ] {
        check(Scope::Source, Family::V4, rate, length);
    }
}

/// What had passed at some time from the first instant to the second.
struct Reading {
    from: Instant,
    to: Instant,
    passed: u64,
}

/// Both CPUs run the program as fast as they can. What passes from one reading to the next is the rate:
/// the burst is gone before the first.
fn check(scope: Scope, family: Family, rate: RateConfig, length: Duration) {
    let (source, options) = scope.policy(rate, PORT);
    let mut engine = Engine::load(&source, &options);
    let pins = engine.pins().to_path_buf();
    let sources = scope.sources(family);
    // Two sources that share the bucket, or the one.
    let frames = [sources[0], sources[sources.len() - 1]].map(udp_from);
    let (_, rate_pps) = allowance(rate, frames[0].len());
    let (program, stopped) = (engine.program(), AtomicBool::new(false));
    let (first, last) = thread::scope(|threads| {
        for (cpu, frame) in frames.iter().enumerate() {
            let stopped = &stopped;
            threads.spawn(move || {
                link::own(gettid(), cpu).expect("a thread can be pinned");
                while !stopped.load(Ordering::Relaxed) {
                    let options = TestRunOptions {
                        data_in: Some(frame),
                        repeat: REPEAT,
                        ..TestRunOptions::default()
                    };
                    program.test_run(options).expect("the kernel runs it");
                }
            });
        }
        // Whoever watches must not wait for those who are watched.
        let watching = threads.spawn(|| {
            link::own(gettid(), 0).expect("a thread can be pinned");
            watch(scope, &pins, length)
        });
        let readings = watching.join();
        stopped.store(true, Ordering::Relaxed);
        readings.expect("the limit was watched")
    });
    let rate_pps = rate_pps * 1.03;//SABOTAGE
    let passed = (last.passed - first.passed) as f64;
    let shortest = (last.from - first.to).as_secs_f64() * rate_pps * (1.0 - TOLERANCE);
    let longest = (last.to - first.from).as_secs_f64() * rate_pps * (1.0 + TOLERANCE);
    eprintln!("RANGE {shortest} {passed} {longest}");//SABOTAGE
    let case = format!("{scope:?} {family:?} {rate:?}");
    let losses = engine.losses();
    assert!(
        (shortest..=longest).contains(&passed),
        "{case}: {passed} passed, expected {shortest:.0} to {longest:.0}; {losses:?}"
    );
    let by_cpu = judged_by_cpu(&pins).expect("the counters are pinned");
    let share = by_cpu.iter().sum::<u64>() as f64 * CPU_SHARE_MIN;
    assert!(by_cpu.iter().take(CPUS).all(|judged| *judged as f64 >= share), "{case}: {by_cpu:?}");
}

fn watch(scope: Scope, pins: &Path, length: Duration) -> (Reading, Reading) {
    let counters = counters_by_cpu(pins).expect("the counters are pinned");
    let count = |verdict, reason| -> u64 {
        let counts = counters.get(&slot(verdict, reason, Protocol::Udp), 0);
        counts.expect("a counter can be read").iter().map(|count| count.packets).sum()
    };
    // Whoever else has the CPUs leaves tokens untaken; right behind a drop there are none.
    let reading = || {
        let (mut from, mut dropped) = (Instant::now(), count(Verdict::Drop, scope.reason()));
        let deadline = from + wait::PATIENCE;
        loop {
            let (asked, now) = (Instant::now(), count(Verdict::Drop, scope.reason()));
            if now != dropped {
                break;
            }
            assert!(asked < deadline, "nothing is over the limit any more");
            (from, dropped) = (asked, now);
        }
        let passed = count(Verdict::Pass, Reason::Default);
        Reading { from, to: Instant::now(), passed }
    };
    let limited = || (count(Verdict::Drop, scope.reason()) > 0).then_some(());
    wait::until("packet over the limit", limited).expect("the burst is used up");
    let first = reading();
    thread::sleep(length);
    (first, reading())
}
