//! Requests of one route over several upstreams, and what is counted of it.

use std::{
    io::Write,
    thread,
    time::{Duration, Instant},
};

use firewall_gateway::{
    figures::{Figures, MirrorFigures},
    policy::{
        CanaryPolicy, ForwardPolicy, MirrorPolicy, OverridePolicy, RouteAction, RoutePolicy,
        SharePolicy, Source, Sticky,
    },
};

use crate::{
    upstream::Upstream,
    world::{Client, PATIENCE, World, header, read_answer, status},
};

fn rollout(policy: ForwardPolicy) -> (World, [Upstream; 2]) {
    World::routed(vec![RoutePolicy {
        action: RouteAction::Forward(policy),
        ..RoutePolicy::to_upstream("all", "/*", 0)
    }])
}

fn shares(weights: [u32; 2]) -> Vec<SharePolicy> {
    let share = |(upstream, weight)| SharePolicy { upstream, weight };
    weights.into_iter().enumerate().map(share).collect()
}

fn get(client: &mut Client, path: &str, headers: &str) -> u16 {
    client
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes())
        .unwrap();
    status(&read_answer(client))
}

/// Requests and errors of each upstream of the route.
fn splits(figures: &Figures) -> Vec<(&str, u64, u64)> {
    let splits = figures.rollouts.splits.iter();
    splits.map(|one| (one.upstream.as_str(), one.requests, one.errors)).collect()
}

#[test]
fn a_split_gives_each_its_weight() {
    let (world, [second, _]) =
        rollout(ForwardPolicy { shares: shares([90, 10]), ..ForwardPolicy::to(0) });
    let mut client = world.connect();
    for _ in 0..300 {
        assert_eq!(get(&mut client, "/", ""), 200);
    }
    drop(client);
    assert_eq!((world.upstream.seen().len(), second.seen().len()), (270, 30));
    assert_eq!(splits(&world.settled()), [("first", 270, 0), ("second", 30, 0)]);
}

#[test]
fn a_request_may_say_where_it_goes() {
    let named = |source, value: &str, upstream| OverridePolicy {
        source,
        value: value.to_owned(),
        upstream,
    };
    let (world, [second, third]) = rollout(ForwardPolicy {
        overrides: vec![
            named(Source::Header("x-canary".to_owned()), "always", 1),
            named(Source::Cookie("canary".to_owned()), "third", 2),
        ],
        ..ForwardPolicy::to(0)
    });
    let mut client = world.connect();
    for (headers, expected) in [
        ("", [1, 0, 0]),
        ("X-Canary: always\r\n", [0, 1, 0]),
        ("X-Canary: never\r\n", [1, 0, 0]),
        ("Cookie: a=b; canary=third\r\n", [0, 0, 1]),
        ("X-Canary: always\r\nCookie: canary=third\r\n", [0, 1, 0]),
    ] {
        assert_eq!(get(&mut client, "/", headers), 200);
        let seen = [&world.upstream, &second, &third].map(|upstream| upstream.seen().len());
        assert_eq!(seen, expected, "{headers}");
    }
}

#[test]
fn a_client_stays_where_it_is() {
    let (world, [second, _]) = rollout(ForwardPolicy {
        shares: shares([50, 50]),
        sticky: Some(Sticky::Source(Source::Cookie("session".to_owned()))),
        ..ForwardPolicy::to(0)
    });
    let mut client = world.connect();
    let mut clients = [0; 2];
    for session in 0..40 {
        for _ in 0..5 {
            assert_eq!(get(&mut client, "/", &format!("Cookie: session={session}\r\n")), 200);
        }
        let seen = [world.upstream.seen().len(), second.seen().len()];
        assert!(seen == [5, 0] || seen == [0, 5], "session {session}: {seen:?}");
        clients[usize::from(seen == [0, 5])] += 1;
    }
    println!("40 sessions over two halves: {clients:?}");
    assert!(clients.iter().all(|count| *count > 8), "{clients:?}");
}

#[test]
fn a_copy_goes_to_the_mirror() {
    let mirror = MirrorPolicy { upstream: 1, percent: 100, body_bytes_max: 8 };
    let (world, [second, _]) =
        rollout(ForwardPolicy { mirror: Some(mirror), ..ForwardPolicy::to(0) });
    let mut client = world.connect();
    for (request, copied) in [
        ("GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n12345678", true),
        ("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123456789", false),
        (
            "POST /p HTTP/1.1\r\nHost: a\r\nX-Seawall-Mirror: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            true,
        ),
    ] {
        client.write_all(request.as_bytes()).unwrap();
        assert_eq!(status(&read_answer(&mut client)), 200, "{request}");
        let ours = world.upstream.seen().remove(0);
        assert_eq!(header(&ours, "x-seawall-mirror"), None, "{ours}");
        if copied {
            second.wait_for_request();
            let theirs = second.seen().remove(0);
            assert_eq!(header(&theirs, "x-seawall-mirror"), Some("1"), "{theirs}");
            assert_eq!(theirs.lines().next(), ours.lines().next());
            assert_eq!(header(&theirs, "x-request-id"), header(&ours, "x-request-id"));
            let body = request.split("\r\n\r\n").nth(1).unwrap();
            assert!(theirs.ends_with(if body.contains("abc") { "abc" } else { body }), "{theirs}");
        }
    }
    wait_for(&world, |mirror| (mirror.ok, mirror.errors, mirror.skipped) == (3, 0, 1));
    assert_eq!(second.seen(), Vec::<String>::new());
}

#[test]
fn a_mirror_that_hangs_delays_nobody() {
    let mirror = MirrorPolicy { upstream: 1, percent: 100, body_bytes_max: 0 };
    let (world, [second, _]) =
        rollout(ForwardPolicy { mirror: Some(mirror), ..ForwardPolicy::to(0) });
    world.upstream.release();
    let start = Instant::now();
    let mut client = world.connect();
    for _ in 0..70 {
        // The mirror holds its answer until it is told to let it go.
        assert_eq!(get(&mut client, "/held", ""), 200);
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    // As many as may be in flight; the rest was not sent.
    wait_for(&world, |mirror| mirror.skipped == 70 - 64);
    second.release();
    wait_for(&world, |mirror| (mirror.ok + mirror.errors, mirror.skipped) == (64, 6));
}

#[test]
fn a_part_of_the_requests_is_mirrored() {
    let mirror = MirrorPolicy { upstream: 1, percent: 25, body_bytes_max: 0 };
    let (world, _others) = rollout(ForwardPolicy { mirror: Some(mirror), ..ForwardPolicy::to(0) });
    let mut client = world.connect();
    for _ in 0..100 {
        assert_eq!(get(&mut client, "/", ""), 200);
    }
    wait_for(&world, |mirror| mirror.ok + mirror.skipped == 25);
}

#[test]
fn a_canary_goes_back_by_itself() {
    let canary = CanaryPolicy {
        upstream: 1,
        percent: 20,
        error_percent_max: 10,
        requests_min: 10,
        window_s: 60,
    };
    let (world, [second, _]) =
        rollout(ForwardPolicy { canary: Some(canary), ..ForwardPolicy::to(0) });
    let stands = |world: &World| {
        let figures = world.gateway.figures();
        let canary = figures.rollouts.canaries[0].clone();
        assert_eq!((canary.route.as_str(), canary.upstream.as_str()), ("all", "second"));
        (canary.percent, canary.rollbacks)
    };
    let mut client = world.connect();
    // 100 requests: 20 to the canary, and all is well.
    for _ in 0..100 {
        assert_eq!(get(&mut client, "/", ""), 200);
    }
    assert_eq!((world.upstream.seen().len(), second.seen().len()), (80, 20));
    assert_eq!(stands(&world), (20, 0));
    // Errors of the stable upstream say nothing about the canary; its own do. With 20 well ones in
    // the window, the third error of 23 is the first over 10 %.
    let errors = |client: &mut Client, second: &Upstream| {
        let mut seen = 0;
        for _ in 0..100 {
            assert_eq!(get(client, "/error", ""), 500);
            seen += second.seen().len();
        }
        seen
    };
    assert_eq!(errors(&mut client, &second), 3);
    assert_eq!(stands(&world), (0, 1));
    for _ in 0..50 {
        assert_eq!(get(&mut client, "/", ""), 200);
    }
    assert_eq!(second.seen().len(), 0);
    drop(client);
    let figures = world.settled();
    assert_eq!(splits(&figures), [("first", 80 + 97 + 50, 97), ("second", 23, 3)]);
}

fn wait_for(world: &World, reached: impl Fn(&MirrorFigures) -> bool) {
    let end = Instant::now() + PATIENCE;
    loop {
        let figures = world.gateway.figures();
        let mirror = &figures.rollouts.mirrors[0];
        assert_eq!((mirror.route.as_str(), mirror.upstream.as_str()), ("all", "second"));
        if reached(mirror) {
            return;
        }
        assert!(Instant::now() < end, "{mirror:?}");
        thread::sleep(Duration::from_millis(5));
    }
}
