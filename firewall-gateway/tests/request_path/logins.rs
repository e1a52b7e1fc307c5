//! Logins: from a page to the provider and back, and every way in which that fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use firewall_gateway::{
    login::LoginError,
    policy::{ClientAuthentication, KeyText, ProviderPolicy, SecretText},
};
use serde_json::{Value, json};

use crate::{
    forge::{Kind, Signer, jwks},
    login_place::{Begun, NAVIGATION, ORIGIN, Place, login, now, session},
    provider::{Provider, Says},
    world::{header, label, one_request, read_answer, status},
};

#[test]
fn a_login_leads_to_a_session() {
    let place = Place::new();
    let begun = place.begin("/app/page?x=1&y=%20");
    let asked = &begun.asked;
    for (name, expected) in [
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", "https://gateway.test/.seawall/callback/main"),
        ("scope", "openid profile"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked[name], expected);
    }
    assert!(begun.cookie.starts_with("__Host-login-main-0="), "{}", begun.cookie);
    assert_eq!(place.world.upstream.seen(), Vec::<String>::new());
    let token = place.token(&begun, &json!({}));
    place.gives(&token);
    let answer =
        place.come_back("main", &format!("code=a%2Fb&state={}", asked["state"]), &begun.cookie);
    assert_eq!(status(&answer), 302, "{answer}");
    for (name, expected) in [
        ("location", "https://gateway.test/app/page?x=1&y=%20"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(header(&answer, name), Some(expected), "{answer}");
    }
    let cookie = session(&answer);
    let set = format!("{cookie}; Max-Age=3600; Path=/; Secure; HttpOnly; SameSite=Lax\r\n");
    assert!(answer.contains(&set), "{answer}");
    assert!(answer.contains("__Host-login-main-0=; Max-Age=0; Path=/"), "{answer}");

    // The token endpoint was shown what the browser holds, and who we are.
    let exchanges = place.provider.asked();
    let [exchange] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert!(exchange.starts_with("POST /token HTTP/1.1\r\n"), "{exchange}");
    // s3cret%3A1, as forms are encoded.
    assert_eq!(header(exchange, "authorization"), Some("Basic YXBwOnMzY3JldCUzQTE="));
    let port = place.provider.address.port();
    assert_eq!(header(exchange, "host"), Some(format!("id.test:{port}").as_str()));
    let (_, body) = exchange.split_once("\r\n\r\n").unwrap();
    let form: BTreeMap<String, String> =
        form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    assert_eq!((form["code"].as_str(), form.len()), ("a/b", 4));
    assert_eq!(form["redirect_uri"], asked["redirect_uri"]);
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form["code_verifier"].as_bytes());
    assert_eq!(URL_SAFE_NO_PAD.encode(digest), asked["code_challenge"]);

    // The session says who it is, to the backend too, which does not get it.
    let answer = place.get("/app/page", &format!("Cookie: a=b; {cookie}; c=d\r\nX-Mail: me\r\n"));
    assert_eq!(status(&answer), 200, "{answer}");
    let seen = place.world.upstream.seen().remove(0);
    for (name, expected) in [
        ("x-consumer", "ada"),
        ("x-consumer-roles", "editor staff"),
        ("x-mail", "ada@example.com"),
        ("cookie", "a=b; c=d"),
    ] {
        assert_eq!(header(&seen, name), Some(expected), "{seen}");
    }
    assert_eq!(place.counted(), [1, 1, 1]);
    // Nor does it on a route that asks nobody.
    place.get("/open", &format!("Cookie: {cookie}\r\n"));
    assert_eq!(header(&place.world.upstream.seen().remove(0), "cookie"), None);
}

#[test]
fn a_client_proves_itself_as_it_is_told() {
    use ClientAuthentication::{ClientSecretBasic as Basic, ClientSecretPost as Post};
    let secret = || Some(SecretText("s3cret:1".to_owned()));
    for (how, secret, header_expected, form_expected) in [
        (Basic, secret(), Some("Basic YXBwOnMzY3JldCUzQTE="), [None, None]),
        (Post, secret(), None, [Some("app"), Some("s3cret:1")]),
        (Basic, None, None, [Some("app"), None]),
    ] {
        let place = Place::with(|policy| {
            policy.logins[0].client_authentication = how;
            policy.logins[0].client_secret = secret;
        });
        place.log_in(&json!({}));
        let exchange = place.provider.asked().remove(0);
        assert_eq!(header(&exchange, "authorization"), header_expected, "{exchange}");
        let (_, body) = exchange.split_once("\r\n\r\n").unwrap();
        let form: BTreeMap<String, String> =
            form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let found = ["client_id", "client_secret"].map(|name| form.get(name).map(String::as_str));
        assert_eq!(found, form_expected, "{how:?}");
    }
}

/// What is wrong with a login.
enum Wrong {
    /// What the browser brings back; `STATE` stands for its state.
    Query(String),
    NoCookie,
    ChangedCookie,
    /// Of another login that it began.
    OtherCookie,
    /// What the token endpoint says.
    Says(Says),
    /// Claims of the ID token.
    Claims(Value),
    /// Who signed it.
    SignedBy(Signer),
}

fn wrongs() -> Vec<(&'static str, Wrong, LoginError)> {
    use LoginError as E;
    use Wrong::{ChangedCookie, Claims, NoCookie, OtherCookie, SignedBy};
    let query = |text: &str| Wrong::Query(text.to_owned());
    let says = |status, body: &str| Wrong::Says(Says::Answer(status, body.to_owned()));
    let token = |token: &str| says(200, &json!({"id_token": token}).to_string());
    let other_state = format!("code=c&state=0{}", "A".repeat(43));
    let long = "x".repeat(2_049);
    let elsewhere = Says::With("Location: https://other.test/\r\n", 302, String::new());
    let grant = "{\"error\":\"invalid_grant\"}";
    vec![
        ("no state", query("code=c"), E::StateMissing),
        ("an empty state", query("code=c&state="), E::StateWrong),
        ("another state", query(&other_state), E::StateWrong),
        ("two states", query("code=c&state=STATE&state=STATE"), E::ParametersWrong),
        ("two codes", query("code=c&code=d&state=STATE"), E::ParametersWrong),
        ("no code", query("state=STATE"), E::ParametersWrong),
        ("a long code", query(&format!("code={long}&state=STATE")), E::ParametersWrong),
        ("another issuer", query("code=c&state=STATE&iss=https://o.test"), E::IssuerWrong),
        ("the user says no", query("error=access_denied&state=STATE"), E::Refused),
        ("the provider says no", query("error=server_error&state=STATE"), E::ProviderError),
        ("no cookie", NoCookie, E::StateMissing),
        ("a cookie that was changed", ChangedCookie, E::StateInvalid),
        ("the cookie of another login", OtherCookie, E::StateWrong),
        ("no HTTP", Wrong::Says(Says::Garbage), E::Malformed),
        ("a body without end", Wrong::Says(Says::Endless), E::TooLarge),
        ("a body that breaks off", Wrong::Says(Says::Cut), E::Malformed),
        ("no JSON", says(200, "<html>"), E::Malformed),
        ("an empty body", says(200, ""), E::Malformed),
        ("no ID token", says(200, "{}"), E::IdTokenMissing),
        ("a number as ID token", says(200, "{\"id_token\":1}"), E::Malformed),
        ("a code or redirect URI that is wrong", says(400, grant), E::TokenError),
        ("a wrong secret", says(401, "{\"error\":\"invalid_client\"}"), E::TokenError),
        ("400 without a word", says(400, ""), E::Status),
        ("500", says(500, grant), E::Status),
        ("a redirect", Wrong::Says(elsewhere), E::Status),
        ("an ID token without end", token(&"x".repeat(8_193)), E::TooLarge),
        ("no token", token("abc"), E::IdTokenInvalid),
        ("an encrypted token", token("a.b.c.d.e"), E::IdTokenInvalid),
        ("another nonce", Claims(json!({"nonce": "x"})), E::NonceWrong),
        ("no nonce", Claims(json!({"nonce": null})), E::NonceWrong),
        ("a nonce that is no text", Claims(json!({"nonce": 7})), E::NonceWrong),
        ("another audience", Claims(json!({"aud": "other"})), E::IdTokenInvalid),
        ("no audience", Claims(json!({"aud": null})), E::IdTokenInvalid),
        ("another issuer's", Claims(json!({"iss": "https://id.test/"})), E::IdTokenInvalid),
        ("expired", Claims(json!({"exp": now() - 61})), E::IdTokenInvalid),
        ("without an end", Claims(json!({"exp": null})), E::IdTokenInvalid),
        ("of the future", Claims(json!({"iat": now() + 120})), E::IdTokenInvalid),
        ("of no time", Claims(json!({"iat": null})), E::IdTokenForeign),
        ("for two, without a party", Claims(json!({"aud": ["app", "b"]})), E::IdTokenForeign),
        ("another party", Claims(json!({"azp": "b"})), E::IdTokenForeign),
        ("about nobody", Claims(json!({"sub": null})), E::IdTokenForeign),
        ("about an empty name", Claims(json!({"sub": ""})), E::SubjectInvalid),
        ("about too long a name", Claims(json!({"sub": "x".repeat(256)})), E::SubjectInvalid),
        ("an odd session", Claims(json!({"sid": 1})), E::SubjectInvalid),
        ("no consumer", Claims(json!({"preferred_username": null})), E::SubjectInvalid),
        ("forged", SignedBy(Signer::new("e", Kind::P256)), E::IdTokenInvalid),
        ("a key that never comes", SignedBy(Signer::new("x", Kind::P256)), E::IdTokenInvalid),
    ]
}

#[test]
fn every_way_in_which_a_login_fails() {
    use LoginError as E;
    let place = Place::new();
    let mut expected = BTreeSet::new();
    for (name, wrong, error) in wrongs() {
        let begun = place.begin("/app/a");
        let mut query = format!("code=c&state={}", begun.asked["state"]);
        let mut cookie = begun.cookie.clone();
        place.gives(&place.token(&begun, &json!({})));
        match wrong {
            Wrong::Query(text) => query = text.replace("STATE", &begun.asked["state"]),
            Wrong::NoCookie => cookie.clear(),
            Wrong::ChangedCookie => cookie.push('A'),
            Wrong::OtherCookie => cookie = place.begin("/app/other").cookie,
            Wrong::Says(says) => place.provider.says(says),
            Wrong::Claims(changes) => place.gives(&place.token(&begun, &changes)),
            Wrong::SignedBy(signer) => {
                place.gives(&signer.token("ES256", &place.claims(&begun, &json!({}))));
            }
        }
        let before = place.world.settled();
        let answer = place.come_back("main", &query, &cookie);
        let after = place.world.settled();
        let (status_expected, rejection) = match error {
            E::Status | E::TooLarge | E::Malformed => (503, "login_unavailable"),
            _ => (400, "login_failed"),
        };
        assert_eq!(status(&answer), status_expected, "{name}: {answer}");
        assert_eq!(header(&answer, "set-cookie"), None, "{name}: {answer}");
        one_request(&before, &after, status_expected, "h1", rejection);
        let counts = |reason: &str| {
            label(&after.logins_failed, reason) - label(&before.logins_failed, reason)
        };
        assert_eq!(counts(error.label()), 1, "{name}: {:?}", after.logins_failed);
        let all = |figures: &firewall_gateway::figures::Figures| -> u64 {
            figures.logins_failed.iter().map(|one| one.count).sum()
        };
        assert_eq!(all(&after) - all(&before), 1, "{name}");
        assert_eq!((after.logins_completed, after.sessions), (0, 0), "{name}");
        expected.insert(error.label());
    }
    assert_eq!(place.world.upstream.seen(), Vec::<String>::new());
    // Those that are shown elsewhere, in this file and in unit tests.
    for elsewhere in [
        E::StateExpired,
        E::ProviderUnknown,
        E::Busy,
        E::Connect,
        E::Timeout,
        E::SessionsFull,
        E::Randomness,
        E::StoreAway,
        E::LogoutTokenInvalid,
        E::LogoutTokenForeign,
    ] {
        expected.insert(elsewhere.label());
    }
    let all: BTreeSet<&str> = E::ALL.iter().map(|error| error.label()).collect();
    assert_eq!(expected, all);
    // After all of that somebody can log in.
    place.log_in(&json!({}));
}

#[test]
fn a_provider_that_is_down_slow_or_unknown_holds_up_nobody_else() {
    let place = Place::new();
    let cookie = place.log_in(&json!({}));
    let fails = |place: &Place, begun: &Begun, expected: LoginError| {
        let query = format!("code=c&state={}", begun.asked["state"]);
        let answer = place.come_back("main", &query, &begun.cookie);
        assert_eq!(status(&answer), 503, "{answer}");
        assert_eq!(header(&answer, "retry-after"), Some("1"), "{answer}");
        let figures = place.world.settled();
        assert_eq!(label(&figures.logins_failed, expected.label()), 1, "{expected:?}");
    };
    let begun = place.begin("/app/a");
    place.provider.says(Says::Nothing);
    let query = format!("code=c&state={}", begun.asked["state"]);
    let slow = format!(
        "GET /.seawall/callback/main?{query} HTTP/1.1\r\nHost: gateway.test\r\nCookie: {}\r\n\r\n",
        begun.cookie
    );
    let mut waiting = place.world.connect();
    waiting.sock.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let asked = Instant::now();
    waiting.write_all(slow.as_bytes()).unwrap();
    while place.provider.asked().is_empty() {
        std::thread::yield_now();
    }
    // Meanwhile sessions are what they were.
    assert_eq!(status(&place.get("/app/a", &format!("Cookie: {cookie}\r\n"))), 200);
    let answer = read_answer(&mut waiting);
    assert_eq!(status(&answer), 503, "{answer}");
    let took = asked.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(13)).contains(&took), "{took:?}");
    drop(waiting);
    let figures = place.world.settled();
    assert_eq!(label(&figures.logins_failed, "login_timeout"), 1);

    // Nobody listens there any more; and then somebody who cannot prove who it is.
    let begun = place.begin("/app/a");
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stranger = Provider::start("id.test");
    let policy = login("main", &place.provider, "{}").provider.unwrap();
    let moved = ProviderPolicy { addresses: vec![gone, stranger.address], ..policy.clone() };
    place.world.gateway.logins().renew("main", &moved).unwrap();
    fails(&place, &begun, LoginError::Connect);
    assert_eq!(stranger.asked(), Vec::<String>::new());
    // Of several addresses the first that answers is asked.
    let moved = ProviderPolicy { addresses: vec![gone, place.provider.address], ..policy };
    place.world.gateway.logins().renew("main", &moved).unwrap();
    place.log_in(&json!({}));
    assert!(place.world.gateway.logins().renew("nobody", &moved).is_err());

    let place = Place::with(|policy| policy.logins[0].provider = None);
    let before = place.world.settled();
    let answer = place.get("/app/a", NAVIGATION);
    assert_eq!((status(&answer), header(&answer, "location")), (503, None), "{answer}");
    one_request(&before, &place.world.settled(), 503, "h1", "login_unavailable");
    let figures = place.world.settled();
    assert_eq!(label(&figures.logins_failed, "login_provider_unknown"), 1);
}

/// A public client with a provider that names itself.
#[test]
fn a_provider_that_names_itself_does_so_each_time() {
    let place = Place::new();
    let answer = place.get("/.seawall/login/names?return=/names/x", "");
    assert_eq!(status(&answer), 302, "{answer}");
    for (iss, expected) in [("", 400), ("&iss=https%3A%2F%2Fid.test", 302)] {
        let begun = place.begin("/names/x");
        place.gives(&place.token(&begun, &json!({})));
        let query = format!("code=c&state={}{iss}", begun.asked["state"]);
        let answer = place.come_back("names", &query, &begun.cookie);
        assert_eq!(status(&answer), expected, "{iss}: {answer}");
    }
    let exchanges = place.provider.asked();
    let [exchange] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!(header(exchange, "authorization"), None);
    assert!(exchange.ends_with("&client_id=app"), "{exchange}");
}

#[test]
fn who_is_sent_to_the_provider_and_who_is_refused() {
    let place = Place::new();
    let dead = format!("Cookie: __Host-session-main={}\r\n", "A".repeat(43));
    for (name, method, lines, expected) in [
        ("a page", "GET", NAVIGATION.to_owned(), 302),
        ("a page with a dead session", "GET", format!("{NAVIGATION}{dead}"), 302),
        ("an older browser", "GET", "Accept: text/html, */*\r\n".to_owned(), 302),
        (
            "a frame",
            "GET",
            "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n".to_owned(),
            401,
        ),
        ("a script", "GET", "Sec-Fetch-Mode: cors\r\nAccept: text/html\r\n".to_owned(), 401),
        ("no browser", "GET", "Accept: */*\r\n".to_owned(), 401),
        ("a form", "POST", NAVIGATION.to_owned(), 401),
        ("with a token", "GET", format!("{NAVIGATION}Authorization: Bearer x\r\n"), 401),
    ] {
        let before = place.world.settled();
        let answer = place.send(method, "/app/a", &lines, "");
        assert_eq!(status(&answer), expected, "{name}: {answer}");
        let rejection = if expected == 401 { "unauthenticated" } else { "" };
        one_request(&before, &place.world.settled(), expected, "h1", rejection);
        if expected == 401 {
            let challenge = header(&answer, "www-authenticate");
            assert_eq!(challenge, Some("Session login=\"/.seawall/login/main\""), "{name}");
        }
    }
    // Elsewhere there would be no session to come back with.
    let elsewhere =
        format!("GET /app/a HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n{NAVIGATION}\r\n");
    assert_eq!(status(&place.world.exchange(&elsewhere)), 401);
    let page = "GET /.seawall/login/main HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&place.world.exchange(page)), 200, "a path like any other");
    for (path, expected) in [
        ("/.seawall/login/main", 302),
        ("/.seawall/login/nobody", 200),
        ("/.seawall/other/main", 200),
        ("/.seawall/login/main/x", 200),
        ("/.seawall/login/main?return=/a&return=/b", 400),
    ] {
        assert_eq!(status(&place.get(path, "")), expected, "{path}");
    }
    for (to, expected) in
        [("/app/z", "/app/z"), ("//other.test/", "/"), ("https://other.test/", "/")]
    {
        let to: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
        let answer = place.get(&format!("/.seawall/login/main?return={to}"), "");
        let cookie = header(&answer, "set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let query = header(&answer, "location").unwrap().split_once("kc=1&").unwrap().1;
        let asked: BTreeMap<String, String> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let begun = Begun { cookie, asked };
        place.gives(&place.token(&begun, &json!({})));
        let query = format!("code=c&state={}", begun.asked["state"]);
        let answer = place.come_back("main", &query, &begun.cookie);
        let home = format!("{ORIGIN}{expected}");
        assert_eq!(header(&answer, "location"), Some(home.as_str()), "{to}");
    }
}

/// A key that the provider has just made comes while somebody logs in.
#[test]
fn a_login_waits_for_a_new_key() {
    let place = Place::new();
    let new = Signer::new("new", Kind::P256);
    let begun = place.begin("/app/a");
    place.gives(&new.token("ES256", &place.claims(&begun, &json!({}))));
    let query = format!("code=c&state={}", begun.asked["state"]);
    let keys = KeyText { text: jwks([&place.signer, &new]), confirmed_epoch_s: now() };
    let answer = std::thread::scope(|scope| {
        let answer = scope.spawn(|| place.come_back("main", &query, &begun.cookie));
        let end = Instant::now() + Duration::from_secs(3);
        while place.world.gateway.issuers().newer_wanted().is_empty() {
            assert!(Instant::now() < end, "nobody asks for the new key");
            std::thread::yield_now();
        }
        place.world.gateway.issuers().renew("main", &keys).unwrap();
        answer.join().unwrap()
    });
    assert_eq!(status(&answer), 302, "{answer}");
}
