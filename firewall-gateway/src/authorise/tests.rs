//! Each condition: what it lets pass, and the nearest thing that it does not.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use super::{Asked, Authorise, Kind};
use crate::{
    identity::{self, Identity},
    policy::{Day, OwnerPolicy, RulePolicy, TimePolicy},
    route::Pattern,
};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn shared(names: &[&str]) -> Arc<[Arc<str>]> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn identity(claims: Value) -> Identity {
    Identity {
        consumer: "shop".into(),
        scopes: shared(&["orders.read", "orders.write"]),
        roles: shared(&["customer"]),
        claims: claims.as_object().cloned().map(Arc::new),
        method: identity::Method::Jwt,
        credential: "c".into(),
    }
}

fn rules(rules: &[RulePolicy]) -> Authorise {
    Authorise::new(rules, &Pattern::parse("/users/{id}/*").unwrap()).unwrap()
}

// 2026-11-25, a Wednesday, 12:00.
const NOON: u64 = 20_782 * 86_400 + 12 * 3_600;

#[test]
fn each_condition_by_itself() {
    let claims = json!({
        "sub": "u7", "n": 7, "half": 7.5, "admin": true, "none": null,
        "groups": ["a", "b", 3], "nested": {"roles": ["x"], "deep": {"er": "y"}}, "a.b": "z",
    });
    let known = identity(claims);
    let any = RulePolicy::default;
    let of_claim = |name: &str, values: &[&str]| RulePolicy {
        claims: [(name.to_owned(), texts(values))].into(),
        ..any()
    };
    let owner = |claim: Option<&str>| RulePolicy {
        owner: Some(OwnerPolicy { parameter: "id".to_owned(), claim: claim.map(str::to_owned) }),
        ..any()
    };
    let time = |day: Day, from_min, to_min| RulePolicy {
        times: vec![TimePolicy { days: vec![day], from_min, to_min }],
        ..any()
    };
    let scopes = |names: &[&str]| RulePolicy { scopes: texts(names), ..any() };
    let roles = |names: &[&str]| RulePolicy { roles: texts(names), ..any() };
    let consumers = |names: &[&str]| RulePolicy { consumers: texts(names), ..any() };
    let countries = |names: &[&str]| RulePolicy { countries: texts(names), ..any() };
    let methods = |names: &[&str]| RulePolicy { methods: texts(names), ..any() };
    let networks = |text: &str| RulePolicy { networks: vec![text.parse().unwrap()], ..any() };
    for (rule, path, expected) in [
        (methods(&["GET"]), "/users/u7", None),
        (methods(&["POST"]), "/users/u7", Some(Kind::Methods)),
        (networks("192.0.2.0/24"), "/users/u7", None),
        (networks("192.0.3.0/24"), "/users/u7", Some(Kind::Networks)),
        (countries(&["AT", "DE"]), "/users/u7", None),
        (countries(&["AT"]), "/users/u7", Some(Kind::Countries)),
        (networks("2001:db8::/32"), "/users/u7", Some(Kind::Networks)),
        (time(Day::Wed, 0, 1_440), "/users/u7", None),
        (time(Day::Thu, 0, 1_440), "/users/u7", Some(Kind::Times)),
        (time(Day::Wed, 0, 720), "/users/u7", Some(Kind::Times)),
        (consumers(&["bank", "shop"]), "/users/u7", None),
        (consumers(&["bank", "sho"]), "/users/u7", Some(Kind::Consumers)),
        (scopes(&["orders.read"]), "/users/u7", None),
        (scopes(&["orders.read", "orders.write"]), "/users/u7", None),
        // All of them, and whole.
        (scopes(&["orders.read", "admin"]), "/users/u7", Some(Kind::Scopes)),
        (scopes(&["orders"]), "/users/u7", Some(Kind::Scopes)),
        (scopes(&["orders.read orders.write"]), "/users/u7", Some(Kind::Scopes)),
        // One of them.
        (roles(&["admin", "customer"]), "/users/u7", None),
        (roles(&["admin"]), "/users/u7", Some(Kind::Roles)),
        (roles(&["Customer"]), "/users/u7", Some(Kind::Roles)),
        (of_claim("sub", &["u6", "u7"]), "/users/u7", None),
        (of_claim("sub", &["u"]), "/users/u7", Some(Kind::Claims)),
        (of_claim("n", &["7"]), "/users/u7", None),
        (of_claim("n", &["07"]), "/users/u7", Some(Kind::Claims)),
        (of_claim("half", &["7.5"]), "/users/u7", Some(Kind::Claims)),
        (of_claim("admin", &["true"]), "/users/u7", None),
        (of_claim("none", &["null"]), "/users/u7", Some(Kind::Claims)),
        (of_claim("groups", &["b"]), "/users/u7", None),
        (of_claim("groups", &["3"]), "/users/u7", None),
        (of_claim("groups", &["c"]), "/users/u7", Some(Kind::Claims)),
        (of_claim("nested.roles", &["x"]), "/users/u7", None),
        (of_claim("nested.deep.er", &["y"]), "/users/u7", None),
        (of_claim("nested", &["x"]), "/users/u7", Some(Kind::Claims)),
        // A claim may have dots of its own.
        (of_claim("a.b", &["z"]), "/users/u7", None),
        (owner(Some("sub")), "/users/u7", None),
        (owner(Some("sub")), "/users/u7/keys/u8", None),
        (owner(Some("sub")), "/users/u8", Some(Kind::Owner)),
        (owner(Some("sub")), "/users/U7", Some(Kind::Owner)),
        (owner(Some("sub")), "/users/u7%20", Some(Kind::Owner)),
        (owner(Some("sub")), "/users/u8/u7", Some(Kind::Owner)),
        (owner(Some("n")), "/users/7", None),
        (owner(Some("groups")), "/users/a", Some(Kind::Owner)),
        (owner(Some("absent")), "/users/u7", Some(Kind::Owner)),
        (owner(None), "/users/shop", None),
        (owner(None), "/users/u7", Some(Kind::Owner)),
    ] {
        let authorise = rules(std::slice::from_ref(&rule));
        let mut asked = Asked {
            country: Some(*b"DE"),
            identity: Some(&known),
            address: "192.0.2.7".parse().unwrap(),
            method: &Method::GET,
            path,
            now_epoch_s: NOON,
        };
        let found = authorise.check(&asked).err().map(|forbidden| forbidden.kind);
        assert_eq!(found, expected, "{rule:?} {path}");
        // Nobody in particular passes only what asks for nobody.
        asked.identity = None;
        assert_eq!(authorise.check(&asked).is_ok(), expected.is_none() && !rule.needs_identity());
    }
}

#[test]
fn one_rule_must_hold_and_the_log_learns_what_did_not() {
    let read = RulePolicy {
        methods: texts(&["GET"]),
        scopes: texts(&["orders.read"]),
        ..RulePolicy::default()
    };
    let write = RulePolicy {
        methods: texts(&["POST"]),
        scopes: texts(&["orders.write", "orders.admin"]),
        ..RulePolicy::default()
    };
    let authorise = rules(&[read, write]);
    let known = identity(Value::Null);
    for (method, expected) in [
        (Method::GET, Ok(())),
        (Method::HEAD, Ok(())),
        (Method::POST, Err("rule:2:scopes:orders.admin")),
        (Method::DELETE, Err("rule:1:methods:GET")),
    ] {
        let asked = Asked {
            country: None,
            identity: Some(&known),
            address: "192.0.2.7".parse().unwrap(),
            method: &method,
            path: "/users/u7",
            now_epoch_s: NOON,
        };
        let found = authorise.check(&asked).map_err(|forbidden| forbidden.text.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{method}");
    }
}

#[test]
fn rules_that_say_nothing_are_refused() {
    let path = Pattern::parse("/users/{id}").unwrap();
    let methods = RulePolicy { methods: texts(&["get"]), ..RulePolicy::default() };
    let owner = OwnerPolicy { parameter: "user".to_owned(), claim: None };
    let owner = RulePolicy { owner: Some(owner), ..RulePolicy::default() };
    for (rule, expected) in [
        (RulePolicy::default(), "an empty rule would let everyone in"),
        (methods, "expected GET, HEAD, POST"),
        (owner, "expected a parameter of the route's path, found \"user\""),
    ] {
        let error = Authorise::new(&[rule], &path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
