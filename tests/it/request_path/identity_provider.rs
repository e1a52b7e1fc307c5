//! An issuer's endpoint may be down, slow, or send anything: good tokens are taken all the same, wrong ones never,
//! and it is asked no more often than is good.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::AtomicBool,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use firewall_daemon::{
    config::{Config, JwtConfig, KeysConfig, KeysUrlConfig},
    jwks::{
        store::Copy,
        update::{self, Said},
    },
};
use nix::sys::signal::Signal;
use seawall_tests::{
    forge::{Kind, Signer, jwks},
    publisher::{Publisher, Reply},
    requirement,
    seawall::{self, Seawall},
    upstream, wait,
};
use serde_json::{Value, json};

use super::kept_client::KeptClient;
use crate::site::{Ground, Site};

const ENDPOINT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8444);
const ISSUER: &str = "https://id.example/";
/// Requests of a storm.
const STORM: usize = 10_000;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "api", "sub": "alice", "exp": now() + 3_600})
}

fn provider(ground: &Ground) -> Publisher {
    let identity = ground.authority.issue("127.0.0.1").unwrap();
    Publisher::start(&ground.world.server, ENDPOINT, &identity).unwrap()
}

fn gateway(more: &str) -> String {
    let (api, name) = (upstream::ADDRESS, upstream::NAME);
    format!(
        "  upstreams: [{{name: api, backends: [{{address: '{api}'}}], tls: {{server_name: {name}, ca: authority.pem}}}}]
  routes:
    - {{name: guarded, path: /guarded, upstream: api, authentication: [{{jwt: main}}]}}
    - {{name: rest, path: '/*', upstream: api}}
  jwt:
    main:
      issuer: {ISSUER}
      audience: [api]
      jwks_url: https://{ENDPOINT}/keys
      ca: authority.pem
      algorithms: [ES256, EdDSA]
      headers: {{X-User: sub}}
{more}"
    )
}

fn get(site: &Site, token: &str) -> u16 {
    let header = format!("Authorization: Bearer {token}");
    let request = site.ground.get("/guarded").with(&["--header", &header]);
    request.send(site.ground.client()).unwrap().status
}

fn until_status(site: &Site, token: &str, status: u16) {
    wait::until("such status", || (get(site, token) == status).then_some(())).unwrap();
}

fn asked(provider: &Publisher) -> usize {
    provider.asked().iter().filter(|head| head.starts_with("GET /keys ")).count()
}

#[test]
fn an_answer_that_is_no_good_leaves_the_last_good_keys() {
    if !requirement::root("an_answer_that_is_no_good_leaves_the_last_good_keys") {
        return;
    }
    let ground = Ground::prepare();
    let provider = provider(&ground);
    let path = seawall::write_config(&ground.world, &ground.config_of("", &gateway(""))).unwrap();
    let config = Config::load(&path).unwrap();
    let jwt: JwtConfig = config.gateway.unwrap().jwts[0].clone();
    let KeysConfig::Url(endpoint) = jwt.keys.clone() else { panic!("{jwt:?}") };
    let stopping = AtomicBool::new(false);
    let ask = |endpoint: &KeysUrlConfig, known: Option<Copy>| {
        let run = || update::ask(&jwt, endpoint, known, 100, &stopping);
        ground.world.server.run(run).unwrap()
    };
    let signer = Signer::new("a", Kind::P256);
    let keys = jwks([&signer]);
    let tagged = |text: &str| Reply::Good { body: text.into(), etag: Some("\"1\"".to_owned()) };
    provider.says("/keys", tagged(&keys));
    let Ok(Said::Other(good)) = ask(&endpoint, None) else { panic!("no keys") };
    assert_eq!((good.text.as_str(), good.confirmed_epoch_s), (keys.as_str(), 100));
    let older = Copy { fetched_epoch_s: 7, confirmed_epoch_s: 7, ..good.clone() };
    let confirmed = Copy { confirmed_epoch_s: 100, ..older.clone() };
    let same = ask(&endpoint, Some(older.clone())).unwrap();
    assert_eq!(same, Said::Same(confirmed.clone()), "by its tag");
    provider.says("/keys", Reply::body(keys.clone()));
    let Ok(Said::Same(same)) = ask(&endpoint, Some(older.clone())) else { panic!("other keys") };
    assert_eq!((same.fetched_epoch_s, same.text == keys), (7, true), "by its text");

    let secret = Signer::new("s", Kind::Secret);
    let large = json!({"keys": [signer.jwk()], "x": "y".repeat(65_536)}).to_string();
    let moved = |to: &'static str| Reply::Status(302, to, Vec::new());
    let cases: Vec<(Reply, &str)> = vec![
        (Reply::Status(404, "", b"no".to_vec()), "status"),
        (Reply::Status(500, "", Vec::new()), "status"),
        (Reply::Status(503, "Retry-After: 1\r\n", keys.clone().into_bytes()), "status"),
        (Reply::Nonsense, "protocol"),
        (Reply::Cut, "protocol"),
        (Reply::Endless, "too_large"),
        (Reply::body(large), "too_large"),
        (Reply::body("<!DOCTYPE html><p>log in"), "html"),
        (Reply::body(""), "keys"),
        (Reply::body("null"), "keys"),
        (Reply::body("{}"), "keys"),
        (Reply::body("{\"keys\":[]}"), "keys"),
        (Reply::body(&keys[..keys.len() - 1]), "keys"),
        (Reply::body(vec![0xff; 100]), "keys"),
        (Reply::body(jwks([&secret])), "keys"),
        (Reply::body(jwks([&Signer::new("r", Kind::Rsa)])), "keys"),
        (moved("Location: http://127.0.0.1:8444/keys\r\n"), "redirect"),
        (moved("Location: /keys\r\n"), "redirect"),
        (Reply::Drip, "timeout"),
    ];
    for (reply, expected) in cases {
        provider.says("/keys", reply.clone());
        let refusal = ask(&endpoint, Some(older.clone())).expect_err(expected);
        assert_eq!(refusal.label(), expected, "{reply:?}: {refusal}");
    }
    let down = KeysUrlConfig { url: "https://127.0.0.1:9/keys".to_owned(), ..endpoint.clone() };
    assert_eq!(ask(&down, None).expect_err("down").label(), "connect");
    let stranger = KeysUrlConfig { ca: None, ..endpoint };
    assert_eq!(ask(&stranger, None).expect_err("a stranger").label(), "tls");
}

#[test]
fn tokens_outlive_their_provider_and_follow_its_keys() {
    if !requirement::root("tokens_outlive_their_provider_and_follow_its_keys") {
        return;
    }
    let ground = Ground::prepare();
    let provider = provider(&ground);
    let [first, second, other] =
        ["first", "second", "other"].map(|kid| Signer::new(kid, Kind::P256));
    let [old, new] = [&first, &second].map(|signer| signer.token("ES256", &claims()));
    let wrong = other.named("first").token("ES256", &claims());

    // The provider is down at the start: nobody is anybody, and everything else is served.
    provider.says("/keys", Reply::Status(500, "", Vec::new()));
    let mut site = Site::start_of(ground, &gateway(""));
    site.wait_for_metric("seawall_jwt_keys_updates_total", &[("result", "refused")], 1);
    let answer = site.ground.get("/other").send(site.ground.client()).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(site.metric("seawall_jwt_keys_last_update_ok", &[("jwt", "main")]), 0);
    // It comes back; the first token asks for it at once, and is refused.
    provider.says("/keys", Reply::body(jwks([&first])));
    assert_eq!(get(&site, &old), 401);
    until_status(&site, &old, 200);
    let missing = [("reason", "signing_keys_missing")];
    wait::until("figures", || {
        (site.metric("seawall_gateway_denied_total", &missing) > 0).then_some(())
    })
    .unwrap();
    assert_eq!([&new, &wrong].map(|token| get(&site, token)), [401, 401]);

    // A reload, a worker that dies, and a restart while the provider sends garbage.
    provider.says("/keys", Reply::body("<html>"));
    site.seawall.process.signal(Signal::SIGHUP).unwrap();
    site.wait_for_metric("seawall_reloads_total", &[("result", "ok")], 1);
    assert_eq!([&old, &wrong].map(|token| get(&site, token)), [200, 401], "after a reload");
    let socket = site.ground.socket().display().to_string();
    let status =
        seawall::run(&site.ground.world, &["status", "--json", "--socket", &socket]).unwrap();
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let worker = status["gateway"]["worker_pid"].as_i64().unwrap();
    let worker = nix::unistd::Pid::from_raw(i32::try_from(worker).unwrap());
    nix::sys::signal::kill(worker, Signal::SIGKILL).unwrap();
    site.wait_for_metric("seawall_gateway_worker_restarts_total", &[], 1);
    until_status(&site, &old, 200);
    site.seawall.process.signal(Signal::SIGTERM).unwrap();
    site.seawall.process.wait_for_exit(Duration::from_secs(15)).unwrap();
    let config = std::fs::read_to_string(&site.seawall.config).unwrap();
    site.seawall = Seawall::start(&site.ground.world, &config).unwrap();
    assert_eq!([&old, &wrong].map(|token| get(&site, token)), [200, 401], "after a restart");

    // The provider rotates: first both keys, then the new one alone.
    provider.says("/keys", Reply::body(jwks([&first, &second])));
    until_status(&site, &new, 200);
    assert_eq!([&old, &wrong].map(|token| get(&site, token)), [200, 401]);
}

#[test]
fn a_storm_of_unknown_keys_hardly_reaches_the_provider() {
    if !requirement::root("a_storm_of_unknown_keys_hardly_reaches_the_provider") {
        return;
    }
    let ground = Ground::prepare();
    let provider = provider(&ground);
    let signer = Signer::new("first", Kind::P256);
    let stranger = Signer::new("stranger", Kind::P256);
    provider.says("/keys", Reply::body(jwks([&signer])));
    let site = Site::start_of(ground, &gateway(""));
    let claims = claims();
    let good = signer.token("ES256", &claims);
    until_status(&site, &good, 200);
    let before = asked(&provider);
    let begun = Instant::now();
    let mut client = KeptClient::connect(&site);
    let mut good_ones = 0;
    for number in 0..STORM {
        let header = json!({"alg": "ES256", "kid": format!("storm-{number}")});
        let token = stranger.with_header(&header, "ES256", &claims);
        assert_eq!(client.get(&token), 401, "{number}");
        if number % 100 == 0 {
            assert_eq!(client.get(&good), 200, "{number}");
            good_ones += 1;
        }
    }
    let took = begun.elapsed();
    // The worker says once a second what it wants: the storm may be over by then.
    wait::until("the question", || (asked(&provider) > before).then_some(())).unwrap();
    let fetches = asked(&provider) - before;
    let bound = 1 + took.as_secs() as usize / 30;
    eprintln!(
        "{STORM} unknown keys in {took:?}: the provider was asked {fetches} times; {good_ones} good tokens between them were taken"
    );
    assert!((1..=bound).contains(&fetches), "{fetches} in {took:?}");
    site.wait_for_metric(
        "seawall_gateway_denied_total",
        &[("reason", "signing_key_unknown")],
        STORM as u64,
    );
}
