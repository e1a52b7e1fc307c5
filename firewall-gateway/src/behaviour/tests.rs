//! Ends of requests as signals, and what a score leads to: for clients, behind proxies, in shadow.

use super::*;
use crate::figures::LabelCount;

fn behaviour(change: impl FnOnce(&mut BehaviourPolicy)) -> Behaviour {
    // A day: nothing decays within a test.
    let mut policy =
        BehaviourPolicy { shadow: false, half_life_s: 86_400, ..BehaviourPolicy::default() };
    change(&mut policy);
    let proxies = ClientsPolicy {
        trusted_proxies: vec!["198.51.100.0/24".parse().unwrap()],
        ..ClientsPolicy::default()
    };
    Behaviour::new(&policy, &proxies, None)
}

fn source(address: &str) -> Source<'static> {
    Source { address: address.parse().unwrap(), direct: true, request: "0123" }
}

const ENDED: Ended<'static> =
    Ended { status: 200, rejection: None, denied: None, offences: &[], path: "/" };

fn counts(rows: &[LabelCount]) -> Vec<(&str, u64)> {
    rows.iter().map(|row| (row.label.as_str(), row.count)).collect()
}

#[test]
fn each_end_of_a_request_is_the_signals_that_it_should_be() {
    let refused = |rejection: Rejection| Ended {
        status: rejection.status().as_u16(),
        rejection: Some(rejection),
        ..ENDED
    };
    let denied =
        |denied: Denied| Ended { denied: Some(denied), ..refused(Rejection::Unauthenticated) };
    let answered = |status: u16, offences: &'static [u16]| Ended { status, offences, ..ENDED };
    for (ended, expected) in [
        (ENDED, vec![]),
        (denied(Denied::Missing), vec!["credential_missing"]),
        (denied(Denied::Repeated), vec!["credential_refused"]),
        (refused(Rejection::Forbidden), vec!["forbidden"]),
        (refused(Rejection::RouteMissing), vec!["not_found"]),
        (
            Ended { path: "/.env", ..refused(Rejection::RouteMissing) },
            vec!["not_found", "scanner_path"],
        ),
        (
            Ended { path: "/.ENV/x", ..refused(Rejection::RouteMissing) },
            vec!["not_found", "scanner_path"],
        ),
        (Ended { path: "/.environment", ..refused(Rejection::RouteMissing) }, vec!["not_found"]),
        (Ended { path: "/a/.env", ..refused(Rejection::RouteMissing) }, vec!["not_found"]),
        (Ended { path: "/wp-login.php", ..answered(404, &[]) }, vec!["scanner_path"]),
        // What is served is no scanner's, and an error of ours is nobody's.
        (Ended { path: "/wp-login.php", ..answered(200, &[]) }, vec![]),
        (Ended { path: "/wp-login.php", ..answered(500, &[]) }, vec![]),
        (Ended { path: "/.env", ..refused(Rejection::Challenged) }, vec!["challenged"]),
        (refused(Rejection::PathAmbiguous), vec!["bad_request"]),
        (refused(Rejection::InputInvalid), vec!["invalid_input"]),
        (refused(Rejection::OperationUnknown), vec!["not_found"]),
        (refused(Rejection::AddressRate), vec!["rate_limited"]),
        (refused(Rejection::AuthenticationFailures), vec!["rate_limited"]),
        (refused(Rejection::SlowBody), vec!["slow"]),
        (refused(Rejection::Http2Flood), vec!["flood"]),
        (refused(Rejection::ClientGone), vec![]),
        (refused(Rejection::UpstreamFailed), vec![]),
        (answered(401, &[]), vec![]),
        (answered(401, &[401, 404]), vec!["credential_refused"]),
        (answered(404, &[401, 404]), vec!["not_found"]),
        (answered(403, &[401, 404]), vec![]),
        (answered(403, &[403]), vec!["forbidden"]),
        (answered(422, &[422]), vec!["bad_request"]),
        (answered(429, &[429]), vec!["rate_limited"]),
    ] {
        let behaviour = behaviour(|_| ());
        behaviour.ended(&source("192.0.2.1"), &ended);
        let figures = behaviour.figures();
        let found: Vec<&str> =
            counts(&figures.signals).into_iter().map(|(label, _)| label).collect();
        assert_eq!(found, expected, "{ended:?}");
        assert_eq!(figures.addresses, u64::from(!expected.is_empty()), "{ended:?}");
    }
}

#[test]
fn a_score_is_watched_then_refused_then_reported() {
    let behaviour = behaviour(|policy| (policy.watch, policy.challenge, policy.ban) = (10, 20, 40));
    let offences = behaviour.offences().unwrap();
    assert!(behaviour.offences().is_none(), "once");
    let (one, refused) = (source("192.0.2.1"), Signal::CredentialRefused);
    let other = behaviour.standing("192.0.2.2".parse().unwrap());
    assert_eq!(other, Standing::default());
    for (score, watched, waits) in
        [(6, None, false), (12, Some(12), false), (18, Some(18), false), (24, Some(24), true)]
    {
        behaviour.did(&one, refused);
        let standing = behaviour.standing(one.address);
        assert_eq!(standing.score, watched, "{score}");
        assert_eq!(standing.wait.is_some(), waits, "{score}: {standing:?}");
    }
    let wait = behaviour.standing(one.address).wait.unwrap().as_secs_f64();
    // log2(24 / 20) of a day.
    assert!((wait - 22_727.0).abs() < 5.0, "{wait}");
    for _ in 0..3 {
        behaviour.did(&one, Signal::Challenged);
    }
    let offence = offences.try_recv().unwrap();
    let signals = [(refused, 4), (Signal::Challenged, 3)];
    let signals = signals.map(|(signal, count)| SignalCount { signal, count }).to_vec();
    let request = "0123".to_owned();
    assert_eq!(offence, Offence { address: one.address, score: 42, signals, request });
    // From here on it waits until the kernel drops it, or asks again.
    let wait = behaviour.standing(one.address).wait.unwrap();
    assert!(wait <= Duration::from_millis(OFFENCE_PAUSE_MS) && !wait.is_zero(), "{wait:?}");
    for _ in 0..20 {
        behaviour.did(&one, refused);
    }
    assert!(offences.try_recv().is_err(), "one decision in a pause");
    let figures = behaviour.figures();
    assert_eq!(counts(&figures.verdicts), [("watched", 2), ("challenged", 3), ("reported", 1)]);
    assert_eq!((figures.addresses, figures.displaced), (1, 0));
    assert_eq!(behaviour.standing("192.0.2.2".parse().unwrap()), Standing::default());
}

#[test]
fn whoever_came_through_a_proxy_is_refused_and_not_reported() {
    let behaviour = behaviour(|policy| policy.refuse_s = 77);
    let offences = behaviour.offences().unwrap();
    let one = Source { direct: false, ..source("192.0.2.1") };
    for _ in 0..20 {
        behaviour.did(&one, Signal::CredentialRefused);
    }
    assert!(offences.try_recv().is_err());
    let wait = behaviour.standing(one.address).wait.unwrap().as_secs_f64();
    assert!((76.0..=77.1).contains(&wait), "{wait}");
    assert_eq!(behaviour.standing("192.0.2.2".parse().unwrap()), Standing::default());
    assert_eq!(counts(&behaviour.figures().verdicts)[..2], [("watched", 1), ("challenged", 1)]);
}

#[test]
fn shadow_counts_and_refuses_nobody() {
    let behaviour = behaviour(|policy| policy.shadow = true);
    let offences = behaviour.offences().unwrap();
    let direct = source("192.0.2.1");
    let proxied = Source { direct: false, ..source("192.0.2.2") };
    for source in [direct, proxied] {
        for _ in 0..17 {
            behaviour.did(&source, Signal::CredentialRefused);
        }
        assert_eq!(behaviour.standing(source.address).wait, None);
    }
    // The supervisor is told all the same, and does no more than say so.
    assert_eq!(offences.try_iter().count(), 1);
    let expected = [("watched", 2), ("would_challenge", 2), ("reported", 1), ("would_refuse", 1)];
    assert_eq!(counts(&behaviour.figures().verdicts), expected);
}

#[test]
fn proxies_and_those_who_are_exempt_have_no_score() {
    let behaviour = behaviour(|policy| {
        policy.exempt = vec!["203.0.113.0/24".parse().unwrap()];
        policy.weights[Signal::Slow as usize] = 0;
    });
    for (address, signal) in [
        ("198.51.100.7", Signal::Flood),
        ("::ffff:198.51.100.7", Signal::Flood),
        ("203.0.113.9", Signal::Flood),
        ("192.0.2.1", Signal::Slow),
    ] {
        behaviour.did(&source(address), signal);
        assert_eq!(behaviour.figures(), BehaviourFigures::default(), "{address} {signal:?}");
    }
}

#[test]
fn a_queue_that_is_full_holds_nobody_up() {
    let behaviour = behaviour(|policy| policy.ban = 20);
    let many = OFFENCES_WAITING_MAX as u32 + 10;
    for number in 0..many {
        let address = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        behaviour.did(&Source { address, ..source("192.0.2.1") }, Signal::Flood);
    }
    let figures = behaviour.figures();
    let reported = OFFENCES_WAITING_MAX as u64;
    // A flood weighs less than it takes to be watched.
    assert_eq!(counts(&figures.verdicts), [("reported", reported), ("lost", 10)]);
    assert_eq!(figures.addresses, u64::from(many));
}
