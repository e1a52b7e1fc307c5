//! How often: what each kind of limit refuses, what the client is told, and what is counted where.

use std::{
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use firewall_gateway::{
    figures::RateFigures,
    identity::{
        Identity, Method,
        api_key::{
            store::{GrantPolicy, KeyChange, KeyPolicy},
            text::KeyText,
        },
    },
    policy::{
        ApiKeyPolicy, AuthenticationPolicy, ConsumerPolicy, Counted, KeyPart, RateAlgorithm,
        RatePolicy, RoutePolicy, RouteRates,
    },
    rate::{Asked, Due, Rates, When},
};
use serde_json::json;

use crate::world::{PATIENCE, World, header, one_request, read_answer, status};

const HOUR_S: u32 = 3_600;

pub fn limit(name: &str, algorithm: RateAlgorithm) -> RatePolicy {
    RatePolicy {
        name: name.to_owned(),
        algorithm,
        count: Counted::Requests,
        key: vec![KeyPart::Address],
        shadow: false,
        everywhere: true,
        shared: false,
        keys_max: 64,
    }
}

fn bucket(limit: u64) -> RateAlgorithm {
    RateAlgorithm::TokenBucket { limit, window_s: HOUR_S, burst: limit }
}

fn window(limit: u64) -> RateAlgorithm {
    RateAlgorithm::FixedWindow { limit, window_s: 30 * 24 * HOUR_S }
}

fn world(rates: Vec<RatePolicy>) -> World {
    World::changed(|policy| policy.rates = rates)
}

fn get(path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n")
}

fn of(world: &World, name: &str) -> RateFigures {
    let figures = world.settled();
    figures.rates.into_iter().find(|row| row.limit == name).expect("a limit")
}

/// So many passed, were refused, and would have been.
fn counted(world: &World, name: &str, allowed: u64, refused: u64, shadow: u64) {
    let row = of(world, name);
    let found = (row.allowed, row.refused, row.shadow_refused);
    assert_eq!(found, (allowed, refused, shadow), "{row:?}");
}

#[test]
fn whoever_is_over_a_limit_is_told_of_it() {
    let world = world(vec![limit("hourly", bucket(3))]);
    for left in ["2", "1", "0"] {
        let answer = world.exchange(&get("/a", ""));
        assert_eq!(status(&answer), 200, "{answer}");
        assert_eq!(header(&answer, "ratelimit-policy"), Some("\"hourly\";q=3;w=3600"));
        let said = header(&answer, "ratelimit").unwrap();
        assert!(said.starts_with(&format!("\"hourly\";r={left};t=")), "{said}");
    }
    let before = world.settled();
    let answer = world.exchange(&get("/a", ""));
    one_request(&before, &world.settled(), 429, "h1", "rate_limited");
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert!(answer.contains("urn:seawall:problem:rate-limited"), "{answer}");
    // A token comes back each 1,200 s; rounded up.
    let wait: u64 = header(&answer, "retry-after").unwrap().parse().unwrap();
    assert!((1_190..=1_200).contains(&wait), "{wait}");
    assert_eq!(header(&answer, "ratelimit-policy"), Some("\"hourly\";q=3;w=3600"));
    assert!(header(&answer, "ratelimit").unwrap().starts_with("\"hourly\";r=0;t=3"), "{answer}");
    counted(&world, "hourly", 3, 1, 0);
    assert_eq!(of(&world, "hourly").keys, 1);
    assert_eq!(world.upstream.seen().len(), 3);
}

#[test]
fn a_request_takes_from_all_of_its_limits_or_from_none() {
    let world = world(vec![limit("wide", window(3)), limit("narrow", bucket(2))]);
    for _ in 0..2 {
        let answer = world.exchange(&get("/a", ""));
        assert_eq!(status(&answer), 200);
        let policies = "\"wide\";q=3;w=2592000, \"narrow\";q=2;w=3600";
        assert_eq!(header(&answer, "ratelimit-policy"), Some(policies));
        // The one of which the least part is left.
        assert!(header(&answer, "ratelimit").unwrap().starts_with("\"narrow\""), "{answer}");
    }
    for _ in 0..5 {
        assert_eq!(status(&world.exchange(&get("/a", ""))), 429);
    }
    // Those five took nothing from the other.
    counted(&world, "wide", 2, 0, 0);
    counted(&world, "narrow", 2, 5, 0);
}

#[test]
fn a_limit_in_shadow_refuses_nobody() {
    let shadow = RatePolicy { shadow: true, ..limit("tried", bucket(1)) };
    let world = world(vec![shadow]);
    for _ in 0..3 {
        let answer = world.exchange(&get("/a", ""));
        assert_eq!(status(&answer), 200);
        assert_eq!(header(&answer, "ratelimit"), None);
        assert_eq!(header(&answer, "ratelimit-policy"), None);
    }
    counted(&world, "tried", 1, 0, 2);
}

#[test]
fn what_requests_are_told_apart_by() {
    let header_of = |name: &str| KeyPart::Header(name.to_owned());
    for (key, pairs) in [
        (vec![], [("/a", "", 200), ("/b", "X-A: 1\r\n", 429)]),
        (vec![KeyPart::Address], [("/a", "", 200), ("/b", "X-A: 1\r\n", 429)]),
        (vec![KeyPart::Network], [("/a", "", 200), ("/b", "", 429)]),
        (vec![KeyPart::Route], [("/a", "", 200), ("/b", "", 200)]),
        (vec![KeyPart::Route], [("/a", "", 200), ("/a", "X-A: 1\r\n", 429)]),
        (vec![header_of("x-a")], [("/a", "X-A: 1\r\n", 200), ("/a", "X-A: 2\r\n", 200)]),
        (vec![header_of("x-a")], [("/a", "X-A: 1\r\n", 200), ("/b", "X-A: 1\r\n", 429)]),
        // Nobody gets away by leaving it out.
        (vec![header_of("x-a")], [("/a", "", 200), ("/a", "", 429)]),
        (
            vec![header_of("x-a"), KeyPart::Route],
            [("/a", "X-A: 1\r\n", 200), ("/b", "X-A: 1\r\n", 200)],
        ),
        // Parts are not run together.
        (
            vec![header_of("x-a"), header_of("x-b")],
            [("/a", "X-A: 1\r\nX-B: 23\r\n", 200), ("/a", "X-A: 12\r\nX-B: 3\r\n", 200)],
        ),
    ] {
        let world = World::changed(|policy| {
            policy.rates = vec![RatePolicy { key: key.clone(), ..limit("one", bucket(1)) }];
            policy.routes =
                ["/a", "/b"].map(|path| RoutePolicy::to_upstream(path, path, 0)).to_vec();
        });
        for (path, lines, expected) in pairs {
            let answer = world.exchange(&get(path, lines));
            assert_eq!(status(&answer), expected, "{key:?}: {path} {lines}");
        }
    }
}

#[test]
fn consumers_and_their_keys_are_told_apart() {
    for (key, same_consumer) in [(KeyPart::Consumer, 429), (KeyPart::Key, 200)] {
        let world = World::changed(|policy| {
            let consumer = |name: &str| ConsumerPolicy {
                name: name.to_owned(),
                scopes: vec![],
                roles: vec![],
                networks: vec![],
                certificates: vec![],
            };
            policy.consumers = vec![consumer("shop"), consumer("bank")];
            policy.routes[0].authentication = vec![AuthenticationPolicy::ApiKey(ApiKeyPolicy {
                header: Some("x-api-key".to_owned()),
                bearer: false,
                basic: false,
                keep: false,
            })];
            policy.rates = vec![RatePolicy { key: vec![key.clone()], ..limit("each", bucket(1)) }];
        });
        let give = |consumer: &str| {
            let text = KeyText::generate().unwrap();
            let consumer = consumer.to_owned();
            let grant = GrantPolicy { consumer, scopes: None, routes: vec![], networks: vec![] };
            let (id, hash) = (text.id().to_owned(), text.hash());
            let key = KeyPolicy { id, hash, ends_epoch_s: None, grant };
            world.gateway.keys().change(&[KeyChange::Add(key)]);
            format!("X-Api-Key: {}\r\n", text.reveal())
        };
        let [first, second, other] = [give("shop"), give("shop"), give("bank")];
        for (lines, expected) in
            [(&first, 200), (&first, 429), (&second, same_consumer), (&other, 200)]
        {
            assert_eq!(status(&world.exchange(&get("/a", lines))), expected, "{key:?}");
        }
        // Who is nobody takes nothing from anyone.
        assert_eq!(status(&world.exchange(&get("/a", ""))), 401);
        assert_eq!(of(&world, "each").keys, 2 + u64::from(key == KeyPart::Key));
    }
}

#[test]
fn a_route_has_limits_and_a_cost_of_its_own() {
    let world = World::changed(|policy| {
        let costs = RatePolicy { count: Counted::Cost, ..limit("costs", window(10)) };
        policy.rates = vec![costs, RatePolicy { everywhere: false, ..limit("own", window(1)) }];
        let route =
            |path: &str, rates| RoutePolicy { rates, ..RoutePolicy::to_upstream(path, path, 0) };
        let own = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        policy.routes = vec![
            route("/dear", RouteRates { limits: None, cost: 4 }),
            route("/cheap", RouteRates::default()),
            route("/free", RouteRates { limits: own(&[]), cost: 1 }),
            route("/own", RouteRates { limits: own(&["own"]), cost: 1 }),
        ];
    });
    for (path, expected, left) in [
        ("/dear", 200, Some("6")),
        ("/dear", 200, Some("2")),
        ("/dear", 429, Some("2")),
        ("/cheap", 200, Some("1")),
        ("/free", 200, None),
        ("/free", 200, None),
        ("/own", 200, Some("0")),
        ("/own", 429, Some("0")),
        ("/cheap", 200, Some("0")),
        ("/cheap", 429, Some("0")),
        // What holds everywhere holds for what is not there.
        ("/nowhere", 429, None),
    ] {
        let answer = world.exchange(&get(path, ""));
        assert_eq!(status(&answer), expected, "{path}: {answer}");
        if let Some(left) = left {
            let said = header(&answer, "ratelimit").unwrap();
            assert!(said.contains(&format!(";r={left};")), "{path}: {said}");
        }
    }
}

#[test]
fn failures_are_counted_when_they_are_known() {
    let failures = RatePolicy { count: Counted::Failures, ..limit("failures", window(2)) };
    let world = World::changed(|policy| {
        policy.rates = vec![failures];
        policy.routes = vec![RoutePolicy::to_upstream("a", "/a", 0)];
    });
    for (path, expected) in [
        ("/a", 200),
        ("/a", 200),
        ("/none", 404),
        ("/a", 200),
        ("/none", 404),
        ("/none", 429),
        ("/a", 429),
    ] {
        assert_eq!(status(&world.exchange(&get(path, ""))), expected, "{path}");
    }
    counted(&world, "failures", 5, 2, 0);
}

#[test]
fn bytes_are_counted_both_ways() {
    // An answer is `hello`.
    let bytes = RatePolicy { count: Counted::Bytes, ..limit("bytes", window(20)) };
    let world = world(vec![bytes]);
    let post =
        "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\n0123456789";
    for (request, expected) in [(post, 200), (&get("/a", ""), 200), (&get("/a", ""), 429)] {
        assert_eq!(status(&world.exchange(request)), expected, "{request}");
    }
    let answer = world.exchange(&get("/a", ""));
    assert_eq!(
        header(&answer, "ratelimit-policy"),
        Some("\"bytes\";q=20;qu=\"content-bytes\";w=2592000")
    );
}

#[test]
fn what_is_in_flight_is_counted_until_it_ends() {
    let world = world(vec![limit("two", RateAlgorithm::Concurrency { limit: 2 })]);
    let mut held = [world.connect(), world.connect()];
    for client in &mut held {
        client.write_all(get("/held", "").as_bytes()).unwrap();
        world.upstream.wait_for_request();
        world.upstream.seen();
    }
    let answer = world.exchange(&get("/a", ""));
    assert_eq!(status(&answer), 429, "{answer}");
    assert_eq!(header(&answer, "retry-after"), Some("1"));
    let policy = "\"two\";q=2;qu=\"concurrent-requests\"";
    assert_eq!(header(&answer, "ratelimit-policy"), Some(policy));
    // One that leaves in the middle gives back what it held.
    let [left, mut kept] = held;
    drop(left);
    let end = Instant::now() + PATIENCE;
    while status(&world.exchange(&get("/a", ""))) != 200 {
        assert!(Instant::now() < end, "what was left is held on to");
    }
    world.upstream.release();
    assert_eq!(status(&read_answer(&mut kept)), 200);
    drop(kept);
    world.settled();
    for _ in 0..3 {
        assert_eq!(status(&world.exchange(&get("/a", ""))), 200);
    }
}

#[test]
fn a_leaky_bucket_lets_them_wait_for_their_turn() {
    let leaky = RateAlgorithm::LeakyBucket { limit: 10, window_s: 1, wait_max_ms: 250 };
    let world = world(vec![limit("even", leaky)]);
    let begin = Instant::now();
    let mut clients: Vec<_> = (0..6).map(|_| world.connect()).collect();
    for client in &mut clients {
        client.write_all(get("/a", "").as_bytes()).unwrap();
    }
    let mut passed = 0;
    for client in &mut clients {
        passed += u32::from(status(&read_answer(client)) == 200);
    }
    // At 0, 100 and 200 ms; more where the requests came slowly.
    assert!((3..6).contains(&passed), "{passed}");
    let least = Duration::from_millis(100) * (passed - 1);
    assert!(begin.elapsed() >= least, "{:?} for {passed}", begin.elapsed());
    drop(clients);
    let row = of(&world, "even");
    assert_eq!(row.allowed, u64::from(passed));
    assert_eq!(row.refused, 6 - u64::from(passed));
    assert!(row.delayed >= 2, "{row:?}");
}

#[test]
fn where_there_is_no_limit_nothing_is_said_of_one() {
    let world = World::new();
    let answer = world.exchange(&get("/a", ""));
    assert_eq!(header(&answer, "ratelimit-policy"), None);
    assert_eq!(world.settled().rates, []);
}

/// A client that heeds what it is told is never refused.
#[test]
fn a_client_that_heeds_the_headers_is_never_refused() {
    let window = RateAlgorithm::FixedWindow { limit: 4, window_s: 1 };
    let world = world(vec![limit("even", window)]);
    let mut client = world.connect();
    let begin = Instant::now();
    for _ in 0..10 {
        client.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let answer = read_answer(&mut client);
        assert_eq!(status(&answer), 200, "{answer}");
        let said = header(&answer, "ratelimit").unwrap();
        let number = |key: &str| -> u64 {
            let found = said.split(';').find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
            found.map_or(0, |number| number.parse().unwrap())
        };
        if number("r") == 0 {
            std::thread::sleep(Duration::from_secs(number("t")));
        }
    }
    // Four in each second: ten are in three windows at least, and the one in the middle is whole.
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    drop(client);
    counted(&world, "even", 10, 0, 0);
}

/// Who asks, from where: whether the second of two is refused, as both count as one.
#[test]
fn claims_networks_and_addresses_are_told_apart() {
    let claims = |value: serde_json::Value| Identity {
        consumer: "shop".into(),
        scopes: [].into(),
        roles: [].into(),
        claims: value.as_object().cloned().map(Arc::new),
        method: Method::Jwt,
        credential: "1".into(),
    };
    let tenant = |id: serde_json::Value| Some(claims(json!({"tenant": {"id": id}})));
    let claim = || KeyPart::Claim("tenant.id".to_owned());
    let v4 = "192.0.2.1";
    for (key, [first, second], [from, then], same) in [
        (claim(), [tenant(json!(7)), tenant(json!(7))], [v4, "198.51.100.1"], true),
        (claim(), [tenant(json!(7)), tenant(json!(8))], [v4, v4], false),
        // What a claim says is told apart by its kind too.
        (claim(), [tenant(json!(7)), tenant(json!("7"))], [v4, v4], false),
        (claim(), [tenant(json!(7)), Some(claims(json!({})))], [v4, v4], false),
        (claim(), [None, Some(claims(json!({})))], [v4, v4], true),
        (KeyPart::Address, [None, None], [v4, "192.0.2.2"], false),
        (KeyPart::Address, [None, None], [v4, "::ffff:192.0.2.1"], true),
        (KeyPart::Address, [None, None], ["2001:db8::1", "2001:db8::2"], true),
        (KeyPart::Address, [None, None], ["2001:db8::1", "2001:db8:0:1::1"], false),
        (KeyPart::Network, [None, None], [v4, "192.0.2.2"], true),
        (KeyPart::Network, [None, None], [v4, "192.0.3.1"], false),
        (KeyPart::Network, [None, None], ["2001:db8::1", "2001:db8:0:1::1"], true),
        (KeyPart::Network, [None, None], ["2001:db8::1", "2001:db8:1::1"], false),
    ] {
        let when = if key.needs_identity() { When::Late } else { When::Early };
        let policy = RatePolicy { key: vec![key.clone()], ..limit("one", window(1)) };
        let rates = Rates::of(&[policy], [&RouteRates::default()].into_iter(), 1).unwrap();
        let (rates, headers) = (Arc::new(rates), http::HeaderMap::new());
        let passes = |identity: &Option<Identity>, address: &str| {
            let (address, identity) = (address.parse().unwrap(), identity.as_ref());
            let asked =
                Asked { address, country: None, route: Some("r"), headers: &headers, identity };
            rates.admit(when, Some(0), &asked, &mut Due::default()).is_ok()
        };
        assert!(passes(&first, from), "{key:?}");
        assert_eq!(passes(&second, then), !same, "{key:?}: {first:?} {second:?} {from} {then}");
    }
}
