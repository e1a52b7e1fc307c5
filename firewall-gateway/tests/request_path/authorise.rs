//! May they: rules about who a token says somebody is, and the ways around them that others fell for.

use std::time::{SystemTime, UNIX_EPOCH};

use firewall_gateway::{
    identity::jwt::Algorithm,
    policy::{
        AuthenticationPolicy, JwtPolicy, KeyOrigin, KeyText, OwnerPolicy, RoutePolicy, RulePolicy,
    },
};
use serde_json::{Value, json};

use crate::{
    forge::{Kind, Signer, jwks},
    world::{World, label, one_request, status},
};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn any() -> RulePolicy {
    RulePolicy::default()
}

fn owner(claim: Option<&str>) -> RulePolicy {
    let claim = claim.map(str::to_owned);
    RulePolicy { owner: Some(OwnerPolicy { parameter: "id".to_owned(), claim }), ..any() }
}

/// Routes with rules, and one behind them that takes all else from everyone.
fn world() -> (World, Signer) {
    let signer = Signer::new("e", Kind::P256);
    let keys = KeyText { text: jwks([&signer]), confirmed_epoch_s: 0 };
    let world = World::changed(|policy| {
        policy.jwts = vec![JwtPolicy {
            name: "main".to_owned(),
            issuer: "i".to_owned(),
            audiences: texts(&["api"]),
            algorithms: vec![Algorithm::ES256],
            keys: Some(keys),
            origin: KeyOrigin::Local,
            types: Vec::new(),
            authorized_parties: Vec::new(),
            leeway_s: 60,
            age_max_s: None,
            claims_required: Vec::new(),
            consumer_claim: "sub".to_owned(),
            scopes_claim: None,
            roles_claim: Some("realm_access.roles".to_owned()),
            headers: Vec::new(),
        }];
        let route = |name: &str, path: &str, authorise: Vec<RulePolicy>| RoutePolicy {
            authentication: vec![AuthenticationPolicy::Jwt("main".to_owned())],
            authorise,
            ..RoutePolicy::to_upstream(name, path, 0)
        };
        let read =
            RulePolicy { methods: texts(&["GET"]), scopes: texts(&["orders.read"]), ..any() };
        let write =
            RulePolicy { methods: texts(&["POST"]), scopes: texts(&["orders.write"]), ..any() };
        let here = RulePolicy { networks: vec!["127.0.0.0/8".parse().unwrap()], ..any() };
        let elsewhere = RulePolicy { networks: vec!["192.0.2.0/24".parse().unwrap()], ..any() };
        let paid = [("plan".to_owned(), texts(&["gold", "true"]))].into();
        policy.routes = vec![
            route("admin", "/admin/*", vec![RulePolicy { roles: texts(&["admin"]), ..any() }]),
            route("users", "/users/{id}", vec![owner(None)]),
            route("tenants", "/tenants/{id}/*", vec![owner(Some("tenant.id"))]),
            route("orders", "/orders", vec![read, write]),
            route("paid", "/paid", vec![RulePolicy { claims: paid, ..any() }]),
            route("shop", "/shop", vec![RulePolicy { consumers: texts(&["shop"]), ..any() }]),
            RoutePolicy { authorise: vec![here], ..RoutePolicy::to_upstream("here", "/here", 0) },
            RoutePolicy {
                authorise: vec![elsewhere],
                ..RoutePolicy::to_upstream("elsewhere", "/elsewhere", 0)
            },
            RoutePolicy::to_upstream("open", "/*", 0),
        ];
    });
    (world, signer)
}

fn bearer(signer: &Signer, changes: Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut claims = json!({"iss": "i", "aud": "api", "sub": "shop", "exp": now + 300});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    format!("Authorization: Bearer {}\r\n", signer.token("ES256", &claims))
}

/// What the answer is, and what was counted; of a 403 the kind of condition.
fn check(world: &World, line: &str, lines: &str, expected: u16, counted: &str) {
    let before = world.settled();
    let request = format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n");
    let answer = world.exchange(&request);
    let shown = format!("{line} {lines}");
    assert_eq!(status(&answer), expected, "{shown}: {answer}");
    let after = world.settled();
    let rejection = if expected == 403 { "forbidden" } else { counted };
    one_request(&before, &after, expected, "h1", rejection);
    let all = |figures: &firewall_gateway::figures::Figures| {
        figures.forbidden.iter().map(|row| row.count).sum::<u64>()
    };
    let forbidden = u64::from(expected == 403);
    assert_eq!(all(&after) - all(&before), forbidden, "{shown}: {:?}", after.forbidden);
    let seen = world.upstream.seen();
    assert_eq!(seen.is_empty(), expected != 200, "{shown}: {seen:?}");
    if expected == 403 {
        let of_kind = label(&after.forbidden, counted) - label(&before.forbidden, counted);
        assert_eq!(of_kind, 1, "{shown}: {:?}", after.forbidden);
        // What does not hold is not the client's to know.
        for word in ["scope", "role", "admin", "orders", "owner", "rule", "claim", "network"] {
            assert!(!answer.contains(word), "{word}: {answer}");
        }
    }
}

#[test]
fn a_rule_decides_who_may() {
    let (world, signer) = world();
    let with = |changes: Value| bearer(&signer, changes);
    let scope = |scope: &str| with(json!({"scope": scope}));
    let plain = with(json!({}));
    for (line, lines, expected, counted) in [
        ("GET /admin/a", with(json!({"realm_access": {"roles": ["x", "admin"]}})), 200, ""),
        ("GET /admin/a", with(json!({"realm_access": {"roles": ["administrator"]}})), 403, "roles"),
        ("GET /admin/a", with(json!({"roles": ["admin"]})), 403, "roles"),
        ("GET /admin/a", plain.clone(), 403, "roles"),
        ("GET /admin/a", String::new(), 401, "unauthenticated"),
        ("GET /users/shop", plain.clone(), 200, ""),
        ("GET /users/%73hop", plain.clone(), 200, ""),
        ("GET /users/bank", plain.clone(), 403, "owner"),
        ("GET /users/SHOP", plain.clone(), 403, "owner"),
        ("GET /tenants/7/keys", with(json!({"tenant": {"id": 7}})), 200, ""),
        ("GET /tenants/8/keys", with(json!({"tenant": {"id": 7}})), 403, "owner"),
        ("GET /tenants/7/keys", with(json!({"tenant": {"id": [7, 8]}})), 403, "owner"),
        ("GET /tenants/7/keys", plain.clone(), 403, "owner"),
        ("GET /orders", scope("orders.read"), 200, ""),
        ("HEAD /orders", scope("orders.read"), 200, ""),
        ("POST /orders", scope("a orders.write"), 200, ""),
        ("POST /orders", scope("orders.read"), 403, "scopes"),
        ("GET /orders", scope("orders.write"), 403, "scopes"),
        ("DELETE /orders", scope("orders.read orders.write"), 403, "methods"),
        ("GET /paid", with(json!({"plan": "gold"})), 200, ""),
        ("GET /paid", with(json!({"plan": ["free", "gold"]})), 200, ""),
        ("GET /paid", with(json!({"plan": true})), 200, ""),
        ("GET /paid", with(json!({"plan": "Gold"})), 403, "claims"),
        ("GET /paid", with(json!({"plan": {"gold": true}})), 403, "claims"),
        ("GET /paid", with(json!({"plan": [["gold"]]})), 403, "claims"),
        ("GET /paid", with(json!({"plan": null})), 403, "claims"),
        ("GET /shop", plain, 200, ""),
        ("GET /shop", with(json!({"sub": "shop2"})), 403, "consumers"),
        ("GET /here", String::new(), 200, ""),
        ("GET /elsewhere", String::new(), 403, "networks"),
        ("GET /elsewhere", "X-Forwarded-For: 192.0.2.1\r\n".to_owned(), 403, "networks"),
        ("GET /other", String::new(), 200, ""),
    ] {
        check(&world, line, &lines, expected, counted);
    }
}

#[test]
fn tricks_walk_around_no_rule() {
    let (world, signer) = world();
    let token = bearer(&signer, json!({"scope": "orders.read"}));
    let with = |line: &str| format!("{token}{line}\r\n");
    let long = "X-Pad: ".to_owned() + &"x".repeat(15_000);
    for (line, lines, expected, counted) in [
        ("GET /admin", token.clone(), 403, "roles"),
        ("GET /admin/", token.clone(), 403, "roles"),
        ("GET /%61dmin/x", token.clone(), 403, "roles"),
        ("GET /admin?x=/other", token.clone(), 403, "roles"),
        ("GET https://a/admin", token.clone(), 403, "roles"),
        ("OPTIONS /admin", String::new(), 401, "unauthenticated"),
        ("GET /admin", with("X-Original-URL: /other"), 403, "roles"),
        ("GET /admin", with("X-Rewrite-URL: /other"), 403, "roles"),
        ("GET /admin", with("X-Forwarded-For: 10.0.0.1"), 403, "roles"),
        ("GET /admin", with(&long), 403, "roles"),
        ("POST /orders", with("X-HTTP-Method-Override: GET"), 403, "scopes"),
        ("post /orders", token.clone(), 405, "method_refused"),
        ("GET //admin", token.clone(), 400, "path_ambiguous"),
        ("GET /other/../admin", token.clone(), 400, "path_ambiguous"),
        ("GET /other/%2e%2e/admin", token.clone(), 400, "path_ambiguous"),
        ("GET /other%2f..%2fadmin", token.clone(), 400, "path_ambiguous"),
        ("GET /%2561dmin", token.clone(), 400, "path_ambiguous"),
        ("GET /admin;a=b", token.clone(), 400, "path_ambiguous"),
        ("GET /\\admin", token.clone(), 400, "path_ambiguous"),
        ("GET /admin%00", token.clone(), 400, "path_ambiguous"),
        ("GET /users/shop%20", token.clone(), 403, "owner"),
        ("GET /users/shop", with("Connection: Authorization"), 400, "connection_header"),
    ] {
        check(&world, line, &lines, expected, counted);
    }
    // A method that a rule lets pass stays the method that the backend acts on.
    let lines =
        "X-HTTP-Method-Override: DELETE\r\nX_HTTP_Method: DELETE\r\nX-Method-Override: DELETE\r\n";
    let request =
        format!("GET /orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{token}{lines}\r\n");
    assert_eq!(status(&world.exchange(&request)), 200);
    let seen = world.upstream.seen();
    assert!(!seen[0].contains("DELETE"), "{seen:?}");
}
