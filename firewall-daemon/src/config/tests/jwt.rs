//! Issuers of tokens, and routes that ask for them.

use std::time::Duration;

use firewall_gateway::{
    identity::jwt::Algorithm,
    policy::{AuthenticationPolicy, ClaimHeader, KeyOrigin},
};

use super::*;

const HEAD: &str = "gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
                    upstreams: [{name: a, backends: [{address: '127.0.0.1:1'}]}]\n";
const ROUTES: &str = "  routes: [{name: r, path: /, upstream: a, authentication: [{jwt: main}]}]\n";
const LEAST_JWT: &str = "issuer: i, audience: [api], algorithms: [ES256]";

fn gateway(text: &str) -> GatewayConfig {
    load(&format!("{LEAST}{HEAD}{text}")).unwrap().gateway.expect("a gateway")
}

#[test]
fn what_is_left_out_has_its_default() {
    assert_eq!(gateway("  routes: [{name: r, path: /, upstream: a}]\n").jwts, []);
    let gateway = gateway(&format!(
        "{ROUTES}  jwt: {{main: {{{LEAST_JWT}, jwks_url: 'https://id.example/keys?k=1'}}}}\n"
    ));
    let jwt = &gateway.jwts[0];
    let policy = &jwt.policy;
    assert_eq!((policy.name.as_str(), policy.issuer.as_str()), ("main", "i"));
    assert_eq!((policy.leeway_s, policy.age_max_s), (60, None));
    assert_eq!(
        (policy.consumer_claim.as_str(), &policy.scopes_claim, &policy.roles_claim),
        ("sub", &None, &None)
    );
    assert_eq!((policy.types.len(), policy.authorized_parties.len()), (0, 0));
    assert_eq!((policy.claims_required.len(), policy.headers.len()), (0, 0));
    let KeyOrigin::Fetched { endpoint, stale_max_s } = &policy.origin else { panic!("{policy:?}") };
    assert_eq!((endpoint.len(), *stale_max_s), (32, 86_400));
    let KeysConfig::Url(url) = &jwt.keys else { panic!("{jwt:?}") };
    assert_eq!(url.url, "https://id.example/keys?k=1");
    assert_eq!((url.interval, &url.ca), (Duration::from_secs(600), &None));
    assert_eq!(url.copy, Path::new("/var/lib/seawall/keys/main.json"));
    assert_eq!(gateway.routes[0].authentication, [AuthenticationPolicy::Jwt("main".into())]);
}

#[test]
fn every_key_of_an_issuer_acts() {
    let gateway = gateway(
        "  routes: [{name: r, path: /, upstream: a, authentication: [{jwt: main}, {jwt: file}, {jwt: text}]}]
  jwt:
    main:
      issuer: https://id.example/
      audience: [api, other]
      jwks_url: https://id.example/keys
      refresh_s: 60
      stale_max_s: 300
      ca: ca.pem
      algorithms: [RS256, EdDSA]
      types: [application/AT+jwt, x]
      authorized_parties: [web]
      leeway_s: 0
      age_max_s: 7
      claims_required: [jti, a.b]
      consumer_claim: client_id
      scopes_claim: grants
      roles_claim: realm_access.roles
      headers: {X-User: sub, X-Tenant: tenant.id}
    file: {issuer: i, audience: [a], jwks_file: keys.pem, algorithms: [ES512]}
    text: {issuer: i, audience: [a], keys: '{}', algorithms: [HS256, HS512]}
",
    );
    let [file, main, text] = &gateway.jwts[..] else { panic!("{:?}", gateway.jwts) };
    assert_eq!(file.keys, KeysConfig::File("/etc/seawall/keys.pem".into()));
    assert_eq!(file.policy.origin, KeyOrigin::Local);
    assert_eq!(file.policy.algorithms, [Algorithm::ES512]);
    assert_eq!(text.keys, KeysConfig::Inline("{}".into()));
    assert_eq!(text.policy.algorithms, [Algorithm::HS256, Algorithm::HS512]);
    let policy = &main.policy;
    assert_eq!(policy.issuer, "https://id.example/");
    assert_eq!(policy.audiences, ["api", "other"]);
    assert_eq!(policy.algorithms, [Algorithm::RS256, Algorithm::EdDSA]);
    assert_eq!(policy.types, ["at+jwt", "x"]);
    assert_eq!(policy.authorized_parties, ["web"]);
    assert_eq!((policy.leeway_s, policy.age_max_s), (0, Some(7)));
    assert_eq!(policy.claims_required, ["jti", "a.b"]);
    assert_eq!(policy.consumer_claim, "client_id");
    assert_eq!(policy.scopes_claim.as_deref(), Some("grants"));
    assert_eq!(policy.roles_claim.as_deref(), Some("realm_access.roles"));
    let header = |name: &str, claim: &str| ClaimHeader { name: name.into(), claim: claim.into() };
    assert_eq!(policy.headers, [header("x-tenant", "tenant.id"), header("x-user", "sub")]);
    let KeysConfig::Url(url) = &main.keys else { panic!("{main:?}") };
    assert_eq!(url.interval, Duration::from_secs(60));
    assert_eq!(url.ca, Some("/etc/seawall/ca.pem".into()));
    let KeyOrigin::Fetched { stale_max_s, .. } = policy.origin else { panic!("{policy:?}") };
    assert_eq!(stale_max_s, 300);
    let places: Vec<_> = gateway.routes[0].authentication.clone();
    assert_eq!(places.len(), 3);
}

#[test]
fn what_is_wrong_with_an_issuer_is_said() {
    let jwt = |text: &str| format!("{ROUTES}  jwt: {{main: {{{text}}}}}\n");
    let least = |text: &str| jwt(&format!("{LEAST_JWT}, {text}"));
    let url = "jwks_url: 'https://a/b'";
    let route = |text: &str| {
        format!(
            "  routes: [{{name: r, path: /, upstream: a, authentication: {text}}}]\n  jwt: \
             {{main: {{{LEAST_JWT}, {url}}}}}\n"
        )
    };
    let many: String = (0..17).map(|n| format!("j{n}: {{{LEAST_JWT}, {url}}}, ")).collect();
    for (text, expected) in [
        (jwt(LEAST_JWT), "jwt: expected one of jwks_url, jwks_file and keys, found none of them"),
        (least(&format!("{url}, keys: x")), "keys, found more than one"),
        (least("jwks_file: a, keys: x"), "keys, found more than one"),
        (jwt(&format!("audience: [a], algorithms: [ES256], {url}")), "issuer"),
        (jwt(&format!("issuer: i, algorithms: [ES256], {url}")), "audience"),
        (jwt(&format!("issuer: i, audience: [a], {url}")), "algorithms"),
        (
            jwt(&format!("issuer: '', audience: [a], algorithms: [ES256], {url}")),
            "issuer: expected 1 to 512 bytes",
        ),
        (
            jwt(&format!("issuer: ' i', audience: [a], algorithms: [ES256], {url}")),
            "without spaces around them",
        ),
        (
            jwt(&format!("issuer: i, audience: [], algorithms: [ES256], {url}")),
            "audience: expected 1 to 32 entries, found 0",
        ),
        (
            jwt(&format!("issuer: i, audience: [a, a], algorithms: [ES256], {url}")),
            "audience: expected each once, found a again",
        ),
        (
            jwt(&format!("issuer: i, audience: [a], algorithms: [none], {url}")),
            "algorithms: expected RS256, RS384",
        ),
        (jwt(&format!("issuer: i, audience: [a], algorithms: [es256], {url}")), "found \"es256\""),
        (
            jwt(&format!("issuer: i, audience: [a], algorithms: [], {url}")),
            "algorithms: expected 1 to 14 entries",
        ),
        (
            jwt(&format!("issuer: i, audience: [a], algorithms: [ES256, ES256], {url}")),
            "found ES256 again",
        ),
        (
            jwt("issuer: i, audience: [a], algorithms: [ES256, HS256], keys: x"),
            "HS256, HS384 and HS512 alone or none of them",
        ),
        (
            jwt(&format!("issuer: i, audience: [a], algorithms: [HS256], {url}")),
            "a secret that is to be fetched is none",
        ),
        (least("jwks_url: 'http://a/b'"), "a URL that begins with https://"),
        (least("keys: x, refresh_s: 60"), "refresh_s: expected it with jwks_url alone"),
        (least("keys: x, stale_max_s: 300"), "stale_max_s: expected it with jwks_url alone"),
        (least("jwks_file: x, ca: y"), "ca: expected it with jwks_url alone"),
        (least(&format!("{url}, refresh_s: 59")), "a whole number from 60 to 86400"),
        (least(&format!("{url}, stale_max_s: 299")), "a whole number from 300 to 2592000"),
        (least(&format!("{url}, leeway_s: 301")), "a whole number from 0 to 300"),
        (least(&format!("{url}, age_max_s: 0")), "a whole number from 1 to 31536000"),
        (least(&format!("{url}, types: []")), "types: expected 1 to 32 entries, found 0"),
        (least(&format!("{url}, consumer_claim: ''")), "consumer_claim: expected 1 to 512 bytes"),
        (
            least(&format!("{url}, headers: {{Host: sub}}")),
            "the gateway may set, such as X-User, found \"Host\"",
        ),
        (least(&format!("{url}, headers: {{X-Forwarded-For: sub}}")), "found \"X-Forwarded-For\""),
        (least(&format!("{url}, headers: {{X_Real_Ip: sub}}")), "found \"X_Real_Ip\""),
        (least(&format!("{url}, headers: {{Connection: sub}}")), "found \"Connection\""),
        (least(&format!("{url}, headers: {{Authorization: sub}}")), "found \"Authorization\""),
        (least(&format!("{url}, headers: {{'a b': sub}}")), "found \"a b\""),
        (
            least(&format!("{url}, headers: {{X-User: sub, x_user: sub}}")),
            "headers: expected each once, found x-user again",
        ),
        (least(&format!("{url}, headers: {{X-User: ''}}")), "headers: expected 1 to 512 bytes"),
        (least(&format!("{url}, key: x")), "key"),
        (format!("{ROUTES}  jwt: {{}}\n"), "jwt: expected 1 to 16 issuers, found 0"),
        (format!("{ROUTES}  jwt: {{{many}}}\n"), "jwt: expected 1 to 16 issuers, found 17"),
        (route("[]"), "authentication: expected 1 to 4 entries, found 0"),
        (route("[{jwt: other}]"), "jwt: expected a name of gateway.jwt, found \"other\""),
        (
            route("[{jwt: main}, {jwt: main}]"),
            "authentication: expected each once, found main again",
        ),
        (route("[{}]"), "jwt"),
        (
            format!(
                "  routes: [{{name: r, path: /, upstream: a}}]\n  jwt: {{main: {{{LEAST_JWT}, {url}}}}}\n"
            ),
            "jwt: expected a route that asks for \"main\", found none",
        ),
    ] {
        let error = load(&format!("{LEAST}{HEAD}{text}")).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn keys_in_the_configuration_are_shown_nowhere() {
    let gateway =
        gateway(&format!("{ROUTES}  jwt: {{main: {{{LEAST_JWT}, keys: very-secret}}}}\n"));
    assert!(!format!("{gateway:?}").contains("very-secret"));
}
