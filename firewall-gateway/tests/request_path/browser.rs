//! Pages of other sites: who may read an answer, who may change something, and what becomes of cookies.

use firewall_gateway::{
    figures::Figures,
    policy::{CookiePolicy, CorsPolicy, CsrfPolicy, CsrfTokenPolicy, RoutePolicy, RulePolicy},
};

use crate::world::{World, label, one_request, status};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn world() -> World {
    World::changed(|policy| {
        let app = texts(&["https://app.example"]);
        let cors = CorsPolicy {
            origins: app.clone(),
            methods: texts(&["GET", "PUT"]),
            headers: texts(&["content-type"]),
            credentials: true,
            max_age_s: 5,
            ..CorsPolicy::default()
        };
        let token = CsrfTokenPolicy { session_cookie: "sid".into(), key_hex: "ab".repeat(32) };
        let nobody =
            RulePolicy { networks: vec!["192.0.2.0/24".parse().unwrap()], ..RulePolicy::default() };
        let route = |name: &str, path: &str| RoutePolicy::to_upstream(name, path, 0);
        policy.routes = vec![
            RoutePolicy {
                methods: texts(&["GET", "PUT", "DELETE"]),
                cors: Some(cors.clone()),
                ..route("shared", "/shared")
            },
            RoutePolicy { cors: Some(cors), authorise: vec![nobody], ..route("closed", "/closed") },
            RoutePolicy {
                csrf: Some(CsrfPolicy { origins: app, token: None }),
                cookies: Some(CookiePolicy::default()),
                ..route("pages", "/pages")
            },
            RoutePolicy {
                csrf: Some(CsrfPolicy { origins: Vec::new(), token: Some(token) }),
                ..route("session", "/session")
            },
            route("open", "/*"),
        ];
    })
}

/// Sends it; checks the answer and what was counted; answers it.
fn check(world: &World, line: &str, lines: &[&str], expected: u16, reason: &str) -> String {
    let before = world.settled();
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let request =
        format!("{line} HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n{lines}\r\n");
    let answer = world.exchange(&request);
    assert_eq!(status(&answer), expected, "{line} {lines}: {answer}");
    let after = world.settled();
    let refused = match expected {
        403 if reason.is_empty() => "forbidden",
        403 => "cross_site",
        _ => "",
    };
    one_request(&before, &after, expected, "h1", refused);
    let sum = |figures: &Figures| figures.cross_site.iter().map(|row| row.count).sum::<u64>();
    assert_eq!(sum(&after) - sum(&before), u64::from(!reason.is_empty()), "{line} {lines}");
    if !reason.is_empty() {
        let counted = label(&after.cross_site, reason) - label(&before.cross_site, reason);
        assert_eq!(counted, 1, "{line} {lines}: {:?}", after.cross_site);
        assert!(!answer.contains(reason), "{answer}");
    }
    let preflights = u64::from(expected == 204);
    assert_eq!(after.preflights - before.preflights, preflights, "{line} {lines}");
    assert_eq!(world.upstream.seen().is_empty(), expected != 200, "{line} {lines}");
    answer.to_ascii_lowercase()
}

#[test]
fn the_gateway_says_which_page_may_read_an_answer() {
    let world = world();
    let (app, evil) = ("Origin: https://app.example", "Origin: https://evil.example");
    let asks = |method: &str| format!("Access-Control-Request-Method: {method}");
    let (put, post, delete) = (asks("PUT"), asks("POST"), asks("DELETE"));
    let allow = "access-control-allow-origin: https://app.example\r\n";
    let answer = check(
        &world,
        "OPTIONS /shared",
        &[app, &put, "Access-Control-Request-Headers: content-type"],
        204,
        "",
    );
    for line in
        [allow, "access-control-max-age: 5\r\n", "access-control-allow-methods: get, put\r\n"]
    {
        assert!(answer.contains(line), "{answer}");
    }
    for (line, lines, expected, reason, shared) in [
        ("OPTIONS /shared", vec![evil, &put], 403, "preflight_origin", false),
        ("OPTIONS /shared", vec![app, &delete], 403, "preflight_method", false),
        (
            "OPTIONS /shared",
            vec![app, &put, "Access-Control-Request-Headers: x-a"],
            403,
            "preflight_header",
            false,
        ),
        // The route does not take this method, so the next one does.
        ("OPTIONS /shared", vec![app, &post], 200, "", false),
        ("OPTIONS /shared", vec![app], 200, "", false),
        ("OPTIONS /closed", vec![app, &put], 204, "", true),
        // Without rules it is the upstream's.
        ("OPTIONS /other", vec![app, &put], 200, "", false),
        ("GET /shared", vec![app], 200, "", true),
        ("GET /shared", vec![evil], 200, "", false),
        ("GET /shared", vec![], 200, "", false),
        // Our page may read why it was refused.
        ("GET /closed", vec![app], 403, "", true),
        ("GET /closed", vec![evil], 403, "", false),
    ] {
        let answer = check(&world, line, &lines, expected, reason);
        assert_eq!(answer.contains(allow), shared, "{line} {lines:?}: {answer}");
    }
}

#[test]
fn another_sites_page_changes_nothing() {
    let world = world();
    let (own, app, evil) = (
        "Origin: https://api.example",
        "Origin: https://app.example",
        "Origin: https://evil.example",
    );
    let (cookie, length) = ("Cookie: sid=1", "Content-Length: 0");
    for (line, lines, expected, reason) in [
        ("POST /pages", vec![length, cookie, own], 200, ""),
        ("POST /pages", vec![length, cookie, app, "Sec-Fetch-Site: cross-site"], 200, ""),
        ("POST /pages", vec![length, cookie, evil], 403, "origin"),
        (
            "POST /pages",
            vec![length, cookie, evil, "Sec-Fetch-Site: same-origin"],
            403,
            "fetch_site",
        ),
        ("POST /pages", vec![length, cookie, "Sec-Fetch-Site: same-site"], 403, "fetch_site"),
        ("POST /pages", vec![length, cookie, own, "X-Forwarded-Host: evil.example"], 200, ""),
        (
            "POST /pages",
            vec![length, cookie, evil, "X-Forwarded-Host: evil.example"],
            403,
            "origin",
        ),
        ("POST /pages", vec![length, cookie, evil, "X-HTTP-Method-Override: GET"], 403, "origin"),
        ("DELETE /pages", vec![cookie], 403, "unknown"),
        ("POST /pages", vec![length], 200, ""),
        ("GET /pages", vec![cookie, evil], 200, ""),
        ("POST /other", vec![length, cookie, evil], 200, ""),
        ("POST /session", vec![length, cookie, own], 403, "token_missing"),
        ("POST /session", vec![length, own], 200, ""),
    ] {
        check(&world, line, &lines, expected, reason);
    }
    // A page gets a token with what it reads, and sends it back.
    let answer = check(&world, "GET /session", &[cookie], 200, "");
    assert!(answer.contains("cache-control: private\r\n"), "{answer}");
    // The answer was put in lower case; the token is asked for again as it was written.
    let request =
        "GET /session HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\nCookie: sid=1\r\n\r\n";
    let answer = world.exchange(request);
    let (_, rest) = answer.split_once("__Host-csrf-token=").expect("a token");
    let token = rest.split(';').next().unwrap();
    world.upstream.seen();
    let (header, both) =
        (format!("X-CSRF-Token: {token}"), format!("Cookie: sid=1; __Host-csrf-token={token}"));
    let other = both.replace("sid=1", "sid=2");
    for (lines, expected, reason) in [
        (vec![length, own, &both, &header], 200, ""),
        (vec![length, own, &both], 403, "token_missing"),
        (vec![length, own, &other, &header], 403, "token_invalid"),
        (vec![length, evil, &both, &header], 403, "origin"),
    ] {
        check(&world, "POST /session", &lines, expected, reason);
    }
}
