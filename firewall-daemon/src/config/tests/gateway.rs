//! Upstreams and routes.

use firewall_gateway::policy::{
    BackendProtocol, BalancePolicy, BreakerPolicy, ClientCertificateUse, DeliveryPolicy,
    EjectionPolicy, HashKey, HealthPolicy, HedgePolicy, RetryPolicy, RouteAction, SheddingPolicy,
    StickyCookiePolicy,
};

use super::*;
use crate::config::BackendName;

const HEAD: &str = "gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n";

#[test]
fn every_key_of_a_way_acts() {
    let config = load(&format!(
        "{LEAST}{HEAD}  upstreams:
    - name: api
      backends: [{{address: '127.0.0.1:1'}}, {{address: '[::1]:2'}}]
      tls: {{server_name: api.internal, ca: ca.pem}}
      connections_max: 7
    - {{name: plain, backends: [{{address: '127.0.0.1:3'}}], host: 'shop:8080'}}
    - {{name: bare, backends: [{{address: '127.0.0.1:4'}}]}}
  routes:
    - {{name: user, hosts: [API.example, '*.api.example', '[::1]'], path: '/users/{{id}}', upstream: api}}
    - {{name: rest, path: '/*', upstream: plain}}
"
    ))
    .unwrap();
    let gateway = config.gateway.expect("a gateway");
    let upstreams: Vec<String> = gateway
        .upstreams
        .iter()
        .map(|upstream| {
            let backends = upstream.backends.iter().map(|backend| backend.address.to_string());
            let backends: Vec<String> = backends.collect();
            let tls = upstream.tls.as_ref().map_or("-", |tls| &tls.server_name);
            let (name, host, most) = (&upstream.name, &upstream.host, upstream.connections_max);
            format!("{name} {} {host} {tls} {most}", backends.join(","))
        })
        .collect();
    assert_eq!(
        upstreams,
        [
            "api 127.0.0.1:1,[::1]:2 api.internal api.internal 7",
            "plain 127.0.0.1:3 shop:8080 - 256",
            "bare 127.0.0.1:4 127.0.0.1:4 - 256",
        ]
    );
    let routes: Vec<String> = gateway
        .routes
        .iter()
        .map(|route| {
            let RouteAction::Forward(forward) = &route.action else { panic!("{route:?}") };
            let upstreams: Vec<usize> = forward.upstreams().collect();
            format!("{} {} {} {upstreams:?}", route.name, route.hosts.join(","), route.path)
        })
        .collect();
    assert_eq!(routes, ["user api.example,*.api.example,[::1] /users/{id} [0]", "rest  /* [1]"]);
}

#[test]
fn what_is_wrong_with_a_way_is_said_with_its_place() {
    let upstreams = "  upstreams: [{name: a, backends: [{address: '127.0.0.1:1'}]}]\n";
    let routes = |text: &str| format!("{upstreams}  routes: [{{name: r, {text}}}]\n");
    let sole = "  upstream: {address: '127.0.0.1:2', server_name: a, ca: c}\n";
    for (ways, expected) in [
        (String::new(), "4:11: gateway: expected upstream, or upstreams and routes, found neither"),
        (
            format!("{sole}{upstreams}"),
            "8:14: gateway: expected upstream alone, or upstreams and routes, found both",
        ),
        (upstreams.to_owned(), "7:14: gateway: expected routes beside upstreams, found none"),
        (
            "  routes: [{name: r, path: /, upstream: a}]\n".to_owned(),
            "7:11: gateway: expected upstreams beside routes, found none",
        ),
        (
            "  upstreams: [{name: a, backends: []}]\n  routes: []\n".to_owned(),
            "backends: expected 1 to 256 entries, found 0",
        ),
        (
            "  upstreams: [{name: a, backends: [{address: '127.0.0.1:1'}, {address: '127.0.0.1:1'}]}]\n  \
             routes: []\n"
                .to_owned(),
            "backends: expected each once, found 127.0.0.1:1 again",
        ),
        (
            "  upstreams: [{name: a, backends: [{address: '127.0.0.1:1'}], host: 'a b'}]\n  routes: []\n"
                .to_owned(),
            "host: expected a host name with or without a port, found \"a b\"",
        ),
        (
            "  upstreams: [{name: a, backends: [{address: '127.0.0.1:1'}], \
             tls: {server_name: 'a b', ca: c}}]\n  routes: []\n"
                .to_owned(),
            "server_name: expected the DNS name or address",
        ),
        (
            format!("{upstreams}  routes: []\n"),
            "8:11: routes: expected 1 to 1024 entries, found 0",
        ),
        (routes("path: a, upstream: a"), "path: expected a path that begins with /, found \"a\""),
        (
            routes("path: /, upstream: b"),
            "upstream: expected one of gateway.upstreams (a), found \"b\"",
        ),
        (
            routes("path: /, upstream: a, hosts: ['a:1']"),
            "hosts: expected a host name without a port, such as api.example or *.api.example, found \"a:1\"",
        ),
        (
            routes("path: /, upstream: a, hosts: [a, A]"),
            "hosts: expected each once, found a again",
        ),
        (
            format!(
                "{upstreams}  routes: [{{name: r, path: /, upstream: a}}, {{name: r, path: /b, upstream: a}}]\n"
            ),
            "name: expected each name once, found \"r\" again",
        ),
    ] {
        let error = load(&format!("{LEAST}{HEAD}{ways}")).unwrap_err().to_string();
        assert!(error.contains(expected), "{ways}: {error}");
    }
}

#[test]
fn every_key_of_a_delivery_acts() {
    let gateway = |upstream: &str| {
        let config = load(&format!(
            "{LEAST}{HEAD}  upstreams:\n    - {{name: api, {upstream}}}\n  routes: [{{name: r, path: /, upstream: api}}]\n"
        ));
        config.map(|config| config.gateway.expect("a gateway").upstreams.remove(0))
    };
    let one = "backends: [{address: '127.0.0.1:1'}]";
    let plain = gateway(one).unwrap();
    assert_eq!(plain.delivery, DeliveryPolicy::default());
    let full = gateway(
        "backends: [{address: '10.0.0.1:1', weight: 3, quota: 7}, {dns: api.internal, port: 8443, refresh_s: 5, weight: 2}], \
         protocol: http2, balance: quota, sticky_cookie: {name: lb}, slow_start_ms: 4, \
         health: {path: /health?a=b, interval_ms: 200, timeout_ms: 6, healthy_after: 7, unhealthy_after: 8, statuses: [200, 204]}, \
         ejection: {failures: 9, first_ms: 10, max_ms: 11, percent_max: 12}, \
         breaker: {failures_percent: 13, requests_min: 14, window_ms: 15, open_ms: 16}, \
         retries: {attempts_max: 3, statuses: [500], budget_percent: 17, budget_per_second: 18}, \
         requests_max: 19, queue_max: 20, queue_timeout_ms: 21, \
         connect_timeout_ms: 22, response_timeout_ms: 23, request_timeout_ms: 24",
    )
    .unwrap();
    let delivery = DeliveryPolicy {
        protocol: BackendProtocol::Http2,
        balance: BalancePolicy::Quota,
        sticky: Some(StickyCookiePolicy { cookie: "lb".to_owned(), key_hex: String::new() }),
        slow_start_ms: 4,
        health: Some(HealthPolicy {
            path: "/health?a=b".to_owned(),
            interval_ms: 200,
            timeout_ms: 6,
            healthy_after: 7,
            unhealthy_after: 8,
            statuses: vec![200, 204],
        }),
        ejection: EjectionPolicy { failures: 9, first_ms: 10, max_ms: 11, percent_max: 12 },
        breaker: Some(BreakerPolicy {
            failures_percent: 13,
            requests_min: 14,
            window_ms: 15,
            open_ms: 16,
        }),
        retries: RetryPolicy {
            attempts_max: 3,
            statuses: vec![500],
            budget_percent: 17,
            budget_per_second: 18,
        },
        hedge: None,
        shedding: SheddingPolicy { requests_max: 19, queue_max: 20, queue_timeout_ms: 21 },
        connect_timeout_ms: Some(22),
        response_timeout_ms: Some(23),
        request_timeout_ms: Some(24),
    };
    assert_eq!(full.delivery, delivery);
    assert_eq!((full.backends[0].weight, full.backends[0].quota), (3, 7));
    let name = BackendName {
        name: "api.internal".to_owned(),
        port: 8443,
        refresh_s: 5,
        weight: 2,
        quota: 0,
    };
    assert_eq!((full.names, full.host.as_str()), (vec![name], "10.0.0.1:1"));
    let named = gateway("backends: [{dns: api.internal, port: 80}]").unwrap();
    assert_eq!((named.names[0].refresh_s, named.host.as_str()), (30, "api.internal:80"));
    for (text, expected) in [
        ("balance: least_busy", BalancePolicy::LeastBusy),
        ("balance: hash, hash: {on: address}", BalancePolicy::Hash(HashKey::Address)),
        ("balance: hash, hash: {on: path}", BalancePolicy::Hash(HashKey::Path)),
        (
            "balance: hash, hash: {on: header, name: X-Tenant}",
            BalancePolicy::Hash(HashKey::Header("x-tenant".to_owned())),
        ),
        (
            "balance: hash, hash: {on: cookie, name: Id}",
            BalancePolicy::Hash(HashKey::Cookie("Id".to_owned())),
        ),
    ] {
        assert_eq!(
            gateway(&format!("{one}, {text}")).unwrap().delivery.balance,
            expected,
            "{text}"
        );
    }
    let hedged = gateway(&format!("{one}, response_timeout_ms: 26, hedge: {{after_ms: 25}}"));
    assert_eq!(hedged.unwrap().delivery.hedge, Some(HedgePolicy { after_ms: 25 }));
    for (text, expected) in [
        ("backends: [{}]", "expected an entry with address, or one with dns and port"),
        ("backends: [{dns: a}]", "expected an entry with address, or one with dns and port"),
        ("backends: [{dns: 'a b', port: 1}]", "dns: expected a host name, found \"a b\""),
        (
            "backends: [{address: '127.0.0.1:1', refresh_s: 1}]",
            "expected an entry with address, or one with dns and port",
        ),
        ("backends: [{address: '127.0.0.1:1', quota: 1}]", "expected `balance: quota` beside it"),
        ("backends: [{address: '127.0.0.1:1', weight: 0}]", "a whole number from 1 to 1000"),
    ] {
        let error = gateway(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    for (text, expected) in [
        ("balance: hash", "balance: expected hash beside it, found none"),
        ("hash: {on: path}", "hash: expected `balance: hash` beside it"),
        (
            "balance: hash, hash: {on: header}",
            "hash.name: expected the name of the header or cookie",
        ),
        ("balance: hash, hash: {on: path, name: a}", "hash.name: expected none"),
        ("balance: hash, hash: {on: consumer, name: a}", "hash.name: expected none"),
        (
            "balance: hash, hash: {on: consumer}",
            "hash: expected a route with authentication that goes to upstream \"api\", found none",
        ),
        ("protocol: http3", "http1"),
        ("sticky_cookie: {name: 'a b'}", "sticky_cookie.name: expected letters"),
        ("health: {path: health}", "health.path: expected a path that begins with /"),
        ("health: {path: /, statuses: []}", "health.statuses: expected 1 to 64 entries, found 0"),
        ("hedge: {}", "missing field `after_ms`"),
        ("hedge: {after_ms: 5}, sticky_cookie: {name: a}", "hedge: expected no sticky_cookie"),
        (
            "hedge: {after_ms: 5}, response_timeout_ms: 5",
            "hedge.after_ms: expected less than response_timeout_ms (5), found 5",
        ),
        ("ejection: {first_ms: 5, max_ms: 4}", "ejection.max_ms: expected first_ms (5) or more"),
    ] {
        let error = gateway(&format!("{one}, {text}")).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_route_asks_for_a_certificate_where_there_are_authorities() {
    let ways = |tls: &str, route: &str| {
        let config = load(&format!(
            "{LEAST}{HEAD}{tls}  upstreams: [{{name: a, backends: [{{address: '127.0.0.1:1'}}]}}]\n  \
             routes: [{{name: r, path: '/*', upstream: a{route}}}]\n"
        ));
        config.map(|config| config.gateway.expect("a gateway").routes[0].client_certificate)
    };
    let ca = "  tls: {client_ca: c.pem}\n";
    for (tls, route, expected) in [
        ("", "", ClientCertificateUse::Optional),
        ("", ", client_certificate: none", ClientCertificateUse::None),
        (ca, "", ClientCertificateUse::Optional),
        (ca, ", client_certificate: none", ClientCertificateUse::None),
        (ca, ", client_certificate: optional", ClientCertificateUse::Optional),
        (ca, ", client_certificate: required", ClientCertificateUse::Required),
    ] {
        assert_eq!(ways(tls, route), Ok(expected), "{tls}{route}");
    }
    let error = ways("", ", client_certificate: required").unwrap_err();
    let expected = "8:67: client_certificate: expected gateway.tls.client_ca, found none";
    assert!(error.contains(expected), "{error}");
    let sole = "  upstream: {address: '127.0.0.1:2', server_name: a, ca: c}\n";
    let gateway = load(&format!("{LEAST}{HEAD}{ca}{sole}")).unwrap().gateway.expect("a gateway");
    assert_eq!(gateway.routes[0].client_certificate, ClientCertificateUse::Optional);
}
