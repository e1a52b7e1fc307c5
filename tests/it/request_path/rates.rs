//! Limits of rates with the real daemon: its worker, which its sandbox lets reach the store and nothing else.

use std::net::{Ipv4Addr, SocketAddr};

use nix::sys::signal::Signal;
use seawall_tests::{polite::Polite, redis, requirement, upstream, wait};

use crate::site::{Ground, Site};

const LIMITS: &str =
    "  rate_limits: [{ name: few, limit: 3, window_s: 86400, everywhere: true }]\n";
const REQUESTS: &str = "seawall_gateway_rate_limit_requests_total";
const STORE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 6_379);

fn statuses(site: &Site, number: usize) -> Vec<u16> {
    let get = || site.ground.get("/").send(site.ground.client()).unwrap().status;
    (0..number).map(|_| get()).collect()
}

#[test]
fn a_limit_of_the_configuration_holds_and_a_reload_begins_anew() {
    if !requirement::root("a_limit_of_the_configuration_holds_and_a_reload_begins_anew") {
        return;
    }
    let site = Site::start("", LIMITS);
    assert_eq!(statuses(&site, 5), [200, 200, 200, 429, 429]);
    let row = |result| [("limit", "few"), ("result", result)];
    site.wait_for_metric(REQUESTS, &row("allowed"), 3);
    site.wait_for_metric(REQUESTS, &row("refused"), 2);
    site.wait_for_metric("seawall_gateway_rate_limit_keys", &[("limit", "few")], 1);
    site.wait_for_metric("seawall_gateway_rejections_total", &[("reason", "rate_limited")], 2);
    let line = wait::until("a line of the log", || {
        site.seawall
            .process
            .log()
            .lines()
            .find(|line| line.contains("limit:few"))
            .map(str::to_owned)
    });
    assert!(line.unwrap().contains("rate_limited"));

    // One that is wrong leaves the old one in force.
    let wrong = LIMITS.replace("window_s: 86400, ", "");
    site.reload(&site.ground.config("", &wrong));
    assert_eq!(statuses(&site, 1), [429]);
    site.reload(&site.ground.config("", LIMITS));
    assert_eq!(statuses(&site, 4), [200, 200, 200, 429]);
    // What the former worker counted is not forgotten.
    site.wait_for_metric(REQUESTS, &row("allowed"), 6);
    site.wait_for_metric(REQUESTS, &row("refused"), 4);
}

#[test]
fn a_worker_counts_in_the_store_and_goes_on_over_a_reload() {
    const NAME: &str = "a_worker_counts_in_the_store_and_goes_on_over_a_reload";
    if !requirement::root(NAME) {
        return;
    }
    if !redis::is_installed() {
        requirement::skip(NAME, "needs redis-server");
        return;
    }
    let ground = Ground::prepare();
    let password = ground.world.folder().join("redis.password");
    std::fs::write(password, format!("{}\n", redis::PASSWORD)).unwrap();
    let mut redis = redis::start(&ground.world, STORE, &["--appendonly", "no"]).unwrap();
    let shared = LIMITS.replace("everywhere", "shared: true, everywhere");
    let store =
        format!("  rate_store: {{ address: '{STORE}', password: redis.password, hosts: 3 }}\n");
    let gateway = shared + &store;
    let site = Site::on(ground, "", &gateway);
    site.wait_for_metric("seawall_gateway_rate_store_up", &[], 1);
    assert_eq!(statuses(&site, 5), [200, 200, 200, 429, 429]);
    site.reload(&site.ground.config("", &gateway));
    site.wait_for_metric("seawall_gateway_rate_store_up", &[], 1);
    assert_eq!(statuses(&site, 1), [429]);
    assert_eq!(site.metric("seawall_gateway_rate_limit_local_total", &[]), 0);
    // Without it each host has its part: one of three.
    redis.signal(Signal::SIGKILL).unwrap();
    redis.wait_for_exit(wait::PATIENCE).unwrap();
    wait::until("the store's end", || {
        (site.metric("seawall_gateway_rate_store_up", &[]) == 0).then_some(())
    })
    .unwrap();
    let answers = statuses(&site, 3);
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| [200, 429].contains(status)), "{answers:?}");
}

#[test]
fn a_client_that_keeps_to_what_it_is_told_is_never_refused() {
    if !requirement::root("a_client_that_keeps_to_what_it_is_told_is_never_refused") {
        return;
    }
    const PLACE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8_444);
    let ground = Ground::prepare();
    let identity = ground.authority.issue(upstream::NAME).unwrap();
    let server = ["--rate-per-s", "6"];
    let server = upstream::launch_at(&ground.world, &identity, PLACE, &server).unwrap();
    let way = format!(
        "  upstream: {{address: '{PLACE}', server_name: {}, ca: authority.pem}}\n",
        upstream::NAME
    );
    let limit = "  rate_limits: [{ name: few, limit: 4, window_s: 1, everywhere: true }]\n";
    let site = Site::start_of(ground, &format!("{way}{limit}"));
    let get = site.ground.get("/v1/message");
    wait::until("the server", || {
        (get.send(site.ground.client()).ok()?.status == 200).then_some(())
    })
    .unwrap();
    // The gateway's limit, then the server's own.
    for (whose, gateway) in [("\"few\";r=", format!("{way}{limit}")), ("\"server\";r=", way)] {
        site.reload(&site.ground.config_of("", &gateway));
        let mut polite = Polite::default();
        // Whatever was asked before is over then.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        for number in 0..20 {
            let answer = polite.ask(&get, site.ground.client()).unwrap();
            assert_eq!(answer.status, 200, "{whose} {number}: {answer:?}");
            assert!(answer.header("ratelimit").unwrap().starts_with(whose), "{answer:?}");
        }
        // Whoever does not is refused by the same limit, and told when to come again.
        let rude: Vec<_> = (0..40).map(|_| get.send(site.ground.client()).unwrap()).collect();
        let refused: Vec<_> = rude.iter().filter(|answer| answer.status == 429).collect();
        assert!(!refused.is_empty(), "{whose} refused none of {}", rude.len());
        for answer in refused {
            assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
            assert!(answer.header("ratelimit").unwrap().starts_with(whose), "{answer:?}");
        }
    }
    drop(server);
}
