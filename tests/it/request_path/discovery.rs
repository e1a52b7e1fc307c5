//! What a provider says of itself may be wrong in any way: what it said last stays, and so do its keys.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::AtomicBool,
};

use firewall_daemon::{
    config::Config,
    jwks::{
        store::Copy,
        update::{self, Said},
    },
};
use seawall_tests::{
    forge::{Kind, Signer, jwks},
    publisher::{Publisher, Reply},
    requirement, seawall,
};
use serde_json::{Value, json};

use crate::site::Ground;

const ENDPOINT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8444);
const DOCUMENT: &str = "/realms/shop/.well-known/openid-configuration";

const GATEWAY: &str = "  upstreams: [{name: api, backends: [{address: '127.0.0.1:1'}]}]
  routes: [{name: app, path: /app, upstream: api, authentication: [{session: main}]}]
  logins:
    main: {issuer: 'https://127.0.0.1:8444/realms/shop', client_id: app, origin: 'https://api.example', ca: authority.pem}
";

fn document(changes: Value) -> String {
    let mut document = json!({
        "issuer": "https://127.0.0.1:8444/realms/shop",
        "authorization_endpoint": "https://127.0.0.1:8444/auth",
        "token_endpoint": "https://127.0.0.1:8444/token",
        "jwks_uri": "https://127.0.0.1:8444/keys",
    });
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    document.to_string()
}

#[test]
fn a_discovery_that_is_no_good_leaves_the_last_good_one() {
    if !requirement::root("a_discovery_that_is_no_good_leaves_the_last_good_one") {
        return;
    }
    let ground = Ground::prepare();
    let identity = ground.authority.issue("127.0.0.1").unwrap();
    let provider = Publisher::start(&ground.world.server, ENDPOINT, &identity).unwrap();
    let path = seawall::write_config(&ground.world, &ground.config_of("", GATEWAY)).unwrap();
    let login = Config::load(&path).unwrap().gateway.unwrap().logins[0].clone();
    let (jwt, stopping) = (login.issuer(), AtomicBool::new(false));
    let ask = |known: Option<Copy>| {
        let run = || update::ask(&jwt, &login.discovery, known, 100, &stopping);
        ground.world.server.run(run).unwrap()
    };
    let signer = Signer::new("a", Kind::P256);
    let tagged = |text: String| Reply::Good { body: text.into(), etag: Some("\"1\"".to_owned()) };
    provider.says("/keys", tagged(jwks([&signer])));
    let good = |changes: Value| Reply::body(document(changes));
    provider.says(DOCUMENT, good(json!({"end_session_endpoint": "https://127.0.0.1:8444/end"})));
    let Ok(Said::Other(copy)) = ask(None) else { panic!("no keys") };
    let said = copy.provider.clone().unwrap();
    assert_eq!(said.addresses, [ENDPOINT]);
    assert_eq!(said.end_session_endpoint.as_deref(), Some("https://127.0.0.1:8444/end"));
    // The same keys and another end: it is told, and the keys are not sent again.
    provider.says(DOCUMENT, good(json!({})));
    let Ok(Said::Same(same)) = ask(Some(copy.clone())) else { panic!("other keys") };
    assert_eq!(same.provider.unwrap().end_session_endpoint, None);

    let cases = [
        (Reply::Status(404, "", b"no".to_vec()), "status"),
        (Reply::Nonsense, "protocol"),
        (Reply::Endless, "too_large"),
        (Reply::Drip, "timeout"),
        (Reply::body("<!DOCTYPE html><p>log in"), "html"),
        (Reply::body("{}"), "discovery"),
        (Reply::body("null"), "discovery"),
        (good(json!({"issuer": "https://127.0.0.1:8444/realms/other"})), "discovery"),
        (good(json!({"token_endpoint": "https://127.0.0.1/token"})), "discovery"),
        (good(json!({"token_endpoint": "http://127.0.0.1:8444/token"})), "discovery"),
        (good(json!({"jwks_uri": "http://127.0.0.1:8444/keys"})), "discovery"),
        (good(json!({"response_types_supported": ["id_token"]})), "discovery"),
        (good(json!({"token_endpoint": "https://nowhere.invalid:8444/token"})), "address"),
        (good(json!({"jwks_uri": "https://127.0.0.1:8444/none"})), "status"),
        (good(json!({"jwks_uri": "https://127.0.0.1:9/keys"})), "connect"),
    ];
    for (reply, expected) in cases {
        provider.says(DOCUMENT, reply.clone());
        let refusal = ask(Some(copy.clone())).expect_err(expected);
        assert_eq!(refusal.label(), expected, "{reply:?}: {refusal}");
    }
    // Keys that moved are other keys, whatever tag they have.
    let other = Signer::new("b", Kind::P256);
    provider.says("/moved", tagged(jwks([&other])));
    provider.says(DOCUMENT, good(json!({"jwks_uri": "https://127.0.0.1:8444/moved"})));
    let Ok(Said::Other(moved)) = ask(Some(copy)) else { panic!("the same keys") };
    assert_eq!(moved.text, jwks([&other]));
}
