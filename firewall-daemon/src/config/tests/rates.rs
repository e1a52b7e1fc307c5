//! Limits of rates.

use std::path::Path;

use firewall_gateway::policy::{
    Counted, KeyPart, RateAlgorithm, RatePolicy, RateStorePolicy, RouteRates,
};

use super::{GatewayConfig, LEAST, load};

/// A gateway with these limits, a route `t` for tokens and a route `r` for all, with these keys.
fn config(limits: &str, of_tokens: &str, of_all: &str) -> String {
    format!(
        "{LEAST}gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
         upstreams: [{{name: api, backends: [{{address: '127.0.0.1:2'}}]}}]\n  \
         jwt: {{main: {{issuer: i, audience: [a], algorithms: [ES256], keys: k}}}}\n{limits}  \
         routes:\n  - {{name: t, path: /t, upstream: api, authentication: [{{jwt: main}}]{of_tokens}}}\n  \
         - {{name: r, path: /r, upstream: api{of_all}}}\n"
    )
}

fn read(limits: &str, of_tokens: &str, of_all: &str) -> GatewayConfig {
    load(&config(limits, of_tokens, of_all)).expect("a configuration").gateway.expect("a gateway")
}

fn everywhere(name: &str, algorithm: RateAlgorithm) -> RatePolicy {
    RatePolicy {
        name: name.to_owned(),
        algorithm,
        count: Counted::Requests,
        key: vec![KeyPart::Address],
        shadow: false,
        everywhere: true,
        shared: false,
        keys_max: 65_536,
    }
}

#[test]
fn every_key_of_a_limit_acts() {
    let limits = "  rate_limits:\n  \
        - {name: a, limit: 10, window_s: 60, everywhere: true}\n  \
        - {name: b, algorithm: token_bucket, limit: 10, window_s: 60, burst: 5, count: cost, shared: true, \
           key: [network, route, 'header:X-Tenant', 'claim:tenant.id', consumer, key]}\n  \
        - {name: c, algorithm: leaky_bucket, limit: 10, window_s: 1, wait_max_ms: 200, everywhere: true, key: []}\n  \
        - {name: d, algorithm: fixed_window, limit: 1_000, window_s: 3600, count: bytes, everywhere: true, keys_max: 100}\n  \
        - {name: e, algorithm: sliding_log, limit: 1000, window_s: 1, count: failures, everywhere: true}\n  \
        - {name: f, algorithm: sliding_counter, limit: 7, window_s: 1, everywhere: true, shadow: true}\n  \
        - {name: g, limit: 8, count: concurrency, everywhere: true}\n  \
        rate_store: {address: '127.0.0.1:6379', hosts: 3, password: secret, prefix: p, timeout_ms: 20}\n";
    let gateway = read(limits, ", rate_limits: [b], cost: 3", ", rate_limits: []");
    let bucket = |burst| RateAlgorithm::TokenBucket { limit: 10, window_s: 60, burst };
    let key = vec![
        KeyPart::Network,
        KeyPart::Route,
        KeyPart::Header("x-tenant".into()),
        KeyPart::Claim("tenant.id".into()),
        KeyPart::Consumer,
        KeyPart::Key,
    ];
    let leaky = RateAlgorithm::LeakyBucket { limit: 10, window_s: 1, wait_max_ms: 200 };
    let fixed = RateAlgorithm::FixedWindow { limit: 1_000, window_s: 3_600 };
    let log = RateAlgorithm::SlidingLog { limit: 1_000, window_s: 1 };
    let counter = RateAlgorithm::SlidingCounter { limit: 7, window_s: 1 };
    let expected = [
        everywhere("a", bucket(10)),
        RatePolicy {
            count: Counted::Cost,
            key,
            everywhere: false,
            shared: true,
            ..everywhere("b", bucket(5))
        },
        RatePolicy { key: vec![], ..everywhere("c", leaky) },
        RatePolicy { count: Counted::Bytes, keys_max: 100, ..everywhere("d", fixed) },
        RatePolicy { count: Counted::Failures, keys_max: 4_194, ..everywhere("e", log) },
        RatePolicy { shadow: true, ..everywhere("f", counter) },
        everywhere("g", RateAlgorithm::Concurrency { limit: 8 }),
    ];
    assert_eq!(gateway.rates, expected);
    let own = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(gateway.routes[0].rates, RouteRates { limits: own(&["b"]), cost: 3 });
    assert_eq!(gateway.routes[1].rates, RouteRates { limits: own(&[]), cost: 1 });
    let store = gateway.rate_store.expect("a store");
    assert_eq!(store.password.as_deref(), Some(Path::new("/etc/seawall/secret")));
    let policy = RateStorePolicy {
        address: "127.0.0.1:6379".parse().unwrap(),
        password: None,
        prefix: "p".into(),
        hosts: 3,
        timeout_ms: 20,
    };
    assert_eq!(store.policy, policy);
}

#[test]
fn what_is_wrong_with_a_limit_is_said() {
    let store = "\n  rate_store: {address: '127.0.0.1:6379', hosts: 3}";
    for (limit, expected) in [
        ("limit: 1", "window_s: expected the time that limit is for, found none"),
        ("window_s: 1", "limit"),
        ("limit: 0, window_s: 1", "a whole number from 1 to 1000000000000"),
        ("limit: 1, window_s: 1, algorithm: gcra", "gcra"),
        (
            "limit: 1, window_s: 1, algorithm: fixed_window, burst: 2",
            "burst: expected algorithm: token_bucket",
        ),
        ("limit: 1, window_s: 1, wait_max_ms: 2", "wait_max_ms: expected algorithm: leaky_bucket"),
        (
            "limit: 1, window_s: 1, algorithm: leaky_bucket, count: bytes",
            "expected count: requests or cost with leaky_bucket",
        ),
        (
            "limit: 1, window_s: 1, algorithm: sliding_log, count: bytes",
            "expected another than sliding_log",
        ),
        (
            "limit: 5000000, window_s: 1, algorithm: sliding_log",
            "limit: expected at most 4194304 with sliding_log",
        ),
        (
            "limit: 1000, window_s: 1, algorithm: sliding_log, keys_max: 65536",
            "limit times keys_max",
        ),
        ("limit: 1, window_s: 1, count: concurrency", "expected no algorithm and no window_s"),
        (
            "limit: 1, algorithm: token_bucket, count: concurrency",
            "expected no algorithm and no window_s",
        ),
        (
            "limit: 1, window_s: 1, key: [planet]",
            "key: expected address, network, country, consumer, key, route, header:NAME or claim:NAME, found \"planet\"",
        ),
        ("limit: 1, window_s: 1, key: ['header:']", "found \"header:\""),
        (
            "limit: 1, window_s: 1, key: ['header:X-Forwarded-For']",
            "expected the name of a header that clients set",
        ),
        (
            "limit: 1, window_s: 1, key: [address, address]",
            "key: expected each once, found address again",
        ),
        (
            "limit: 1, window_s: 1, shared: true",
            "shared: expected gateway.rate_store beside it, found none",
        ),
    ] {
        let limits = format!("  rate_limits: [{{name: a, everywhere: true, {limit}}}]\n");
        let error = load(&config(&limits, "", "")).unwrap_err().to_string();
        assert!(error.contains(expected), "{limit}: {error}");
    }
    for (limits, of_tokens, of_all, expected) in [
        ("[]", "", "", "rate_limits: expected 1 to 32 entries, found 0"),
        (
            "[{name: a, limit: 1, window_s: 1}]",
            "",
            "",
            "named by a route, or everywhere: true, found \"a\" without",
        ),
        (
            "[{name: a, limit: 1, window_s: 1}, {name: a, limit: 1, window_s: 1}]",
            "",
            "",
            "expected each name once",
        ),
        (
            "[{name: a, limit: 1, window_s: 1}]",
            ", rate_limits: [b]",
            "",
            "expected the name of one of gateway.rate_limits, found \"b\"",
        ),
        (
            "[{name: a, limit: 1, window_s: 1}]",
            ", rate_limits: [a, a]",
            "",
            "expected each once, found a again",
        ),
        (
            "[{name: a, limit: 1, window_s: 1, key: [consumer]}]",
            "",
            ", rate_limits: [a]",
            "expected authentication beside \"a\"",
        ),
        (
            "[{name: a, limit: 1, window_s: 1}]",
            ", rate_limits: [a], cost: 2",
            "",
            "cost: expected a limit of the route with count: cost",
        ),
        (
            "[{name: a, limit: 9, window_s: 1, burst: 2, count: cost}]",
            ", rate_limits: [a], cost: 3",
            "",
            "cost: expected at most the 2 that limit \"a\"",
        ),
        (
            &format!("[{{name: a, limit: 1, window_s: 1, everywhere: true}}]{store}"),
            "",
            "",
            "rate_store: expected a limit with shared: true, found none",
        ),
        (
            &format!(
                "[{{name: a, limit: 1, count: concurrency, everywhere: true, shared: true}}]{store}"
            ),
            "",
            "",
            "shared: expected count: requests or cost",
        ),
    ] {
        let limits = format!("  rate_limits: {limits}\n");
        let error = load(&config(&limits, of_tokens, of_all)).unwrap_err().to_string();
        assert!(error.contains(expected), "{limits}: {error}");
    }
}
