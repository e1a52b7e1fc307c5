//! Which request goes where.

use std::net::SocketAddr;

use seawall_tests::{client::Answer, echo::Echo, requirement, seawall, upstream};

use crate::site::{Ground, Site};

const PLAIN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8_080);

#[test]
fn a_route_takes_a_request_to_its_upstream() {
    if !requirement::root("a_route_takes_a_request_to_its_upstream") {
        return;
    }
    let (site, plain) = between(
        "name: plain, host: shop.internal",
        "    - {name: user, hosts: [api.example], path: '/users/{id}', upstream: api}
    - {name: shop, path: '/shop/*', upstream: plain}
",
    );
    let client = site.ground.client();
    for protocol in ["--http1.1", "--http2"] {
        for (path, expected) in [
            ("/users/7?x=1", Ok("api.internal")),
            ("/shop/cart/7", Ok("shop.internal")),
            ("/users/7/keys", Err("route_missing")),
            ("/", Err("route_missing")),
        ] {
            let answer: Answer = site.ground.get(path).with(&[protocol]).send(client).unwrap();
            match expected {
                Ok(host) => {
                    assert_eq!(answer.status, 200, "{path}: {answer:?}");
                    let host = format!("\r\nhost: {host}\r\n");
                    assert!(answer.body.to_ascii_lowercase().contains(&host), "{path}: {answer:?}");
                }
                Err(_) => {
                    assert_eq!(answer.status, 404, "{path}: {answer:?}");
                    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
                    assert!(
                        answer.body.contains("urn:seawall:problem:route-missing"),
                        "{answer:?}"
                    );
                }
            }
        }
    }
    assert_eq!((plain.connections() > 0, site.ground.echo.connections() > 0), (true, true));
    site.wait_for_metric("seawall_gateway_rejections_total", &[("reason", "route_missing")], 4);
}

#[test]
fn a_rollout_is_told_by_routes_and_metrics_and_goes_back() {
    if !requirement::root("a_rollout_is_told_by_routes_and_metrics_and_goes_back") {
        return;
    }
    let (site, plain) = between(
        "name: next",
        "    - {name: split, path: /split, split: [{upstream: api, weight: 3}, {upstream: next, weight: 1}]}
    - name: canary
      path: '/status/*'
      methods: [GET]
      upstream: api
      canary: {upstream: next, percent: 50, error_percent_max: 10, requests_min: 5}
    - {name: moved, path: '/old/*', redirect: {to: 'https://new.example/*'}}
",
    );
    let client = site.ground.client();
    let get = |path: &str| site.ground.get(path).send(client).unwrap();
    for _ in 0..40 {
        assert_eq!(get("/split").status, 200);
    }
    let of = |upstream: &'static str| [("route", "split"), ("upstream", upstream)];
    site.wait_for_metric("seawall_gateway_rollout_requests_total", &of("api"), 30);
    site.wait_for_metric("seawall_gateway_rollout_requests_total", &of("next"), 10);
    let canary = [("route", "canary"), ("upstream", "next")];
    site.wait_for_metric("seawall_gateway_canary_percent", &canary, 50);
    for _ in 0..20 {
        assert_eq!(get("/status/503").status, 503);
    }
    // Its fifth request is the first that tells something; after that it gets none.
    site.wait_for_metric("seawall_gateway_canary_rollbacks_total", &canary, 1);
    site.wait_for_metric("seawall_gateway_rollout_errors_total", &canary, 5);
    assert_eq!(site.metric("seawall_gateway_canary_percent", &canary), 0);
    let moved = get("/old/a?b");
    assert_eq!((moved.status, moved.header("location")), (308, Some("https://new.example/a?b")));
    let posted = site.ground.get("/status/200").with(&["--request", "POST"]).send(client).unwrap();
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")));
    site.wait_for_metric(
        "seawall_gateway_rejections_total",
        &[("reason", "method_not_allowed")],
        1,
    );
    let verb = |arguments: &[&str]| {
        let output = seawall::run(&site.ground.world, arguments).unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = verb(&["routes", "--socket", site.ground.socket().to_str().unwrap()]);
    for line in [
        "any host /split -> api 3, next 1",
        "api: 30 requests, 0 errors",
        "any host /status/* GET -> api, canary next 50 %",
        "CANARY next WENT BACK",
        "any host /old/* -> 308 https://new.example/*",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let log = seawall::state(site.ground.world.folder()).join("audit.log");
    let audit = verb(&["audit", "show", log.to_str().unwrap(), "--verb", "canary"]);
    assert!(audit.contains("route canary") && audit.contains("went back"), "{audit}");
    drop(plain);
}

/// A site with two upstreams: `api` over TLS, and one with these keys, which is [`PLAIN`].
fn between(other: &str, routes: &str) -> (Site, Echo) {
    let ground = Ground::prepare();
    let plain = Echo::plain(&ground.world.server, PLAIN).unwrap();
    let (api, name) = (upstream::ADDRESS, upstream::NAME);
    let gateway = format!(
        "  upstreams:
    - name: api
      backends: [{{address: '{api}'}}]
      tls: {{server_name: {name}, ca: authority.pem}}
    - {{{other}, backends: [{{address: '{PLAIN}'}}]}}
  routes:
{routes}"
    );
    (Site::start_of(ground, &gateway), plain)
}
