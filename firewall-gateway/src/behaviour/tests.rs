//! Ends of requests as signals, and what a score leads to: for clients, behind proxies, in shadow.

use std::time::Duration;

use super::{board::Turn, *};
use crate::{
    figures::LabelCount,
    policy::{BudgetLimitPolicy, BudgetPolicy, Thresholds},
};

fn behaviour(change: impl FnOnce(&mut BehaviourPolicy)) -> Behaviour {
    // A day: nothing decays within a test.
    let mut policy =
        BehaviourPolicy { shadow: false, half_life_s: 86_400, ..BehaviourPolicy::default() };
    change(&mut policy);
    let proxies = ClientsPolicy {
        trusted_proxies: vec!["198.51.100.0/24".parse().unwrap()],
        ..ClientsPolicy::default()
    };
    Behaviour::new(&policy, &proxies, None).unwrap()
}

fn source(address: &str) -> Source<'static> {
    Source { address: address.parse().unwrap(), direct: true, request: "0123", consumer: None }
}

const ENDED: Ended<'static> =
    Ended { status: 200, rejection: None, denied: None, offences: &[], path: "/", limited: None };

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
        let figures = behaviour.figures().addresses;
        let found: Vec<&str> =
            counts(&figures.signals).into_iter().map(|(label, _)| label).collect();
        assert_eq!(found, expected, "{ended:?}");
        assert_eq!(figures.scored, u64::from(!expected.is_empty()), "{ended:?}");
    }
}

#[test]
fn a_score_is_watched_then_refused_then_reported() {
    let behaviour =
        behaviour(|policy| policy.thresholds = Thresholds { watch: 10, challenge: 20, ban: 40 });
    let offences = behaviour.offences().unwrap();
    assert!(behaviour.offences().is_none(), "once");
    let (one, refused) = (source("192.0.2.1"), Signal::CredentialRefused);
    let other = behaviour.standing("192.0.2.2".parse().unwrap(), || false);
    assert_eq!(other, Standing::default());
    for (score, watched, waits) in
        [(6, None, false), (12, Some(12), false), (18, Some(18), false), (24, Some(24), true)]
    {
        behaviour.did(&one, refused);
        let standing = behaviour.standing(one.address, || false);
        assert_eq!(standing.score, watched, "{score}");
        assert_eq!(standing.wait().is_some(), waits, "{score}: {standing:?}");
    }
    let wait = behaviour.standing(one.address, || false).wait().unwrap().as_secs_f64();
    // log2(24 / 20) of a day.
    assert!((wait - 22_727.0).abs() < 5.0, "{wait}");
    for _ in 0..3 {
        behaviour.did(&one, Signal::Challenged);
    }
    let offence = offences.try_recv().unwrap();
    let signals = [(refused, 4), (Signal::Challenged, 3)];
    let signals = signals.map(|(signal, count)| SignalCount { signal, count }).to_vec();
    let request = "0123".to_owned();
    assert_eq!(
        offence,
        Offence { address: one.address, score: 42, signals, request, budget: None }
    );
    // From here on it waits until the kernel drops it, or asks again.
    let wait = behaviour.standing(one.address, || false).wait().unwrap();
    assert!(wait <= Duration::from_millis(OFFENCE_PAUSE_MS) && !wait.is_zero(), "{wait:?}");
    for _ in 0..20 {
        behaviour.did(&one, refused);
    }
    assert!(offences.try_recv().is_err(), "one decision in a pause");
    let figures = behaviour.figures().addresses;
    assert_eq!(counts(&figures.verdicts), [("watched", 2), ("challenged", 3), ("reported", 1)]);
    assert_eq!((figures.scored, figures.displaced), (1, 0));
    assert_eq!(behaviour.standing("192.0.2.2".parse().unwrap(), || false), Standing::default());
}

#[test]
fn whoever_came_through_a_proxy_is_refused_and_not_reported() {
    let behaviour = behaviour(|policy| policy.refusals.first_s = 77);
    let offences = behaviour.offences().unwrap();
    let one = Source { direct: false, ..source("192.0.2.1") };
    for _ in 0..20 {
        behaviour.did(&one, Signal::CredentialRefused);
    }
    assert!(offences.try_recv().is_err());
    let wait = behaviour.standing(one.address, || false).wait().unwrap().as_secs_f64();
    assert!((76.0..=77.1).contains(&wait), "{wait}");
    assert_eq!(behaviour.standing("192.0.2.2".parse().unwrap(), || false), Standing::default());
    assert_eq!(
        counts(&behaviour.figures().addresses.verdicts)[..2],
        [("watched", 1), ("challenged", 1)]
    );
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
        assert_eq!(behaviour.standing(source.address, || false).wait(), None);
    }
    // The supervisor is told all the same, and does no more than say so.
    assert_eq!(offences.try_iter().count(), 1);
    let expected = [("watched", 2), ("would_challenge", 2), ("reported", 1), ("would_refuse", 1)];
    assert_eq!(counts(&behaviour.figures().addresses.verdicts), expected);
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
    let behaviour = behaviour(|policy| policy.thresholds.ban = 20);
    let many = OFFENCES_WAITING_MAX as u32 + 10;
    for number in 0..many {
        let address = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        behaviour.did(&Source { address, ..source("192.0.2.1") }, Signal::Flood);
    }
    let figures = behaviour.figures().addresses;
    let reported = OFFENCES_WAITING_MAX as u64;
    // A flood weighs less than it takes to be watched.
    assert_eq!(counts(&figures.verdicts), [("reported", reported), ("lost", 10)]);
    assert_eq!(figures.scored, u64::from(many));
}

#[test]
fn a_consumer_answers_for_what_was_authenticated_as_its_own() {
    let as_shop = |address: &'static str, direct: bool| Source {
        direct,
        consumer: Some("shop"),
        ..source(address)
    };
    for (name, who, expected_address, expected_consumer) in [
        ("its own address", as_shop("192.0.2.1", true), 1, 1),
        ("behind a proxy, where the address may be anyone's", as_shop("192.0.2.1", false), 0, 1),
        ("nobody knows whose it is", source("192.0.2.1"), 1, 0),
        ("an address that is exempt", as_shop("203.0.113.9", true), 0, 0),
        (
            "a consumer that is exempt",
            Source { consumer: Some("partner"), ..source("192.0.2.1") },
            0,
            0,
        ),
    ] {
        let behaviour = behaviour(|policy| {
            policy.exempt = vec!["203.0.113.0/24".parse().unwrap()];
            policy.consumers.exempt = vec!["partner".to_owned()];
        });
        let refused = Ended { rejection: Some(Rejection::Forbidden), status: 403, ..ENDED };
        behaviour.ended(&who, &refused);
        let figures = behaviour.figures();
        let once = |times: u64| [("forbidden", 1)][..times as usize].to_vec();
        assert_eq!(counts(&figures.addresses.signals), once(expected_address), "{name}");
        assert_eq!(counts(&figures.consumers.signals), once(expected_consumer), "{name}");
        let scored = (figures.addresses.scored, figures.consumers.scored);
        assert_eq!(scored, (expected_address, expected_consumer), "{name}");
    }
}

#[test]
fn a_consumer_is_watched_then_refused_then_refused_for_longer_each_time() {
    let behaviour = behaviour(|policy| {
        policy.consumers.thresholds = Thresholds { watch: 1, challenge: 3, ban: 9 };
        policy.refusals.first_s = 77;
    });
    let offences = behaviour.offences().unwrap();
    let refused = Ended { rejection: Some(Rejection::Forbidden), status: 403, ..ENDED };
    let of = |consumer: &'static str, number: u8| Source {
        address: IpAddr::from([192, 0, 2, number]),
        consumer: Some(consumer),
        ..source("192.0.2.0")
    };
    for (number, watched, challenged) in [(1, Some(2), false), (2, Some(4), true)] {
        behaviour.ended(&of("shop", number), &refused);
        let standing = behaviour.consumer_standing("shop");
        assert_eq!(standing.score, watched, "{number}");
        assert_eq!(matches!(standing.turn, Turn::Challenged(_)), challenged, "{standing:?}");
    }
    // Who does not wait is worse off; the address that it comes from has done nothing by that.
    let challenged = Ended { rejection: Some(Rejection::ConsumerRefused), status: 429, ..ENDED };
    let addresses = behaviour.figures().addresses;
    behaviour.ended(&of("shop", 3), &challenged);
    assert_eq!(behaviour.figures().addresses, addresses);
    let Turn::Refused(wait) = behaviour.consumer_standing("shop").turn else { panic!("served") };
    assert!((76.0..=77.1).contains(&wait.as_secs_f64()), "{wait:?}");
    assert_eq!(behaviour.consumer_standing("bank"), Standing::default());
    assert_eq!(behaviour.standing(IpAddr::from([192, 0, 2, 3]), || false), Standing::default());
    assert!(offences.try_recv().is_err(), "the kernel knows no consumers");
    let figures = behaviour.figures().consumers;
    assert_eq!(counts(&figures.signals), [("forbidden", 2), ("challenged", 1)]);
    assert_eq!(counts(&figures.verdicts), [("watched", 1), ("challenged", 2), ("refused", 1)]);
}

#[test]
fn shadow_refuses_no_consumer() {
    let behaviour = behaviour(|policy| policy.shadow = true);
    let shop = Source { direct: false, consumer: Some("shop"), ..source("192.0.2.1") };
    for _ in 0..60 {
        behaviour.did(&shop, Signal::Forbidden);
    }
    assert_eq!(behaviour.consumer_standing("shop").turn, Turn::Spared);
    let expected = [("watched", 1), ("would_challenge", 1), ("would_refuse", 1)];
    assert_eq!(
        counts(&behaviour.figures().consumers.verdicts),
        [expected[0], expected[1], expected[2]]
    );
}

#[test]
fn a_consumer_that_is_in_two_countries_offends_and_its_addresses_do_not() {
    let behaviour = behaviour(|policy| {
        policy.travel_s = Some(3_600);
        policy.consumers.exempt = vec!["partner".to_owned()];
    });
    let as_one = |consumer| Source { consumer, ..source("192.0.2.1") };
    for (name, consumer, country, expected) in [
        ("at home", Some("shop"), Some(*b"DE"), 0),
        ("nobody", None, Some(*b"FR"), 0),
        ("it is not known where", Some("shop"), None, 0),
        ("elsewhere", Some("shop"), Some(*b"FR"), 1),
        ("another one there", Some("bank"), Some(*b"FR"), 1),
        ("an exempt one at home", Some("partner"), Some(*b"DE"), 1),
        ("and elsewhere", Some("partner"), Some(*b"FR"), 1),
    ] {
        behaviour.seen_in(&as_one(consumer), country);
        let figures = behaviour.figures();
        let count = figures.consumers.signals.iter().map(|row| row.count).sum::<u64>();
        assert_eq!(count, expected, "{name}");
        assert_eq!(figures.addresses.signals, [], "{name}");
    }
    assert_eq!(counts(&behaviour.figures().consumers.signals), [("impossible_travel", 1)]);
    assert_eq!(behaviour.consumer_standing("shop").score, Some(30), "it is watched for that alone");
    // Where it is not configured nothing is said of it.
    let without = self::behaviour(|_| ());
    for country in [*b"DE", *b"FR"] {
        without.seen_in(&as_one(Some("shop")), Some(country));
    }
    assert_eq!(without.figures(), BehaviourFigures::default());
}

#[test]
fn who_goes_on_over_a_budget_of_its_own_is_reported() {
    let as_one = |consumer| Source { consumer, ..source("192.0.2.1") };
    for (name, who, limit, shadow, expected) in [
        ("a budget of addresses", source("192.0.2.1"), "hourly", false, true),
        ("in shadow the supervisor says so", source("192.0.2.1"), "hourly", true, true),
        ("of a consumer, from its address", as_one(Some("shop")), "daily", false, true),
        ("of all who are not known", source("192.0.2.1"), "daily", false, false),
        ("a limit that is not named", source("192.0.2.1"), "soft", false, false),
        ("a proxy", source("198.51.100.7"), "hourly", false, false),
        (
            "behind a proxy",
            Source { direct: false, ..as_one(Some("shop")) },
            "hourly",
            false,
            false,
        ),
        ("an exempt address", source("203.0.113.9"), "hourly", false, false),
        ("an exempt consumer", as_one(Some("partner")), "hourly", false, false),
    ] {
        let behaviour = behaviour(|policy| {
            let of = |name: &str, known| BudgetLimitPolicy { name: name.to_owned(), known };
            let limits = vec![of("hourly", false), of("daily", true)];
            policy.budgets = Some(BudgetPolicy { limits, refusals: 3 });
            policy.weights[Signal::RateLimited as usize] = 0;
            policy.exempt = vec!["203.0.113.0/24".parse().unwrap()];
            policy.consumers.exempt = vec!["partner".to_owned()];
            policy.shadow = shadow;
        });
        let offences = behaviour.offences().unwrap();
        let after = Duration::from_millis(90_001);
        let rejection = Some(Rejection::RateLimited);
        let refused = Ended { status: 429, rejection, limited: Some((limit, after)), ..ENDED };
        for _ in 0..2 {
            behaviour.ended(&who, &refused);
            assert!(offences.try_recv().is_err(), "{name}: too early");
        }
        for _ in 0..3 {
            behaviour.ended(&who, &refused);
        }
        let told: Vec<Offence> = offences.try_iter().collect();
        let budget = Some(Budget { limit: limit.to_owned(), refusals: 3, for_s: 91 });
        let request = "0123".to_owned();
        let offence =
            Offence { address: who.address, score: 0, signals: Vec::new(), request, budget };
        assert_eq!(told, [offence][..usize::from(expected)], "{name}");
        let verdicts = behaviour.figures().addresses.verdicts;
        let moved = [("reported", 1), ("exhausted", 1)];
        assert_eq!(counts(&verdicts), moved[..2 * usize::from(expected)], "{name}");
        assert_eq!(behaviour.standing(who.address, || false), Standing::default(), "{name}");
    }
}
