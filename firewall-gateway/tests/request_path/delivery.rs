//! Three backends and one of them fails: what the client sees, and that it comes back by itself. And the
//! rules by which a request finds its backend.

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    ops::Deref,
    thread,
    time::{Duration, Instant},
};

use firewall_gateway::{
    figures::{BackendStanding, Figures, UpstreamStanding},
    limits::Limits,
    listener::bind_listeners,
    policy::{
        BackendPolicy, BalancePolicy, BreakerPolicy, DeliveryPolicy, EjectionPolicy, HashKey,
        HealthPolicy, RetryPolicy, SheddingPolicy, StickyCookiePolicy,
    },
    server::{Gateway, serve},
};

use crate::{
    server::{Mode, Server},
    world::{
        Client, PATIENCE, connect, gateway_policy, header, label, read_answer, read_head, status,
        upstream_policy,
    },
};

/// What clients see when one of three backends fails under the load of four of them: no failure at all.
#[test]
fn one_of_three_fails_and_no_safe_request_does() {
    for (mode, method) in [
        (Mode::Gone, "GET"),
        (Mode::Gone, "HEAD"),
        (Mode::Closing, "GET"),
        (Mode::Hung, "GET"),
        (Mode::Hung, "OPTIONS"),
        (Mode::Failing, "GET"),
        (Mode::Failing, "HEAD"),
        (Mode::Slow, "GET"),
    ] {
        let world = World::new(3, resilient());
        let sent = world.each(4, 25, method, |_| {});
        assert_eq!(sent, [(200, 100)], "{mode:?}: while all are well");
        let sent = world.each(4, 75, method, |count| {
            if count == 10 {
                world.servers[1].be(mode);
            }
        });
        assert_eq!(sent, [(200, 300)], "{mode:?}: no {method} fails");
        let before = world.servers[1].served();
        world.servers[1].be(Mode::Well);
        world.until(|| {
            assert_eq!(world.get(), 200, "{mode:?}: while it comes back");
            world.servers[1].served() > before + 5 && world.backend(1).state == "up"
        });
        world.until(|| world.backend(1).in_flight == 0);
        let backend = world.backend(1);
        println!("{mode:?}: {backend:?}, {:?}", world.upstream());
        let ejected = backend.ejections > 0;
        assert_eq!(ejected, mode != Mode::Slow, "{mode:?}: {backend:?}");
    }
}

/// The same for requests that may not be sent twice: those are lost that are in flight when it begins, those
/// that eject the backend, and one for each trial that fails.
#[test]
fn one_of_three_fails_and_few_posts_do() {
    const IN_FLIGHT: u64 = 4;
    const EJECT: u64 = 3;
    const TRIALS: u64 = 3;
    for (mode, lost_max) in [
        (Mode::Gone, IN_FLIGHT),
        (Mode::Closing, IN_FLIGHT + EJECT + TRIALS),
        (Mode::Hung, IN_FLIGHT + EJECT + TRIALS),
        (Mode::Failing, IN_FLIGHT + EJECT + TRIALS),
        (Mode::Slow, 0),
    ] {
        let world = World::new(3, resilient());
        let sent = world.each(IN_FLIGHT, 75, "POST", |count| {
            if count == 10 {
                world.servers[1].be(mode);
            }
        });
        let lost: u64 = sent.iter().filter(|(status, _)| *status != 200).map(|one| one.1).sum();
        println!("{mode:?}: {sent:?}, {lost} of 300 POSTs lost, at most {lost_max}");
        assert!(lost <= lost_max, "{mode:?}: {sent:?}");
        world.servers[1].be(Mode::Well);
        let before = world.servers[1].served();
        world.until(|| {
            assert_eq!(world.each(1, 1, "POST", |_| {}), [(200, 1)], "{mode:?}: it comes back");
            world.servers[1].served() > before + 5 && world.backend(1).state == "up"
        });
    }
}

#[test]
fn a_post_is_lost_at_most_until_the_backend_is_ejected() {
    // A POST that may have reached a backend is not sent twice. One after the other, so many are lost:
    // those that eject the backend, and one for each trial that fails.
    for (mode, lost_max) in
        [(Mode::Gone, 0), (Mode::Closing, 3 + 2), (Mode::Hung, 3 + 2), (Mode::Failing, 3 + 2)]
    {
        let world = World::new(3, resilient());
        world.each(1, 6, "GET", |_| {});
        world.servers[1].be(mode);
        // What is on its way when a backend dies may be lost; nothing is.
        thread::sleep(Duration::from_millis(50));
        let sent = world.each(1, 60, "POST", |_| {});
        let lost: u64 = sent.iter().filter(|(status, _)| *status != 200).map(|one| one.1).sum();
        println!("{mode:?}: {sent:?}, {lost} of 60 POSTs lost, at most {lost_max}");
        assert!(lost <= lost_max, "{mode:?}: {sent:?}");
    }
}

#[test]
fn checks_take_a_backend_out_before_a_request_meets_it() {
    let delivery = DeliveryPolicy {
        health: Some(HealthPolicy {
            path: "/health".to_owned(),
            interval_ms: 20,
            timeout_ms: 100,
            healthy_after: 2,
            unhealthy_after: 2,
            statuses: vec![200],
        }),
        ..DeliveryPolicy::default()
    };
    for mode in [Mode::Gone, Mode::Hung, Mode::Failing, Mode::Closing] {
        let world = World::new(3, delivery.clone());
        world.servers[2].be(mode);
        world.until(|| world.backend(2).state == "unwell");
        let sent = world.each(1, 30, "POST", |_| {});
        assert_eq!(sent, [(200, 30)], "{mode:?}: none of them meets it");
        let backend = world.backend(2);
        assert_eq!((backend.requests, backend.failures), (0, 0), "{mode:?}: {backend:?}");
        assert!(backend.checks_failed >= 2, "{backend:?}");
        world.servers[2].be(Mode::Well);
        world.until(|| world.backend(2).state == "up");
        world.each(1, 6, "POST", |_| {});
        assert!(world.backend(2).requests > 0 && world.backend(2).checks_ok >= 2);
    }
}

#[test]
fn where_none_is_well_all_are_tried() {
    let health = HealthPolicy {
        path: "/health".to_owned(),
        interval_ms: 20,
        timeout_ms: 100,
        healthy_after: 1,
        unhealthy_after: 1,
        // Checks that cannot go well.
        statuses: vec![204],
    };
    let world = World::new(2, DeliveryPolicy { health: Some(health), ..DeliveryPolicy::default() });
    world.until(|| (0..2).all(|place| world.backend(place).state == "unwell"));
    assert_eq!(world.each(1, 10, "GET", |_| {}), [(200, 10)]);
    assert_eq!(world.upstream().unwell_tried, 10);
}

#[test]
fn a_budget_bounds_the_retries() {
    let retries = RetryPolicy {
        attempts_max: 2,
        statuses: vec![500],
        budget_percent: 10,
        budget_per_second: 0,
    };
    let ejection = EjectionPolicy { failures: 0, ..EjectionPolicy::default() };
    let world = World::new(2, DeliveryPolicy { retries, ejection, ..DeliveryPolicy::default() });
    world.servers[0].be(Mode::Failing);
    world.servers[1].be(Mode::Failing);
    assert_eq!(world.each(1, 100, "GET", |_| {}), [(500, 100)]);
    let upstream = world.upstream();
    assert_eq!((upstream.retries, upstream.retries_refused), (10, 90), "{upstream:?}");
    let asked: u64 = (0..2).map(|place| world.backend(place).requests).sum();
    assert_eq!(asked, 110);
}

#[test]
fn a_breaker_opens_and_closes_by_itself() {
    let breaker =
        BreakerPolicy { failures_percent: 50, requests_min: 10, window_ms: 10_000, open_ms: 200 };
    let retries = RetryPolicy { attempts_max: 0, ..RetryPolicy::default() };
    let ejection = EjectionPolicy { failures: 0, ..EjectionPolicy::default() };
    let world = World::new(
        1,
        DeliveryPolicy { breaker: Some(breaker), retries, ejection, ..DeliveryPolicy::default() },
    );
    world.servers[0].be(Mode::Failing);
    assert_eq!(world.each(1, 10, "GET", |_| {}), [(500, 10)]);
    let mut client = world.connect();
    let answer = ask(&mut client, "GET", "");
    assert_eq!((status(&answer), header(&answer, "retry-after")), (503, Some("1")), "{answer}");
    assert_eq!(world.backend(0).requests, 10, "it was not sent");
    assert_eq!(label(&world.gateway.figures().upstream_failures, "breaker_open"), 1);
    assert_eq!(world.upstream().breaker_open, 1);
    world.servers[0].be(Mode::Well);
    world.until(|| world.get() == 200);
    let upstream = world.upstream();
    assert_eq!((upstream.breaker_open, upstream.breaker_opened), (0, 1), "{upstream:?}");
}

#[test]
fn what_is_too_much_is_told_to_come_back() {
    let shedding = SheddingPolicy { requests_max: 1, queue_max: 1, queue_timeout_ms: 300 };
    let world = World::new(1, DeliveryPolicy { shedding, ..DeliveryPolicy::default() });
    world.servers[0].be(Mode::Hung);
    let mut held = world.connect();
    held.write_all(request("GET", "").as_bytes()).unwrap();
    world.until(|| world.upstream().in_flight == 1);
    thread::scope(|scope| {
        let queued = scope.spawn(|| ask(&mut world.connect(), "GET", ""));
        world.until(|| world.upstream().waiting == 1);
        let begun = Instant::now();
        let full = ask(&mut world.connect(), "GET", "");
        assert!(begun.elapsed() < Duration::from_millis(250), "refused at once");
        for answer in [full, queued.join().unwrap()] {
            assert_eq!((status(&answer), header(&answer, "retry-after")), (503, Some("1")));
        }
    });
    let upstream = world.upstream();
    assert_eq!((upstream.queued, upstream.queue_full, upstream.queue_timeouts), (1, 1, 1));
    let failures = world.gateway.figures().upstream_failures;
    assert_eq!((label(&failures, "queue_full"), label(&failures, "queue_timeout")), (1, 1));
    // One that waits is served when the one before it is done.
    thread::scope(|scope| {
        let queued = scope.spawn(|| ask(&mut world.connect(), "GET", ""));
        world.until(|| world.upstream().waiting == 1);
        world.servers[0].be(Mode::Well);
        assert_eq!(status(&queued.join().unwrap()), 200);
    });
    assert_eq!(status(&read_answer(&mut held)), 200);
    world.until(|| world.upstream().in_flight == 0);
}

#[test]
fn a_quota_is_filled_before_the_next_begins() {
    let shedding = SheddingPolicy { queue_max: 0, ..SheddingPolicy::default() };
    let world = World::with_backends(
        3,
        DeliveryPolicy { balance: BalancePolicy::Quota, shedding, ..DeliveryPolicy::default() },
        |place, backend| backend.quota = [2, 3, 1][place],
    );
    for server in &world.servers {
        server.be(Mode::Hung);
    }
    let mut held = Vec::new();
    for expected in [[1, 0, 0], [2, 0, 0], [2, 1, 0], [2, 2, 0], [2, 3, 0], [2, 3, 1]] {
        let mut client = world.connect();
        client.write_all(request("GET", "").as_bytes()).unwrap();
        held.push(client);
        world.until(|| world.in_flight() == expected);
    }
    assert_eq!(world.get(), 503, "all are full, and nothing may wait");
    for server in &world.servers {
        server.be(Mode::Well);
    }
    for client in &mut held {
        assert_eq!(status(&read_answer(client)), 200);
    }
    world.until(|| world.in_flight() == [0, 0, 0]);
    assert_eq!(world.each(1, 20, "GET", |_| {}), [(200, 20)]);
    assert_eq!(world.backend(0).requests, 22, "one at a time needs no other");
}

#[test]
fn a_cookie_leads_back_and_no_forgery_leads_anywhere() {
    let sticky = StickyCookiePolicy { cookie: "lb".to_owned(), key_hex: "5a".repeat(32) };
    let delivery = DeliveryPolicy { sticky: Some(sticky), ..DeliveryPolicy::default() };
    let world = World::new(3, delivery);
    let mut client = world.connect();
    for _ in 0..3 {
        let answer = ask(&mut client, "GET", "");
        let cookie = header(&answer, "set-cookie").unwrap();
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Lax");
        let own = body(&answer);
        assert!(!cookie.contains(&own), "{cookie}: it names no address");
        for _ in 0..50 {
            let answer = ask(&mut client, "GET", &format!("Cookie: a=b; {pair}\r\n"));
            assert_eq!((body(&answer), header(&answer, "set-cookie")), (own.clone(), None));
        }
    }
    for forged in ["lb=00112233445566778899aabbccddeeff", "lb=", "lb=127.0.0.1:1", "xlb=1"] {
        let answer = ask(&mut client, "GET", &format!("Cookie: {forged}\r\n"));
        assert!(header(&answer, "set-cookie").is_some(), "{forged}: it gets one of its own");
    }
    // Its backend drains: it is led to another, and stays there.
    let answer = ask(&mut client, "GET", "");
    let own: SocketAddr = body(&answer).parse().unwrap();
    let pair = header(&answer, "set-cookie").unwrap().split(';').next().unwrap().to_owned();
    world.set(|backend| backend.draining = backend.address == own);
    world.until(|| {
        let answer = ask(&mut client, "GET", &format!("Cookie: {pair}\r\n"));
        let other = body(&answer) != own.to_string();
        assert_eq!(other, header(&answer, "set-cookie").is_some());
        other
    });
}

#[test]
fn a_key_stays_with_its_backend() {
    let key = HashKey::Header("x-tenant".to_owned());
    let balance = BalancePolicy::Hash(key);
    let world = World::new(3, DeliveryPolicy { balance, ..DeliveryPolicy::default() });
    let mut client = world.connect();
    let mut seen = Vec::new();
    for tenant in 0..12 {
        let line = format!("X-Tenant: {tenant}\r\n");
        let own = body(&ask(&mut client, "GET", &line));
        for _ in 0..5 {
            assert_eq!(body(&ask(&mut client, "GET", &line)), own, "{tenant}");
        }
        seen.push(own);
    }
    seen.sort();
    seen.dedup();
    assert!(seen.len() > 1, "not all of twelve at one");
}

#[test]
fn backends_come_and_go_unnoticed() {
    let world = World::new(3, DeliveryPolicy::default());
    let sent = world.each(4, 100, "GET", |count| match count {
        20 => world.set(|backend| backend.draining = backend.address == world.servers[0].address),
        40 => {
            let left: Vec<BackendPolicy> = world.servers[1..2]
                .iter()
                .map(|server| BackendPolicy::new(server.address))
                .collect();
            assert!(world.gateway.set_backends("api", &left));
        }
        60 => world.set(|_| {}),
        _ => {}
    });
    assert_eq!(sent, [(200, 400)]);
    assert!(!world.gateway.set_backends("other", &[]), "no such upstream");
    // What is in flight to a backend that drains finishes; it gets nothing new meanwhile.
    world.servers[0].be(Mode::Hung);
    let mut held = Vec::new();
    while world.backend(0).in_flight == 0 {
        let mut client = world.connect();
        client.write_all(request("GET", "").as_bytes()).unwrap();
        held.push(client);
        thread::sleep(Duration::from_millis(20));
    }
    world.set(|backend| backend.draining = backend.address == world.servers[0].address);
    let before = world.backend(0);
    assert_eq!((before.state.as_str(), before.in_flight), ("draining", 1));
    assert_eq!(world.each(1, 30, "GET", |_| {}), [(200, 30)]);
    assert_eq!(world.backend(0).requests, before.requests);
    world.servers[0].be(Mode::Well);
    for client in &mut held {
        assert_eq!(status(&read_answer(client)), 200);
    }
    world.until(|| world.backend(0).in_flight == 0);
    // None is left.
    world.set(|backend| backend.draining = true);
    assert_eq!(world.get(), 503);
    assert_eq!(label(&world.gateway.figures().upstream_failures, "no_backend"), 1);
}

#[test]
fn waits_of_an_upstream_stand_before_the_limits() {
    for (delivery, expected) in [
        (DeliveryPolicy { response_timeout_ms: Some(100), ..once() }, 504),
        (DeliveryPolicy { request_timeout_ms: Some(100), ..once() }, 504),
    ] {
        let world = World::new(1, delivery);
        world.servers[0].be(Mode::Hung);
        let begun = Instant::now();
        assert_eq!(world.get(), expected);
        let spent = begun.elapsed();
        assert!(spent >= Duration::from_millis(100) && spent < Duration::from_secs(5), "{spent:?}");
        world.servers[0].be(Mode::Well);
    }
}

/// How a backend stands, and what was counted of it.
#[derive(Debug)]
pub struct Shown {
    pub standing: BackendStanding,
    pub requests: u64,
    pub failures: u64,
}

impl Deref for Shown {
    type Target = BackendStanding;

    fn deref(&self) -> &BackendStanding {
        &self.standing
    }
}

pub struct World {
    pub gateway: Gateway,
    address: SocketAddr,
    certificate_pem: String,
    pub servers: Vec<Server>,
}

impl World {
    pub fn new(servers: usize, delivery: DeliveryPolicy) -> World {
        World::with_backends(servers, delivery, |_, _| {})
    }

    fn with_backends(
        servers: usize,
        delivery: DeliveryPolicy,
        change: impl Fn(usize, &mut BackendPolicy),
    ) -> World {
        let servers: Vec<Server> = (0..servers).map(|_| Server::start()).collect();
        let backend = |(place, server): (usize, &Server)| {
            let mut backend = BackendPolicy::new(server.address);
            change(place, &mut backend);
            backend
        };
        let mut upstream = upstream_policy(servers[0].address, "", 64);
        upstream.tls = None;
        upstream.backends = servers.iter().enumerate().map(backend).collect();
        upstream.delivery = delivery;
        let policy = gateway_policy(upstream, Limits::default());
        // Two threads: what they share is exact.
        let listeners =
            bind_listeners(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], 2, Vec::new()).unwrap();
        let address = listeners[0].shape.address;
        let gateway = serve(&policy, listeners).unwrap();
        let certificate_pem = policy.tls.certificates[0].chain_pem.clone();
        World { gateway, address, certificate_pem, servers }
    }

    pub fn connect(&self) -> Client {
        connect(self.address, &self.certificate_pem)
    }

    pub fn get(&self) -> u16 {
        status(&ask(&mut self.connect(), "GET", ""))
    }

    /// So many requests from each of so many clients: how many answers there were of each status.
    pub fn each(
        &self,
        clients: u64,
        requests: u64,
        method: &str,
        before: impl Fn(u64) + Sync,
    ) -> Vec<(u16, u64)> {
        let before = &before;
        let statuses: Vec<u16> = thread::scope(|scope| {
            let threads: Vec<_> = (0..clients)
                .map(|number| {
                    scope.spawn(move || {
                        let mut client = self.connect();
                        let one = |count| {
                            if number == 0 {
                                before(count);
                            }
                            status(&ask(&mut client, method, ""))
                        };
                        (0..requests).map(one).collect::<Vec<u16>>()
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let mut counts: Vec<(u16, u64)> = Vec::new();
        for status in statuses {
            match counts.iter_mut().find(|one| one.0 == status) {
                Some(one) => one.1 += 1,
                None => counts.push((status, 1)),
            }
        }
        counts
    }

    fn set(&self, change: impl Fn(&mut BackendPolicy)) {
        let backends = self.servers.iter().map(|server| {
            let mut backend = BackendPolicy::new(server.address);
            change(&mut backend);
            backend
        });
        assert!(self.gateway.set_backends("api", &backends.collect::<Vec<_>>()));
    }

    pub fn backend(&self, place: usize) -> Shown {
        let address = self.servers[place].address.to_string();
        let Figures { standings, backends, .. } = self.gateway.figures();
        let standing = standings.into_iter().find(|one| one.backend == address).unwrap();
        let counted = backends.iter().find(|one| one.backend == address);
        let (requests, failures) =
            counted.map_or((0, 0), |one| (one.requests, one.failures + one.server_errors));
        Shown { standing, requests, failures }
    }

    pub fn upstream(&self) -> UpstreamStanding {
        self.gateway.figures().upstreams.remove(0)
    }

    pub fn in_flight(&self) -> Vec<u64> {
        (0..self.servers.len()).map(|place| self.backend(place).in_flight).collect()
    }

    pub fn until(&self, mut is_so: impl FnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < end, "not in time: {:?}", self.gateway.figures());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn resilient() -> DeliveryPolicy {
    DeliveryPolicy {
        ejection: EjectionPolicy { failures: 3, first_ms: 200, max_ms: 400, percent_max: 50 },
        retries: RetryPolicy { statuses: vec![500, 502, 503, 504], ..RetryPolicy::default() },
        response_timeout_ms: Some(200),
        request_timeout_ms: Some(2_000),
        ..DeliveryPolicy::default()
    }
}

fn once() -> DeliveryPolicy {
    let retries = RetryPolicy { attempts_max: 0, ..RetryPolicy::default() };
    DeliveryPolicy { retries, ..DeliveryPolicy::default() }
}

pub fn ask(client: &mut Client, method: &str, headers: &str) -> String {
    client.write_all(request(method, headers).as_bytes()).unwrap();
    if method == "HEAD" { read_head(client) } else { read_answer(client) }
}

fn request(method: &str, headers: &str) -> String {
    let body = if method == "POST" { "Content-Length: 5\r\n\r\nhello" } else { "\r\n" };
    format!("{method} / HTTP/1.1\r\nHost: a\r\n{headers}{body}")
}

fn body(answer: &str) -> String {
    answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned()
}
