//! Who is it, by a token that somebody else knows: asked once, remembered, and never taken for good without an answer.

use firewall_gateway::policy::{
    ApiKeyPolicy, AuthenticationPolicy, ConsumerPolicy, FailuresPolicy, GatewayPolicy,
    IntrospectionPolicy, SecretText,
};

use crate::{
    upstream::Upstream,
    world::{World, gateway_policy, header, label, one_request, status, upstream_policy},
};

fn shape(policy: &mut GatewayPolicy, address_per_min: u32) {
    policy.introspections = vec![IntrospectionPolicy {
        name: "main".to_owned(),
        upstream: 1,
        path: "/introspect".to_owned(),
        client_id: "gate way".to_owned(),
        client_secret: Some(SecretText("s:ecret".to_owned())),
        timeout_ms: 300,
        cache_s: 30,
        issuer: None,
        audiences: vec![],
        consumer_claim: "sub".to_owned(),
        scopes_claim: None,
        roles_claim: None,
    }];
    policy.routes[0].authentication = vec![AuthenticationPolicy::Introspection(0)];
    policy.authentication_failures =
        FailuresPolicy { address_per_min, ..FailuresPolicy::default() };
}

/// A gateway, and the service that knows its tokens.
fn world(change: impl FnOnce(&mut GatewayPolicy)) -> (World, Upstream) {
    let (upstream, service) = (Upstream::start("api.internal"), Upstream::start("api.internal"));
    let way = upstream_policy(upstream.address, &upstream.certificate_pem, 4);
    let mut policy = gateway_policy(way, Default::default());
    let mut other = upstream_policy(service.address, &service.certificate_pem, 4);
    other.name = "id".to_owned();
    policy.upstreams.push(other);
    change(&mut policy);
    (World::serving(upstream, &policy), service)
}

fn ask(world: &World, token: &str) -> String {
    world.exchange(&format!(
        "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nX-Consumer: root\r\nConnection: close\r\n\r\n"
    ))
}

#[test]
fn a_token_is_asked_about_once_and_what_is_said_acts() {
    let (world, service) = world(|policy| shape(policy, 1_000));
    for (token, expected, denied, outcome, asked) in [
        ("good", 200, "", "good", 1),
        ("good", 200, "", "good", 0),
        ("good~2", 200, "", "good", 1),
        ("bad", 401, "introspection_inactive", "refused", 1),
        ("bad", 401, "introspection_inactive", "refused", 0),
        ("over", 401, "introspection_expired", "refused", 1),
        ("garbage", 503, "", "malformed", 1),
        // What is no answer is not remembered.
        ("garbage", 503, "", "malformed", 1),
        ("text", 503, "", "malformed", 1),
        ("broken", 503, "", "malformed", 1),
        ("slow", 503, "", "timeout", 1),
    ] {
        let before = world.settled();
        let answer = ask(&world, token);
        assert_eq!(status(&answer), expected, "{token}: {answer}");
        let after = world.settled();
        let rejection = match expected {
            401 => "unauthenticated",
            503 => "introspection_unavailable",
            _ => "",
        };
        one_request(&before, &after, expected, "h1", rejection);
        let added = label(&after.introspections, outcome) - label(&before.introspections, outcome);
        // Two threads serve: the other one asks for itself.
        assert!(added <= 1 && (added == asked || added == 1), "{token}: {added}");
        let all = service.seen();
        assert_eq!(all.len() as u64, added, "{token}");
        for seen in &all {
            assert_eq!(header(seen, "authorization"), Some("Basic Z2F0ZSt3YXk6cyUzQWVjcmV0"));
            assert!(seen.starts_with("POST /introspect HTTP/1.1\r\n"), "{seen}");
            assert!(seen.ends_with("&token_type_hint=access_token"), "{seen}");
        }
        if !denied.is_empty() {
            assert_eq!(label(&after.denied, denied) - label(&before.denied, denied), 1, "{token}");
            let challenge = header(&answer, "www-authenticate");
            assert_eq!(challenge, Some("Bearer error=\"invalid_token\""), "{answer}");
        }
        let heard = world.upstream.seen();
        assert_eq!(heard.len(), usize::from(expected == 200), "{token}");
        for seen in &heard {
            assert_eq!(header(seen, "x-consumer"), Some("shop"), "{seen}");
            assert_eq!(header(seen, "x-consumer-scopes"), Some("read"), "{seen}");
        }
    }
}

#[test]
fn without_a_token_nobody_is_asked() {
    let (world, service) = world(|policy| shape(policy, 1_000));
    for (lines, denied) in [
        ("", "credential_missing"),
        ("Authorization: Basic YTpi\r\n", "credential_missing"),
        ("Authorization: Bearer good\r\nAuthorization: Bearer good\r\n", "credential_repeated"),
        ("Authorization: Bearer go od\r\n", "token_malformed"),
        ("Authorization: Bearer good,x\r\n", "token_malformed"),
    ] {
        let before = world.settled();
        let answer = world
            .exchange(&format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}Connection: close\r\n\r\n"));
        assert_eq!(status(&answer), 401, "{lines}: {answer}");
        let after = world.settled();
        assert_eq!(label(&after.denied, denied) - label(&before.denied, denied), 1, "{lines}");
        assert!(service.seen().is_empty(), "{lines}");
    }
}

#[test]
fn who_tries_tokens_is_asked_about_no_more() {
    let (world, service) = world(|policy| shape(policy, 3));
    for number in 0..3 {
        assert_eq!(status(&ask(&world, &format!("bad{number}"))), 401);
    }
    assert_eq!(service.seen().len(), 3);
    assert_eq!(status(&ask(&world, "bad9")), 429);
    assert!(service.seen().is_empty());
}

#[test]
fn a_service_that_is_down_lets_nobody_pass_and_a_key_passes_all_the_same() {
    let key = ApiKeyPolicy {
        header: Some("x-api-key".to_owned()),
        bearer: false,
        basic: false,
        keep: false,
    };
    let (world, service) = world(|policy| {
        shape(policy, 1_000);
        policy.consumers =
            vec![ConsumerPolicy { name: "shop".to_owned(), ..ConsumerPolicy::default() }];
        policy.routes[0].authentication.push(AuthenticationPolicy::ApiKey(key));
    });
    assert_eq!(status(&ask(&world, "good")), 200);
    drop(service);
    let text = crate::keys::give(&world, crate::keys::grant("shop"), None);
    let answer = world.exchange(&format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX-Api-Key: {}\r\nConnection: close\r\n\r\n",
        text.reveal()
    ));
    assert_eq!(status(&answer), 200, "{answer}");
}
