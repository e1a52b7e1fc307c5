//! What routes let pages of other sites do.

use firewall_gateway::policy::{CookiePolicy, CorsPolicy, CsrfPolicy, CsrfTokenPolicy, SameSite};

use super::{LEAST, load};

fn config(keys: &str) -> String {
    format!(
        "{LEAST}gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
         upstreams: [{{name: api, backends: [{{address: '127.0.0.1:2'}}]}}]\n  \
         routes:\n  - name: r\n    path: /r\n    upstream: api\n    {keys}\n"
    )
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn every_key_of_cors_csrf_and_cookies_acts() {
    let read = |keys: &str| {
        load(&config(keys)).expect("a configuration").gateway.expect("a gateway").routes.remove(0)
    };
    let route = read("limits: {}");
    assert_eq!((route.cors, route.csrf, route.cookies), (None, None, None));
    let route = read(
        "cors: {origins: ['https://app.example', 'https://*.shop.example'], methods: [GET, PUT], headers: [X-A],\n      \
         expose: [X-B], credentials: true, max_age_s: 5}\n    \
         csrf: {origins: ['https://app.example'], session_cookie: sid}\n    \
         cookies: {scripts: [theme], same_site: strict}",
    );
    let cors = CorsPolicy {
        origins: texts(&["https://app.example", "https://*.shop.example"]),
        methods: texts(&["GET", "PUT"]),
        headers: texts(&["X-A"]),
        expose: texts(&["X-B"]),
        credentials: true,
        max_age_s: 5,
    };
    assert_eq!(route.cors, Some(cors));
    let token = CsrfTokenPolicy { session_cookie: "sid".into(), key_hex: String::new() };
    let csrf = CsrfPolicy { origins: texts(&["https://app.example"]), token: Some(token) };
    assert_eq!(route.csrf, Some(csrf));
    let cookies = CookiePolicy { scripts: texts(&["theme"]), same_site: SameSite::Strict };
    assert_eq!(route.cookies, Some(cookies));
    let route = read("cors: {origins: ['*']}\n    csrf: {}\n    cookies: {}");
    let cors = CorsPolicy {
        origins: texts(&["*"]),
        methods: texts(&["GET", "HEAD", "POST"]),
        max_age_s: 600,
        ..CorsPolicy::default()
    };
    assert_eq!(route.cors, Some(cors));
    assert_eq!(route.csrf, Some(CsrfPolicy::default()));
    assert_eq!(route.cookies, Some(CookiePolicy::default()));
}

#[test]
fn what_is_wrong_with_them_is_said() {
    for (keys, expected) in [
        ("cors: {}", "origins"),
        ("cors: {origins: []}", "origins: expected 1 to 64 entries, found 0"),
        (
            "cors: {origins: ['https://a', 'https://a']}",
            "origins: expected each once, found https://a again",
        ),
        ("cors: {origins: [app.example]}", "cors: origins: expected https://HOST"),
        (
            "cors: {origins: ['http://app.example']}",
            "cors: origins: expected https, or http on localhost",
        ),
        ("cors: {origins: ['*'], credentials: true}", "any page could act as the user"),
        ("cors: {origins: ['*', 'https://a']}", "expected \"*\" alone or names, found both"),
        ("cors: {origins: ['*'], methods: [OPTIONS]}", "cors: methods: expected GET, HEAD"),
        ("cors: {origins: ['*'], headers: ['*']}", "cors: headers: expected the name of a header"),
        ("cors: {origins: ['*'], expose: ['a b']}", "cors: expose: expected the name of a header"),
        ("cors: {origins: ['*'], max_age_s: 86401}", "from 0 to 86400"),
        ("csrf: {origins: ['null']}", "csrf: origins: expected https://HOST"),
        ("csrf: {session_cookie: 'a b'}", "csrf: session_cookie: expected the name of a cookie"),
        ("csrf: {token: x}", "token"),
        ("cookies: {scripts: ['a=b']}", "cookies: scripts: expected the name of a cookie"),
        ("cookies: {same_site: none}", "none"),
    ] {
        let error = load(&config(keys)).unwrap_err().to_string();
        assert!(error.contains(expected), "{keys}: {error}");
        assert!(error.contains("/etc/seawall/seawall.yaml:"), "{error}");
    }
}
