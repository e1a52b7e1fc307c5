//! A person with a browser, Chromium, through login, call, what another site's page may not do, and logout; and past a
//! challenge.
//!
//! `SEAWALL_SCREENSHOTS=FOLDER` writes there what was seen, as docs/screenshots has it.

use std::{env, fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use seawall_tests::{
    oidc::{self, CLIENT_ID, CLIENT_SECRET, Provider},
    process::Process,
    requirement,
    world::SERVER_IPV4,
};
use serde_json::{Value, json};

use crate::site::{API, Ground, Site};

const SHOP: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8_081);
const START_TIMEOUT: Duration = Duration::from_secs(20);
const SHOTS: [&str; 4] =
    ["login-provider", "session-call", "session-csrf-refused", "logout-provider"];
/// One of them is to be a few tens of kilobytes.
const SHOT_BYTES_MAX: u64 = 65_536;

fn gateway() -> String {
    let provider = Provider::issuer();
    format!(
        "  upstreams: [{{name: shop, backends: [{{address: '{SHOP}'}}]}}]
  routes:
    - name: app
      path: /app/*
      authentication: [{{session: main}}]
      csrf: {{session_cookie: __Host-session-main}}
      upgrades: [websocket]
      upstream: shop
    - name: shared
      path: /shared/*
      cors: {{origins: ['{provider}'], methods: [PUT], headers: [X-Note]}}
      upstream: shop
    - {{name: rest, path: '/*', upstream: shop}}
  logins:
    main:
      issuer: '{provider}'
      client_id: {CLIENT_ID}
      client_secret_file: client.secret
      origin: 'https://{API}'
      ca: authority.pem
      scopes: [openid, email]
      consumer_claim: preferred_username
"
    )
}

fn is_installed() -> bool {
    let chromium = Command::new("chromium").arg("--version").output();
    oidc::is_installed() && chromium.is_ok_and(|output| output.status.success())
}

#[test]
fn a_browser_logs_in_calls_is_protected_and_logs_out() {
    let test = "a_browser_logs_in_calls_is_protected_and_logs_out";
    if !requirement::root(test) {
        return;
    }
    if !is_installed() {
        requirement::skip(test, "needs chromium, node 20 or later, and npm");
        return;
    }
    let ground = Ground::prepare();
    let folder = ground.world.folder().to_path_buf();
    fs::write(folder.join("client.secret"), CLIENT_SECRET).unwrap();
    let origin = format!("https://{API}");
    let _provider = Provider::start(&ground.world, &ground.authority, &origin).unwrap();
    let _shop = open_shop(&ground);
    let site = Site::start_of(ground, &gateway());
    let asked = [("jwt", "main"), ("result", "new")];
    site.wait_for_metric("seawall_jwt_keys_updates_total", &asked, 1);

    let seen = visit(&site, "visit.js", &[&Provider::issuer()]);
    let refused = seen["refused"].as_str().unwrap();
    assert!(refused.starts_with("403 {") && refused.contains("cross-site"), "{refused}");
    let expected = json!({
        "login_url": Provider::issuer(),
        "app_url": format!("{origin}/app/?from=start"),
        "who": "ada",
        "cookie": {"httpOnly": true, "secure": true, "sameSite": "Lax", "path": "/"},
        "in_progress": 0,
        "readable": false,
        "saved": "200 saved for ada",
        "live": "live for ada",
        "refused": refused,
        // A page that sends blindly never learns what became of it: the figures below say.
        "cross_site": "TypeError",
        "shared": "cors 200 prices for nobody",
        "not_shared": "TypeError",
        "logout_url": format!("{}/session/end", Provider::issuer()),
        "bye_url": format!("{origin}/"),
        "again_url": Provider::issuer(),
    });
    assert_eq!(seen, expected);
    for (name, labels, count) in [
        ("seawall_gateway_logins_begun_total", &[][..], 2),
        ("seawall_gateway_logins_completed_total", &[], 1),
        ("seawall_gateway_logouts_total", &[("channel", "front")], 1),
        ("seawall_gateway_preflights_total", &[], 1),
        // A stream of the connection that the page came over: over HTTP/1.1 it would be 101.
        ("seawall_gateway_tunnels_total", &[], 1),
        ("seawall_gateway_requests_total", &[("status", "101")], 0),
        ("seawall_gateway_cross_site_total", &[("reason", "token_missing")], 1),
        ("seawall_gateway_cross_site_total", &[("reason", "fetch_site")], 1),
    ] {
        site.wait_for_metric(name, labels, count);
    }
    for name in SHOTS {
        keep_shot(&folder, name);
    }
}

fn keep_shot(folder: &Path, name: &str) {
    let file = folder.join(format!("{name}.png"));
    let bytes = fs::metadata(&file).unwrap().len();
    assert!((1_000..SHOT_BYTES_MAX).contains(&bytes), "{name}: {bytes} bytes");
    if let Some(to) = env::var_os("SEAWALL_SCREENSHOTS") {
        fs::copy(&file, Path::new(&to).join(format!("{name}.png"))).unwrap();
    }
}

/// The API, with what browsers need beside it.
fn open_shop(ground: &Ground) -> Process {
    let folder = ground.world.folder().to_path_buf();
    for (name, text) in [
        ("package.json", include_str!("../../browser/package.json")),
        ("driver.js", include_str!("../../browser/driver.js")),
        ("shop.js", include_str!("../../browser/shop.js")),
        ("visit.js", include_str!("../../browser/visit.js")),
        ("challenge.js", include_str!("../../browser/challenge.js")),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    let mut command = Command::new("node");
    command.arg(folder.join("shop.js")).args([SHOP.ip().to_string(), SHOP.port().to_string()]);
    let mut shop = Process::start(&ground.world.server, &mut command, "shop", &folder).unwrap();
    let listening = || {
        let log = fs::read_to_string(folder.join("shop.log")).unwrap_or_default();
        log.contains("listening").then_some(())
    };
    shop.wait_until("listening", START_TIMEOUT, listening).unwrap();
    shop
}

/// What a browser of the client saw.
fn visit(site: &Site, script: &str, more: &[&str]) -> Value {
    let folder = site.ground.world.folder();
    let mut command = Command::new("node");
    command.arg(folder.join(script)).arg(folder);
    command.args([format!("https://{API}"), SERVER_IPV4.to_string()]).args(more);
    let output = site.ground.client().output(&mut command).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    assert!(output.status.success(), "{seen}: {said}");
    seen
}

#[test]
fn a_browser_gets_past_a_challenge_and_nobody_else_at_its_address_does() {
    let test = "a_browser_gets_past_a_challenge_and_nobody_else_at_its_address_does";
    if !requirement::root(test) {
        return;
    }
    if !is_installed() {
        requirement::skip(test, "needs chromium and node 20 or later");
        return;
    }
    let ground = Ground::prepare();
    let folder = ground.world.folder().to_path_buf();
    let _shop = open_shop(&ground);
    let gateway = format!(
        "  upstreams: [{{name: shop, backends: [{{address: '{SHOP}'}}]}}]
  routes: [{{name: app, path: /app/*, upstream: shop}}]
  behaviour:
    shadow: false
    half_life_s: 86400
    challenge: 50
    ban: 100000
    challenge_page: {{}}
"
    );
    let site = Site::start_of(ground, &gateway);
    let asks = |path: &str| site.ground.get(path).send(site.ground.client()).unwrap().status;
    // A scanner at the same address: 11 each.
    let paths = ["/.env", "/.env", "/.env", "/.env", "/.env", "/app/"];
    let statuses = paths.map(asks);
    assert_eq!(statuses, [404, 404, 404, 404, 404, 429]);
    let mut seen = visit(&site, "challenge.js", &[]);
    let without = seen["without"].take();
    let without = without.as_str().unwrap();
    assert!(without.contains("JavaScript") && without.contains("try again in"), "{without}");
    let expected = json!({
        "without": null,
        "app_url": format!("https://{API}/app/?from=start"),
        "cookie": {
            "name": "__Host-seawall-pass",
            "httpOnly": true,
            "secure": true,
            "sameSite": "Lax",
            "path": "/",
        },
        "readable": false,
        "call": "saved for nobody",
    });
    assert_eq!(seen, expected);
    assert_eq!(asks("/app/"), 429, "the scanner has no pass");
    for (outcome, count) in [("shown", 2), ("solved", 1), ("wrong", 0), ("foreign", 0)] {
        let labels = [("outcome", outcome)];
        site.wait_for_metric("seawall_gateway_challenges_total", &labels, count);
    }
    keep_shot(&folder, "challenge-page");
}
