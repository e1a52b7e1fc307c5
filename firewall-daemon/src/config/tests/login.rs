//! Logins, and routes that take their sessions.

use std::time::Duration;

use firewall_gateway::{
    identity::jwt::Algorithm,
    policy::{
        AuthenticationPolicy, ClaimHeader, ClientAuthentication, KeyOrigin, SessionStorePolicy,
    },
};

use super::*;

const HEAD: &str = "gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
                    upstreams: [{name: a, backends: [{address: '127.0.0.1:1'}]}]\n";
const ROUTES: &str =
    "  routes: [{name: r, path: /, upstream: a, authentication: [{session: main}]}]\n";
const LEAST_LOGIN: &str =
    "issuer: 'https://id.example/realms/a', client_id: app, origin: 'https://app.example'";

fn gateway(text: &str) -> GatewayConfig {
    load(&format!("{LEAST}{HEAD}{text}")).unwrap().gateway.expect("a gateway")
}

#[test]
fn what_is_left_out_has_its_default() {
    assert_eq!(gateway("  routes: [{name: r, path: /, upstream: a}]\n").logins, []);
    let gateway = gateway(&format!("{ROUTES}  logins: {{main: {{{LEAST_LOGIN}}}}}\n"));
    let login = &gateway.logins[0];
    let (policy, jwt) = (&login.policy, &login.policy.jwt);
    assert_eq!((policy.name(), jwt.issuer.as_str()), ("main", "https://id.example/realms/a"));
    assert_eq!(
        (policy.client_id.as_str(), jwt.audiences.as_slice()),
        ("app", &["app".to_owned()][..])
    );
    assert_eq!((policy.scopes.as_slice(), policy.port), (&["openid".to_owned()][..], 443));
    assert_eq!(
        (policy.cookie.as_str(), policy.after_logout.as_str()),
        ("__Host-session-main", "/")
    );
    assert!(!policy.front_channel_logout);
    assert_eq!((policy.idle_timeout_s, policy.absolute_timeout_s), (1_800, 43_200));
    assert_eq!((jwt.consumer_claim.as_str(), jwt.leeway_s), ("sub", 60));
    let algorithms = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];
    assert_eq!(jwt.algorithms, algorithms);
    assert_eq!(login.client_secret, None);
    assert_eq!(policy.client_authentication, ClientAuthentication::ClientSecretBasic);
    let discovery = &login.discovery;
    let url = "https://id.example/realms/a/.well-known/openid-configuration";
    assert_eq!((discovery.url.as_str(), discovery.interval), (url, Duration::from_secs(600)));
    assert!(discovery.copy.ends_with("keys/main.json"), "{discovery:?}");
    let KeyOrigin::Fetched { stale_max_s, .. } = &jwt.origin else { panic!("{jwt:?}") };
    assert_eq!(*stale_max_s, 86_400);
    assert_eq!(gateway.routes[0].authentication, [AuthenticationPolicy::Session("main".into())]);
    assert_eq!(gateway.limits.sessions_max, 100_000);
}

#[test]
fn every_key_of_a_login_acts() {
    let gateway = gateway(
        "  routes: [{name: r, hosts: ['*.example'], path: /, upstream: a, authentication: [{session: x}]}]
  authentication_failures: {address_per_min: 1}
  logins:
    x:
      issuer: https://id.example:8443/
      client_id: a b
      client_secret_file: secret
      client_authentication: client_secret_post
      origin: https://app.example:444
      scopes: [openid, profile]
      ca: ca.pem
      refresh_s: 60
      stale_max_s: 300
      algorithms: [ES512]
      leeway_s: 0
      consumer_claim: preferred_username
      scopes_claim: grants
      roles_claim: realm_access.roles
      headers: {X-Mail: email}
      cookie: __Host-me
      after_logout: /bye
      front_channel_logout: true
      idle_timeout_s: 60
      absolute_timeout_s: 300
",
    );
    let login = &gateway.logins[0];
    let (policy, jwt) = (&login.policy, &login.policy.jwt);
    assert_eq!((policy.port, policy.client_id.as_str()), (8_443, "a b"));
    assert_eq!(login.client_secret, Some("/etc/seawall/secret".into()));
    assert_eq!(policy.client_authentication, ClientAuthentication::ClientSecretPost);
    assert_eq!(policy.origin, "https://app.example:444");
    assert_eq!(policy.scopes, ["openid", "profile"]);
    assert_eq!(login.discovery.ca, Some("/etc/seawall/ca.pem".into()));
    assert_eq!(login.discovery.url, "https://id.example:8443/.well-known/openid-configuration");
    assert_eq!(login.discovery.interval, Duration::from_secs(60));
    let KeyOrigin::Fetched { stale_max_s, .. } = &jwt.origin else { panic!("{jwt:?}") };
    assert_eq!((*stale_max_s, jwt.leeway_s), (300, 0));
    assert_eq!(
        (jwt.algorithms.as_slice(), jwt.audiences.as_slice()),
        (&[Algorithm::ES512][..], &["a b".to_owned()][..])
    );
    assert_eq!(jwt.consumer_claim, "preferred_username");
    assert_eq!(jwt.scopes_claim.as_deref(), Some("grants"));
    assert_eq!(jwt.roles_claim.as_deref(), Some("realm_access.roles"));
    assert_eq!(jwt.headers, [ClaimHeader { name: "x-mail".into(), claim: "email".into() }]);
    assert_eq!((policy.cookie.as_str(), policy.after_logout.as_str()), ("__Host-me", "/bye"));
    assert!(policy.front_channel_logout);
    assert_eq!((policy.idle_timeout_s, policy.absolute_timeout_s), (60, 300));
    assert_eq!(gateway.authentication_failures.address_per_min, 1);
}

#[test]
fn sessions_are_shared_where_there_is_a_store() {
    let with = |store: &str| {
        gateway(&format!(
            "{ROUTES}  logins: {{main: {{{LEAST_LOGIN}}}}}\n  session_store: {{{store}}}\n"
        ))
    };
    let store = with("address: '127.0.0.1:6379'").session_store.expect("a store");
    let policy = SessionStorePolicy {
        address: "127.0.0.1:6379".parse().unwrap(),
        password: None,
        prefix: "seawall".to_owned(),
        timeout_ms: 50,
        away_max_s: 300,
    };
    assert_eq!((store.policy, store.password), (policy.clone(), None));
    let all = "address: '[::1]:1', password: p, prefix: x, timeout_ms: 7, away_max_s: 60";
    let store = with(all).session_store.expect("a store");
    let expected = SessionStorePolicy {
        address: "[::1]:1".parse().unwrap(),
        prefix: "x".to_owned(),
        timeout_ms: 7,
        away_max_s: 60,
        ..policy
    };
    assert_eq!((store.policy, store.password), (expected, Some("/etc/seawall/p".into())));
}

#[test]
fn what_is_wrong_with_a_login_is_said() {
    let login = |text: &str| format!("{ROUTES}  logins: {{main: {{{text}}}}}\n");
    let least = |text: &str| login(&format!("{LEAST_LOGIN}, {text}"));
    let changed = |from: &str, to: &str| login(&LEAST_LOGIN.replace(from, to));
    let routes = |text: &str| {
        format!(
            "  routes: [{{name: r, path: /, upstream: a{text}}}]\n  logins: {{main: {{{LEAST_LOGIN}}}}}\n"
        )
    };
    let many: String = (0..17).map(|n| format!("l{n}: {{{LEAST_LOGIN}}}, ")).collect();
    let issuer = "'https://id.example/realms/a'";
    for (text, expected) in [
        (login("client_id: app, origin: 'https://app.example'"), "issuer"),
        (changed(issuer, "'http://id.example'"), "https://"),
        (changed(issuer, "'https://id.example/?a=b'"), "issuer: expected a URL without a query"),
        (changed(issuer, "'https://me@id.example/'"), "without a user"),
        (changed("client_id: app", "client_id: ''"), "client_id: expected 1 to 512 bytes"),
        (changed("https://app.example", "http://app.example"), "origin: expected where people"),
        (changed("https://app.example", "http://localhost"), "origin: expected where people"),
        (changed("https://app.example", "https://app.example/a"), "origin: expected where people"),
        (changed("https://app.example", "https://*.example"), "origin: expected where people"),
        (changed("https://app.example", "https://app.example:443"), "origin: expected where"),
        (least("scopes: [profile]"), "scopes: expected openid among single words, found profile"),
        (least("scopes: [openid profile]"), "scopes: expected openid"),
        (least("algorithms: [HS256]"), "algorithms: expected none of HS256"),
        (least("algorithms: [none]"), "algorithms: expected RS256"),
        (least("cookie: session"), "cookie: expected a name that begins with __Host-"),
        (least("cookie: __Host-"), "cookie: expected a name that begins with __Host-"),
        (least("cookie: __Host-login-x"), "and not with __Host-login-"),
        (least("cookie: '__Host-a b'"), "cookie: expected a name"),
        (least("after_logout: //other.example"), "after_logout: expected a path such as /bye"),
        (least("after_logout: 'https://other.example'"), "after_logout: expected a path"),
        (least("idle_timeout_s: 600, absolute_timeout_s: 300"), "idle_timeout_s: expected at most"),
        (least("idle_timeout_s: 1"), "expected a whole number from 60"),
        (least("client_secret: x"), "unknown field `client_secret`"),
        (
            least("client_secret_file: x, client_authentication: private_key_jwt"),
            "unknown variant `private_key_jwt`, expected one of client_secret_basic, client_secret_post",
        ),
        (
            least("client_authentication: client_secret_post"),
            "client_authentication: expected client_secret_file beside it, found none",
        ),
        (
            "  routes: [{name: r, path: /, upstream: a}]\n  session_store: {address: '127.0.0.1:1'}\n".to_owned(),
            "session_store: expected gateway.logins beside it, found none",
        ),
        (
            format!("{}  session_store: {{address: '127.0.0.1:1', away_max_s: 4}}\n", login(LEAST_LOGIN)),
            "expected a whole number from 5",
        ),
        (routes(""), "logins: expected a route that asks for \"main\", found none"),
        (
            routes(", authentication: [{session: other}]"),
            "session: expected a name of gateway.logins",
        ),
        (
            routes(", authentication: [{session: main}, {session: main}]"),
            "authentication: expected session once",
        ),
        (
            routes(", authentication: [{session: main, api_key: {}}]"),
            "expected one of jwt, api_key, session, certificate and introspection, found more than one",
        ),
        (
            routes(", hosts: [b.example], authentication: [{session: main}]"),
            "expected the host of the origin \"https://app.example\" among the hosts of route \"r\"",
        ),
        (format!("{ROUTES}  logins: {{{many}}}\n"), "logins: expected 1 to 16 logins, found 17"),
        (
            format!(
                "  routes: [{{name: r, path: /, upstream: a, authentication: [{{session: main}}, {{jwt: main}}]}}]\n  \
                 jwt: {{main: {{issuer: i, audience: [a], algorithms: [ES256], jwks_file: a}}}}\n  \
                 logins: {{main: {{{LEAST_LOGIN}}}}}\n"
            ),
            "logins: expected a name that gateway.jwt has not, found \"main\"",
        ),
        (
            format!(
                "{ROUTES}  logins: {{main: {{{LEAST_LOGIN}, cookie: __Host-x}}, other: {{{LEAST_LOGIN}, cookie: __Host-x}}}}\n"
            ),
            "cookie: expected one of each login's own",
        ),
    ] {
        let error = load(&format!("{LEAST}{HEAD}{text}")).expect_err(&text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
