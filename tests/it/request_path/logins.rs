//! People log in at a real provider, with a browser that keeps cookies; their sessions outlive workers and the
//! daemon, and end where they are ended.

use std::{
    fs,
    process::Output,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use seawall_tests::{
    oidc::{self, Browser, CLIENT_ID, CLIENT_SECRET, Page, Provider},
    requirement,
    seawall::{self, Seawall},
    upstream, wait,
};
use serde_json::Value;

use super::kept_client::KeptHttp2;
use crate::site::{API, GATEWAY, Ground, Site};

/// What the issue asks for.
const REVOKED_WITHIN: Duration = Duration::from_millis(100);
pub(super) const COOKIE: &str = "__Host-session-main";

pub(super) fn origin() -> String {
    format!("https://{API}")
}

pub(super) fn gateway(more: &str) -> String {
    let (api, name) = (upstream::ADDRESS, upstream::NAME);
    let (issuer, origin) = (Provider::issuer(), origin());
    format!(
        "  upstreams: [{{name: api, backends: [{{address: '{api}'}}], tls: {{server_name: {name}, ca: authority.pem}}}}]
  routes:
    - {{name: editors, path: /app/edit, upstream: api, authentication: [{{session: main}}], authorise: [{{roles: [editor]}}]}}
    - {{name: app, path: '/app/*', upstream: api, authentication: [{{session: main}}]}}
    - {{name: rest, path: '/*', upstream: api}}
  logins:
    main:
      issuer: '{issuer}'
      client_id: {CLIENT_ID}
      client_secret_file: client.secret
      origin: '{origin}'
      ca: authority.pem
      scopes: [openid, email]
      consumer_claim: preferred_username
      roles_claim: realm_access.roles
      headers: {{X-Mail: email}}
{more}"
    )
}

struct Place {
    site: Site,
    _provider: Provider,
}

impl Place {
    fn new() -> Self {
        let ground = Ground::prepare();
        let secret = ground.world.folder().join("client.secret");
        fs::write(secret, format!("{CLIENT_SECRET}\n")).unwrap();
        let provider = Provider::start(&ground.world, &ground.authority, &origin()).unwrap();
        let site = Site::start_of(ground, &gateway(""));
        let asked = [("jwt", "main"), ("result", "new")];
        site.wait_for_metric("seawall_jwt_keys_updates_total", &asked, 1);
        Self { site, _provider: provider }
    }

    fn browser(&self, name: &str) -> Browser<'_> {
        let ground = &self.site.ground;
        let folder = ground.world.folder();
        Browser::new(ground.client(), folder, name, &ground.authority, (API, GATEWAY))
    }

    /// A verb of `seawall session`: its exit code and what it says.
    fn session(&self, words: &[&str]) -> (i32, String) {
        let socket = self.site.ground.socket();
        let words = [&["session"], words, &["--socket", socket.to_str().unwrap()]].concat();
        let run = seawall::run(&self.site.ground.world, &words).unwrap();
        let Output { status, stdout, stderr } = run;
        let text = String::from_utf8([stdout, stderr].concat()).unwrap();
        (status.code().unwrap_or(-1), text)
    }

    /// The sessions of somebody.
    fn sessions(&self, consumer: &str) -> Vec<Value> {
        let (code, text) = self.session(&["list", consumer, "--json"]);
        assert_eq!(code, 0, "{text}");
        let shown: Value = serde_json::from_str(&text).unwrap();
        shown["sessions"].as_array().unwrap().clone()
    }
}

pub(super) fn app(path: &str) -> String {
    format!("{}/app/{path}", origin())
}

/// Somebody goes to a page, and logs in on the way.
pub(super) fn log_in(browser: &Browser<'_>, name: &str, path: &str) -> Page {
    let page = browser.go(&app(path)).unwrap();
    assert!(page.url.starts_with(&format!("{}/interaction/", Provider::issuer())), "{page:?}");
    let page = browser.submit(&page.url, &Provider::issuer(), &format!("name={name}")).unwrap();
    assert_eq!(page.url, app(path), "{page:?}");
    page
}

pub(super) fn status(browser: &Browser<'_>, path: &str) -> u16 {
    browser.script(&app(path)).unwrap().status
}

/// What a page has behind this, up to the next quote.
fn value<'a>(page: &'a Page, before: &str) -> &'a str {
    let rest = page.body.split_once(before).unwrap_or_else(|| panic!("{before}: {page:?}")).1;
    rest.split('"').next().unwrap()
}

/// Logs out at the provider, whose page asks whether that is meant.
fn confirm(browser: &Browser<'_>, page: &Page) -> Page {
    let form = format!("xsrf={}&logout=yes", value(page, "name=\"xsrf\" value=\""));
    let end = format!("{}/session/end/confirm", Provider::issuer());
    browser.submit(&end, &Provider::issuer(), &form).unwrap()
}

pub(super) fn runs(test: &str) -> bool {
    if !requirement::root(test) {
        return false;
    }
    if !oidc::is_installed() {
        requirement::skip(
            test,
            "needs node 20 or later, and npm: `cargo xtask test` installs what the host has",
        );
        return false;
    }
    true
}

#[test]
fn sessions_of_a_real_provider_outlive_what_they_should_and_end_where_they_should() {
    if !runs("sessions_of_a_real_provider_outlive_what_they_should_and_end_where_they_should") {
        return;
    }
    let mut place = Place::new();
    {
        let (ada, bob) = (place.browser("ada"), place.browser("bob"));
        assert_eq!(status(&ada, "page"), 401, "a script is sent nowhere");
        let page = log_in(&ada, "ada", "page?x=1");
        assert_eq!(page.status, 200, "{page:?}");
        let seen = page.body.to_ascii_lowercase();
        for line in [
            "get /app/page?x=1 ",
            "x-consumer: ada\r\n",
            "x-consumer-roles: editor staff\r\n",
            "x-mail: ada@example.com\r\n",
        ] {
            assert!(seen.contains(line), "{line}: {seen}");
        }
        let secret = ada.cookie(COOKIE).unwrap();
        assert!(!page.body.contains(&secret), "the backend gets no session");
        log_in(&bob, "bob", "page");
        assert_eq!([status(&ada, "edit"), status(&bob, "edit")], [200, 403]);
        let [shown] = &place.sessions("ada")[..] else { panic!("one session") };
        for (name, expected) in
            [("login", "main"), ("consumer", "ada"), ("address", "198.51.100.7")]
        {
            assert_eq!(shown[name], expected, "{shown}");
        }
        let (_, text) = place.session(&["list"]);
        assert!(text.ends_with("2 sessions\n") && !text.contains(&secret), "{text}");
    }

    // A reload, a worker that dies, and a restart.
    let all = |place: &Place, when: &str| {
        let [ada, bob] = ["ada", "bob"].map(|name| status(&place.browser(name), "page"));
        assert_eq!([ada, bob], [200, 200], "{when}");
    };
    place.site.seawall.process.signal(Signal::SIGHUP).unwrap();
    place.site.wait_for_metric("seawall_reloads_total", &[("result", "ok")], 1);
    all(&place, "after a reload");
    let socket = place.site.ground.socket().display().to_string();
    let said = seawall::run(&place.site.ground.world, &["status", "--json", "--socket", &socket]);
    let said: Value = serde_json::from_slice(&said.unwrap().stdout).unwrap();
    let worker = i32::try_from(said["gateway"]["worker_pid"].as_i64().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(worker), Signal::SIGKILL).unwrap();
    place.site.wait_for_metric("seawall_gateway_worker_restarts_total", &[], 1);
    let answers = |place: &Place| place.browser("ada").script(&app("page")).ok();
    wait::until("a worker", || answers(&place).filter(|page| page.status == 200)).unwrap();
    all(&place, "after a worker's death");
    place.site.seawall.process.signal(Signal::SIGTERM).unwrap();
    place.site.seawall.process.wait_for_exit(Duration::from_secs(15)).unwrap();
    let config = fs::read_to_string(&place.site.seawall.config).unwrap();
    place.site.seawall = Seawall::start(&place.site.ground.world, &config).unwrap();
    all(&place, "after a restart");

    let (ada, bob) = (place.browser("ada"), place.browser("bob"));
    // A logout takes the provider along, and leads back.
    let page = ada.submit(&format!("{}/.seawall/logout/main", origin()), &origin(), "").unwrap();
    assert!(page.url.starts_with(&format!("{}/session/end?", Provider::issuer())), "{page:?}");
    assert_eq!((status(&ada, "page"), status(&bob, "page")), (401, 200));
    let page = confirm(&ada, &page);
    assert_eq!((page.status, page.url.as_str()), (200, format!("{}/", origin()).as_str()));
    // Whoever was logged out there too is asked who they are.
    let page = ada.go(&app("page")).unwrap();
    assert!(page.url.contains("/interaction/"), "{page:?}");

    // The provider logs somebody out, and says so to the gateway.
    let page =
        bob.go(&format!("{}/session/end?client_id={CLIENT_ID}", Provider::issuer())).unwrap();
    confirm(&bob, &page);
    wait::until("the end of bob's session", || (status(&bob, "page") == 401).then_some(()))
        .unwrap();
    assert_eq!(place.sessions("bob"), Vec::<Value>::new());

    // What was done is in the figures; nothing of it is in a log.
    let back = [("channel", "back")];
    wait::until("figures", || {
        (place.site.metric("seawall_gateway_logouts_total", &back) > 0).then_some(())
    })
    .unwrap();
    let state = seawall::state(place.site.ground.world.folder());
    let audit = fs::read_to_string(state.join("audit.log")).unwrap();
    assert!(
        !audit.contains(CLIENT_SECRET) && !place.site.seawall.process.log().contains(CLIENT_SECRET)
    );
}

#[test]
fn a_session_that_is_taken_back_holds_no_longer_on_open_connections() {
    if !runs("a_session_that_is_taken_back_holds_no_longer_on_open_connections") {
        return;
    }
    let place = Place::new();
    let (ada, bob) = (place.browser("ada"), place.browser("bob"));
    log_in(&ada, "ada", "page");
    log_in(&bob, "bob", "page");
    let cookies = [&ada, &bob].map(|one| format!("{COOKIE}={}", one.cookie(COOKIE).unwrap()));
    let mut http2 = KeptHttp2::connect(&place.site.ground, GATEWAY);
    let mut passes = |cookie: &str| http2.passes("/app/page", ("cookie", cookie));
    assert_eq!([passes(&cookies[0]), passes(&cookies[1])], [true, true]);
    let id = place.sessions("ada")[0]["id"].as_str().unwrap().to_owned();
    let (code, said) = place.session(&["revoke", &id, "0000000000000000"]);
    assert!(code == 1 && said.contains("there is no session \"0000000000000000\""), "{said}");
    assert!(passes(&cookies[0]), "all of them or none");
    let begun = Instant::now();
    let (code, said) = place.session(&["revoke", &id]);
    let took = begun.elapsed();
    assert_eq!((code, said.as_str()), (0, "1 session holds no longer\n"));
    let returned = Instant::now();
    wait::until("the refusal", || (!passes(&cookies[0])).then_some(())).unwrap();
    let refused = returned.elapsed();
    assert!(passes(&cookies[1]), "the connection stays open, and bob on it");
    eprintln!(
        "seawall session revoke took {took:?}; {refused:?} later an open connection refuses it"
    );
    assert!(refused < REVOKED_WITHIN, "{refused:?}");
    // The provider remembers who it is: another login asks nobody.
    let page = ada.go(&app("page")).unwrap();
    assert_eq!((page.status, page.url), (200, app("page")));
    for (words, expected) in [
        (&["revoke", "--consumer", "ada"][..], "1 session holds no longer\n"),
        (&["revoke", "--consumer", "nobody"], "0 sessions hold no longer\n"),
        (&["revoke", "--all"], "1 session holds no longer\n"),
        (&["list"], "0 sessions\n"),
    ] {
        assert_eq!(place.session(words), (0, expected.to_owned()), "{words:?}");
    }
    assert_eq!([status(&ada, "page"), status(&bob, "page")], [401, 401]);
    let state = seawall::state(place.site.ground.world.folder());
    let audit = fs::read_to_string(state.join("audit.log")).unwrap();
    for what in ["session revoke", id.as_str(), "of ada", "\"all\""] {
        assert!(audit.contains(what), "{what}: {audit}");
    }
}
