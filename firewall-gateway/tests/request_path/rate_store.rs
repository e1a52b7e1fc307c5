//! Two gateways that count together in Redis, with Redis there, killed, hung, slow, and back.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use firewall_gateway::policy::{
    Counted, KeyPart, RateAlgorithm, RatePolicy, RateStorePolicy, RouteAction, RoutePolicy,
};
use rustix::process::Signal;

use crate::{
    redis::{PASSWORD, Redis},
    world::{PATIENCE, World, read_answer, status},
};

const TIMEOUT_MS: u32 = 50;
/// Where a machine that is busy with other tests is not to be taken for a store that is away.
const PATIENT_MS: u32 = 1_000;

/// What stands between gateways and Redis, and may take its time.
struct Line {
    address: SocketAddr,
    delay_ms: Arc<AtomicU64>,
}

impl Line {
    fn to(redis: SocketAddr) -> Line {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let delay_ms = Arc::new(AtomicU64::new(0));
        let shared = delay_ms.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(redis) else { continue };
                let (back, forth) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let delay_ms = shared.clone();
                thread::spawn(move || carry(client, server, &AtomicU64::new(0)));
                thread::spawn(move || carry(forth, back, &delay_ms));
            }
        });
        Line { address, delay_ms }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, delay_ms: &AtomicU64) {
    let mut bytes = [0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        thread::sleep(Duration::from_millis(delay_ms.load(Relaxed)));
        if to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    // The other direction ends with it.
    let _ = (from.shutdown(std::net::Shutdown::Both), to.shutdown(std::net::Shutdown::Both));
}

/// A gateway of a fleet of two: what passes is told to go elsewhere, which needs no backend.
fn gateway(store: SocketAddr, algorithm: RateAlgorithm, timeout_ms: u32) -> World {
    World::changed(|policy| {
        policy.rates = vec![RatePolicy {
            name: "fleet".to_owned(),
            algorithm,
            count: Counted::Requests,
            key: vec![KeyPart::Address],
            shadow: false,
            everywhere: true,
            shared: true,
            keys_max: 64,
        }];
        policy.rate_store = Some(RateStorePolicy {
            address: store,
            password: Some(PASSWORD.to_owned()),
            prefix: "test".to_owned(),
            hosts: 2,
            timeout_ms,
        });
        policy.clients.requests_active_max = 1_000;
        let action = RouteAction::Redirect { to: "https://there/".to_owned(), status: 308 };
        policy.routes = vec![RoutePolicy { action, ..RoutePolicy::to_upstream("all", "/*", 0) }];
    })
}

fn wait_until(world: &World, up: bool) {
    let end = Instant::now() + PATIENCE;
    while world.gateway.figures().rate_store.unwrap().up != u64::from(up) {
        assert!(Instant::now() < end, "the store is not {up}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Requests to two gateways, as fast as two clients of each may: when each was answered, and how.
fn load(worlds: [&World; 2], length: Duration) -> [Vec<(Duration, u16)>; 2] {
    let begin = Instant::now();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients = worlds.map(|world| {
            [(); 2].map(|()| {
                scope.spawn(|| {
                    let (mut client, mut answers) = (world.connect(), Vec::new());
                    while !over.load(Relaxed) {
                        client.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
                        let answer = read_answer(&mut client);
                        answers.push((begin.elapsed(), status(&answer)));
                    }
                    answers
                })
            })
        });
        thread::sleep(length);
        over.store(true, Relaxed);
        clients.map(|both| both.into_iter().flat_map(|one| one.join().unwrap()).collect())
    })
}

/// Those of a time that passed; whatever else came is a refusal.
fn passed(answers: &[(Duration, u16)], from_ms: u64, to_ms: u64) -> f64 {
    let within = |at: Duration| (u128::from(from_ms)..u128::from(to_ms)).contains(&at.as_millis());
    let mut passed = 0;
    for (at, status) in answers {
        assert!(matches!(status, 308 | 429), "{status} at {at:?}");
        passed += u32::from(*status == 308 && within(*at));
    }
    f64::from(passed)
}

fn near(found: f64, expected: f64, percent: f64, what: &str) {
    let off = (found / expected - 1.0) * 100.0;
    eprintln!("{what}: {found} of {expected}, {off:+.2} %");
    assert!(off.abs() <= percent, "{what}: {found}, expected {expected} within {percent} %");
}

#[test]
fn two_gateways_hold_a_common_limit() {
    let Some(redis) = Redis::start("two_gateways_hold_a_common_limit") else { return };
    let month_s = 30 * 86_400;
    for (name, algorithm, at_once, per_s) in [
        (
            "token_bucket",
            RateAlgorithm::TokenBucket { limit: 200, window_s: 1, burst: 20 },
            20.0,
            200.0,
        ),
        (
            // Its clients wait for their turn, four at a time.
            "leaky_bucket",
            RateAlgorithm::LeakyBucket { limit: 100, window_s: 1, wait_max_ms: 15 },
            1.0,
            100.0,
        ),
        ("fixed_window", RateAlgorithm::FixedWindow { limit: 500, window_s: month_s }, 500.0, 0.0),
        ("sliding_log", RateAlgorithm::SlidingLog { limit: 500, window_s: month_s }, 500.0, 0.0),
        (
            "sliding_counter",
            RateAlgorithm::SlidingCounter { limit: 500, window_s: month_s },
            500.0,
            0.0,
        ),
    ] {
        let worlds = [(); 2].map(|()| gateway(redis.address, algorithm, PATIENT_MS));
        worlds.iter().for_each(|world| wait_until(world, true));
        let answers = load([&worlds[0], &worlds[1]], Duration::from_millis(3_000));
        let first = answers.iter().flatten().filter(|(_, status)| *status == 308);
        let (first, last) = (first.clone().map(|it| it.0).min(), first.map(|it| it.0).max());
        let spent_s = (last.unwrap() - first.unwrap()).as_secs_f64();
        let each = answers.each_ref().map(|answers| passed(answers, 0, 60_000));
        near(each[0] + each[1], at_once + per_s * spent_s, 2.0, name);
        for world in &worlds {
            let figures = world.settled();
            assert_eq!(figures.rates[0].local, 0, "{name}: {figures:?}");
            assert!(figures.rates[0].refused > 0, "{name}: {figures:?}");
        }
    }
}

/// A store that goes away and comes back, in the way that is told: the parts of the gateways while it is away, the
/// common limit before and after.
fn away(how: &str, store: SocketAddr, mut leave: impl FnMut(), mut back: impl FnMut()) {
    let algorithm = RateAlgorithm::TokenBucket { limit: 200, window_s: 1, burst: 20 };
    let worlds = [(); 2].map(|()| gateway(store, algorithm, TIMEOUT_MS));
    worlds.iter().for_each(|world| wait_until(world, true));
    let answers = thread::scope(|scope| {
        let load = scope.spawn(|| load([&worlds[0], &worlds[1]], Duration::from_millis(9_000)));
        thread::sleep(Duration::from_millis(2_500));
        leave();
        thread::sleep(Duration::from_millis(3_000));
        back();
        load.join().unwrap()
    });
    let both =
        |from_ms, to_ms| answers.iter().map(|answers| passed(answers, from_ms, to_ms)).sum::<f64>();
    near(both(500, 2_500), 400.0, 4.0, &format!("{how}: before"));
    for answers in &answers {
        near(passed(answers, 3_000, 5_500), 250.0, 10.0, &format!("{how}: a part"));
    }
    // It is noticed within a second, and for one window both have to agree.
    near(both(7_500, 9_000), 300.0, 4.0, &format!("{how}: after"));
    for world in &worlds {
        wait_until(world, true);
        let figures = world.settled();
        let (row, store) = (&figures.rates[0], figures.rate_store.unwrap());
        assert!(row.local > 0 && store.failures > 0, "{row:?} {store:?}");
        // Waiting for one that is away is bounded, and is not done again and again.
        let slow = &figures.request_duration.buckets[9..];
        assert_eq!(slow.iter().sum::<u64>(), 0, "longer than 250 ms: {figures:?}");
    }
}

#[test]
fn redis_is_killed_and_started_again() {
    let Some(redis) = Redis::start("redis_is_killed_and_started_again") else { return };
    let address = redis.address;
    let mut redis = Some(redis);
    let again = Arc::new(std::sync::Mutex::new(None));
    let kept = again.clone();
    away(
        "killed",
        address,
        move || redis.take().unwrap().kill(),
        move || *again.lock().unwrap() = Some(Redis::at(address)),
    );
    drop(kept);
}

#[test]
fn redis_hangs_and_goes_on() {
    let Some(redis) = Redis::start("redis_hangs_and_goes_on") else { return };
    let stop = || redis.signal(Signal::STOP);
    away("hung", redis.address, stop, || redis.signal(Signal::CONT));
}

#[test]
fn redis_is_slow_and_recovers() {
    let Some(redis) = Redis::start("redis_is_slow_and_recovers") else { return };
    let line = Line::to(redis.address);
    away(
        "slow",
        line.address,
        || line.delay_ms.store(300, Relaxed),
        || line.delay_ms.store(0, Relaxed),
    );
}

#[test]
fn a_redis_that_is_not_there_or_refuses_keeps_nobody_from_starting() {
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let algorithm = RateAlgorithm::FixedWindow { limit: 10, window_s: 30 * 86_400 };
    let world = gateway(nobody, algorithm, TIMEOUT_MS);
    let answers: Vec<u16> = (0..7)
        .map(|_| status(&world.exchange("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")))
        .collect();
    // Half of ten: there are two hosts.
    assert_eq!(answers, [308, 308, 308, 308, 308, 429, 429]);
    let figures = world.settled();
    assert_eq!((figures.rates[0].local, figures.rate_store.unwrap().up), (7, 0));
}
