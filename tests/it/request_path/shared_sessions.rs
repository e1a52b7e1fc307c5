//! Two hosts behind one name, each with a daemon of its own, and one Redis through which they share sessions: what is
//! opened on one holds on the other, what is taken back on one ends on both, and what holds while the store is away.

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use seawall_tests::{
    client::Request,
    echo::Echo,
    metrics::Metrics,
    namespace::Namespace,
    oidc::{Browser, CLIENT_SECRET, Provider},
    process::Process,
    redis, requirement,
    seawall::{self, METRICS, Seawall},
    upstream, wait,
    world::{HostPlan, SERVER_IPV4},
};
use serde_json::Value;

use super::{
    kept_client::KeptHttp2,
    logins::{COOKIE, app, gateway, log_in, origin, runs, status},
};
use crate::site::{API, GATEWAY, Ground};

/// The other host, which is at another end of the network.
const OTHER: HostPlan = HostPlan {
    name: "other",
    ipv4: Ipv4Addr::new(198, 51, 100, 9),
    ipv6: &[Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 9)],
};
/// Redis is on the first host, and reached by both over the network.
const STORE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(SERVER_IPV4), 6_379);
/// From the first byte of the command on one host to the refusal on the other.
const REVOKED_WITHIN: Duration = Duration::from_secs(1);
const AWAY_MAX_S: u64 = 10;
/// What a host may be late with that, on a machine that is busy, and early: the store is heard twice a second.
const LATE: Duration = Duration::from_secs(3);
const EARLY: Duration = Duration::from_secs(1);
const AWAY: &str = "session_store_away";

/// One of the two.
struct Host {
    address: SocketAddr,
    folder: PathBuf,
    seawall: Seawall,
}

struct Hosts {
    first: Host,
    second: Host,
    redis: Process,
    _echo: Echo,
    _provider: Provider,
    ground: Ground,
}

impl Hosts {
    fn start() -> Self {
        let ground = Ground::among(&[OTHER]);
        let home = ground.world.folder().to_owned();
        fs::write(home.join("client.secret"), format!("{CLIENT_SECRET}\n")).unwrap();
        fs::write(home.join("redis.password"), format!("{}\n", redis::PASSWORD)).unwrap();
        let provider = Provider::start(&ground.world, &ground.authority, &origin()).unwrap();
        let redis = store(&ground);
        let gateway = gateway(&format!(
            "  session_store: {{address: '{STORE}', password: redis.password, timeout_ms: 500, away_max_s: {AWAY_MAX_S}}}\n"
        ));
        let config = ground.config_of("", &gateway);
        let seawall = Seawall::start(&ground.world, &config).unwrap();
        let first = Host { address: GATEWAY, folder: home.clone(), seawall };

        // The other host has the same files, the key of what browsers keep among them, and a state of its own.
        let namespace = &ground.world.host(OTHER.name).namespace;
        let folder = home.join(OTHER.name);
        let state = seawall::state(&folder);
        fs::create_dir_all(&state).unwrap();
        fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
        for file in ["authority.pem", "client.secret", "redis.password"] {
            fs::copy(home.join(file), folder.join(file)).unwrap();
        }
        fs::copy(seawall::state(&home).join("sticky.key"), state.join("sticky.key")).unwrap();
        let inside = ground.authority.issue(upstream::NAME).unwrap();
        let echo = Echo::start(namespace, upstream::ADDRESS, &inside).unwrap();
        let (pins, places) = (home.join("bpf/other"), seawall::places_in(&folder));
        let config = ground.config_at(&pins, &places, "", &gateway);
        let seawall = Seawall::start_on(namespace, &folder, &config).unwrap();
        let address = SocketAddr::new(OTHER.ipv4.into(), GATEWAY.port());
        let second = Host { address, folder, seawall };

        let hosts = Self { first, second, redis, _echo: echo, _provider: provider, ground };
        for host in [&hosts.first, &hosts.second] {
            let keys = [("jwt", "main"), ("result", "new")];
            hosts.wait_for(host, "seawall_jwt_keys_updates_total", &keys, 1);
        }
        hosts.wait_for_store(1);
        hosts
    }

    fn namespace(&self, host: &Host) -> &Namespace {
        if host.address == GATEWAY {
            return &self.ground.world.server;
        }
        &self.ground.world.host(OTHER.name).namespace
    }

    fn metric(&self, host: &Host, name: &str, labels: &[(&str, &str)]) -> u64 {
        Metrics::scrape(self.namespace(host), METRICS).unwrap().sum(name, labels)
    }

    /// Waits until a metric has exactly this value.
    fn wait_for(&self, host: &Host, name: &str, labels: &[(&str, &str)], value: u64) {
        let mut last = 0;
        let reached = wait::until("such value", || {
            last = self.metric(host, name, labels);
            (last == value).then_some(())
        });
        let log = host.seawall.process.log_end();
        assert!(reached.is_ok(), "{name}{labels:?}: {last}, not {value}\n{log}");
    }

    /// Waits until both hosts say whether the store is there.
    fn wait_for_store(&self, up: u64) {
        for host in [&self.first, &self.second] {
            self.wait_for(host, "seawall_gateway_session_store_up", &[], up);
        }
    }

    /// Somebody's browser, whom the balancer leads to this host: its cookies are the same on each.
    fn browser(&self, name: &str, host: &Host) -> Browser<'_> {
        let ground = &self.ground;
        let folder = ground.world.folder();
        Browser::new(ground.client(), folder, name, &ground.authority, (API, host.address))
    }

    /// What somebody's browser has of its session.
    fn cookie(&self, name: &str) -> String {
        format!("{COOKIE}={}", self.browser(name, &self.first).cookie(COOKIE).unwrap())
    }

    /// What each host answers who has this cookie, and forgets nothing when it is told to.
    fn statuses(&self, cookie: &str) -> [u16; 2] {
        let authority = &self.ground.authority.certificate;
        let line = format!("Cookie: {cookie}");
        [&self.first, &self.second].map(|host| {
            let request = Request::get(API, host.address, "/app/page", authority);
            request.with(&["-H", &line]).send(self.ground.client()).unwrap().status
        })
    }

    fn session(&self, host: &Host, words: &[&str]) -> String {
        let socket = seawall::socket(&host.folder);
        let words = [&["session"], words, &["--socket", socket.to_str().unwrap()]].concat();
        let run = seawall::run(&self.ground.world, &words).unwrap();
        let text = String::from_utf8([run.stdout, run.stderr].concat()).unwrap();
        assert!(run.status.success(), "{words:?}: {text}");
        text
    }

    /// The ids of somebody's sessions that a host knows.
    fn ids(&self, host: &Host, consumer: &str) -> Vec<String> {
        let text = self.session(host, &["list", consumer, "--json"]);
        let shown: Value = serde_json::from_str(&text).unwrap();
        let sessions = shown["sessions"].as_array().unwrap();
        sessions.iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// A Redis that keeps what it has over its end.
fn store(ground: &Ground) -> Process {
    redis::start(&ground.world, STORE, &["--appendonly", "yes"]).unwrap()
}

fn runs_here(test: &str) -> bool {
    if !runs(test) {
        return false;
    }
    if !redis::is_installed() {
        requirement::skip(test, "needs redis-server");
        return false;
    }
    true
}

fn audit(folder: &Path) -> String {
    fs::read_to_string(seawall::state(folder).join("audit.log")).unwrap()
}

#[test]
fn two_daemons_share_a_login_and_what_one_takes_back_the_other_refuses() {
    if !runs_here("two_daemons_share_a_login_and_what_one_takes_back_the_other_refuses") {
        return;
    }
    let hosts = Hosts::start();
    let (first, second) = (&hosts.first, &hosts.second);
    log_in(&hosts.browser("ada", first), "ada", "page");
    assert_eq!(hosts.ids(second, "ada"), Vec::<String>::new(), "nobody has told it");
    let page = hosts.browser("ada", second).script(&app("page")).unwrap();
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.body.to_ascii_lowercase().contains("x-consumer: ada\r\n"), "{page:?}");
    let ada = hosts.cookie("ada");
    assert_eq!(hosts.statuses(&ada), [200, 200]);
    let ids = hosts.ids(first, "ada");
    assert_eq!((ids.len(), &hosts.ids(second, "ada")), (1, &ids), "it is the same one");
    // It asked once, and told once that it is used.
    hosts.wait_for(second, "seawall_gateway_session_store_calls_total", &[], 2);

    // A login that begins on a host and comes back to the other.
    let page = hosts.browser("bob", first).go(&app("page")).unwrap();
    assert!(page.url.starts_with(&format!("{}/interaction/", Provider::issuer())), "{page:?}");
    let page =
        hosts.browser("bob", second).submit(&page.url, &Provider::issuer(), "name=bob").unwrap();
    assert_eq!((page.status, page.url.as_str()), (200, app("page").as_str()), "{page:?}");
    let bob = hosts.cookie("bob");
    assert_eq!(hosts.statuses(&bob), [200, 200]);
    for (host, begun) in [(first, 2), (second, 0)] {
        hosts.wait_for(host, "seawall_gateway_logins_begun_total", &[], begun);
        hosts.wait_for(host, "seawall_gateway_logins_completed_total", &[], 1);
    }

    // Taken back on the first; the second is asked on a connection that was open before.
    let mut http2 = KeptHttp2::connect(&hosts.ground, second.address);
    let mut passes = |cookie: &str| http2.passes("/app/page", ("cookie", cookie));
    assert_eq!([passes(&ada), passes(&bob)], [true, true]);
    let begun = Instant::now();
    assert_eq!(hosts.session(first, &["revoke", &ids[0]]), "1 session holds no longer\n");
    let returned = Instant::now();
    wait::until("the refusal", || (!passes(&ada)).then_some(())).unwrap();
    let (whole, after) = (begun.elapsed(), returned.elapsed());
    eprintln!(
        "the other host refuses {whole:?} after `seawall session revoke` was begun, {after:?} after it returned"
    );
    assert!(whole < REVOKED_WITHIN, "{whole:?}");
    assert!(passes(&bob), "the connection stays open, and bob on it");
    assert_eq!((hosts.statuses(&ada), hosts.statuses(&bob)), ([401, 401], [200, 200]));
    assert!(audit(&first.folder).contains(&ids[0]), "who took it back is on record");
    assert!(!audit(&second.folder).contains("session revoke"), "nobody did that there");

    // The other way, and everyone.
    let begun = Instant::now();
    assert_eq!(hosts.session(second, &["revoke", "--all"]), "1 session holds no longer\n");
    wait::until("the end on the first", || (hosts.statuses(&bob)[0] == 401).then_some(())).unwrap();
    let whole = begun.elapsed();
    eprintln!("`seawall session revoke --all` on the second is met on the first after {whole:?}");
    assert!(whole < REVOKED_WITHIN, "{whole:?}");
    assert_eq!(hosts.statuses(&bob), [401, 401]);
    for host in [first, second] {
        hosts.wait_for(host, "seawall_gateway_session_store_failures_total", &[], 0);
        hosts.wait_for(host, "seawall_gateway_session_store_unasked_total", &[], 0);
    }
}

#[test]
fn without_the_store_what_was_confirmed_holds_for_a_time_and_all_is_well_when_it_is_back() {
    if !runs_here(
        "without_the_store_what_was_confirmed_holds_for_a_time_and_all_is_well_when_it_is_back",
    ) {
        return;
    }
    let mut hosts = Hosts::start();
    let [ada, bob, carol] = ["ada", "bob", "carol"].map(|name| {
        log_in(&hosts.browser(name, &hosts.first), name, "page");
        hosts.cookie(name)
    });
    // Of bob the second host knows nothing.
    assert_eq!((hosts.statuses(&ada), hosts.statuses(&carol)), ([200, 200], [200, 200]));

    let left = Instant::now();
    hosts.redis.stop(wait::PATIENCE).unwrap();
    hosts.wait_for_store(0);
    eprintln!("both hosts say that the store is away {:?} after its end began", left.elapsed());
    let (first, second) = (&hosts.first, &hosts.second);
    assert_eq!(hosts.statuses(&ada), [200, 200], "confirmed on both");
    assert_eq!(status(&hosts.browser("bob", first), "page"), 200, "confirmed on the first alone");
    assert_eq!(status(&hosts.browser("bob", second), "page"), 503);
    assert_eq!(hosts.cookie("bob"), bob, "the cookie stays");
    // What is taken back has ended where that was said.
    let ended = hosts.session(first, &["revoke", "--consumer", "carol"]);
    assert_eq!(ended, "1 session holds no longer\n");
    assert_eq!(hosts.statuses(&carol), [401, 200]);
    // Nobody logs in.
    let dave = hosts.browser("dave", first);
    let page = dave.go(&app("page")).unwrap();
    let page = dave.submit(&page.url, &Provider::issuer(), "name=dave").unwrap();
    assert_eq!(page.status, 503, "{page:?}");
    assert!(page.body.contains("urn:seawall:problem:login-unavailable"), "{page:?}");
    assert_eq!(dave.cookie(COOKIE), None);
    for host in [first, second] {
        let reason = [("reason", AWAY)];
        hosts.wait_for(host, "seawall_gateway_logins_failed_total", &reason, 1);
        let answered = [("reason", "login_unavailable")];
        hosts.wait_for(host, "seawall_gateway_rejections_total", &answered, 1);
        let failures = hosts.metric(host, "seawall_gateway_session_store_failures_total", &[]);
        assert!(failures > 0, "{failures}");
        assert!(
            host.seawall.process.log().contains("the session store is away"),
            "the log says so"
        );
    }

    // And then no session holds, on either.
    for (number, host) in [first, second].into_iter().enumerate() {
        wait::until("the bound is over", || (hosts.statuses(&ada)[number] == 503).then_some(()))
            .unwrap();
        let (bound, passed) = (Duration::from_secs(AWAY_MAX_S), left.elapsed());
        eprintln!("{}: ada's session held until {passed:?} after the store's end", host.address);
        assert!((bound - EARLY..bound + LATE).contains(&passed), "{passed:?}");
    }
    assert_eq!(hosts.statuses(&carol), [401, 503], "ended, and not confirmed");

    // Nobody does anything but to start it again.
    hosts.redis = store(&hosts.ground);
    let back = Instant::now();
    wait::until("carol's end on the second", || (hosts.statuses(&carol)[1] == 401).then_some(()))
        .unwrap();
    eprintln!(
        "the second host refuses what was taken back {:?} after the store's start",
        back.elapsed()
    );
    hosts.wait_for_store(1);
    for (cookie, expected) in [(&ada, [200, 200]), (&bob, [200, 200]), (&carol, [401, 401])] {
        assert_eq!(hosts.statuses(cookie), expected);
    }
    // The provider remembers who dave is.
    let page = hosts.browser("dave", &hosts.first).go(&app("page")).unwrap();
    assert_eq!((page.status, page.url), (200, app("page")));
    assert_eq!(hosts.statuses(&hosts.cookie("dave")), [200, 200]);
}
