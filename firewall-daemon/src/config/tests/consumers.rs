//! Consumers, and where their keys stand.

use firewall_gateway::policy::{
    ApiKeyPolicy, AuthenticationPolicy, BalancePolicy, ConsumerPolicy, FailuresPolicy, HashKey,
    RouteAction, RulePolicy, Sticky,
};

use super::{GatewayConfig, LEAST, load};

const CONSUMERS: &str = "  consumers: [{name: shop, scopes: [a, b], roles: [c], networks: [192.0.2.0/24]}, {name: bank}]\n";

/// A gateway with these consumers and a route with these keys.
fn config(consumers: &str, route: &str) -> String {
    format!(
        "{LEAST}gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
         upstreams: [{{name: api, backends: [{{address: '127.0.0.1:2'}}]}}]\n{consumers}  \
         routes:\n  - name: r\n    path: '/a/{{id}}'\n    upstream: api\n    {route}\n"
    )
}

fn read(consumers: &str, route: &str) -> GatewayConfig {
    load(&config(consumers, route)).expect("a configuration").gateway.expect("a gateway")
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn every_key_of_consumers_acts() {
    let failures = "  authentication_failures: {address_per_min: 1, network_per_min: 2, consumer_per_min: 3}\n";
    let gateway = read(&format!("{CONSUMERS}{failures}"), "authentication: [api_key: {}]");
    let bank = ConsumerPolicy { name: "bank".into(), ..ConsumerPolicy::default() };
    let shop = ConsumerPolicy {
        name: "shop".into(),
        scopes: texts(&["a", "b"]),
        roles: texts(&["c"]),
        networks: vec!["192.0.2.0/24".parse().unwrap()],
        certificates: vec![],
    };
    assert_eq!(gateway.consumers, [shop, bank]);
    let failures = FailuresPolicy { address_per_min: 1, network_per_min: 2, consumer_per_min: 3 };
    assert_eq!(gateway.authentication_failures, failures);
    let api_key = |header: Option<&str>, bearer, basic, keep| {
        let header = header.map(str::to_owned);
        AuthenticationPolicy::ApiKey(ApiKeyPolicy { header, bearer, basic, keep })
    };
    for (key, expected) in [
        ("{}", api_key(Some("x-api-key"), false, false, false)),
        ("{header: API-Key}", api_key(Some("api-key"), false, false, false)),
        ("{from: [bearer, basic]}", api_key(None, true, true, false)),
        ("{from: [header, bearer], keep: true}", api_key(Some("x-api-key"), true, false, true)),
    ] {
        let gateway = read(CONSUMERS, &format!("authentication: [api_key: {key}]"));
        assert_eq!(gateway.routes[0].authentication, [expected], "{key}");
        assert_eq!(gateway.authentication_failures, FailuresPolicy::default());
    }
    let rule = "authentication: [api_key: {}]\n    authorise: [{consumers: [bank]}]";
    let expected = RulePolicy { consumers: texts(&["bank"]), ..RulePolicy::default() };
    assert_eq!(read(CONSUMERS, rule).routes[0].authorise, [expected]);
}

#[test]
fn what_is_wrong_with_consumers_and_keys_is_said() {
    for (route, expected) in [
        (
            "authentication: [{}]",
            "expected one of jwt, api_key, session, certificate and introspection, found none of them",
        ),
        (
            "authentication: [{api_key: {}, jwt: main}]",
            "authentication: expected one of jwt, api_key, session, certificate and introspection, found more than one",
        ),
        ("authentication: [{password: {}}]", "password"),
        (
            "authentication: [api_key: {}, api_key: {}]",
            "expected api_key, certificate and introspection once each",
        ),
        ("authentication: [api_key: {from: []}]", "from: expected 1 to 3 entries, found 0"),
        (
            "authentication: [api_key: {from: [basic, basic]}]",
            "from: expected each once, found basic again",
        ),
        ("authentication: [api_key: {from: [query]}]", "query"),
        (
            "authentication: [api_key: {from: [bearer], header: a}]",
            "header: expected header in from beside it",
        ),
        (
            "authentication: [api_key: {header: Authorization}]",
            "header: expected the name of a header that can carry a key",
        ),
        ("authentication: [api_key: {header: X-Consumer}]", "found \"X-Consumer\""),
        ("authentication: [api_key: {header: X_Consumer_Roles}]", "found \"X_Consumer_Roles\""),
        (
            "authentication: [api_key: {}]\n    authorise: [{consumers: [nobody]}]",
            "authorise: consumers: expected names of gateway.consumers in route \"r\", found \"nobody\"",
        ),
        (
            "methods: [GET]",
            "consumers: expected a route that takes API keys or certificates, found none",
        ),
        (
            "authentication: [certificate: true]",
            "certificate: expected gateway.tls.client_ca, found none",
        ),
    ] {
        let error = load(&config(CONSUMERS, route)).unwrap_err().to_string();
        assert!(error.contains(expected), "{route}: {error}");
    }
    let keys = "authentication: [api_key: {}]";
    let scope = "s".repeat(65);
    for (consumers, expected) in [
        ("", "routes: expected gateway.consumers beside the API keys of route \"r\", found none"),
        ("  consumers: []\n", "consumers: expected 1 to 1024 entries, found 0"),
        ("  consumers: [{name: a}, {name: a}]\n", "found \"a\" again"),
        ("  consumers: [{name: a, scopes: []}]\n", "scopes: expected 1 to 32 entries, found 0"),
        ("  consumers: [{name: a, scopes: [b c]}]\n", "scopes: expected 1 to 64 plain characters"),
        ("  consumers: [{name: a, roles: ['\"']}]\n", "roles: expected 1 to 64 plain characters"),
        (&format!("  consumers: [{{name: a, roles: [{scope}]}}]\n"), "roles: expected 1 to 64"),
        ("  consumers: [{name: a, roles: [b, b]}]\n", "roles: expected each once, found b again"),
        ("  consumers: [{name: a, networks: [192.0.2.1/24]}]\n", "without host bits"),
        ("  consumers: [{name: a, networks: []}]\n", "networks: expected 1 to 32 entries"),
    ] {
        let error = load(&config(consumers, keys)).unwrap_err().to_string();
        assert!(error.contains(expected), "{consumers}: {error}");
    }
    let bound = |text: &str| format!("{CONSUMERS}  authentication_failures: {{{text}}}\n");
    for text in ["address_per_min: 0", "network_per_min: 1000001", "consumer_per_min: x"] {
        let error = load(&config(&bound(text), keys)).unwrap_err().to_string();
        assert!(error.contains("a whole number from 1 to 1000000"), "{text}: {error}");
    }
    let alone = "  authentication_failures: {address_per_min: 1}\n";
    let error = load(&config(alone, "methods: [GET]")).unwrap_err().to_string();
    let expected = "expected a route that takes API keys or sessions, found none";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn certificates_and_routes_are_there_for_each_other() {
    let certified = |consumers: &str, route: &str| {
        load(&config(&format!("  tls: {{client_ca: c}}\n  consumers: [{consumers}]\n"), route))
    };
    let by_certificate = "authentication: [{api_key: {}}, {certificate: true}]";
    let names = "'URI:spiffe://a/b', 'subject:CN=a,O=b'";
    let one = format!("{{name: a, certificates: [{names}]}}");
    let gateway = certified(&one, by_certificate).unwrap().gateway.expect("a gateway");
    assert_eq!(gateway.consumers[0].certificates, ["URI:spiffe://a/b", "subject:CN=a,O=b"]);
    let [AuthenticationPolicy::ApiKey(_), AuthenticationPolicy::Certificate] =
        gateway.routes[0].authentication.as_slice()
    else {
        panic!("{:?}", gateway.routes[0].authentication)
    };
    let two = format!("{one}, {{name: b, certificates: ['DNS:x', 'URI:spiffe://a/b']}}");
    for (consumers, route, expected) in [
        (
            one.as_str(),
            "authentication: [api_key: {}]",
            "certificates: expected a route that takes those of consumer \"a\"",
        ),
        (
            "{name: a}",
            by_certificate,
            "expected certificates of one of gateway.consumers beside certificate in route \"r\"",
        ),
        (
            &two,
            by_certificate,
            "expected a name that no other consumer has, found \"URI:spiffe://a/b\", which is \"a\" too",
        ),
        (
            "{name: a, certificates: [shop]}",
            by_certificate,
            "certificates: expected subject:, URI:, DNS:",
        ),
        ("{name: a, certificates: ['DNS:a', 'DNS:a']}", by_certificate, "found DNS:a again"),
        ("{name: a, certificates: []}", by_certificate, "certificates: expected 1 to 32 entries"),
        (
            &one,
            "authentication: [{certificate: true}, {certificate: true}]",
            "found one of them again",
        ),
        (&one, "authentication: [{certificate: false}]", "certificate: expected true, found false"),
        (
            &one,
            "authentication: [certificate: true]\n    authorise: [{consumers: [z]}]",
            "found \"z\"",
        ),
    ] {
        let error = certified(consumers, route).unwrap_err().to_string();
        assert!(error.contains(expected), "{consumers} {route}: {error}");
    }
}

#[test]
fn what_goes_by_consumer_asks_who_it_is() {
    let ways = |upstream: &str, authentication: &str, sticky: &str| {
        let text = config(CONSUMERS, authentication);
        let other = ", {name: next, backends: [{address: '127.0.0.1:3'}]}]\n";
        let text = text.replace("}]}]\n  consumers", &format!("}}]{upstream}}}{other}  consumers"));
        let split = "split: [{upstream: api, weight: 1}, {upstream: next, weight: 1}]";
        load(&text.replace("upstream: api\n", &format!("{split}\n    {sticky}\n")))
    };
    let (hash, by) = (", balance: hash, hash: {on: consumer}", "sticky: {by: consumer}");
    let known = "authentication: [api_key: {}]";
    let gateway = ways(hash, known, by).expect("a configuration").gateway.expect("a gateway");
    assert_eq!(gateway.upstreams[0].delivery.balance, BalancePolicy::Hash(HashKey::Consumer));
    let RouteAction::Forward(forward) = &gateway.routes[0].action else { panic!("{gateway:?}") };
    assert_eq!(forward.sticky, Some(Sticky::Consumer));
    let named = "sticky: {by: consumer, name: a}";
    for (upstream, authentication, sticky, expected) in [
        ("", known, named, "sticky: expected no name beside by: address and by: consumer"),
        ("", "upgrades: [websocket]", by, "sticky: expected authentication beside by: consumer"),
        (
            ", protocol: http2",
            "upgrades: [websocket]",
            "sticky: {by: address}",
            "upgrades: expected upstreams with `protocol: http1`, found \"api\" with http2",
        ),
    ] {
        let error = ways(upstream, authentication, sticky).unwrap_err().to_string();
        assert!(error.contains(expected), "{sticky} {authentication}: {error}");
    }
}
