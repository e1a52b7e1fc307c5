//! Two gateways that share sessions in Redis, with Redis there, killed, hung, and back.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use firewall_gateway::{
    identity::session::record::{Ending, SessionChange},
    policy::{SecretText, SessionStorePolicy},
};
use rustix::process::Signal;
use serde_json::json;

use crate::{
    login_place::{Place, or_token},
    redis::{PASSWORD, Redis},
    world::{PATIENCE, label, status},
};

/// What an end on one host may take to be met on the other, while the store is there.
const TOLD: Duration = Duration::from_millis(100);
/// The whole of an answer that waits for a store that is away: its time-out, and a machine that is busy.
const ANSWERED: Duration = Duration::from_millis(3_000);
const TIMEOUT_MS: u32 = 200;
const AWAY_MAX_S: u32 = 5;

fn place(store: SocketAddr) -> Place {
    Place::with(|policy| {
        policy.session_store = Some(SessionStorePolicy {
            address: store,
            password: Some(SecretText(PASSWORD.to_owned())),
            prefix: "test".to_owned(),
            timeout_ms: TIMEOUT_MS,
            away_max_s: AWAY_MAX_S,
        });
        or_token(policy);
    })
}

/// Two hosts of one provider: what one's was signed with, the other's worker takes as it is.
fn places(redis: &Redis) -> [Place; 2] {
    let places = [(); 2].map(|()| place(redis.address));
    places.iter().for_each(|place| wait_until(place, true));
    places
}

fn wait_until(place: &Place, up: bool) {
    until("the store is there, or away", || {
        place.world.gateway.figures().session_store.unwrap().up == u64::from(up)
    });
}

fn until(what: &str, is: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn asked(place: &Place, cookie: &str) -> u16 {
    let begun = Instant::now();
    let answer = place.get("/app/page", &format!("Cookie: {cookie}\r\n"));
    assert!(begun.elapsed() < ANSWERED, "{:?}", begun.elapsed());
    status(&answer)
}

#[test]
fn a_session_holds_on_both_hosts_and_ends_on_both() {
    let Some(redis) = Redis::start("a_session_holds_on_both_hosts_and_ends_on_both") else {
        return;
    };
    let [a, b] = places(&redis);
    for (how, ending) in [
        ("a logout", None),
        ("of a consumer", Some(Ending::Consumer("ada".to_owned()))),
        (
            "of a session of the provider",
            Some(Ending::ProviderSession { login: "main".to_owned(), sid: "p-1".to_owned() }),
        ),
        ("of all", Some(Ending::All)),
    ] {
        let cookie = a.log_in(&json!({}));
        // Nobody has told B: it asks the store, once.
        let calls = || b.world.gateway.figures().session_store.unwrap().calls;
        let before = calls();
        for _ in 0..3 {
            assert_eq!(asked(&b, &cookie), 200, "{how}");
        }
        // One question, and one word that it is used.
        until(how, || calls() == before + 2);
        assert_eq!(asked(&a, &cookie), 200, "{how}");
        // B's own table does not know of it any more, or it would not have to be asked.
        let ended = Instant::now();
        match ending {
            None => {
                let lines = format!("Cookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n");
                let answer = a.send("POST", "/.seawall/logout/main", &lines, "");
                assert_eq!(status(&answer), 303, "{answer}");
            }
            Some(ending) => a.world.gateway.sessions().change(vec![SessionChange::End(ending)]),
        }
        assert_eq!(asked(&a, &cookie), 401, "{how}");
        until(how, || asked(&b, &cookie) == 401);
        let took = ended.elapsed();
        eprintln!("{how}: refused on the other host after {took:?}");
        assert!(took < TOLD, "{how}: {took:?}");
    }
    let figures = b.world.settled();
    assert_eq!(
        label(&figures.denied, "session_ended") + label(&figures.denied, "session_unknown"),
        4
    );
    assert_eq!(figures.session_store.unwrap().failures, 0);
}

#[test]
fn what_was_never_a_session_is_none_on_any_host() {
    let Some(redis) = Redis::start("what_was_never_a_session_is_none_on_any_host") else { return };
    let [a, b] = places(&redis);
    let cookie = format!("__Host-session-main={}", "A".repeat(43));
    assert_eq!([asked(&a, &cookie), asked(&b, &cookie)], [401, 401]);
    // The store holds hashes: what stands there as a name is no cookie.
    let held = a.log_in(&json!({}));
    let hash =
        firewall_gateway::identity::session::SessionText::parse(held.split_once('=').unwrap().1)
            .unwrap()
            .hash();
    let name: String = hash.0.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(asked(&b, &format!("__Host-session-main={}", &name[..43])), 401);
    assert_eq!(asked(&b, &held), 200);
}

/// A store that goes away and comes back, in the way that is told.
fn away(
    redis: &mut Redis,
    leave: impl FnOnce(&mut Redis),
    back: impl FnOnce(&mut Redis),
    keeps: bool,
) {
    let [a, b] = places(redis);
    let (seen, unseen) = (a.log_in(&json!({})), a.log_in(&json!({"sid": "p-2"})));
    assert_eq!([asked(&a, &seen), asked(&b, &seen), asked(&a, &unseen)], [200, 200, 200]);
    let token = b.token(&b.begin("/names/a"), &json!({"preferred_username": "bob"}));
    let known = format!("Cookie: {unseen}\r\nAuthorization: Bearer {token}\r\n");
    let left = Instant::now();
    leave(redis);
    // It may not be found out yet: then what is asked about waits, and is answered in time all the same.
    assert_eq!(asked(&b, &unseen), 503);
    [&a, &b].into_iter().for_each(|place| wait_until(place, false));
    // Who says himself who he is needs no session.
    assert_eq!(status(&b.get("/app/page", &known)), 200);
    assert_eq!([asked(&a, &seen), asked(&b, &seen), asked(&b, &unseen)], [200, 200, 503]);
    let begun = a.begin("/app/page");
    a.gives(&a.token(&begun, &json!({})));
    let answer =
        a.come_back("main", &format!("code=c&state={}", begun.asked["state"]), &begun.cookie);
    assert_eq!(status(&answer), 503, "{answer}");
    // What is taken back meanwhile has ended here at once, and elsewhere when the bound is over at the latest.
    let hash =
        firewall_gateway::identity::session::SessionText::parse(seen.split_once('=').unwrap().1)
            .unwrap()
            .hash();
    a.world.gateway.sessions().change(vec![SessionChange::End(Ending::One(hash))]);
    assert_eq!([asked(&a, &seen), asked(&b, &seen)], [401, 200]);
    until("the bound is over", || asked(&b, &seen) == 503);
    let bound = Duration::from_secs(u64::from(AWAY_MAX_S));
    assert!(left.elapsed() > bound - Duration::from_secs(1), "{:?}", left.elapsed());
    assert!(left.elapsed() < bound + Duration::from_secs(2), "{:?}", left.elapsed());
    back(redis);
    [&a, &b].into_iter().for_each(|place| wait_until(place, true));
    until("the end is told", || asked(&b, &seen) == 401);
    let expected = if keeps { 200 } else { 401 };
    assert_eq!([asked(&a, &unseen), asked(&b, &unseen)], [expected; 2]);
    let cookie = a.log_in(&json!({}));
    assert_eq!([asked(&a, &cookie), asked(&b, &cookie)], [200, 200]);
    for place in [&a, &b] {
        let figures = place.world.settled();
        assert!(figures.session_store.unwrap().failures > 0, "{figures:?}");
    }
    assert!(label(&b.world.settled().logins_failed, "session_store_away") >= 3);
}

#[test]
fn redis_is_killed_and_begins_anew() {
    let Some(mut redis) = Redis::start("redis_is_killed_and_begins_anew") else { return };
    // It keeps nothing on its disk: what it had forgotten, everyone has lost.
    let again = |redis: &mut Redis| *redis = Redis::at(redis.address);
    away(&mut redis, Redis::kill, again, false);
}

#[test]
fn redis_hangs_with_sessions_and_goes_on() {
    let Some(mut redis) = Redis::start("redis_hangs_with_sessions_and_goes_on") else { return };
    let (stop, go) = (
        |redis: &mut Redis| redis.signal(Signal::STOP),
        |redis: &mut Redis| redis.signal(Signal::CONT),
    );
    away(&mut redis, stop, go, true);
}
