//! The road back: what the gateway learns of a client is enforced on its next packet, by the real daemon in the
//! kernel, and never on anyone else.

use std::{net::SocketAddr, time::Duration};

use seawall_tests::{
    raw::{self, Reply},
    requirement,
    seawall::{self, Seawall},
    upstream, wait,
};
use serde_json::Value;

use crate::site::{API, CLIENT, GATEWAY, GATEWAY_IPV6, Ground, Site};

/// Twenty logins that fail are a ban, and no fewer: 19 have 95. A test that asks again and again is not to add to it.
const LOGINS: usize = 20;
const SCORED: &str = "half_life_s: 86400, watch: 10, challenge: 96, ban: 96, weights: {credential_refused: 5, challenged: 0}";

fn gateway(behaviour: &str, more: &str) -> String {
    let (api, name) = (upstream::ADDRESS, upstream::NAME);
    format!(
        "  upstreams: [{{name: api, backends: [{{address: '{api}'}}], tls: {{server_name: {name}, ca: authority.pem}}}}]
  routes:
    - {{name: guarded, path: /guarded, upstream: api, authentication: [{{api_key: {{from: [bearer]}}}}]}}
    - {{name: rest, path: '/*', upstream: api}}
  consumers: [{{name: shop}}]
  behaviour: {{{SCORED}, {behaviour}}}
{more}"
    )
}

fn start(packet: &str, behaviour: &str, more: &str) -> Site {
    let ground = Ground::prepare();
    let config = ground.config_of(packet, &gateway(behaviour, more));
    let seawall = Seawall::start(&ground.world, &config).unwrap();
    Site { seawall, ground }
}

/// Logins that fail, on one connection: with these lines in each.
fn attack(site: &Site, to: SocketAddr, lines: &str) -> Reply {
    let login = |last: &str| {
        format!(
            "GET /guarded HTTP/1.1\r\nHost: {API}\r\nAuthorization: Bearer sw_0123456789ab_wrong\r\n{lines}{last}\r\n"
        )
    };
    send(site, to, &(login("").repeat(LOGINS - 1) + &login("Connection: close\r\n")))
}

fn send(site: &Site, to: SocketAddr, requests: &str) -> Reply {
    let authority = &site.ground.authority.certificate;
    raw::send(site.ground.client(), to, API, authority, requests.as_bytes(), 5).unwrap()
}

/// The status of a request; 0 where nothing comes back.
fn asks(site: &Site, arguments: &[&str]) -> u16 {
    let request = site.ground.get("/").with(arguments).within(Duration::from_secs(1));
    request.send(site.ground.client()).unwrap().status
}

/// What a verb says.
fn says(site: &Site, words: &[&str]) -> String {
    let socket = site.ground.socket();
    let words = [words, &["--socket", socket.to_str().unwrap()]].concat();
    let output = seawall::run(&site.ground.world, &words).unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn outcomes(site: &Site, outcome: &str, count: u64) {
    site.wait_for_metric("seawall_gateway_bans_total", &[("outcome", outcome)], count);
}

#[test]
fn an_attacker_is_dropped_in_the_kernel_and_the_cause_is_named() {
    const NAME: &str = "an_attacker_is_dropped_in_the_kernel_and_the_cause_is_named";
    if !requirement::root(NAME) {
        return;
    }
    let site = start("", "shadow: false, ban_s: 3, ban_factor: 100, remember_s: 600", "");
    let client = CLIENT.ipv4.to_string();
    let reply = attack(&site, GATEWAY, "");
    assert_eq!((reply.answers(), reply.text.matches(" 401 ").count()), (LOGINS, LOGINS));
    outcomes(&site, "banned", 1);
    assert_eq!(asks(&site, &[]), 0, "its next SYN is dropped");
    assert!(site.metric("seawall_packets_total", &[("verdict", "drop"), ("reason", "ban")]) > 0);
    // It ends by itself, and begins a clean slate; the next one is longer.
    wait::until("the end of the ban", || (asks(&site, &[]) == 200).then_some(())).unwrap();
    attack(&site, GATEWAY, "");
    outcomes(&site, "banned", 2);
    assert_eq!(asks(&site, &[]), 0);
    let shown: Value = serde_json::from_str(&says(&site, &["bans", "--json"])).unwrap();
    let ban = &shown["bans"][0];
    let left_s = ban["left_s"].as_u64().unwrap();
    assert!((280..=300).contains(&left_s) && ban["source"] == client.as_str(), "{shown}");
    assert_eq!((&shown["total"], &ban["who"]), (&Value::from(1), &Value::from("gateway")));
    let reason = ban["reason"].as_str().unwrap();
    let last = reply.text.rfind("x-request-id: ").map(|at| &reply.text[at + 14..at + 46]).unwrap();
    assert!(reason.starts_with("credential_refused 20, score 100, request "), "{reason}");
    assert!(reason.ends_with(", ban 2 in a row") && !reason.contains(last), "{reason}");
    let explained = says(&site, &["explain", &client]);
    assert!(explained.contains("verdict     drop ban"), "{explained}");
    assert!(explained.contains("banned by   gateway"), "{explained}");
    assert!(explained.contains(&format!("because     {reason}")), "{explained}");
    assert!(says(&site, &["bans"]).contains(reason));
    // The first ban's record names the request that decided it.
    let audit = says_of_the_audit(&site, &["audit", "show"]);
    assert!(audit.contains(last) && audit.matches("credential_refused 20").count() == 2, "{audit}");
    says_of_the_audit(&site, &["audit", "verify"]);
    says(&site, &["unban", &client]);
    // The kernel lets it pass at once; the gateway for what is left of its pause.
    assert_ne!(asks(&site, &[]), 0, "it is taken back by hand");
    wait::until("the end of the pause", || (asks(&site, &[]) == 200).then_some(())).unwrap();
    let lines = site.seawall.process.log();
    assert!(lines.contains("\"score\":"), "the access log shows scores from 10 on");
}

/// A verb of the audit log, which needs no daemon.
fn says_of_the_audit(site: &Site, words: &[&str]) -> String {
    let path = seawall::state(site.ground.world.folder()).join("audit.log");
    let words = [words, &[path.to_str().unwrap()]].concat();
    let output = seawall::run(&site.ground.world, &words).unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn over_ipv6_it_is_the_64() {
    if !requirement::root("over_ipv6_it_is_the_64") {
        return;
    }
    let site = start("", "shadow: false", "");
    attack(&site, GATEWAY_IPV6, "");
    outcomes(&site, "banned", 1);
    let bans = says(&site, &["bans"]);
    assert!(bans.contains("2001:db8:d::/64") && bans.contains("credential_refused 20"), "{bans}");
    assert_eq!(asks(&site, &[]), 200, "its IPv4 address is another client");
}

#[test]
fn a_neighbour_behind_the_same_proxy_is_not_harmed() {
    if !requirement::root("a_neighbour_behind_the_same_proxy_is_not_harmed") {
        return;
    }
    let proxies = format!("  clients: {{ trusted_proxies: [{}] }}\n", CLIENT.ipv4);
    let site = start("", "shadow: false", &proxies);
    attack(&site, GATEWAY, "X-Forwarded-For: 203.0.113.9\r\n");
    site.wait_for_metric("seawall_gateway_offenders_total", &[("verdict", "refused")], 1);
    for (who, expected) in [("203.0.113.9", 429), ("203.0.113.10", 200)] {
        let header = format!("X-Forwarded-For: {who}");
        assert_eq!(asks(&site, &["-H", &header]), expected, "{who}");
    }
    assert_eq!(asks(&site, &[]), 200, "the proxy itself");
    assert_eq!(says(&site, &["bans"]), "0 bans\n");
    assert_eq!(site.metric("seawall_gateway_bans_total", &[]), 0, "nobody was even asked about");
}

#[test]
fn whom_a_policy_lets_pass_is_never_banned() {
    if !requirement::root("whom_a_policy_lets_pass_is_never_banned") {
        return;
    }
    let own = CLIENT.ipv4;
    for (packet, behaviour, outcome, expected) in [
        (format!("  allow: {{ prefixes: [{own}] }}\n"), "shadow: false", "allowed", 429),
        ("  allow: { prefixes: [198.51.100.0/24] }\n".to_owned(), "shadow: false", "allowed", 429),
        (format!("  protected: [{own}]\n"), "shadow: false", "protected", 429),
        (String::new(), "shadow: true", "shadow", 200),
    ] {
        let site = start(&packet, behaviour, "");
        attack(&site, GATEWAY, "");
        outcomes(&site, outcome, 1);
        assert_eq!(asks(&site, &[]), expected, "{outcome}: the gateway goes on by itself");
        assert_eq!(says(&site, &["bans"]), "0 bans\n", "{outcome}");
        assert_eq!(site.metric("seawall_gateway_bans_total", &[("outcome", "banned")]), 0);
    }
}

#[test]
fn who_goes_on_over_a_limit_is_dropped_until_its_budget_is_back() {
    if !requirement::root("who_goes_on_over_a_limit_is_dropped_until_its_budget_is_back") {
        return;
    }
    const LIMIT: &str =
        "  rate_limits: [{name: few, limit: 1, window_s: 5, burst: 3, everywhere: true}]\n";
    let begin = |packet: &str, shadow: bool| {
        start(packet, &format!("shadow: {shadow}, budgets: {{limits: [few], refusals: 10}}"), LIMIT)
    };
    // So many pass, and then ten are too many.
    let flood = |site: &Site, passing: usize| {
        let get = |last: &str| format!("GET / HTTP/1.1\r\nHost: {API}\r\n{last}\r\n");
        let all = get("").repeat(passing + 9) + &get("Connection: close\r\n");
        let reply = send(site, GATEWAY, &all);
        let counted = [" 200 ", " 429 "].map(|status| reply.text.matches(status).count());
        assert_eq!(counted, [passing, 10], "{}", reply.text);
    };
    let client = CLIENT.ipv4.to_string();
    let site = begin("", false);
    // The second one is no longer than the first, as it is no punishment.
    for (passing, bans) in [(3, 1), (0, 2)] {
        flood(&site, passing);
        outcomes(&site, "banned", bans);
        let shown: Value = serde_json::from_str(&says(&site, &["bans", "--json"])).unwrap();
        let ban = &shown["bans"][0];
        assert!(
            ban["left_s"].as_u64().unwrap() <= 5 && ban["source"] == client.as_str(),
            "{shown}"
        );
        let reason = ban["reason"].as_str().unwrap();
        assert!(reason.starts_with("budget few, refused 10, request "), "{reason}");
        assert!(!reason.contains("in a row"), "{reason}");
        let explained = says(&site, &["explain", &client]);
        assert!(explained.contains(&format!("because     {reason}")), "{explained}");
        assert_eq!(asks(&site, &[]), 0, "its SYN is dropped");
        wait::until("its budget", || (asks(&site, &[]) == 200).then_some(())).unwrap();
    }
    assert!(site.metric("seawall_packets_total", &[("verdict", "drop"), ("reason", "ban")]) > 0);
    site.wait_for_metric("seawall_gateway_offenders_total", &[("verdict", "exhausted")], 2);
    drop(site);
    for (packet, shadow, outcome) in [
        (format!("  allow: {{ prefixes: [{client}] }}\n"), false, "allowed"),
        (String::new(), true, "shadow"),
    ] {
        let site = begin(&packet, shadow);
        flood(&site, 3);
        outcomes(&site, outcome, 1);
        assert_eq!(says(&site, &["bans"]), "0 bans\n", "{outcome}");
        assert_ne!(asks(&site, &[]), 0, "{outcome}: the limit goes on by itself");
    }
}
