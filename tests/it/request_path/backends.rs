//! Three API servers behind the real daemon: killed, stopped and gone by command, and no GET fails.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    process::Output,
};

use nix::sys::signal::Signal;
use seawall_tests::{
    echo::Echo, process::Process, requirement, seawall, seawall::Seawall, upstream, wait,
};
use serde_json::Value;

use crate::site::{Ground, Site};

#[test]
fn a_backend_is_killed_or_hangs_and_no_get_fails() {
    if !requirement::root("a_backend_is_killed_or_hangs_and_no_get_fails") {
        return;
    }
    let ground = Ground::prepare();
    let identity = ground.authority.issue(upstream::NAME).unwrap();
    let start =
        |place: u16| upstream::launch_at(&ground.world, &identity, address(place), &[]).unwrap();
    let mut servers: Vec<Process> = (1..=3).map(start).collect();
    let lines = format!(
        "  upstreams:
    - name: api
      backends: [{{address: '{}'}}, {{address: '{}'}}, {{address: '{}'}}]
      tls: {{server_name: {}, ca: authority.pem}}
      response_timeout_ms: 500
      ejection: {{failures: 2, first_ms: 500, max_ms: 1000}}
      health: {{path: /healthz, interval_ms: 200, timeout_ms: 200, unhealthy_after: 2, healthy_after: 1}}
  routes: [{{name: all, path: '/*', upstream: api}}]
",
        address(1),
        address(2),
        address(3),
        upstream::NAME,
    );
    let config = ground.config_of("", &lines);
    let seawall = Seawall::start(&ground.world, &config).unwrap();
    let site = Site { seawall, ground };
    for place in 1..=3 {
        wait_for_state(&site, address(place), "up");
    }
    all_are_served(&site, 60, "all are up");

    servers[0].signal(Signal::SIGKILL).unwrap();
    all_are_served(&site, 100, "one is killed");
    wait_for_state(&site, address(1), "unwell");
    all_are_served(&site, 30, "it is known");
    servers[0] = upstream::launch_at(
        &site.ground.world,
        &site.ground.authority.issue(upstream::NAME).unwrap(),
        address(1),
        &[],
    )
    .unwrap();
    serve_until_up(&site, address(1));

    servers[1].signal(Signal::SIGSTOP).unwrap();
    all_are_served(&site, 100, "one hangs");
    wait_for_state(&site, address(2), "unwell");
    servers[1].signal(Signal::SIGCONT).unwrap();
    serve_until_up(&site, address(2));
    all_are_served(&site, 30, "it is back");
}

#[test]
fn backends_come_and_go_by_command_and_stay_so() {
    if !requirement::root("backends_come_and_go_by_command_and_stay_so") {
        return;
    }
    let ground = Ground::prepare();
    let _echoes: Vec<Echo> =
        (1..=4).map(|place| Echo::plain(&ground.world.server, address(place)).unwrap()).collect();
    let lines = format!(
        "  upstreams:
    - {{name: api, sticky_cookie: {{name: lb}}, backends: [{{address: '{}'}}, {{address: '{}'}}, {{dns: localhost, port: {}}}]}}
  routes: [{{name: all, path: '/*', upstream: api}}]
",
        address(1),
        address(2),
        address(3).port(),
    );
    let config = ground.config_of("", &lines);
    let seawall = Seawall::start(&ground.world, &config).unwrap();
    let site = Site { seawall, ground };
    wait_for_state(&site, address(3), "up");
    let ejections = "seawall_gateway_backend_ejections_total";
    let (first, other) = (address(1).to_string(), address(4).to_string());
    for (words, code, expected) in [
        (vec!["drain", "api", &first], 0, "drains"),
        (vec!["drain", "api", &first], 1, "drains already"),
        (vec!["add", "api", &other, "--weight", "2"], 0, "a new worker serves"),
        (vec!["add", "api", &other], 1, "is a backend of api already"),
        (vec!["remove", "api", &other], 0, "removed"),
        (vec!["remove", "api", &other], 1, "is no backend of api"),
        (vec!["add", "api", &other, "--weight", "2"], 0, "added"),
        (vec!["add", "shop", &other], 1, "expected one of the upstreams api, found \"shop\""),
        (vec!["add", "api", &other, "--quota", "2"], 1, "already"),
    ] {
        let (found, said) = run(&site, &words);
        assert_eq!(found, code, "{words:?}: {said}");
        assert!(said.contains(expected), "{words:?}: {said}");
        all_are_served(&site, 10, expected);
    }
    wait_for_state(&site, address(1), "draining");
    wait_for_state(&site, address(4), "up");
    assert_eq!(site.metric(ejections, &[("backend", &other)]), 0);
    let (_, audit) = verb(&site, &["audit", "show", audit_path(&site).as_str()]);
    assert!(audit.contains("backend drain") && audit.contains("backend add"), "{audit}");

    // What was said stays said after a restart, and a cookie stays good.
    let cookie = || {
        let answer = site.ground.get("/").send(site.ground.client()).unwrap();
        answer.header("set-cookie").map(str::to_owned)
    };
    let mut before: Vec<String> = (0..12).filter_map(|_| cookie()).collect();
    let Site { seawall, ground } = site;
    seawall.detach().unwrap();
    let seawall = Seawall::start(&ground.world, &config).unwrap();
    let site = Site { seawall, ground };
    wait_for_state(&site, address(1), "draining");
    wait_for_state(&site, address(4), "up");
    let cookie = || {
        let answer = site.ground.get("/").send(site.ground.client()).unwrap();
        answer.header("set-cookie").map(str::to_owned)
    };
    let mut after: Vec<String> = (0..12).filter_map(|_| cookie()).collect();
    for cookies in [&mut before, &mut after] {
        cookies.sort();
        cookies.dedup();
        assert_eq!(cookies.len(), 3, "three get requests: {cookies:?}");
    }
    assert_eq!(before, after);
}

#[test]
fn addresses_of_a_name_are_kept_for_a_start_without_a_resolver() {
    if !requirement::root("addresses_of_a_name_are_kept_for_a_start_without_a_resolver") {
        return;
    }
    let ground = Ground::prepare();
    let _echo = Echo::plain(&ground.world.server, address(1)).unwrap();
    let config = |name: &str| {
        let port = address(1).port();
        ground.config_of(
            "",
            &format!(
                "  upstreams: [{{name: api, backends: [{{dns: {name}, port: {port}}}]}}]\n  \
                 routes: [{{name: all, path: '/*', upstream: api}}]\n"
            ),
        )
    };
    let kept = seawall::state(ground.world.folder()).join("names.json");
    let seawall = Seawall::start(&ground.world, &config("localhost")).unwrap();
    let text = fs::read_to_string(&kept).unwrap();
    assert!(text.contains(&address(1).to_string()), "{text}");
    seawall.detach().unwrap();
    // No resolver knows this one (RFC 6761, 6.4), as if it were down: what an earlier daemon knew is all there is.
    let unknown = config("backend.invalid");
    fs::write(&kept, text.replace("localhost", "backend.invalid")).unwrap();
    let seawall = Seawall::start(&ground.world, &unknown).unwrap();
    let site = Site { seawall, ground };
    all_are_served(&site, 10, "by the addresses that were kept");
    let Site { seawall, ground } = site;
    seawall.detach().unwrap();
    // A file that is not whole keeps nobody from starting.
    fs::write(&kept, "{").unwrap();
    let seawall = Seawall::start(&ground.world, &unknown).unwrap();
    let site = Site { seawall, ground };
    let answer = site.ground.get("/healthz").send(site.ground.client()).unwrap();
    assert_eq!(answer.status, 503, "{answer:?}");
    site.wait_for_metric("seawall_gateway_upstream_failures_total", &[("kind", "no_backend")], 1);
}

fn address(place: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 8_500 + place))
}

fn all_are_served(site: &Site, requests: u32, when: &str) {
    for number in 0..requests {
        let answer = site.ground.get("/healthz").send(site.ground.client()).unwrap();
        assert_eq!(answer.status, 200, "{when}, request {number}: {answer:?}");
    }
}

fn wait_for_state(site: &Site, address: SocketAddr, expected: &str) {
    let mut last = String::new();
    let reached = wait::until("such state", || {
        last = state(site, address)?;
        (last == expected).then_some(())
    });
    assert!(reached.is_ok(), "{address}: {last}, not {expected}");
}

/// One that was ejected is tried by a request: without any it stays as it is.
fn serve_until_up(site: &Site, address: SocketAddr) {
    let reached = wait::until("return", || {
        all_are_served(site, 1, "one comes back");
        (state(site, address)? == "up").then_some(())
    });
    assert!(reached.is_ok(), "{address}: {:?}, not up", state(site, address));
}

fn state(site: &Site, address: SocketAddr) -> Option<String> {
    let (_, text) = verb(site, &["backends", "--json"]);
    let shown: Value = serde_json::from_str(&text).ok()?;
    let mut backends = shown["standings"].as_array()?.iter();
    let own = backends.find(|one| one["backend"] == address.to_string())?;
    own["state"].as_str().map(str::to_owned)
}

fn run(site: &Site, words: &[&str]) -> (i32, String) {
    verb(site, &[&["backend"], words].concat())
}

fn verb(site: &Site, words: &[&str]) -> (i32, String) {
    let socket = site.ground.socket();
    let socket = ["--socket", socket.to_str().unwrap()];
    let words = if words[0] == "audit" { words.to_vec() } else { [words, &socket].concat() };
    let Output { status, stdout, stderr } = seawall::run(&site.ground.world, &words).unwrap();
    let text = String::from_utf8([stdout, stderr].concat()).unwrap();
    (status.code().unwrap_or(-1), text)
}

fn audit_path(site: &Site) -> String {
    seawall::state(site.ground.world.folder()).join("audit.log").display().to_string()
}
