//! A consumer in two countries at once, by its key and by the address that a proxy tells: what is counted, what its
//! score is, and who is refused for it.

use std::{
    fs::File, io::Write as _, net::IpAddr, os::unix::fs::FileExt as _, thread, time::Duration,
};

use firewall_gateway::{
    behaviour::signal::Signal,
    figures::{BehaviourFigures, Figures, LabelCount, ScoreFigures},
    policy::{
        BehaviourPolicy, Thresholds,
        access_log::{AccessField, AccessFormat},
    },
    server::Handed,
};
use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::Value;

use crate::{
    behaviour::{OTHER, PROXY, ask, scored, signals, verdicts},
    keys::{give, grant},
    mmdb::{self, Shape},
    world::{World, header, label, status},
};

/// In DE, as all of 192.0.2.0/25.
const HOME: &str = "192.0.2.1";
/// In DE too, by another row of the database.
const HOME_TOO: &str = "198.51.100.1";
/// In AT.
const NEIGHBOUR: &str = "192.0.2.129";
/// In AU.
const FAR: &str = "203.0.113.1";
/// In no row.
const NOWHERE: &str = "198.51.100.129";
const NETWORKS: [(&str, &str); 4] = [
    ("192.0.2.0/25", "DE"),
    ("198.51.100.0/25", "DE"),
    ("192.0.2.128/25", "AT"),
    ("203.0.113.0/24", "AU"),
];
/// No test takes so long.
const HOUR_S: u32 = 3_600;
/// The weight where the policy says nothing else.
const WEIGHT: u32 = 30;

/// A gateway that knows countries, and what it logs.
struct Place {
    world: World,
    log: File,
    keys: [(&'static str, String); 3],
}

impl Place {
    fn new(travel_s: u32, change: impl FnOnce(&mut BehaviourPolicy)) -> Self {
        let log = memory();
        let mut database = memory();
        let networks = NETWORKS.map(|(network, country)| (network.parse().unwrap(), country));
        database.write_all(&mmdb::build(Shape::Nested, &networks).unwrap()).unwrap();
        let handed = Handed {
            access_log: Some(log.try_clone().unwrap()),
            countries: Some(database),
            ..Handed::default()
        };
        let world = World::changed_and_handed(handed, |policy| {
            policy.access_log.format = AccessFormat::Json;
            policy.access_log.fields = AccessField::ALL.to_vec();
            scored(policy, |behaviour| {
                behaviour.travel_s = Some(travel_s);
                change(behaviour);
            });
        });
        let key =
            |consumer| format!("X-Api-Key: {}\r\n", give(&world, grant(consumer), None).reveal());
        let wrong = "X-Api-Key: sw_0123456789ab_wrong\r\n".to_owned();
        let keys = [("shop", key("shop")), ("bank", key("bank")), ("wrong", wrong)];
        Self { world, log, keys }
    }

    /// A request with somebody's key, from an address as a proxy tells it.
    fn ask(&self, whose: &str, proxy: [u8; 4], client: &str) -> String {
        let (_, key) = self.keys.iter().find(|(name, _)| *name == whose).unwrap();
        ask(&self.world, proxy, "/keys", &format!("{key}X-Forwarded-For: {client}\r\n"))
    }

    /// What was counted, and the score of the consumer in each line of the log.
    fn ended(self) -> (Figures, Vec<Option<u64>>) {
        let figures = self.world.settled();
        assert_eq!(self.world.gateway.finish().access_lines_lost, 0);
        let mut text = vec![0; self.log.metadata().unwrap().len().try_into().unwrap()];
        self.log.read_exact_at(&mut text, 0).unwrap();
        let text = String::from_utf8(text).unwrap();
        let score = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["consumer_score"].as_u64()
        };
        (figures, text.lines().map(score).collect())
    }
}

fn memory() -> File {
    memfd_create(c"test", MemfdFlags::CLOEXEC).unwrap().into()
}

fn counted(label: &str, count: u64) -> LabelCount {
    LabelCount { label: label.to_owned(), count }
}

#[test]
fn a_key_that_is_in_two_countries_within_the_time_offends_once() {
    let long = [FAR; 4].join(", ");
    for (name, asked, told) in [
        ("stays at home", &[("shop", HOME), ("shop", HOME)][..], 0),
        ("another network of the same country", &[("shop", HOME), ("shop", HOME_TOO)], 0),
        ("far away", &[("shop", HOME), ("shop", FAR)], 1),
        // It goes by countries and knows no distances: `travel_s` is for both.
        ("over the border", &[("shop", HOME), ("shop", NEIGHBOUR)], 1),
        ("to and fro", &[("shop", HOME), ("shop", FAR), ("shop", HOME), ("shop", FAR)], 1),
        ("where nobody knows in between", &[("shop", HOME), ("shop", NOWHERE), ("shop", FAR)], 1),
        ("home from where nobody knows", &[("shop", NOWHERE), ("shop", HOME)], 0),
        ("somebody else is there", &[("shop", HOME), ("bank", FAR), ("shop", HOME)], 0),
        ("who guesses there is nobody", &[("shop", HOME), ("wrong", FAR), ("shop", HOME)], 0),
        (
            "the nearest proxy's word holds",
            &[("shop", HOME), ("shop", &format!("{long}, {HOME}"))],
            0,
        ),
    ] {
        let place = Place::new(HOUR_S, |_| ());
        for (whose, client) in asked {
            let expected = if *whose == "wrong" { 401 } else { 200 };
            let answer = place.ask(whose, PROXY, client);
            assert_eq!(status(&answer), expected, "{name}: {answer}");
        }
        let (figures, scores) = place.ended();
        let BehaviourFigures { addresses, consumers, travels_displaced, .. } = figures.behaviour;
        let expected = if told == 0 {
            ScoreFigures::default()
        } else {
            ScoreFigures {
                signals: vec![counted(Signal::ImpossibleTravel.label(), told)],
                verdicts: vec![counted("watched", 1)],
                scored: 1,
                displaced: 0,
            }
        };
        assert_eq!(consumers, expected, "{name}");
        // From the request on that was too fast.
        let first =
            asked.iter().position(|(_, client)| told == 1 && [FAR, NEIGHBOUR].contains(client));
        let expected: Vec<Option<u64>> = (0..asked.len())
            .map(|number| first.is_some_and(|first| number >= first).then_some(WEIGHT.into()))
            .collect();
        assert_eq!(scores, expected, "{name}");
        let guessed = asked.iter().filter(|(whose, _)| *whose == "wrong").count();
        assert_eq!(signals(&addresses), [("credential_refused", 1)][..guessed], "{name}");
        assert_eq!((figures.rejections.len(), travels_displaced), (guessed, 0), "{name}");
    }
}

#[test]
fn an_address_that_no_proxy_of_ours_tells_is_no_travel() {
    let place = Place::new(HOUR_S, |_| ());
    for (proxy, client) in [(PROXY, HOME), (OTHER, FAR), (OTHER, NEIGHBOUR), (PROXY, HOME)] {
        assert_eq!(status(&place.ask("shop", proxy, client)), 200, "{client}");
    }
    let (figures, scores) = place.ended();
    assert_eq!((figures.behaviour, scores), (BehaviourFigures::default(), vec![None; 4]));
}

#[test]
fn who_takes_the_time_may_be_anywhere() {
    let place = Place::new(1, |_| ());
    for client in [HOME, FAR, NEIGHBOUR] {
        assert_eq!(status(&place.ask("shop", PROXY, client)), 200, "{client}");
        // A machine that is slower makes it slower still.
        thread::sleep(Duration::from_millis(1_010));
    }
    let (figures, scores) = place.ended();
    assert_eq!((figures.behaviour, scores), (BehaviourFigures::default(), vec![None; 3]));
}

#[test]
fn an_exempt_consumer_and_an_exempt_network_are_where_they_like() {
    for (name, change) in [
        (
            "consumer",
            (|policy| policy.consumers.exempt = vec!["shop".to_owned()])
                as fn(&mut BehaviourPolicy),
        ),
        ("network", |policy| policy.exempt = vec![FAR.parse::<IpAddr>().unwrap().into()]),
        ("no weight", |policy| policy.weights[Signal::ImpossibleTravel as usize] = 0),
    ] {
        let place = Place::new(HOUR_S, change);
        for client in [HOME, FAR] {
            assert_eq!(status(&place.ask("shop", PROXY, client)), 200, "{name}");
        }
        let (figures, scores) = place.ended();
        assert_eq!(figures.behaviour, BehaviourFigures::default(), "{name}");
        assert_eq!(scores, [None; 2], "{name}");
    }
}

// What the request that is too fast, and the one after it from home, are answered, with thresholds about the score.
#[test]
fn at_a_threshold_the_consumer_is_refused_and_nobody_else() {
    let (travel, again) = (("impossible_travel", 1), |count| ("challenged", count));
    let watched = ("watched", 1);
    for (name, shadow, challenge, ban, statuses, offences, led) in [
        ("below", false, WEIGHT + 1, 1_000, [200, 200], vec![travel], vec![watched]),
        (
            "challenged",
            false,
            WEIGHT - 1,
            1_000,
            [429, 429],
            vec![again(2), travel],
            vec![watched, again(2)],
        ),
        (
            "refused for a time",
            false,
            WEIGHT,
            WEIGHT,
            [429, 429],
            vec![again(2), travel],
            vec![watched, again(2), ("refused", 1)],
        ),
        (
            "in shadow",
            true,
            WEIGHT,
            WEIGHT,
            [200, 200],
            vec![travel],
            vec![watched, ("would_challenge", 2), ("would_refuse", 1)],
        ),
    ] {
        let place = Place::new(HOUR_S, |policy| {
            policy.shadow = shadow;
            policy.consumers.thresholds = Thresholds { watch: 20, challenge, ban };
            policy.refusals.first_s = 500;
        });
        let kernel = place.world.gateway.offences().unwrap();
        assert_eq!(status(&place.ask("shop", PROXY, HOME)), 200, "{name}");
        for (client, expected) in [FAR, HOME].into_iter().zip(statuses) {
            let answer = place.ask("shop", PROXY, client);
            assert_eq!(status(&answer), expected, "{name}: {answer}");
            if expected == 429 {
                assert!(
                    answer.contains("urn:seawall:problem:consumer-refused"),
                    "{name}: {answer}"
                );
                let wait: u64 = header(&answer, "retry-after").unwrap().parse().unwrap();
                // Of what falls by a half in a day, or of the time that the policy gives.
                let bounds = if ban == WEIGHT { 490..=500 } else { 1_000..=86_400 };
                assert!(bounds.contains(&wait), "{name}: {wait}");
            }
        }
        // Whose address it is that the key was used from does not answer for it.
        assert_eq!(status(&place.ask("bank", PROXY, FAR)), 200, "{name}");
        let open = format!("X-Forwarded-For: {FAR}\r\n");
        assert_eq!(status(&ask(&place.world, PROXY, "/open/a", &open)), 200, "{name}");
        assert!(kernel.try_recv().is_err(), "{name}: the kernel knows no consumers");
        let (figures, _) = place.ended();
        let consumers = &figures.behaviour.consumers;
        assert_eq!(signals(consumers), offences, "{name}");
        assert_eq!(verdicts(consumers), led, "{name}");
        assert_eq!(figures.behaviour.addresses, ScoreFigures::default(), "{name}");
        let refused = statuses.iter().filter(|status| **status == 429).count() as u64;
        assert_eq!(label(&figures.rejections, "consumer_refused"), refused, "{name}");
        assert_eq!(figures.rejections.len(), usize::from(refused > 0), "{name}");
    }
}
