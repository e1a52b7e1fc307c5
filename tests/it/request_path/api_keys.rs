//! Keys that the real daemon gives out, replaces and takes back while connections are open, and that outlive it.

use std::{
    fs,
    process::Output,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use seawall_tests::{
    requirement,
    seawall::{self, Seawall},
    upstream, wait,
};
use serde_json::Value;

use super::kept_client::{KeptClient, KeptHttp2};
use crate::site::{GATEWAY, Ground, Site};

/// What the issue asks for.
const REVOKED_WITHIN: Duration = Duration::from_millis(100);

fn gateway(consumers: &str) -> String {
    let (api, name) = (upstream::ADDRESS, upstream::NAME);
    format!(
        "  upstreams: [{{name: api, backends: [{{address: '{api}'}}], tls: {{server_name: {name}, ca: authority.pem}}}}]
  routes:
    - {{name: guarded, path: /guarded, upstream: api, authentication: [{{api_key: {{from: [bearer]}}}}], authorise: [{{scopes: [read]}}]}}
    - {{name: rest, path: '/*', upstream: api}}
  consumers: [{consumers}]
"
    )
}

const CONSUMERS: &str = "{name: shop, scopes: [read, write]}, {name: bank, scopes: [read]}";

/// A verb of `seawall key`: its exit code and what it says.
fn key(site: &Site, words: &[&str]) -> (i32, String) {
    let socket = site.ground.socket();
    let words = [&["key"], words, &["--socket", socket.to_str().unwrap()]].concat();
    let Output { status, stdout, stderr } = seawall::run(&site.ground.world, &words).unwrap();
    let text = String::from_utf8([stdout, stderr].concat()).unwrap();
    (status.code().unwrap_or(-1), text)
}

fn json(site: &Site, words: &[&str]) -> Value {
    let (code, text) = key(site, &[words, &["--json"]].concat());
    assert_eq!(code, 0, "{words:?}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// A new key, and its id.
fn made(site: &Site, words: &[&str]) -> (String, String) {
    let made = json(site, words);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("key"), text("id"))
}

fn status(site: &Site, key: &str) -> u16 {
    KeptClient::connect(site).get(key)
}

fn state(site: &Site, id: &str) -> String {
    let shown = json(site, &["list"]);
    let all = shown["keys"].as_array().unwrap();
    let found = all.iter().find(|one| one["id"] == id).unwrap();
    found["state"].as_str().unwrap().to_owned()
}

#[test]
fn keys_are_given_out_replaced_and_taken_back_and_outlive_the_daemon() {
    if !requirement::root("keys_are_given_out_replaced_and_taken_back_and_outlive_the_daemon") {
        return;
    }
    let mut site = Site::start_of(Ground::prepare(), &gateway(CONSUMERS));
    let (plain, plain_id) = made(&site, &["create", "shop", "--comment", "ticket 4711"]);
    let (narrow, narrow_id) = made(&site, &["create", "shop", "--scope", "write"]);
    let (far, _) = made(&site, &["create", "bank", "--network", "192.0.2.0/24"]);
    let (brief, brief_id) = made(&site, &["create", "bank", "--route", "guarded", "--for", "1h"]);
    // A key holds when its command returns; its scopes go before its route's rules.
    for (text, expected) in [(&plain, 200), (&narrow, 403), (&far, 401), (&brief, 200)] {
        assert_eq!(status(&site, text), expected, "{text}");
    }
    assert_eq!(status(&site, "sw_"), 401);

    for (words, expected) in [
        (&["create", "nobody"][..], "expected one of gateway.consumers, found \"nobody\""),
        (&["create", "bank", "--scope", "write"], "expected one that the consumer bank has (read)"),
        (&["create", "bank", "--route", "rest"], "that takes API keys, found \"rest\""),
        (&["rotate", "00000000"], "there is no key \"00000000\""),
        (&["revoke", &plain_id, "00000000"], "there is no key \"00000000\""),
    ] {
        let (code, said) = key(&site, words);
        assert_eq!(code, 1, "{words:?}: {said}");
        assert!(said.contains(expected), "{words:?}: {said}");
    }
    assert_eq!(status(&site, &plain), 200, "all of them or none");

    // Both hold after a rotation, until the grace time is over.
    let (next, next_id) = made(&site, &["rotate", &plain_id, "--grace", "1h"]);
    assert_eq!([&plain, &next].map(|text| status(&site, text)), [200, 200]);
    assert_eq!([&plain_id, &next_id].map(|id| state(&site, id)), ["replaced", "good"]);
    let (code, said) = key(&site, &["rotate", &plain_id]);
    assert!(code == 1 && said.contains(&next_id), "{said}");
    let (third, third_id) = made(&site, &["rotate", &brief_id, "--grace", "1s"]);
    wait::until("the end of the grace time", || (status(&site, &brief) == 401).then_some(()))
        .unwrap();
    assert_eq!(status(&site, &third), 200);

    // A reload, a worker that dies and a restart change nothing of that.
    assert_eq!(key(&site, &["revoke", &narrow_id]).0, 0);
    let (code, said) = key(&site, &["revoke", &narrow_id]);
    assert!(code == 1 && said.contains("was revoked"), "{said}");
    let all_as_before = |site: &Site, when: &str| {
        for (text, expected) in
            [(&plain, 200), (&next, 200), (&third, 200), (&narrow, 401), (&brief, 401)]
        {
            assert_eq!(status(site, text), expected, "{when}");
        }
    };
    site.seawall.process.signal(Signal::SIGHUP).unwrap();
    site.wait_for_metric("seawall_reloads_total", &[("result", "ok")], 1);
    all_as_before(&site, "after a reload");
    let socket = site.ground.socket().display().to_string();
    let said =
        seawall::run(&site.ground.world, &["status", "--json", "--socket", &socket]).unwrap();
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    let worker = i32::try_from(said["gateway"]["worker_pid"].as_i64().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(worker), Signal::SIGKILL).unwrap();
    site.wait_for_metric("seawall_gateway_worker_restarts_total", &[], 1);
    wait::until("a worker", || (status(&site, &plain) == 200).then_some(())).unwrap();
    all_as_before(&site, "after a worker's death");
    site.seawall.process.signal(Signal::SIGTERM).unwrap();
    site.seawall.process.wait_for_exit(Duration::from_secs(15)).unwrap();
    let config = fs::read_to_string(&site.seawall.config).unwrap();
    site.seawall = Seawall::start(&site.ground.world, &config).unwrap();
    all_as_before(&site, "after a restart");
    // When they were used is known: the worker told it at its end.
    let shown = json(&site, &["list", "shop"]);
    let used =
        shown["keys"].as_array().unwrap().iter().filter(|one| one["used_epoch_s"] != Value::Null);
    assert!(used.count() >= 2, "{shown}");

    // A consumer that is gone takes its keys along, until it is back.
    site.reload(&site.ground.config_of("", &gateway("{name: shop, scopes: [read]}")));
    assert_eq!(
        (status(&site, &third), state(&site, &third_id).as_str()),
        (401, "consumer_unknown")
    );
    site.reload(&site.ground.config_of("", &gateway(CONSUMERS)));
    assert_eq!(status(&site, &third), 200);

    // Nothing of a key but its id is in any file or line.
    let folder = seawall::state(site.ground.world.folder());
    let mut kept = String::new();
    for name in ["api-keys", "audit.log"] {
        kept += &fs::read_to_string(folder.join(name)).unwrap();
    }
    for text in [&plain, &narrow, &far, &brief, &next, &third] {
        assert!(!kept.contains(&text[12..]), "{text}");
    }
    for verb in ["key create", "key rotate", "key revoke", "ticket 4711"] {
        assert!(kept.contains(verb), "{verb}");
    }
    let (_, shown) = key(&site, &["list"]);
    assert!(shown.contains(&plain_id) && !shown.contains("sw_"), "{shown}");
}

#[test]
fn a_revoked_key_holds_no_longer_on_open_connections() {
    if !requirement::root("a_revoked_key_holds_no_longer_on_open_connections") {
        return;
    }
    let site = Site::start_of(Ground::prepare(), &gateway(CONSUMERS));
    let (text, id) = made(&site, &["create", "shop"]);
    let (other, _) = made(&site, &["create", "shop"]);
    let mut http1 = KeptClient::connect(&site);
    let mut http2 = KeptHttp2::connect(&site.ground, GATEWAY);
    let mut by_http2 =
        |text: &str| http2.passes("/guarded", ("authorization", &format!("Bearer {text}")));
    assert_eq!((http1.get(&text), by_http2(&text)), (200, true));
    let begun = Instant::now();
    let (code, said) = key(&site, &["revoke", &id]);
    let took = begun.elapsed();
    assert_eq!(code, 0, "{said}");
    let returned = Instant::now();
    wait::until("the refusal", || (http1.get(&text) == 401).then_some(())).unwrap();
    let refused = returned.elapsed();
    assert!(!by_http2(&text));
    assert_eq!((http1.get(&other), by_http2(&other)), (200, true), "the connections stay open");
    eprintln!(
        "seawall key revoke took {took:?}; {refused:?} later the open connections refuse the key"
    );
    assert!(refused < REVOKED_WITHIN, "{refused:?}");
}

#[test]
fn a_request_is_explained_from_the_packet_to_the_backend() {
    if !requirement::root("a_request_is_explained_from_the_packet_to_the_backend") {
        return;
    }
    let site = Site::start_of(Ground::prepare(), &gateway(CONSUMERS));
    let (good, _) = made(&site, &["create", "shop"]);
    let (revoked, id) = made(&site, &["create", "shop"]);
    assert_eq!(key(&site, &["revoke", &id]).0, 0);
    let file = site.ground.world.folder().join("headers");
    let socket = site.ground.socket();
    let explain = |words: &[&str]| {
        let asked = ["explain", "198.18.0.7", "--socket", socket.to_str().unwrap()];
        let output = seawall::run(&site.ground.world, &[&asked, words].concat()).unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let guarded = "GET https://gateway.test/guarded";
    let header = format!("@{}", file.display());
    for (key, expected) in [
        (&good, "request     forward\nroute       guarded\n"),
        (&revoked, "request     refuse 401 unauthenticated\nbecause     key_revoked\n"),
    ] {
        fs::write(&file, format!("Authorization: Bearer {key}\n")).unwrap();
        let (code, text) = explain(&["--request", guarded, "--header", &header]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.starts_with("packet      pass ") && text.contains(expected), "{text}");
        assert!(!text.contains(key.as_str()), "{text}");
    }
    let (_, text) = explain(&["--request", guarded, "--as", "shop", "--scope", "write"]);
    assert!(text.contains("because     rule:1:scopes:read\n"), "{text}");
    let (_, text) = explain(&["--request", guarded, "--as", "shop", "--scope", "read", "--json"]);
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&told["packet"]["verdict"], &told["request"]["verdict"]),
        (&"pass".into(), &"forward".into())
    );
    let (code, text) = explain(&["--request", "GET /guarded"]);
    assert!(
        code != Some(0) && text.contains("request: expected https://HOST/PATH, found \"/guarded\""),
        "{text}"
    );
}
