//! Sessions: every way in which one does not hold, and ends of some while their connections are open.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    time::{Duration, Instant},
};

use firewall_gateway::identity::{
    Denied,
    session::{
        SessionText,
        error::SessionError,
        record::{Ending, IdToken, SessionChange, SessionRecord},
    },
};
use serde_json::json;

use crate::{
    h2raw::{END_HEADERS, END_STREAM, HEADERS, frame, get},
    login_place::{Begun, Place, now, or_token, session},
    world::{header, label, one_request, read_answer, status},
};

fn record(place: &Place, text: &SessionText) -> SessionRecord {
    let nobody = Begun {
        cookie: String::new(),
        asked: BTreeMap::from([("nonce".to_owned(), String::new())]),
    };
    SessionRecord {
        hash: text.hash(),
        login: "main".to_owned(),
        consumer: "ada".to_owned(),
        subject: "u-1".to_owned(),
        sid: None,
        address: "127.0.0.1".parse().unwrap(),
        created_epoch_s: now() - 100,
        ends_epoch_s: now() + 100,
        idle_timeout_s: 60,
        used_epoch_s: now() - 30,
        id_token: IdToken(place.token(&nobody, &json!({}))),
    }
}

#[test]
fn every_way_in_which_a_session_does_not_hold() {
    let place = Place::new();
    let opened = |change: &dyn Fn(&mut SessionRecord)| {
        let text = SessionText::generate().unwrap();
        let mut record = record(&place, &text);
        change(&mut record);
        place.world.gateway.sessions().change(vec![SessionChange::Open(Box::new(record))]);
        format!("Cookie: __Host-session-main={}\r\n", text.reveal())
    };
    let unknown = SessionText::generate().unwrap();
    let ended = opened(&|_| {});
    let hash = SessionText::parse(ended.trim().split_once("main=").unwrap().1).unwrap().hash();
    place.world.gateway.sessions().change(vec![SessionChange::End(Ending::One(hash))]);
    let good = opened(&|_| {});
    let twice = format!("{good}{good}");
    let cases = [
        ("none", String::new(), Denied::Missing),
        ("of another name", "Cookie: __Host-session-x=y; a=b\r\n".to_owned(), Denied::Missing),
        ("two", twice, Denied::Repeated),
        (
            "no session",
            "Cookie: __Host-session-main=x\r\n".to_owned(),
            Denied::Session(SessionError::Malformed),
        ),
        (
            "empty",
            "Cookie: __Host-session-main=\r\n".to_owned(),
            Denied::Session(SessionError::Malformed),
        ),
        (
            "unknown",
            format!("Cookie: __Host-session-main={}\r\n", unknown.reveal()),
            Denied::Session(SessionError::Unknown),
        ),
        (
            "of another login",
            opened(&|record| record.login = "names".to_owned()),
            Denied::Session(SessionError::LoginOther),
        ),
        ("ended", ended, Denied::Session(SessionError::Ended)),
        (
            "expired",
            opened(&|record| record.ends_epoch_s = now()),
            Denied::Session(SessionError::Expired),
        ),
        (
            "idle",
            opened(&|record| record.used_epoch_s = now() - 60),
            Denied::Session(SessionError::Idle),
        ),
        (
            "somebody else now",
            opened(&|record| record.consumer = "bob".to_owned()),
            Denied::Session(SessionError::Claims),
        ),
        (
            "no claims",
            opened(&|record| record.id_token.0 = "x".to_owned()),
            Denied::Session(SessionError::Claims),
        ),
    ];
    let mut reasons = BTreeSet::new();
    for (name, lines, expected) in cases {
        let before = place.world.settled();
        let answer = place.get("/app/a", &lines);
        let after = place.world.settled();
        assert_eq!(status(&answer), 401, "{name}: {answer}");
        one_request(&before, &after, 401, "h1", "unauthenticated");
        let reason = expected.label();
        assert_eq!(
            label(&after.denied, reason) - label(&before.denied, reason),
            1,
            "{name}: {:?}",
            after.denied
        );
        // What does not hold leaves its browser.
        let taken = answer.contains("__Host-session-main=; Max-Age=0; Path=/; Secure");
        assert_eq!(taken, matches!(expected, Denied::Session(_)), "{name}: {answer}");
        reasons.insert(reason);
    }
    let all = SessionError::ALL.into_iter().map(SessionError::label).collect();
    assert!(reasons.is_superset(&all), "{reasons:?}");
    assert_eq!(place.world.upstream.seen(), Vec::<String>::new());
    assert_eq!(status(&place.get("/app/a", &good)), 200);
}

#[test]
fn guesses_are_bounded_and_sessions_that_are_over_are_none() {
    let place = Place::with(|policy| policy.authentication_failures.address_per_min = 3);
    let text = SessionText::generate().unwrap();
    let over = SessionRecord { ends_epoch_s: now() - 1, ..record(&place, &text) };
    place.world.gateway.sessions().change(vec![SessionChange::Open(Box::new(over))]);
    let over = format!("Cookie: __Host-session-main={}\r\n", text.reveal());
    for _ in 0..5 {
        assert_eq!(status(&place.get("/app/a", &over)), 401);
    }
    let guess =
        || format!("Cookie: __Host-session-main={}\r\n", SessionText::generate().unwrap().reveal());
    for _ in 0..3 {
        assert_eq!(status(&place.get("/app/a", &guess())), 401);
    }
    let answer = place.get("/app/a", &guess());
    assert_eq!(status(&answer), 429, "{answer}");
}

#[test]
fn a_login_gives_another_session_and_the_bound_takes_none_away() {
    let place = Place::with(|policy| policy.limits.sessions_max = 2);
    let first = place.log_in(&json!({}));
    let holds =
        |cookie: &str| status(&place.get("/app/a", &format!("Cookie: {cookie}\r\n"))) == 200;
    let again = |cookie: &str, code: u16| {
        let begun = place.begin("/app/a");
        place.gives(&place.token(&begun, &json!({})));
        let query = format!("code=c&state={}", begun.asked["state"]);
        let answer = place.come_back("main", &query, &format!("{}; {cookie}", begun.cookie));
        assert_eq!(status(&answer), code, "{answer}");
        answer
    };
    // The session that was in the browser before is worth nothing any more.
    let second = session(&again(&first, 302));
    assert_eq!([holds(&first), holds(&second)], [false, true]);
    assert_ne!(first, second);
    let third = session(&again("", 302));
    assert_eq!([holds(&second), holds(&third)], [true, true]);
    let answer = again("", 503);
    assert_eq!(header(&answer, "set-cookie"), None, "{answer}");
    assert_eq!([holds(&second), holds(&third)], [true, true]);
    let figures = place.world.settled();
    assert_eq!((figures.sessions, figures.sessions_refused), (2, 1));
    assert_eq!(label(&figures.logins_failed, "login_sessions_full"), 1);
}

#[test]
fn a_session_that_is_taken_back_ends_on_open_connections_of_both_protocols() {
    let place = Place::new();
    let cookie = place.log_in(&json!({}));
    let (mut http1, mut http2, mut stream) = (place.world.connect(), place.world.http2(&[]), 1);
    let line = format!("GET /app/a HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n");
    let mut ask = || {
        http1.write_all(line.as_bytes()).unwrap();
        let first = status(&read_answer(&mut http1));
        let block = get("/app/a", &[("cookie", &cookie)]);
        assert!(http2.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)));
        stream += 2;
        // Of the static table: 8 is `:status: 200`; 401 is none of it.
        let head = http2.until(&[HEADERS]).unwrap();
        (first, head.payload.first() == Some(&0x88))
    };
    assert_eq!(ask(), (200, true));
    let revoked = Instant::now();
    let ending = SessionChange::End(Ending::Consumer("ada".to_owned()));
    place.world.gateway.sessions().change(vec![ending]);
    assert_eq!(ask(), (401, false));
    let took = revoked.elapsed();
    assert!(took < Duration::from_millis(100), "{took:?}");
    eprintln!("from the end of a session to its refusal on both connections: {took:?}");
}

/// A session of a browser among clients that bring tokens: what a client says itself goes first.
#[test]
fn a_route_takes_a_session_or_a_token() {
    let place = Place::with(or_token);
    let cookie = format!("Cookie: {}\r\n", place.log_in(&json!({})));
    let begun = place.begin("/names/a");
    let bob = place.token(&begun, &json!({"preferred_username": "bob"}));
    for (lines, expected) in [
        (cookie.clone(), (200, Some("session"))),
        (format!("Authorization: Bearer {bob}\r\n"), (200, Some("jwt"))),
        (format!("{cookie}Authorization: Bearer {bob}\r\n"), (200, Some("jwt"))),
        (format!("{cookie}Authorization: Bearer x\r\n"), (401, None)),
        (String::new(), (401, None)),
    ] {
        let before = place.world.settled();
        let answer = place.get("/app/a", &lines);
        let after = place.world.settled();
        assert_eq!(status(&answer), expected.0, "{lines}: {answer}");
        for method in ["session", "jwt"] {
            let counted =
                label(&after.authenticated, method) - label(&before.authenticated, method);
            assert_eq!(counted == 1, expected.1 == Some(method), "{lines}: {method}");
        }
    }
    let challenges: Vec<String> = place
        .get("/app/a", "")
        .lines()
        .filter_map(|line| line.strip_prefix("www-authenticate: ").map(str::to_owned))
        .collect();
    assert_eq!(challenges, ["Bearer", "Session login=\"/.seawall/login/main\""]);
}
