//! `gateway.routes`.

use firewall_gateway::policy::{
    CanaryPolicy, ForwardPolicy, HeaderCondition, HeaderTest, MirrorPolicy, OverridePolicy,
    RouteAction, RouteLimits, RoutePolicy, SharePolicy, Source, Sticky,
};

use super::{LEAST, load};

/// A configuration with three upstreams and these routes; the first begins at 9:6.
fn config(routes: &str) -> String {
    let backend = |port: u16| format!("backends: [{{address: '127.0.0.1:{port}'}}]");
    format!(
        "{LEAST}gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
         upstreams: [{{name: api, {}}}, {{name: next, {}}}, {{name: old, {}}}]\n  routes:\n{routes}",
        backend(1),
        backend(2),
        backend(3),
    )
}

fn read(keys: &str) -> RoutePolicy {
    let config = load(&config(&format!("   - {{name: r, {keys}}}\n"))).expect("a configuration");
    config.gateway.expect("a gateway").routes.remove(0)
}

fn plain() -> RoutePolicy {
    RoutePolicy::to_upstream("r", "/a/{id}/*", 0)
}

const PATH: &str = "path: '/a/{id}/*'";

#[test]
fn every_key_acts() {
    assert_eq!(read(&format!("{PATH}, upstream: api")), plain());
    let header = |name: &str, test| HeaderCondition { name: name.into(), test };
    assert_eq!(
        read(&format!(
            "{PATH}, upstream: api, upgrades: [websocket], methods: [GET, POST], headers: [{{name: X-Version, value: '2'}}, \
             {{name: x-debug, present: true}}, {{name: X-Old, present: false}}], \
             limits: {{body_bytes_max: 1, body_timeout_ms: 2, body_gather_bytes: 3, \
             upstream_connect_timeout_ms: 4, upstream_response_timeout_ms: 5}}"
        )),
        RoutePolicy {
            upgrades: vec!["websocket".into()],
            methods: vec!["GET".into(), "POST".into()],
            headers: vec![
                header("x-version", HeaderTest::Value("2".into())),
                header("x-debug", HeaderTest::Present),
                header("x-old", HeaderTest::Absent),
            ],
            limits: RouteLimits {
                body_bytes_max: Some(1),
                body_timeout_ms: Some(2),
                body_gather_bytes: Some(3),
                upstream_connect_timeout_ms: Some(4),
                upstream_response_timeout_ms: Some(5),
            },
            ..plain()
        }
    );
    for (keys, action) in [
        (
            "redirect: {to: 'https://new.example/{id}/*', status: 302}",
            RouteAction::Redirect { to: "https://new.example/{id}/*".into(), status: 302 },
        ),
        ("redirect: {to: /b}", RouteAction::Redirect { to: "/b".into(), status: 308 }),
        (
            "maintenance: {retry_after_s: 60, detail: Soon.}",
            RouteAction::Maintenance { retry_after_s: 60, detail: Some("Soon.".into()) },
        ),
        (
            "maintenance: {retry_after_s: 60}",
            RouteAction::Maintenance { retry_after_s: 60, detail: None },
        ),
    ] {
        assert_eq!(read(&format!("{PATH}, {keys}")), RoutePolicy { action, ..plain() }, "{keys}");
    }
}

#[test]
fn every_key_of_a_rollout_acts() {
    let share = |upstream, weight| SharePolicy { upstream, weight };
    let to =
        |source, value: &str, upstream| OverridePolicy { source, value: value.into(), upstream };
    let cookie = || Source::Cookie("session".into());
    for (keys, forward) in [
        (
            "split: [{upstream: api, weight: 90}, {upstream: next, weight: 10}], \
             overrides: [{header: X-Canary, value: 'yes', upstream: next}, \
             {cookie: canary, value: 'no', upstream: api}], \
             sticky: {by: cookie, name: session}, rewrite: '/{id}/*'",
            ForwardPolicy {
                shares: vec![share(0, 90), share(1, 10)],
                overrides: vec![
                    to(Source::Header("x-canary".into()), "yes", 1),
                    to(Source::Cookie("canary".into()), "no", 0),
                ],
                sticky: Some(Sticky::Source(cookie())),
                rewrite: Some("/{id}/*".into()),
                ..ForwardPolicy::to(0)
            },
        ),
        (
            "upstream: api, sticky: {by: header, name: X-User}, canary: {upstream: next, percent: 5, \
             error_percent_max: 1, requests_min: 2, window_s: 3}, \
             mirror: {upstream: old, percent: 4, body_bytes_max: 5}",
            ForwardPolicy {
                sticky: Some(Sticky::Source(Source::Header("x-user".into()))),
                canary: Some(CanaryPolicy {
                    upstream: 1,
                    percent: 5,
                    error_percent_max: 1,
                    requests_min: 2,
                    window_s: 3,
                }),
                mirror: Some(MirrorPolicy { upstream: 2, percent: 4, body_bytes_max: 5 }),
                ..ForwardPolicy::to(0)
            },
        ),
        (
            "upstream: old, sticky: {by: address}, canary: {upstream: next, percent: 5}, \
             mirror: {upstream: next}",
            ForwardPolicy {
                sticky: Some(Sticky::Address),
                canary: Some(CanaryPolicy {
                    upstream: 1,
                    percent: 5,
                    error_percent_max: 5,
                    requests_min: 100,
                    window_s: 60,
                }),
                mirror: Some(MirrorPolicy { upstream: 1, percent: 100, body_bytes_max: 65_536 }),
                ..ForwardPolicy::to(2)
            },
        ),
    ] {
        let found = read(&format!("{PATH}, {keys}"));
        assert_eq!(found.action, RouteAction::Forward(forward), "{keys}");
    }
}

#[test]
fn what_is_wrong_with_a_route_is_said() {
    for (keys, expected) in [
        ("", "expected one of upstream, split, redirect and maintenance, found none of them"),
        ("upstream: api, redirect: {to: /b}", "redirect and maintenance, found more than one"),
        ("redirect: {to: /b}, maintenance: {retry_after_s: 1}", "found more than one"),
        ("rewrite: /b", "expected upstream or split, found neither"),
        (
            "upstream: api, split: [{upstream: api, weight: 1}, {upstream: next, weight: 1}]",
            "split: expected upstream or split, found both",
        ),
        ("split: [{upstream: api, weight: 1}]", "split: expected 2 to 8 entries, found 1"),
        (
            "split: [{upstream: api, weight: 1}, {upstream: api, weight: 1}]",
            "split: expected each once, found api again",
        ),
        (
            "split: [{upstream: api, weight: 0}, {upstream: next, weight: 0}]",
            "split: expected a weight above 0",
        ),
        (
            "split: [{upstream: api, weight: 1}, {upstream: none, weight: 1}]",
            "upstream: expected one of gateway.upstreams (api, next, old), found \"none\"",
        ),
        ("upstream: api, methods: [get]", "methods: expected GET, HEAD, POST"),
        (
            "upstream: api, upgrades: [h2c]",
            "upgrades: expected the name of a protocol in lower case that is not HTTP, such as websocket, found \"h2c\"",
        ),
        ("redirect: {to: /b}, upgrades: [websocket]", "upgrades: expected a route to an upstream"),
        ("upstream: api, methods: []", "methods: expected 1 to 7 entries, found 0"),
        ("upstream: api, methods: [GET, GET]", "methods: expected each once, found GET again"),
        (
            "upstream: api, headers: [{name: X-Forwarded-For, present: true}]",
            "name: expected the name of a header that clients set, found \"X-Forwarded-For\"",
        ),
        (
            "upstream: api, headers: [{name: a}]",
            "headers: expected value or present, found neither",
        ),
        (
            "upstream: api, headers: [{name: a, value: b, present: true}]",
            "headers: expected value or present, found both",
        ),
        ("upstream: api, headers: [{name: a, value: ' b'}]", "value: expected up to 256 plain"),
        (
            "upstream: api, overrides: [{value: b, upstream: next}]",
            "overrides: expected header or cookie, found neither",
        ),
        (
            "upstream: api, overrides: [{cookie: 'a b', value: b, upstream: next}]",
            "cookie: expected the name of a cookie, found \"a b\"",
        ),
        ("upstream: api, sticky: {by: address}", "sticky: expected split or canary beside it"),
        (
            "upstream: api, canary: {upstream: next, percent: 1}, sticky: {by: cookie}",
            "sticky: expected the name of the header or cookie",
        ),
        (
            "upstream: api, canary: {upstream: next, percent: 1}, sticky: {by: address, name: a}",
            "sticky: expected no name beside by: address",
        ),
        (
            "upstream: api, canary: {upstream: api, percent: 1}",
            "canary: expected an upstream that has no other part of the route, found \"api\"",
        ),
        ("upstream: api, canary: {upstream: next, percent: 0}", "a whole number from 1 to 100"),
        ("upstream: api, rewrite: '/{key}'", "rewrite: expected parameters of the route's path"),
        ("redirect: {to: 'https://{id}/'}", "redirect: expected https://HOST/PATH"),
        ("redirect: {to: /b, status: 303}", "redirect: expected 301, 302, 307 or 308, found 303"),
        ("maintenance: {retry_after_s: 1, detail: ''}", "detail: expected 1 to 512 bytes, found 0"),
    ] {
        let separator = if keys.is_empty() { "" } else { ", " };
        let text = config(&format!("   - {{name: r, {PATH}{separator}{keys}}}\n"));
        let error = load(&text).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(":9:"), "{keys}: {error}");
    }
}

#[test]
fn a_route_in_vain_is_refused_with_both_names() {
    let routes = "   - {name: all, path: /a/*, upstream: api}\n   - {name: one, path: /a/b, upstream: next}\n";
    let error = load(&config(routes)).unwrap_err().to_string();
    assert!(
        error.contains(
            ":10:13: name: expected a route that can take something, found \"one\" behind \"all\""
        ),
        "{error}"
    );
}

#[test]
fn rollouts_are_bounded() {
    let route = |n: usize| {
        format!("   - {{name: r{n}, path: /{n}, upstream: api, mirror: {{upstream: next}}}}\n")
    };
    let routes: String = (0..33).map(route).collect();
    let error = load(&config(&routes)).unwrap_err().to_string();
    assert!(error.contains("routes: expected at most 32 with a split"), "{error}");
    let routes: String = (0..32).map(route).collect();
    assert!(load(&config(&routes)).is_ok());
}
