//! The ways out: a page of ours, and the provider's word.

use firewall_gateway::identity::session::SessionText;
use serde_json::{Value, json};

use crate::{
    forge::{Kind, Signer},
    login_place::{ISSUER, Place, now},
    world::{header, label, one_request, status},
};

#[test]
fn a_page_of_ours_logs_out_and_no_other() {
    let place = Place::new();
    let cookie = place.log_in(&json!({}));
    let session = SessionText::parse(cookie.split_once('=').unwrap().1).unwrap();
    let token = {
        let tables = place.world.gateway.sessions().tables();
        tables.find(&session.hash()).unwrap().record().id_token.0.clone()
    };
    let with = format!("Cookie: {cookie}\r\nOrigin: https://gateway.test\r\n");
    for (method, lines, expected) in [
        ("GET", with.clone(), 405),
        ("POST", format!("Cookie: {cookie}\r\nOrigin: https://other.test\r\n"), 403),
        ("POST", format!("Cookie: {cookie}\r\nSec-Fetch-Site: cross-site\r\n"), 403),
        ("POST", format!("Cookie: {cookie}\r\n"), 403),
    ] {
        let answer = place.send(method, "/.seawall/logout/main", &lines, "");
        assert_eq!(status(&answer), expected, "{method} {lines}: {answer}");
        assert_eq!(status(&place.get("/app/a", &format!("Cookie: {cookie}\r\n"))), 200);
    }
    let answer = place.send("POST", "/.seawall/logout/main", &with, "");
    assert_eq!(status(&answer), 303, "{answer}");
    let home = "https%3A%2F%2Fgateway.test%2Fbye";
    let expected = format!(
        "https://id.test/end?client_id=app&post_logout_redirect_uri={home}&id_token_hint={token}"
    );
    assert_eq!(header(&answer, "location"), Some(expected.as_str()));
    assert!(answer.contains("__Host-session-main=; Max-Age=0; Path=/"), "{answer}");
    assert_eq!(status(&place.get("/app/a", &format!("Cookie: {cookie}\r\n"))), 401);
    // Once more: it is out already.
    let answer = place.send("POST", "/.seawall/logout/main", &with, "");
    assert_eq!(status(&answer), 303, "{answer}");
    let figures = place.world.settled();
    assert_eq!((figures.logouts_front, label(&figures.denied, "session_ended")), (2, 1));
    assert_eq!(label(&figures.authenticated, "session"), 4);
}

#[test]
fn a_frame_of_the_provider_logs_out_whom_it_names_and_nobody_else() {
    let place = Place::with(|policy| policy.logins[0].front_channel_logout = true);
    let cookie = place.log_in(&json!({}));
    let bystander = place.log_in(&json!({"sid": "p-2", "sub": "u-2"}));
    let holds =
        |cookie: &str| status(&place.get("/app/a", &format!("Cookie: {cookie}\r\n"))) == 200;
    let good = format!("iss={ISSUER}&sid=p-1");
    // As a frame of another site is fetched, which has no cookie of ours.
    let frame =
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n";
    for (name, method, path, expected, reason) in [
        ("nothing", "GET", "main".to_owned(), 400, "login_parameters_wrong"),
        ("no session", "GET", format!("main?iss={ISSUER}"), 400, "login_parameters_wrong"),
        (
            "an empty session",
            "GET",
            format!("main?iss={ISSUER}&sid="),
            400,
            "login_parameters_wrong",
        ),
        ("no issuer", "GET", "main?sid=p-1".to_owned(), 400, "login_parameters_wrong"),
        ("two sessions", "GET", format!("main?{good}&sid=p-2"), 400, "login_parameters_wrong"),
        (
            "a long session",
            "GET",
            format!("main?iss={ISSUER}&sid={}", "x".repeat(2_049)),
            400,
            "login_parameters_wrong",
        ),
        (
            "another issuer",
            "GET",
            "main?iss=https://o.test&sid=p-1".to_owned(),
            400,
            "login_issuer_wrong",
        ),
        (
            "almost the issuer",
            "GET",
            format!("main?iss={ISSUER}/&sid=p-1"),
            400,
            "login_issuer_wrong",
        ),
        ("posted", "POST", format!("main?{good}"), 405, ""),
        ("a session that is not there", "GET", format!("main?iss={ISSUER}&sid=p-3"), 200, ""),
        // Its login does not have it: a path like any other.
        ("of another login", "GET", format!("names?{good}"), 200, ""),
    ] {
        let before = place.world.settled();
        let answer = place.send(method, &format!("/.seawall/frontchannel/{path}"), frame, "");
        assert_eq!(status(&answer), expected, "{name}: {answer}");
        let after = place.world.settled();
        if !reason.is_empty() {
            one_request(&before, &after, 400, "h1", "login_failed");
            let failed = label(&after.logins_failed, reason) - label(&before.logins_failed, reason);
            assert_eq!(failed, 1, "{name}: {:?}", after.logins_failed);
        }
        assert!(holds(&cookie) && holds(&bystander), "{name}");
    }
    assert_eq!(
        place.world.upstream.seen().iter().filter(|seen| seen.contains("frontchannel")).count(),
        1
    );
    let answer = place.send("GET", &format!("/.seawall/frontchannel/main?{good}"), frame, "");
    assert_eq!(
        (status(&answer), header(&answer, "cache-control")),
        (200, Some("no-store")),
        "{answer}"
    );
    assert_eq!([holds(&cookie), holds(&bystander)], [false, true]);
    let figures = place.world.settled();
    assert_eq!((figures.logouts_frame, figures.logouts_front, figures.logouts_back), (2, 0, 0));
}

#[test]
fn names_of_sessions_are_not_guessed_in_frames() {
    let place = Place::with(|policy| {
        policy.logins[0].front_channel_logout = true;
        policy.authentication_failures.address_per_min = 3;
    });
    let ask = |sid: &str| {
        let path = format!("/.seawall/frontchannel/main?iss={ISSUER}&sid={sid}");
        status(&place.get(&path, ""))
    };
    let cookie = place.log_in(&json!({}));
    assert_eq!(["a", "b", "c", "d", "p-1"].map(ask), [200, 200, 200, 429, 429]);
    drop(cookie);
}

#[test]
fn a_provider_logs_out_whom_it_names_and_nobody_else() {
    const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
    let place = Place::new();
    let claims = |changes: Value| {
        let mut claims = json!({
            "iss": ISSUER, "aud": "app", "iat": now(), "exp": now() + 120, "jti": "j",
            "events": {EVENT: {}}, "sid": "p-1",
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    };
    let signed = |typ: &str, changes: Value| {
        let head = json!({"alg": "ES256", "kid": "e", "typ": typ});
        place.signer.with_header(&head, "ES256", &claims(changes))
    };
    let post = |body: &str| {
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        place.send("POST", "/.seawall/backchannel/main", kind, body)
    };
    let cookie = place.log_in(&json!({}));
    let bystander = place.log_in(&json!({"sid": "p-2", "sub": "u-2"}));
    let holds =
        |cookie: &str| status(&place.get("/app/a", &format!("Cookie: {cookie}\r\n"))) == 200;
    let stranger = Signer::new("e", Kind::P256);
    let logout = |changes| signed("logout+jwt", changes);
    let id_token = claims(json!({"nonce": "n", "events": null}));
    for (name, body, expected) in [
        ("nothing", String::new(), "login_parameters_wrong"),
        ("another form", "token=x".to_owned(), "login_parameters_wrong"),
        (
            "two tokens",
            format!("logout_token={0}&logout_token={0}", logout(json!({}))),
            "login_parameters_wrong",
        ),
        ("no token", "logout_token=x".to_owned(), "logout_token_invalid"),
        (
            "forged",
            format!("logout_token={}", stranger.token("ES256", &claims(json!({})))),
            "logout_token_invalid",
        ),
        (
            "without a type",
            format!(
                "logout_token={}",
                place.signer.with_header(
                    &json!({"alg": "ES256", "kid": "e"}),
                    "ES256",
                    &claims(json!({}))
                )
            ),
            "logout_token_invalid",
        ),
        (
            "an access token",
            format!("logout_token={}", signed("at+jwt", json!({}))),
            "logout_token_invalid",
        ),
        (
            "of another issuer",
            format!("logout_token={}", logout(json!({"iss": "https://other.test"}))),
            "logout_token_invalid",
        ),
        (
            "for somebody else",
            format!("logout_token={}", logout(json!({"aud": "b"}))),
            "logout_token_invalid",
        ),
        (
            "expired",
            format!("logout_token={}", logout(json!({"exp": now() - 61}))),
            "logout_token_invalid",
        ),
        (
            "an ID token",
            format!("logout_token={}", place.signer.token("ES256", &id_token)),
            "logout_token_foreign",
        ),
        (
            "with a nonce",
            format!("logout_token={}", logout(json!({"nonce": "n"}))),
            "logout_token_foreign",
        ),
        (
            "no event",
            format!("logout_token={}", logout(json!({"events": {}}))),
            "logout_token_foreign",
        ),
        (
            "another event",
            format!("logout_token={}", logout(json!({"events": {"x": {}}}))),
            "logout_token_foreign",
        ),
        (
            "an odd event",
            format!("logout_token={}", logout(json!({"events": {EVENT: 1}}))),
            "logout_token_foreign",
        ),
        (
            "caught long ago",
            format!("logout_token={}", logout(json!({"iat": now() - 400}))),
            "logout_token_foreign",
        ),
        (
            "about nobody",
            format!("logout_token={}", logout(json!({"sid": null}))),
            "logout_token_foreign",
        ),
    ] {
        let before = place.world.settled();
        let answer = post(&body);
        let after = place.world.settled();
        assert_eq!(status(&answer), 400, "{name}: {answer}");
        one_request(&before, &after, 400, "h1", "login_failed");
        let counts = label(&after.logins_failed, expected) - label(&before.logins_failed, expected);
        assert_eq!(counts, 1, "{name}: {:?}", after.logins_failed);
        assert!(holds(&cookie) && holds(&bystander), "{name}");
    }
    let large = format!("logout_token={}", "x".repeat(17_000));
    assert_eq!(status(&post(&large)), 413);
    let answer = post(&format!("logout_token={}", logout(json!({}))));
    assert_eq!(
        (status(&answer), header(&answer, "cache-control")),
        (200, Some("no-store")),
        "{answer}"
    );
    assert_eq!([holds(&cookie), holds(&bystander)], [false, true]);
    let answer =
        post(&format!("logout_token={}", signed("JWT", json!({"sid": null, "sub": "u-2"}))));
    assert_eq!((status(&answer), holds(&bystander)), (200, false), "{answer}");
    assert_eq!(place.world.settled().logouts_back, 2);
}
