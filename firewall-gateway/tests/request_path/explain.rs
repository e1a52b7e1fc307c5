//! What is said of a request is what becomes of it: each is asked about, and then sent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use firewall_gateway::{
    countries::Countries,
    explain::{Assumed, Question, RequestExplanation, explain},
    figures::{Figures, LabelCount},
    identity::api_key::{
        store::{GrantPolicy, KeyChange, KeyPolicy},
        text::KeyText,
    },
    policy::{
        ApiKeyPolicy, AuthenticationPolicy, BehaviourPolicy, ClientCertificateUse, ConsumerPolicy,
        CorsPolicy, CsrfPolicy, ForwardPolicy, GatewayPolicy, RouteAction, RoutePolicy, RulePolicy,
    },
};

use crate::{
    upstream::Upstream,
    world::{World, gateway_policy, header, status, upstream_policy},
};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn shape(policy: &mut GatewayPolicy) {
    policy.consumers = vec![ConsumerPolicy {
        name: "shop".to_owned(),
        scopes: texts(&["orders.read"]),
        ..ConsumerPolicy::default()
    }];
    let by_key = AuthenticationPolicy::ApiKey(ApiKeyPolicy {
        header: Some("x-api-key".to_owned()),
        bearer: false,
        basic: false,
        keep: false,
    });
    let scope = |scope: &str| vec![RulePolicy { scopes: texts(&[scope]), ..RulePolicy::default() }];
    let app = texts(&["https://app.example"]);
    let route = |name: &str, path: &str| RoutePolicy::to_upstream(name, path, 0);
    let cors =
        CorsPolicy { origins: app.clone(), methods: texts(&["GET"]), ..CorsPolicy::default() };
    let rewrite = ForwardPolicy { rewrite: Some("/v2/{id}".to_owned()), ..ForwardPolicy::to(0) };
    let to = |to: &str| RouteAction::Redirect { to: to.to_owned(), status: 308 };
    policy.routes = vec![
        RoutePolicy {
            methods: texts(&["GET"]),
            authentication: vec![by_key.clone()],
            authorise: scope("orders.read"),
            ..route("orders", "/orders/{id}")
        },
        RoutePolicy {
            authentication: vec![by_key],
            authorise: scope("admin"),
            ..route("admin", "/admin/*")
        },
        RoutePolicy { cors: Some(cors), ..route("shared", "/shared") },
        RoutePolicy {
            csrf: Some(CsrfPolicy { origins: app, token: None }),
            ..route("pages", "/pages")
        },
        RoutePolicy {
            client_certificate: ClientCertificateUse::Required,
            ..route("members", "/members")
        },
        RoutePolicy { action: RouteAction::Forward(rewrite), ..route("v1", "/v1/{id}") },
        RoutePolicy { action: to("https://b.example/{id}"), ..route("moved", "/moved/{id}") },
        RoutePolicy {
            action: RouteAction::Maintenance { retry_after_s: 60, detail: None },
            ..route("closed", "/closed")
        },
    ];
}

fn key(text: &KeyText) -> KeyPolicy {
    let grant =
        GrantPolicy { consumer: "shop".to_owned(), scopes: None, routes: vec![], networks: vec![] };
    KeyPolicy { id: text.id().to_owned(), hash: text.hash(), ends_epoch_s: None, grant }
}

fn question(method: &str, path: &str, headers: &[(&str, &str)]) -> Question {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Question {
        method: method.to_owned(),
        url: format!("https://gateway.test{path}"),
        headers: headers.collect(),
        address: "127.0.0.1".parse().unwrap(),
        assumed: None,
    }
}

fn count(rows: &[LabelCount]) -> u64 {
    rows.iter().map(|row| row.count).sum()
}

/// The one label that was counted more often; nothing where none was.
fn counted(before: &[LabelCount], after: &[LabelCount]) -> Option<String> {
    let more = |row: &&LabelCount| row.count > crate::world::label(before, &row.label);
    assert!(count(after) - count(before) <= 1);
    after.iter().find(more).map(|row| row.label.clone())
}

#[test]
fn what_is_said_is_what_becomes_of_it() {
    let upstream = Upstream::start("api.internal");
    let way = upstream_policy(upstream.address, &upstream.certificate_pem, 4);
    let mut policy = gateway_policy(way, Default::default());
    shape(&mut policy);
    let world = World::serving(upstream, &policy);
    let (good, other) = (KeyText::generate().unwrap(), KeyText::generate().unwrap());
    let keys = [key(&good)];
    world.gateway.keys().change(&[KeyChange::Add(keys[0].clone())]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let shows = |key: &KeyText| vec![("x-api-key", key.reveal().to_owned())];
    let none = Vec::new;
    let preflight = |origin: &str| {
        let method = ("access-control-request-method", "GET".to_owned());
        vec![("origin", origin.to_owned()), method]
    };
    let site = |site: &str| vec![("sec-fetch-site", site.to_owned())];
    let twice = vec![("x-api-key", good.reveal().to_owned()), ("x-api-key", "x".to_owned())];
    for (method, path, headers, verdict, said) in [
        ("GET", "/orders/7", shows(&good), "forward", ""),
        ("GET", "/orders/7?a=b", none(), "refuse", "credential_missing"),
        ("GET", "/orders/7", shows(&other), "refuse", "key_unknown"),
        ("GET", "/orders/7", twice, "refuse", "credential_repeated"),
        ("POST", "/orders/7", shows(&good), "refuse", ""),
        ("GET", "/admin/x", shows(&good), "refuse", "rule:1:scopes:admin"),
        ("GET", "/nowhere", none(), "refuse", ""),
        ("GET", "/orders%2f7", none(), "refuse", ""),
        ("TRACE", "/orders/7", none(), "refuse", ""),
        ("OPTIONS", "/shared", preflight("https://app.example"), "preflight", ""),
        ("OPTIONS", "/shared", preflight("https://evil.example"), "refuse", "preflight_origin"),
        ("POST", "/pages", site("same-origin"), "forward", ""),
        ("POST", "/pages", site("cross-site"), "refuse", "fetch_site"),
        ("GET", "/members", none(), "refuse", ""),
        ("GET", "/v1/7", none(), "forward", ""),
        ("GET", "/moved/7", none(), "redirect", ""),
        ("GET", "/closed", none(), "refuse", ""),
    ] {
        let borrowed: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let told =
            explain(&policy, &keys, &Countries::default(), &question(method, path, &borrowed), now)
                .unwrap();
        let shown = format!("{method} {path}: {told:?}");
        assert_eq!(told.verdict, verdict, "{shown}");
        assert_eq!(told.denied.as_deref().unwrap_or_default(), said, "{shown}");
        let before = world.settled();
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n{lines}\r\n"
        );
        let answer = world.exchange(&request);
        let after = world.settled();
        assert_eq!(told.status.unwrap_or(200), status(&answer), "{shown}: {answer}");
        assert_eq!(told.reason, counted(&before.rejections, &after.rejections), "{shown}");
        let of = |rows: fn(&Figures) -> &[LabelCount]| counted(rows(&before), rows(&after));
        let denied = of(|figures| &figures.denied).or(of(|figures| &figures.cross_site));
        let by_rule = of(|figures| &figures.forbidden).is_some();
        assert_eq!(told.denied.is_some(), denied.is_some() || by_rule, "{shown}");
        if let Some(denied) = denied {
            assert_eq!(denied, said, "{shown}");
        }
        let seen = world.upstream.seen();
        assert_eq!(seen.len(), usize::from(verdict == "forward"), "{shown}");
        if verdict == "forward" {
            let asked = format!("{method} {}", told.path.as_deref().unwrap_or_default());
            assert!(seen[0].starts_with(&asked), "{shown}: {}", seen[0]);
            assert_eq!(told.upstreams, ["api"]);
        }
        if verdict == "redirect" {
            let last = &told.stages.last().unwrap().said;
            assert_eq!(*last, format!("sent to {}", header(&answer, "location").unwrap()));
        }
    }
}

#[test]
fn whoever_is_asked_for_may_be_assumed() {
    let mut policy = crate::world::example_policy();
    shape(&mut policy);
    let ask = |scopes: &[&str]| -> RequestExplanation {
        let assumed =
            Assumed { consumer: "shop".to_owned(), scopes: texts(scopes), ..Assumed::default() };
        let question = Question { assumed: Some(assumed), ..question("GET", "/admin/x", &[]) };
        explain(&policy, &[], &Countries::default(), &question, Default::default()).unwrap()
    };
    let told = ask(&["orders.read"]);
    assert_eq!((told.verdict.as_str(), told.status), ("refuse", Some(403)));
    assert_eq!(told.denied.as_deref(), Some("rule:1:scopes:admin"));
    assert_eq!(ask(&["orders.read", "admin"]).verdict, "forward");
}

#[test]
fn whether_a_consumers_offences_count_is_said() {
    let mut policy = crate::world::example_policy();
    shape(&mut policy);
    let mut scoring = BehaviourPolicy::default();
    scoring.consumers.exempt = texts(&["partner"]);
    for (behaviour, consumer, expected) in [
        (None, "shop", None),
        (
            Some(scoring.clone()),
            "shop",
            Some("what shop does wrong counts for it; its score is not asked"),
        ),
        (Some(scoring), "partner", Some("partner is exempt: what it does counts for nothing")),
    ] {
        policy.behaviour = behaviour;
        let assumed = Assumed { consumer: consumer.to_owned(), ..Assumed::default() };
        let asked = Question { assumed: Some(assumed), ..question("GET", "/orders/7", &[]) };
        let told = explain(&policy, &[], &Countries::default(), &asked, Duration::ZERO).unwrap();
        let said = told.stages.iter().find(|stage| stage.stage == "behaviour");
        assert_eq!(said.map(|stage| stage.said.as_str()), expected, "{consumer}");
    }
}

#[test]
fn what_is_no_request_is_said() {
    let policy = crate::world::example_policy();
    for (method, url, header, expected) in [
        ("G T", "https://a/", ("a", "b"), "request: expected a method such as GET, found \"G T\""),
        ("GET", "/orders", ("a", "b"), "request: expected https://HOST/PATH, found \"/orders\""),
        ("GET", "http://a/", ("a", "b"), "request: expected https://HOST/PATH"),
        ("GET", "https://a b/", ("a", "b"), "request: expected https://HOST/PATH"),
        ("GET", "https://a/", ("a b", "secret"), "header: expected NAME: VALUE, found \"a b\""),
        ("GET", "https://a/", ("a", "secret\n"), "header: expected NAME: VALUE, found \"a\""),
    ] {
        let question = Question { url: url.to_owned(), ..question(method, "/", &[header]) };
        let error = explain(&policy, &[], &Countries::default(), &question, Default::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let many = vec![("a", "b"); 257];
    let error = explain(
        &policy,
        &[],
        &Countries::default(),
        &question("GET", "/", &many),
        Default::default(),
    );
    assert!(error.unwrap_err().to_string().contains("at most 256, found 257"));
}
