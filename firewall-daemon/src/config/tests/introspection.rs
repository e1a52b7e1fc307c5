//! Who is asked about tokens.

use firewall_gateway::policy::{AuthenticationPolicy, IntrospectionPolicy};

use super::{LEAST, load};

fn config(services: &str, route: &str) -> String {
    format!(
        "{LEAST}gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
         upstreams: [{{name: api, backends: [{{address: '127.0.0.1:2'}}]}}, {{name: id, backends: [{{address: '127.0.0.1:3'}}]}}]\n{services}  \
         routes:\n  - name: r\n    path: '/*'\n    upstream: api\n    {route}\n"
    )
}

fn services(more: &str) -> String {
    format!("  introspections: [{{name: main, upstream: id, path: /i, client_id: c{more}}}]\n")
}

const ASKS: &str = "authentication: [{introspection: main}]";

#[test]
fn every_key_of_introspections_acts() {
    let plain = IntrospectionPolicy {
        name: "main".to_owned(),
        upstream: 1,
        path: "/i".to_owned(),
        client_id: "c".to_owned(),
        client_secret: None,
        timeout_ms: 1_000,
        cache_s: 30,
        issuer: None,
        audiences: vec![],
        consumer_claim: "sub".to_owned(),
        scopes_claim: None,
        roles_claim: None,
    };
    let all = ", client_secret_file: s, timeout_ms: 5, cache_s: 6, issuer: i, audience: [a, b], \
               consumer_claim: d, scopes_claim: e, roles_claim: f";
    let full = IntrospectionPolicy {
        timeout_ms: 5,
        cache_s: 6,
        issuer: Some("i".to_owned()),
        audiences: vec!["a".to_owned(), "b".to_owned()],
        consumer_claim: "d".to_owned(),
        scopes_claim: Some("e".to_owned()),
        roles_claim: Some("f".to_owned()),
        ..plain.clone()
    };
    for (more, policy, secret) in [("", plain, None), (all, full, Some("/etc/seawall/s".into()))] {
        let gateway = load(&config(&services(more), ASKS)).unwrap().gateway.unwrap();
        let [found] = gateway.introspections.as_slice() else { panic!("{gateway:?}") };
        assert_eq!((&found.policy, &found.secret), (&policy, &secret));
        assert_eq!(gateway.routes[0].authentication, [AuthenticationPolicy::Introspection(0)]);
    }
}

#[test]
fn what_is_wrong_with_introspections_is_said() {
    for (services, route, expected) in [
        (
            services(""),
            "methods: [GET]",
            "introspections: expected a route that asks \"main\", found none",
        ),
        (
            String::new(),
            ASKS,
            "introspection: expected a name of gateway.introspections, found \"main\"",
        ),
        (services("").replace("upstream: id", "upstream: x"), ASKS, "found \"x\""),
        (services("").replace("path: /i", "path: i"), ASKS, "path: expected a path"),
        (
            services("").replace("client_id: c", "client_id: ''"),
            ASKS,
            "client_id: expected 1 to 512 bytes",
        ),
        (services(", cache_s: 0"), ASKS, "a whole number from 1 to 3600"),
        (services(", timeout_ms: 0"), ASKS, "a whole number from 1 to 60000"),
        (services(", audience: []"), ASKS, "audience: expected 1 to 32 entries"),
        (services(", roles_claim: ''"), ASKS, "roles_claim: expected 1 to 512 bytes"),
        ("  introspections: []\n".to_owned(), ASKS, "introspections: expected 1 to 16 entries"),
        (
            services(""),
            "authentication: [{introspection: main}, {introspection: main}]",
            "once each, found one of them again",
        ),
    ] {
        let error = load(&config(&services, route)).unwrap_err().to_string();
        assert!(error.contains(expected), "{services} {route}: {error}");
    }
}
