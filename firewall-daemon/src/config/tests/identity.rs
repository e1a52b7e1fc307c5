//! `gateway.consumers`, and who may use a route.

use firewall_gateway::policy::{
    ApiKeyPolicy, AuthenticationPolicy, ConsumerPolicy, Day, FailuresPolicy, MethodPolicy,
    OwnerPolicy, RulePolicy, TimePolicy,
};

use super::{LEAST, load};
use crate::config::GatewayConfig;

/// A gateway with two consumers and a route with these keys, which begin at 12:22.
fn config(keys: &str) -> String {
    format!(
        "{LEAST}gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
         upstreams: [{{name: api, backends: [{{address: '127.0.0.1:2'}}]}}]\n  \
         consumers: [{{name: shop, scopes: [a, b], roles: [c], networks: [192.0.2.0/24]}}, {{name: bank}}]\n  \
         authentication_failures: {{address_per_min: 1, network_per_min: 2, consumer_per_min: 3}}\n  \
         routes:\n  - name: r\n    path: '/a/{{id}}'\n    upstream: api\n{keys}"
    )
}

fn read(keys: &str) -> GatewayConfig {
    load(&config(keys)).expect("a configuration").gateway.expect("a gateway")
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn every_key_acts() {
    let gateway = read("");
    let bank =
        ConsumerPolicy { name: "bank".into(), scopes: vec![], roles: vec![], networks: vec![] };
    let shop = ConsumerPolicy {
        name: "shop".into(),
        scopes: texts(&["a", "b"]),
        roles: texts(&["c"]),
        networks: vec!["192.0.2.0/24".parse().unwrap()],
    };
    assert_eq!(gateway.consumers, [shop, bank]);
    let failures = FailuresPolicy { address_per_min: 1, network_per_min: 2, consumer_per_min: 3 };
    assert_eq!(gateway.authentication_failures, failures);
    assert_eq!((&gateway.routes[0].authentication, gateway.routes[0].authorise.len()), (&None, 0));
    let api_key = |header: Option<&str>, bearer, basic, keep_credential| AuthenticationPolicy {
        methods: vec![MethodPolicy::ApiKey(ApiKeyPolicy {
            header: header.map(str::to_owned),
            bearer,
            basic,
        })],
        keep_credential,
    };
    for (keys, expected) in [
        ("[api_key: {}]", api_key(Some("x-api-key"), false, false, false)),
        ("[api_key: {header: API-Key}]", api_key(Some("api-key"), false, false, false)),
        ("[api_key: {from: [bearer, basic]}]", api_key(None, true, true, false)),
        (
            "[api_key: {from: [header, bearer]}]\n    keep_credential: true",
            api_key(Some("x-api-key"), true, false, true),
        ),
    ] {
        let gateway = read(&format!("    authentication: {keys}\n"));
        assert_eq!(gateway.routes[0].authentication, Some(expected), "{keys}");
    }
    let rule = RulePolicy {
        methods: texts(&["GET"]),
        networks: vec!["2001:db8::/32".parse().unwrap()],
        times: vec![
            TimePolicy { days: vec![Day::Mon, Day::Fri], from_min: 480, to_min: 1_080 },
            TimePolicy { days: vec![], from_min: 0, to_min: 60 },
            TimePolicy { days: vec![Day::Sun], from_min: 1_320, to_min: 360 },
        ],
        consumers: texts(&["shop"]),
        scopes: texts(&["a"]),
        roles: texts(&["c", "d"]),
        claims: [("realm_access.roles".to_owned(), texts(&["x", "y"]))].into(),
        owner: Some(OwnerPolicy { parameter: "id".into(), claim: Some("sub".into()) }),
    };
    let keys = "    authentication: [api_key: {}]\n    authorise:\n    - methods: [GET]\n      \
        networks: ['2001:db8::/32']\n      times:\n      - {days: [mon, fri], from: '08:00', to: '18:00'}\n      \
        - {to: '01:00'}\n      - {days: [sun], from: '22:00', to: '06:00'}\n      consumers: [shop]\n      \
        scopes: [a]\n      roles: [c, d]\n      claims: {realm_access.roles: [x, y]}\n      \
        owner: {parameter: id, claim: sub}\n    - owner: {parameter: id}\n";
    let owner = OwnerPolicy { parameter: "id".into(), claim: None };
    let second = RulePolicy { owner: Some(owner), ..RulePolicy::default() };
    assert_eq!(read(keys).routes[0].authorise, [rule, second]);
}

#[test]
fn what_is_wrong_is_said() {
    for (keys, expected) in [
        ("authentication: []", "authentication: expected 1 to 8 entries, found 0"),
        ("authentication: [{}]", "api_key"),
        ("authentication: [{password: {}}]", "password"),
        (
            "authentication: [api_key: {}, api_key: {}]",
            "authentication: expected api_key once, found it again",
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
        ("keep_credential: true", "keep_credential: expected authentication beside it"),
        ("authorise: []", "authorise: expected 1 to 16 entries, found 0"),
        ("authorise: [{}]", "authorise: expected a condition, found none"),
        ("authorise: [{scopes: []}]", "scopes: expected 1 to 64 entries, found 0"),
        ("authorise: [{scopes: [a b]}]", "scopes: expected 1 to 128 plain characters"),
        ("authorise: [{scopes: [a, a]}]", "scopes: expected each once, found a again"),
        ("authorise: [{scopes: [a]}]", "authorise: expected authentication beside a rule"),
        ("authorise: [{methods: [get]}]", "methods: expected GET, HEAD"),
        ("authorise: [{networks: [192.0.2.1/24]}]", "without host bits"),
        ("authorise: [{consumers: [nobody]}]", "consumers: expected names of gateway.consumers"),
        ("authorise: [{claims: {}}]", "claims: expected 1 to 16 entries, found 0"),
        ("authorise: [{claims: {a..b: [c]}}]", "claims: expected the name of a claim"),
        ("authorise: [{times: [{from: '8:00'}]}]", "from: expected a time in UTC"),
        ("authorise: [{times: [{to: '24:01'}]}]", "to: expected a time in UTC"),
        ("authorise: [{times: [{from: '08:00', to: '08:00'}]}]", "found the same"),
        ("authorise: [{times: [{days: [monday]}]}]", "monday"),
        (
            "authorise: [{owner: {parameter: user}}]",
            "authorise: owner: expected a parameter of the route's path, found \"user\"",
        ),
        ("authorise: [{countries: [DE]}]", "countries"),
    ] {
        let error = load(&config(&format!("    {keys}\n"))).unwrap_err().to_string();
        assert!(error.contains(expected), "{keys}: {error}");
    }
}
