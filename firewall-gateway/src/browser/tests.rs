//! Tables of what pages may and may not.

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{
    BrowserError, Cookies, Cors, CrossSite, Csrf, Preflight,
    origin::{Origins, is_own},
};
use crate::policy::{CookiePolicy, CorsPolicy, CsrfPolicy, CsrfTokenPolicy, SameSite};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let parsed = pairs.iter().map(|(name, value)| {
        (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
    });
    let mut headers = HeaderMap::new();
    for (name, value) in parsed {
        headers.append(name, value);
    }
    headers
}

fn shown(headers: &HeaderMap) -> Vec<String> {
    let mut shown: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    shown.sort();
    shown
}

#[test]
fn an_origin_is_known_to_the_letter() {
    let known = [
        "https://app.example",
        "https://*.shop.example",
        "https://a.example:8443",
        "http://localhost:3000",
    ];
    let known = Origins::new(&texts(&known)).unwrap();
    for (origin, expected) in [
        ("https://app.example", true),
        ("https://a.example:8443", true),
        ("http://localhost:3000", true),
        ("https://x.shop.example", true),
        ("https://x.y.shop.example", true),
        ("https://shop.example", false),
        ("https://.shop.example", false),
        ("https://evilshop.example", false),
        ("https://evil.example/.shop.example", false),
        ("https://evil.example:1.shop.example", false),
        ("https://evil@x.shop.example", false),
        ("https://x.shop.example:8443", false),
        ("http://x.shop.example", false),
        ("http://app.example", false),
        ("https://app.example.evil", false),
        ("https://app.example:443", false),
        ("https://APP.example", false),
        ("https://app.example/", false),
        ("https://app.example ", false),
        ("null", false),
        ("", false),
    ] {
        assert_eq!(known.contains(origin), expected, "{origin:?}");
    }
    for (origin, host, expected) in [
        ("https://api.example", "api.example", true),
        ("https://api.example", "API.example:443", true),
        ("https://api.example:8443", "api.example:8443", true),
        ("https://[::1]", "[::1]", true),
        ("https://api.example:8443", "api.example", false),
        ("http://api.example", "api.example", false),
        ("null", "null", false),
    ] {
        assert_eq!(is_own(origin, host), expected, "{origin} {host}");
    }
}

#[test]
fn rules_that_cannot_be_are_refused() {
    let origin = |origin: &str| BrowserError::Origin(origin.to_owned());
    for wrong in [
        "app.example",
        "https://",
        "https://*",
        "https://*.",
        "https://a.example/",
        "https://a.example:443",
        "https://a.example:0",
        "https://a.example:x",
        "https://A.example",
        "https://a b",
        "null",
        "ftp://a.example",
        "https://*.*.example",
        "https://u@a.example",
        "http://localhost:80",
        "https://a.example:+1",
    ] {
        let policy = CsrfPolicy { origins: texts(&[wrong]), token: None };
        assert_eq!(Csrf::new(&policy).unwrap_err(), origin(wrong), "{wrong}");
    }
    let cors = |origins: &[&str], credentials| CorsPolicy {
        origins: texts(origins),
        methods: texts(&["GET"]),
        credentials,
        ..CorsPolicy::default()
    };
    let header = |key, found: &str| BrowserError::Header { key, found: found.to_owned() };
    for (policy, expected) in [
        (cors(&["http://a.example"], false), BrowserError::Plain("http://a.example".into())),
        (cors(&["http://*.localhost"], false), BrowserError::Plain("http://*.localhost".into())),
        (cors(&["*"], true), BrowserError::AnyWithCredentials),
        (cors(&["*", "https://a.example"], false), BrowserError::AnyAndNames),
        (
            CorsPolicy { methods: texts(&["OPTIONS"]), ..cors(&["*"], false) },
            BrowserError::Method("OPTIONS".into()),
        ),
        (CorsPolicy { headers: texts(&["a b"]), ..cors(&["*"], false) }, header("headers", "a b")),
        (CorsPolicy { headers: texts(&["*"]), ..cors(&["*"], false) }, header("headers", "*")),
        (CorsPolicy { expose: texts(&[""]), ..cors(&["*"], false) }, header("expose", "")),
    ] {
        assert_eq!(Cors::new(&policy).unwrap_err(), expected);
    }
    let cookie = |key, found: &str| BrowserError::Cookie { key, found: found.to_owned() };
    let policy = CookiePolicy { scripts: texts(&["a;b"]), ..CookiePolicy::default() };
    assert_eq!(Cookies::new(&policy).unwrap_err(), cookie("scripts", "a;b"));
    for (session_cookie, key_hex, expected) in [
        ("a=b", "00".repeat(32), cookie("session_cookie", "a=b")),
        ("a", "00".repeat(31), BrowserError::Key),
    ] {
        let token = CsrfTokenPolicy { session_cookie: session_cookie.to_owned(), key_hex };
        let policy = CsrfPolicy { origins: Vec::new(), token: Some(token) };
        assert_eq!(Csrf::new(&policy).unwrap_err(), expected);
    }
}

#[test]
fn a_preflight_is_answered_for_what_it_asks() {
    let policy = CorsPolicy {
        origins: texts(&["https://app.example"]),
        methods: texts(&["GET", "PUT"]),
        headers: texts(&["Content-Type", "X-Mode"]),
        credentials: true,
        max_age_s: 60,
        ..CorsPolicy::default()
    };
    let (named, any) = (
        Cors::new(&policy).unwrap(),
        Cors::new(&CorsPolicy { origins: texts(&["*"]), credentials: false, ..policy }).unwrap(),
    );
    let good = [
        "access-control-allow-credentials: true",
        "access-control-allow-headers: Content-Type, X-Mode",
        "access-control-allow-methods: GET, PUT",
        "access-control-allow-origin: https://app.example",
        "access-control-max-age: 60",
        "vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    ];
    for (origin, method, asked, expected) in [
        ("https://app.example", "PUT", "", Ok(())),
        ("https://app.example", "GET", "content-type,x-mode", Ok(())),
        ("https://app.example", "GET", "X-MODE , content-type", Ok(())),
        ("https://evil.example", "PUT", "", Err(CrossSite::PreflightOrigin)),
        ("null", "PUT", "", Err(CrossSite::PreflightOrigin)),
        ("https://app.example", "DELETE", "", Err(CrossSite::PreflightMethod)),
        ("https://app.example", "put", "", Err(CrossSite::PreflightMethod)),
        ("https://app.example", "PUT", "x-other", Err(CrossSite::PreflightHeader)),
        ("https://app.example", "PUT", "x-mode,authorization", Err(CrossSite::PreflightHeader)),
    ] {
        let headers = headers(&[
            ("origin", origin),
            ("access-control-request-method", method),
            ("access-control-request-headers", asked),
        ]);
        let preflight = Preflight::of(&Method::OPTIONS, &headers).unwrap();
        let found = named.preflight(&preflight, &headers);
        assert_eq!(
            found.as_ref().map(|_| ()),
            expected.as_ref().map(|_| ()),
            "{origin} {method} {asked}"
        );
        match found {
            Ok(answer) => assert_eq!(shown(&answer), good),
            Err(refused) => assert_eq!(Err(refused), expected),
        }
    }
    let asked =
        headers(&[("origin", "https://x.example"), ("access-control-request-method", "GET")]);
    let preflight = Preflight::of(&Method::OPTIONS, &asked).unwrap();
    let answer = any.preflight(&preflight, &asked).unwrap();
    assert_eq!(answer["access-control-allow-origin"], "*");
    assert!(!answer.contains_key("access-control-allow-credentials"));
    for (method, pairs) in [
        (
            Method::GET,
            vec![("origin", "https://a.example"), ("access-control-request-method", "GET")],
        ),
        (Method::OPTIONS, vec![("origin", "https://a.example")]),
        (Method::OPTIONS, vec![("access-control-request-method", "GET")]),
        (
            Method::OPTIONS,
            vec![
                ("origin", "https://a.example"),
                ("origin", "https://b.example"),
                ("access-control-request-method", "GET"),
            ],
        ),
    ] {
        assert!(Preflight::of(&method, &headers(&pairs)).is_none(), "{method} {pairs:?}");
    }
}

#[test]
fn an_answer_says_what_the_gateway_says_and_nothing_of_the_upstream() {
    let policy = CorsPolicy {
        origins: texts(&["https://app.example"]),
        expose: texts(&["X-Total"]),
        credentials: true,
        ..CorsPolicy::default()
    };
    let (named, any) = (
        Cors::new(&policy).unwrap(),
        Cors::new(&CorsPolicy { origins: texts(&["*"]), credentials: false, ..policy }).unwrap(),
    );
    let theirs = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "*"),
        ("vary", "Accept"),
    ];
    for (cors, origin, expected) in [
        (
            &named,
            Some("https://app.example"),
            &[
                "access-control-allow-credentials: true",
                "access-control-allow-origin: https://app.example",
                "access-control-expose-headers: X-Total",
                "vary: Accept",
                "vary: Origin",
            ][..],
        ),
        (&named, Some("https://evil.example"), &["vary: Accept", "vary: Origin"]),
        (&named, None, &["vary: Accept", "vary: Origin"]),
        (
            &any,
            Some("https://x.example"),
            &[
                "access-control-allow-origin: *",
                "access-control-expose-headers: X-Total",
                "vary: Accept",
            ],
        ),
        (&any, None, &["vary: Accept"]),
    ] {
        let mut answer = headers(&theirs);
        cors.mark(
            origin.map(|origin| HeaderValue::try_from(origin).unwrap()).as_ref(),
            &mut answer,
        );
        assert_eq!(shown(&answer), expected, "{origin:?}");
    }
}

#[test]
fn what_changes_something_comes_from_our_pages() {
    let policy = CsrfPolicy { origins: texts(&["https://app.example"]), token: None };
    let csrf = Csrf::new(&policy).unwrap();
    let (own, app, evil) = (
        ("origin", "https://api.example"),
        ("origin", "https://app.example"),
        ("origin", "https://evil.example"),
    );
    let (site, hidden) = (|site| ("sec-fetch-site", site), ("origin", "null"));
    let cookie = ("cookie", "a=b");
    for (method, upgrade, pairs, expected) in [
        ("POST", false, vec![site("same-origin")], Ok(())),
        ("POST", false, vec![site("same-origin"), own], Ok(())),
        ("POST", false, vec![site("none")], Ok(())),
        ("POST", false, vec![site("same-origin"), evil], Err(CrossSite::FetchSite)),
        ("POST", false, vec![site("same-origin"), hidden], Ok(())),
        ("POST", false, vec![site("none"), hidden], Err(CrossSite::FetchSite)),
        ("POST", false, vec![site("same-site"), hidden], Err(CrossSite::FetchSite)),
        ("POST", false, vec![site("cross-site"), hidden], Err(CrossSite::FetchSite)),
        ("POST", false, vec![site("same-origin"), hidden, hidden], Err(CrossSite::FetchSite)),
        ("POST", false, vec![site("same-origin"), hidden, own], Err(CrossSite::FetchSite)),
        ("POST", false, vec![site("same-site")], Err(CrossSite::FetchSite)),
        ("POST", false, vec![site("cross-site")], Err(CrossSite::FetchSite)),
        ("POST", false, vec![site("cross-site"), app], Ok(())),
        ("POST", false, vec![site("cross-site"), evil], Err(CrossSite::FetchSite)),
        ("POST", false, vec![site("Same-Origin")], Err(CrossSite::FetchSite)),
        ("POST", false, vec![site("same-origin"), site("cross-site")], Err(CrossSite::FetchSite)),
        ("PUT", false, vec![own], Ok(())),
        ("DELETE", false, vec![app, cookie], Ok(())),
        ("PATCH", false, vec![evil], Err(CrossSite::Origin)),
        ("POST", false, vec![("origin", "null")], Err(CrossSite::Origin)),
        ("POST", false, vec![own, evil], Err(CrossSite::Origin)),
        ("POST", false, vec![cookie], Err(CrossSite::Unknown)),
        ("POST", false, vec![], Ok(())),
        ("GET", false, vec![site("cross-site"), evil, cookie], Ok(())),
        ("HEAD", false, vec![evil, cookie], Ok(())),
        ("GET", true, vec![evil, cookie], Err(CrossSite::Origin)),
        ("GET", true, vec![own, cookie], Ok(())),
    ] {
        let method: Method = method.parse().unwrap();
        let found = csrf.check(&method, upgrade, &headers(&pairs), "api.example");
        assert_eq!(found, expected, "{method} {pairs:?}");
    }
}

#[test]
fn a_token_is_good_for_its_session_alone() {
    let with = |byte: &str| {
        let token = CsrfTokenPolicy { session_cookie: "sid".into(), key_hex: byte.repeat(32) };
        Csrf::new(&CsrfPolicy { origins: Vec::new(), token: Some(token) }).unwrap()
    };
    let (csrf, other) = (with("01"), with("02"));
    let made = |csrf: &Csrf, session: &str| {
        let set = csrf.token(&Method::GET, &headers(&[("cookie", &format!("sid={session}"))]));
        let set = set.expect("a token").to_str().unwrap().to_owned();
        let (token, attributes) = set.split_once(';').unwrap();
        assert_eq!(attributes, " Path=/; Secure; SameSite=Strict");
        token.strip_prefix("__Host-csrf-token=").unwrap().to_owned()
    };
    let (ours, again, theirs, forged) =
        (made(&csrf, "one"), made(&csrf, "one"), made(&csrf, "two"), made(&other, "one"));
    assert_ne!(ours, again, "a token is random");
    let good = format!("sid=one; __Host-csrf-token={ours}");
    // None is made for a session that has one, for none, and on what changes something.
    for (method, cookie) in [
        (Method::GET, good.as_str()),
        (Method::GET, "a=b"),
        (Method::GET, "sid="),
        (Method::POST, "sid=one"),
    ] {
        assert_eq!(csrf.token(&method, &headers(&[("cookie", cookie)])), None, "{method} {cookie}");
    }
    let bad = format!("sid=one; __Host-csrf-token={theirs}");
    assert!(csrf.token(&Method::GET, &headers(&[("cookie", &bad)])).is_some());
    let long = format!("{ours}A");
    for (session, cookie, header, expected) in [
        ("one", ours.as_str(), Some(ours.as_str()), Ok(())),
        ("one", &again, Some(&again), Ok(())),
        ("one", &ours, None, Err(CrossSite::TokenMissing)),
        ("one", "", Some(&ours), Err(CrossSite::TokenInvalid)),
        ("one", &ours, Some(&again), Err(CrossSite::TokenInvalid)),
        ("one", &theirs, Some(&theirs), Err(CrossSite::TokenInvalid)),
        ("one", &forged, Some(&forged), Err(CrossSite::TokenInvalid)),
        ("one", &long, Some(&long), Err(CrossSite::TokenInvalid)),
        ("two", &ours, Some(&ours), Err(CrossSite::TokenInvalid)),
    ] {
        let cookie = format!("sid={session}; __Host-csrf-token={cookie}");
        let mut pairs = vec![("origin", "https://api.example"), ("cookie", cookie.as_str())];
        pairs.extend(header.map(|header| ("x-csrf-token", header)));
        let found = csrf.check(&Method::POST, false, &headers(&pairs), "api.example");
        assert_eq!(found, expected, "{pairs:?}");
    }
    let alone = headers(&[("origin", "https://api.example")]);
    assert_eq!(csrf.check(&Method::POST, false, &alone, "api.example"), Ok(()));
}

#[test]
fn cookies_leave_with_what_keeps_them() {
    let policy = CookiePolicy { scripts: texts(&["theme"]), same_site: SameSite::Strict };
    let cookies = Cookies::new(&policy).unwrap();
    for (cookie, expected, changed) in [
        ("sid=1", Some("sid=1; Secure; HttpOnly; SameSite=Strict"), 1),
        ("sid=1; Path=/;", Some("sid=1; Path=/; Secure; HttpOnly; SameSite=Strict"), 1),
        (
            "sid=1; secure; httponly; samesite=None",
            Some("sid=1; secure; httponly; samesite=None"),
            0,
        ),
        ("theme=dark", Some("theme=dark; Secure; SameSite=Strict"), 1),
        (
            "sid=1; Max-Age=0; SameSite=Lax",
            Some("sid=1; Max-Age=0; SameSite=Lax; Secure; HttpOnly"),
            1,
        ),
        ("sid=secure; HttpOnly", Some("sid=secure; HttpOnly; Secure; SameSite=Strict"), 1),
        ("no name", None, 1),
        ("=value", None, 1),
        ("a b=c", None, 1),
    ] {
        let mut answer = headers(&[("set-cookie", cookie), ("x-a", "b")]);
        assert_eq!(cookies.harden(&mut answer), changed, "{cookie}");
        let found = answer.get("set-cookie").map(|cookie| cookie.to_str().unwrap());
        assert_eq!(found, expected, "{cookie}");
    }
    let mut two = headers(&[("set-cookie", "a=1"), ("set-cookie", "b=2")]);
    assert_eq!(cookies.harden(&mut two), 2);
    assert_eq!(two.get_all("set-cookie").iter().count(), 2);
    assert_eq!(cookies.harden(&mut HeaderMap::new()), 0);
}
