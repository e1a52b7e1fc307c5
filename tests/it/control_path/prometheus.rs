//! A real Prometheus scrapes the daemon: every query of the dashboard finds its series, every alert can be
//! evaluated on what is there, and promtool accepts rules and page.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use nix::sys::signal::Signal;
use seawall_tests::{
    metrics,
    process::Process,
    publisher::{Publisher, Reply},
    requirement,
    seawall::{self, METRICS, Seawall},
    wait,
    world::SERVER_IPV4,
};
use serde_json::Value;

use crate::site::{GATEWAY, Ground, Site};

const PROMETHEUS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);
const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLICY: &str = "  deny: { prefixes: [203.0.113.0/24] }\n  \
    geo: { database: country.mmdb, block: [KP], \
    update: { provider: url, url: 'https://127.0.0.1:8444/country', ca: authority.pem } }\n  \
    feeds: [{ name: spam, url: 'https://127.0.0.1:8444/spam', ca: authority.pem }]\n  \
    rules: [{ name: no-dns, protocol: udp, ports: [53], verdict: drop }]\n  \
    limits: { source: { rate_pps: 10000, burst_packets: 20000, rate_bytes_per_s: 100000000, burst_bytes: 100000000 } }\n";
/// Where feed and database come from.
const PUBLISHER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8444);
/// Present where a route has a canary, the configuration names an authority, keys of tokens are fetched, rates have
/// limits, hosts share sessions, events are told, verdicts are asked for, or credentials; their alerts have tests of
/// their own.
const WHERE_CONFIGURED: [&str; 8] = [
    "seawall_gateway_canary_",
    "seawall_gateway_acme_",
    "seawall_jwt_keys_",
    "seawall_gateway_rate_",
    "seawall_gateway_session_store_",
    "seawall_gateway_events_",
    "seawall_gateway_verdicts_",
    "seawall_gateway_denied_",
];
/// Nothing is in shadow here, nobody is asked who it is, logs in, or may not, nobody is scored, there is no limit of
/// rates and no document of an API, no texts are changed, and nobody is told or asked anything.
const WHERE_ANY: [&str; 15] = [
    "verdict=\"shadow\"",
    "seawall_gateway_authenticated_total",
    "seawall_gateway_denied_total",
    "seawall_gateway_forbidden_total",
    "seawall_gateway_cross_site_total",
    "seawall_gateway_offences_total",
    "seawall_gateway_offenders_total",
    "seawall_gateway_rate_",
    "seawall_gateway_session",
    "seawall_gateway_validation",
    "seawall_gateway_answer_",
    "seawall_gateway_events_",
    "seawall_gateway_verdicts_",
    "seawall_gateway_leaks_total",
    "seawall_gateway_sanitise",
];

#[test]
fn prometheus_finds_every_series_of_the_dashboard_and_the_alerts() {
    const NAME: &str = "prometheus_finds_every_series_of_the_dashboard_and_the_alerts";
    if !requirement::root(NAME) {
        return;
    }
    if Command::new("promtool").arg("--version").stdout(Stdio::null()).status().is_err() {
        requirement::skip(NAME, "needs promtool and prometheus");
        return;
    }
    promtool(&["check", "rules"], &rules(), None);
    promtool(&["test", "rules"], &packaging().join("prometheus/seawall.rules.test.yml"), None);

    let ground = Ground::prepare();
    let identity = ground.authority.issue("127.0.0.1").unwrap();
    let publisher = Publisher::start(&ground.world.server, PUBLISHER, &identity).unwrap();
    let database = fs::read(ground.world.folder().join("country.mmdb")).unwrap();
    publisher.says("/country", Reply::body(database));
    publisher.says("/spam", Reply::body("203.0.113.7\n"));
    let seawall = Seawall::start(&ground.world, &ground.config(POLICY, "")).unwrap();
    let site = Site { seawall, ground };
    let socket = site.ground.socket().display().to_string();
    let ban = ["ban", "203.0.113.9", "--socket", &socket];
    assert!(seawall::run(&site.ground.world, &ban).unwrap().status.success());
    for update in [["feeds", "update"], ["geo", "update"]] {
        let words = [&update[..], &["--socket", &socket]].concat();
        let output = seawall::run(&site.ground.world, &words).unwrap();
        assert!(output.status.success(), "{update:?}: {output:?}");
    }
    site.seawall.process.signal(Signal::SIGHUP).unwrap();
    site.wait_for_metric("seawall_reloads_total", &[("result", "ok")], 1);

    let page = plain_page(&site);
    promtool(&["check", "metrics"], Path::new(""), Some(&page));

    let mut prometheus = start(&site);
    let traffic = || {
        site.ground.get("/").send(site.ground.client()).unwrap();
        site.ground.raw(b"GET / HTTP/1.1\r\nHost: api.example\r\nContent-Length: x\r\n\r\n");
        site.ground
            .client()
            .run(|| {
                // A handshake that fails.
                drop(std::net::TcpStream::connect(GATEWAY).unwrap());
                let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
                socket.send_to(b"x", (SERVER_IPV4, 53)).unwrap();
            })
            .unwrap();
    };
    traffic();
    // A failure of the upstream is counted once there is one.
    site.ground.echo.stop(&site.ground.world.server).unwrap();
    // A rate needs two samples of a series.
    wait::until("samples of the drops", || {
        traffic();
        let drops = "rate(seawall_packets_total{verdict=\"drop\",reason=\"rule\"}[10s])";
        let rejections = "rate(seawall_gateway_rejections_total[10s])";
        let failures = "rate(seawall_gateway_upstream_failures_total[10s])";
        [drops, rejections, failures].iter().all(|query| series(&site, query) > 0).then_some(())
    })
    .unwrap();

    let mut without = Vec::new();
    let queries = dashboard_queries();
    assert!(queries.len() > 50, "{}", queries.len());
    for query in &queries {
        let filled = query.replace("$instance", ".*").replace("$__rate_interval", "10s");
        if series(&site, &filled) == 0 && !WHERE_ANY.iter().any(|rare| query.contains(rare)) {
            without.push(query);
        }
    }
    assert!(without.is_empty(), "no series for {without:#?}");
    eprintln!("{} queries of the dashboard find their series", queries.len());

    let page = plain_page(&site);
    promtool(&["check", "metrics"], Path::new(""), Some(&page));
    let described: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let alerts = alerts(&site);
    assert!(alerts.len() > 20, "{}", alerts.len());
    for (name, query, health) in &alerts {
        assert_eq!(health, "ok", "{name}");
        for metric in names(query) {
            if WHERE_CONFIGURED.iter().any(|rare| metric.starts_with(rare)) {
                continue;
            }
            assert!(described.contains(metric.as_str()), "{name}: no {metric} on the page");
        }
    }
    prometheus.stop(Duration::from_secs(20)).unwrap();
}

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging")
}

fn rules() -> PathBuf {
    packaging().join("prometheus/seawall.rules.yml")
}

/// Runs promtool; anything but success is a failure with its words.
fn promtool(words: &[&str], file: &Path, input: Option<&str>) {
    let mut command = Command::new("promtool");
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if input.is_none() {
        command.arg(file);
    }
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.unwrap_or_default().as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success(), "promtool {words:?}: {said}");
}

/// The page in the format that promtool reads.
fn plain_page(site: &Site) -> String {
    let url = format!("http://{METRICS}/metrics");
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-f", "-H", "Accept: text/plain", &url]);
    let page = site.ground.world.server.output(&mut curl).unwrap();
    String::from_utf8(page.stdout).unwrap()
}

fn start(site: &Site) -> Process {
    let folder = site.ground.world.folder();
    let config = folder.join("prometheus.yml");
    let rules = rules().canonicalize().unwrap();
    let text = format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{}]\n\
         scrape_configs:\n  - job_name: seawall\n    static_configs: [{{ targets: [\"{METRICS}\"] }}]\n",
        rules.display()
    );
    fs::write(&config, text).unwrap();
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
    command.arg(format!("--web.listen-address={PROMETHEUS}"));
    let server = &site.ground.world.server;
    let mut process = Process::start(server, &mut command, "prometheus", folder).unwrap();
    process
        .wait_until("/-/ready", START_TIMEOUT, || {
            let (status, _) = metrics::get(server, PROMETHEUS, "/-/ready").ok()?;
            (status == 200).then_some(())
        })
        .unwrap();
    process
}

/// How many series a query finds.
fn series(site: &Site, query: &str) -> usize {
    let path = format!("/api/v1/query?query={}", percent(query));
    let (status, body) = metrics::get(&site.ground.world.server, PROMETHEUS, &path).unwrap();
    assert_eq!(status, 200, "{query}: {body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    answer["data"]["result"].as_array().map_or(0, Vec::len)
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Name, expression and health of each alert, once all were evaluated.
fn alerts(site: &Site) -> Vec<(String, String, String)> {
    wait::until("alerts", || {
        let server = &site.ground.world.server;
        let (_, body) = metrics::get(server, PROMETHEUS, "/api/v1/rules").ok()?;
        let answer: Value = serde_json::from_str(&body).ok()?;
        let text = |rule: &Value, key: &str| rule[key].as_str().unwrap_or_default().to_owned();
        let found: Vec<_> = answer["data"]["groups"]
            .as_array()?
            .iter()
            .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
            .map(|rule| (text(&rule, "name"), text(&rule, "query"), text(&rule, "health")))
            .collect();
        found.iter().all(|(_, _, health)| health != "unknown").then_some(found)
    })
    .unwrap()
}

fn dashboard_queries() -> Vec<String> {
    let text = fs::read_to_string(packaging().join("grafana/seawall.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The metrics that a query names, histograms by their family.
fn names(query: &str) -> impl Iterator<Item = String> {
    let words = query.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("seawall_")).map(|word| {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
        family.unwrap_or(word).to_owned()
    })
}
