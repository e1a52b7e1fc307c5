//! Routes: which takes a request, and which can never take one.

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{Missing, Router, shadowed};
use crate::{
    limits::Limits,
    policy::{
        AccessLogPolicy, AnswerPolicy, BackendPolicy, ClientsPolicy, DeliveryPolicy, GatewayPolicy,
        HeaderCondition, HeaderTest, LogFormat, LogLevel, LogPolicy, RouteAction, RouteLimits,
        RoutePolicy, TlsPolicy, UpstreamPolicy,
    },
    request::Target,
};

fn route(name: &str, hosts: &[&str], path: &str) -> RoutePolicy {
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    RoutePolicy { hosts, ..RoutePolicy::to_upstream(name, path, 0) }
}

fn for_methods(methods: &[&str], route: RoutePolicy) -> RoutePolicy {
    RoutePolicy { methods: methods.iter().map(|name| (*name).to_owned()).collect(), ..route }
}

fn with_header(name: &str, test: HeaderTest, route: RoutePolicy) -> RoutePolicy {
    RoutePolicy { headers: vec![HeaderCondition { name: name.to_owned(), test }], ..route }
}

fn router(routes: Vec<RoutePolicy>) -> Result<Router, String> {
    let upstream = UpstreamPolicy {
        name: "api".to_owned(),
        backends: vec![BackendPolicy::new(([127, 0, 0, 1], 1).into())],
        host: "api.internal".to_owned(),
        tls: None,
        connections_max: 1,
        ports: Vec::new(),
        delivery: DeliveryPolicy::default(),
    };
    let policy = GatewayPolicy {
        tls: TlsPolicy::default(),
        upstreams: vec![upstream],
        routes,
        jwts: Vec::new(),
        introspections: Vec::new(),
        countries: None,
        logins: Vec::new(),
        consumers: Vec::new(),
        authentication_failures: Default::default(),
        rates: Vec::new(),
        rate_store: None,
        session_store: None,
        openapi: Vec::new(),
        behaviour: None,
        clients: ClientsPolicy::default(),
        answers: AnswerPolicy::default(),
        access_log: AccessLogPolicy::default(),
        events: None,
        verdict_services: Vec::new(),
        traces: None,
        limits: Limits::default(),
        log: LogPolicy { level: LogLevel::Info, format: LogFormat::Json },
    };
    Router::new(&policy).map_err(|error| error.to_string())
}

fn find<'a>(
    router: &'a Router,
    host: &str,
    path: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<&'a str, Missing> {
    let target = Target { host: host.to_owned(), path: path.parse().unwrap() };
    router.find(&target, method, headers).map(|route| &*route.name)
}

#[test]
fn the_first_that_fits_takes_it() {
    let router = router(vec![
        route("user", &["api.example"], "/users/{id}"),
        route("api", &["api.example"], "/*"),
        route("below", &["*.example"], "/v1/*"),
        route("any", &[], "/health"),
    ])
    .unwrap();
    for (host, path, expected) in [
        ("api.example", "/users/7?x=1", Ok("user")),
        ("API.example:443", "/users/7", Ok("user")),
        ("api.example.", "/users/7/keys", Ok("api")),
        ("api.example", "/", Ok("api")),
        ("api.example", "/health", Ok("api")),
        ("shop.example", "/v1/a", Ok("below")),
        ("a.b.example", "/v1", Ok("below")),
        ("example", "/v1/a", Err(Missing::Path)),
        ("badexample", "/v1/a", Err(Missing::Path)),
        ("shop.example", "/v2", Err(Missing::Path)),
        ("[2001:db8::1]:443", "/health", Ok("any")),
        ("else.where", "/healthy", Err(Missing::Path)),
    ] {
        let found = find(&router, host, path, &Method::GET, &HeaderMap::new());
        assert_eq!(found, expected, "{host}{path}");
    }
}

#[test]
fn methods_and_headers_decide_too() {
    let value = |text: &str| HeaderTest::Value(text.to_owned());
    let router = router(vec![
        with_header("x-version", value("2"), route("second", &[], "/items/*")),
        with_header(
            "x-debug",
            HeaderTest::Present,
            for_methods(&["GET"], route("debug", &[], "/items/*")),
        ),
        for_methods(&["GET"], route("read", &[], "/items/*")),
        for_methods(&["POST", "PUT"], route("write", &[], "/items/*")),
        for_methods(
            &["DELETE"],
            with_header("x-sure", HeaderTest::Present, route("delete", &[], "/items/*")),
        ),
        with_header("x-old", HeaderTest::Absent, route("rest", &[], "/rest")),
    ])
    .unwrap();
    for (method, path, headers, expected) in [
        ("GET", "/items/1", &[][..], Ok("read")),
        ("HEAD", "/items/1", &[], Ok("read")),
        ("POST", "/items", &[], Ok("write")),
        ("GET", "/items/1", &[("x-debug", "1")], Ok("debug")),
        ("PUT", "/items/1", &[("x-debug", "1")], Ok("write")),
        ("DELETE", "/items/1", &[("x-version", "2")], Ok("second")),
        ("DELETE", "/items/1", &[("x-sure", "")], Ok("delete")),
        ("DELETE", "/items/1", &[], Err("GET, HEAD, POST, PUT")),
        ("PATCH", "/items/1", &[("x-sure", "")], Err("GET, HEAD, POST, PUT, DELETE")),
        ("GET", "/rest", &[], Ok("rest")),
        ("GET", "/rest", &[("x-old", "1")], Err("")),
    ] {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let method = method.parse().unwrap();
        let found = find(&router, "a", path, &method, &map).map_err(|missing| match missing {
            Missing::Path => String::new(),
            Missing::Method(served) => served.text(),
        });
        assert_eq!(found, expected.map_err(str::to_owned), "{method} {path} {headers:?}");
    }
}

#[test]
fn what_is_no_route() {
    let to = |to: &str| RouteAction::Redirect { to: to.to_owned(), status: 308 };
    let limits = RouteLimits { body_timeout_ms: Some(0), ..RouteLimits::default() };
    for (route, expected) in [
        (RoutePolicy::to_upstream("r", "/", 1), "names an upstream that is not there"),
        (route("r", &[], "v1"), "path: expected a path that begins with /"),
        (for_methods(&["get"], route("r", &[], "/")), "methods: expected GET, HEAD"),
        (
            with_header("x-forwarded-for", HeaderTest::Present, route("r", &[], "/")),
            "headers: expected the name of a header that clients set, found \"x-forwarded-for\"",
        ),
        (
            RoutePolicy { action: to("https://{a}/"), ..route("r", &[], "/{a}") },
            "redirect: expected https://HOST/PATH",
        ),
        (
            RoutePolicy { limits, ..route("r", &[], "/") },
            "limits.body_timeout_ms: expected 1 to 3600000, found 0",
        ),
    ] {
        let error = router(vec![route]).unwrap_err();
        assert!(
            error.starts_with("gateway.routes: route \"r\"") && error.contains(expected),
            "{error}"
        );
    }
    assert!(router(Vec::new()).unwrap_err().contains("expected at least one route"));
}

#[test]
fn a_route_in_vain_is_found() {
    let value = |text: &str| HeaderTest::Value(text.to_owned());
    for (one, other, expected) in [
        (route("a", &[], "/*"), route("b", &[], "/a"), true),
        (route("a", &[], "/a"), route("b", &[], "/*"), false),
        (route("a", &["a.example"], "/*"), route("b", &[], "/*"), false),
        (route("a", &[], "/*"), route("b", &["a.example"], "/*"), true),
        (route("a", &["*.example"], "/*"), route("b", &["a.example", "*.b.example"], "/x"), true),
        (route("a", &["*.example"], "/*"), route("b", &["example"], "/x"), false),
        (route("a", &["a.example"], "/*"), route("b", &["*.example"], "/x"), false),
        (for_methods(&["GET"], route("a", &[], "/*")), route("b", &[], "/a"), false),
        (
            for_methods(&["GET"], route("a", &[], "/*")),
            for_methods(&["HEAD"], route("b", &[], "/a")),
            true,
        ),
        (with_header("x", value("1"), route("a", &[], "/*")), route("b", &[], "/a"), false),
        (
            with_header("x", HeaderTest::Present, route("a", &[], "/*")),
            with_header("x", value("1"), route("b", &[], "/a")),
            true,
        ),
    ] {
        let expected = expected.then_some((1, 2));
        let first = route("first", &["other.example"], "/x");
        let text = format!("{one:?} {other:?}");
        assert_eq!(shadowed(&[first, one, other]).unwrap(), expected, "{text}");
    }
}

/// Printed, not bounded: what it takes to find the last of a thousand routes.
#[test]
fn a_thousand_routes_are_not_a_thousand_comparisons() {
    let by_path =
        |n: usize| route(&format!("r{n}"), &["api.example"], &format!("/service{n}/{{id}}/*"));
    let by_host = |n: usize| route(&format!("r{n}"), &[&format!("s{n}.example")], "/v1/{id}");
    let by_neither = |n: usize| route(&format!("r{n}"), &[], &format!("/{{tenant}}/service{n}"));
    for (name, made, host, path) in [
        ("one route", vec![route("r", &[], "/*")], "api.example", "/a"),
        ("by path", (0..1_000).map(by_path).collect(), "api.example", "/service999/7/a"),
        ("by host", (0..1_000).map(by_host).collect(), "s999.example", "/v1/7"),
        ("by neither", (0..1_000).map(by_neither).collect(), "api.example", "/a/service999"),
    ] {
        let router = router(made).unwrap();
        let target = Target { host: host.to_owned(), path: path.parse().unwrap() };
        let headers = HeaderMap::new();
        let rounds = 2_000;
        let start = std::time::Instant::now();
        for _ in 0..rounds {
            router.find(std::hint::black_box(&target), &Method::GET, &headers).unwrap();
        }
        println!("{name}: {} ns", start.elapsed().as_nanos() / rounds);
    }
}
