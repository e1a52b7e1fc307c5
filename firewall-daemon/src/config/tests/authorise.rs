//! Rules of routes.

use firewall_gateway::policy::{Day, OwnerPolicy, RulePolicy, TimePolicy};

use super::{GatewayConfig, LEAST, load};

/// A gateway with a route that takes tokens, or nobody's, and these keys, which begin at 14:5.
fn config(authentication: &str, keys: &str) -> String {
    format!(
        "{LEAST}gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
         upstreams: [{{name: api, backends: [{{address: '127.0.0.1:2'}}]}}]\n  \
         jwt: {{main: {{issuer: i, audience: [a], algorithms: [ES256], keys: k}}}}\n  \
         routes:\n  - {{name: t, path: /t, upstream: api, authentication: [{{jwt: main}}]}}\n  \
         - name: r\n    path: '/a/{{id}}'\n    upstream: api\n{authentication}    {keys}\n"
    )
}

const TOKENS: &str = "    authentication: [{jwt: main}]\n";

fn read(keys: &str) -> GatewayConfig {
    load(&config(TOKENS, keys)).expect("a configuration").gateway.expect("a gateway")
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn every_key_of_a_rule_acts() {
    let rule = RulePolicy {
        methods: texts(&["GET"]),
        networks: vec!["2001:db8::/32".parse().unwrap()],
        countries: vec![],
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
    let keys = "authorise:\n    - methods: [GET]\n      networks: ['2001:db8::/32']\n      times:\n      \
        - {days: [mon, fri], from: '08:00', to: '18:00'}\n      - {to: '01:00'}\n      \
        - {days: [sun], from: '22:00', to: '06:00'}\n      consumers: [shop]\n      \
        scopes: [a]\n      roles: [c, d]\n      claims: {realm_access.roles: [x, y]}\n      \
        owner: {parameter: id, claim: sub}\n    - owner: {parameter: id}\n";
    let owner = OwnerPolicy { parameter: "id".into(), claim: None };
    let second = RulePolicy { owner: Some(owner), ..RulePolicy::default() };
    let gateway = read(keys);
    assert_eq!(gateway.routes[0].authorise, []);
    assert_eq!(gateway.routes[1].authorise, [rule, second]);
}

#[test]
fn what_is_wrong_with_a_rule_is_said() {
    for (keys, expected) in [
        ("authorise: []", "authorise: expected 1 to 16 entries, found 0"),
        ("authorise: [{}]", "authorise: expected a condition, found none"),
        ("authorise: [{scopes: []}]", "scopes: expected 1 to 32 entries, found 0"),
        ("authorise: [{scopes: [' a']}]", "scopes: expected 1 to 512 bytes"),
        ("authorise: [{scopes: [a, a]}]", "scopes: expected each once, found a again"),
        ("authorise: [{roles: ['']}]", "roles: expected 1 to 512 bytes"),
        ("authorise: [{methods: [get]}]", "methods: expected GET, HEAD"),
        ("authorise: [{networks: [192.0.2.1/24]}]", "expected a prefix without host bits"),
        ("authorise: [{networks: []}]", "networks: expected 1 to 64 entries, found 0"),
        ("authorise: [{consumers: []}]", "consumers: expected 1 to 32 entries, found 0"),
        ("authorise: [{claims: {}}]", "claims: expected 1 to 16 entries, found 0"),
        ("authorise: [{claims: {'': [c]}}]", "claims: expected 1 to 512 bytes"),
        ("authorise: [{claims: {a: []}}]", "claims: expected 1 to 32 entries, found 0"),
        ("authorise: [{times: []}]", "times: expected 1 to 64 entries, found 0"),
        ("authorise: [{times: [{from: '8:00'}]}]", "from: expected a time in UTC"),
        ("authorise: [{times: [{to: '24:01'}]}]", "to: expected a time in UTC"),
        ("authorise: [{times: [{from: '08:00', to: '08:00'}]}]", "found the same"),
        ("authorise: [{times: [{days: [monday]}]}]", "monday"),
        (
            "authorise: [{owner: {parameter: user}}]",
            "authorise: owner: expected a parameter of the route's path, found \"user\"",
        ),
        ("authorise: [{owner: {parameter: id, claim: ''}}]", "claim: expected 1 to 512 bytes"),
        ("authorise: [{countries: [DE]}]", "countries"),
    ] {
        let error = load(&config(TOKENS, keys)).unwrap_err().to_string();
        assert!(error.contains(expected), "{keys}: {error}");
    }
    for keys in ["scopes: [a]", "consumers: [a]", "owner: {parameter: id}"] {
        let keys = format!("authorise: [{{{keys}}}]");
        let error = load(&config("", &keys)).unwrap_err().to_string();
        assert!(error.contains("expected authentication beside a rule"), "{keys}: {error}");
    }
    load(&config("", "authorise: [{methods: [GET]}]")).expect("a rule about nobody");
}

#[test]
fn countries_need_their_database() {
    let rule = "authorise: [{countries: [DE, AT]}]";
    let with = |keys: &str, packet: &str| load(&config(TOKENS, keys).replace("packet: {}", packet));
    let database = "packet: {geo: {database: c.mmdb}}";
    let gateway = with(rule, database).expect("a configuration").gateway.expect("a gateway");
    assert_eq!(gateway.routes[1].authorise[0].countries, ["DE", "AT"]);
    assert_eq!(gateway.countries, Some("/etc/seawall/c.mmdb".into()));
    let gateway = with("methods: [GET]", database).expect("a configuration").gateway;
    assert_eq!(gateway.expect("a gateway").countries, None);
    for (keys, packet, expected) in [
        (
            rule,
            "packet: {}",
            "countries: expected packet.geo.database beside rules, limits or behaviour",
        ),
        ("authorise: [{countries: []}]", database, "countries: expected 1 to 300 entries, found 0"),
        (
            "authorise: [{countries: [DE, DE]}]",
            database,
            "countries: expected each once, found DE again",
        ),
        ("authorise: [{countries: [Germany]}]", database, "Germany"),
    ] {
        let error = with(keys, packet).unwrap_err().to_string();
        assert!(error.contains(expected), "{keys}: {error}");
    }
}
