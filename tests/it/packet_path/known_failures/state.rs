//! What a change of the configuration and a flood leave of the state.

use std::time::Instant;

use firewall_common::{Verdict, rules::RULES_MAX};
use firewall_daemon::{
    config::{
        LimitPer, LimitsConfig, PortLimit, PortProtocol, RuleConfig, RuleProtocol, RuleVerdict,
        SynCookiesConfig,
    },
    datapath::PacketOptions,
    policy::{GeoMode, PolicySource},
};
use seawall_tests::{
    engine::{Counts, Engine, plain_options},
    frame::{TCP, ethernet, ipv4, tcp, udp_from},
    policies::{bytes, denying, geo, list, packets, rule},
    random::Random,
    requirement,
};

use crate::packet_path::case::{judge, prefixes};

const CLIENT: &str = "198.51.100.7";

fn udp_rule(name: &str, port: u16, verdict: RuleVerdict) -> RuleConfig {
    rule(name, Some(RuleProtocol::Udp), &[port], verdict)
}

fn ruled(rules: Vec<RuleConfig>) -> PolicySource {
    PolicySource { rules, ..PolicySource::default() }
}

fn limited(rate_pps: u32, burst_packets: u32) -> PacketOptions {
    let source = Some(packets(rate_pps, burst_packets));
    PacketOptions { limits: LimitsConfig { source, ..LimitsConfig::default() }, ..plain_options() }
}

/// So many frames of the client pass one after another, to the first that does not.
fn passed_at_once(engine: &mut Engine) -> u64 {
    const SENT_MAX: u64 = 1_000;
    let frame = udp_from(CLIENT.parse().unwrap());
    (0..SENT_MAX).take_while(|_| engine.run(&frame) == Verdict::Pass).count() as u64
}

/// Number 12 (xFW limited by the state of the configuration before).
#[test]
fn nothing_of_an_earlier_configuration_leaks() {
    if !requirement::root("nothing_of_an_earlier_configuration_leaks") {
        return;
    }
    rules_count_by_name();
    limits_of_another_rate_are_their_own();
    the_buckets_of_a_rule_follow_what_it_says();
    what_is_gone_is_off();
}

/// A rule's number means another rule in the next configuration; its name does not.
fn rules_count_by_name() {
    let counts = |names: &[(&str, u64)]| -> Counts {
        names.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    };
    let [one, two] =
        [("one", 53), ("two", 53)].map(|(name, port)| udp_rule(name, port, RuleVerdict::Drop));
    let query = udp_from(CLIENT.parse().unwrap());
    let mut engine = Engine::load(&ruled(vec![one.clone()]), &plain_options());
    for _ in 0..3 {
        judge(&mut engine, "rule one", &query, "drop rule udp");
    }
    assert_eq!(engine.rule_counts(), counts(&[("one", 3)]));
    engine.reload(&ruled(vec![two, one.clone()]), &plain_options());
    assert_eq!(engine.rule_counts(), counts(&[("two", 0), ("one", 3)]));
    judge(&mut engine, "rule two, in the place of one", &query, "drop rule udp");
    assert_eq!(engine.rule_counts(), counts(&[("two", 1), ("one", 3)]));

    // As many other rules as there are slots: those that are gone for longest give way, and a rule that comes
    // back so late begins anew.
    engine.reload(&ruled(Vec::new()), &plain_options());
    for round in 0..5 {
        let rules = (0..RULES_MAX).map(|number| {
            udp_rule(&format!("r{}", round * RULES_MAX + number), 53, RuleVerdict::Drop)
        });
        engine.reload(&ruled(rules.collect()), &plain_options());
        assert!(engine.rule_counts().values().all(|count| *count == 0), "round {round}");
        judge(&mut engine, "the first of many", &query, "drop rule udp");
    }
    engine.reload(&ruled(vec![one]), &plain_options());
    assert_eq!(engine.rule_counts(), counts(&[("one", 0)]));
}

/// What a bucket holds means less time, or more, under another rate.
fn limits_of_another_rate_are_their_own() {
    let mut engine = Engine::load(&PolicySource::default(), &limited(1, 60));
    let empty = |engine: &mut Engine, burst: u64, since: Instant| {
        let passed = passed_at_once(engine);
        let earned = since.elapsed().as_secs() + 1;
        assert!((burst..=burst + earned).contains(&passed), "{passed} of a burst of {burst}");
    };
    empty(&mut engine, 60, Instant::now());
    // A minute behind is more than a bucket of five seconds can be: it is full, and no fuller.
    engine.reload(&PolicySource::default(), &limited(1, 5));
    empty(&mut engine, 5, Instant::now());
    // Off, and on again.
    engine.reload(&PolicySource::default(), &plain_options());
    judge(&mut engine, "no limit", &udp_from(CLIENT.parse().unwrap()), "pass default udp");
    let started = Instant::now();
    engine.reload(&PolicySource::default(), &limited(1, 5));
    let passed = passed_at_once(&mut engine);
    let earned = started.elapsed().as_secs() + 2;
    assert!(
        passed <= earned,
        "{passed} passed: the bucket is as empty as it was, and earned {earned}"
    );
}

/// A rule that says something else begins with full buckets, one that moves keeps its own.
fn the_buckets_of_a_rule_follow_what_it_says() {
    const BURST: u64 = 20;
    let limit = |name, per, burst_packets| {
        udp_rule(name, 53, RuleVerdict::Limit { per, rate: packets(1, burst_packets) })
    };
    let one = limit("one", LimitPer::Source, BURST as u32);
    let mut engine = Engine::load(&ruled(vec![one.clone()]), &plain_options());
    // (what it is, the rules, whether the bucket is full again)
    for (what, rules, is_full) in [
        ("the first", vec![one.clone()], true),
        ("another name", vec![limit("two", LimitPer::Source, BURST as u32)], true),
        ("another owner", vec![limit("one", LimitPer::Prefix, BURST as u32)], true),
        ("another place", vec![udp_rule("zero", 54, RuleVerdict::Drop), one.clone()], false),
    ] {
        let started = Instant::now();
        engine.reload(&ruled(rules), &plain_options());
        let passed = passed_at_once(&mut engine);
        // What the first of them left was empty when the third round began.
        let earned = started.elapsed().as_secs() + 1;
        let least = if is_full { BURST } else { 0 };
        let most = if is_full { BURST + earned } else { BURST / 2 };
        assert!((least..=most).contains(&passed), "{what}: {passed} passed");
    }
}

/// Lists, countries, limits of ports, SYN cookies and their classes.
fn what_is_gone_is_off() {
    let full = PolicySource {
        deny: [
            list("first", prefixes(&["203.0.113.0/24"])),
            list("second", prefixes(&["2001:db8:d::/48"])),
        ]
        .concat(),
        geo: Some(geo(GeoMode::Block, "KP", &[("192.0.2.0/24", "KP")])),
        ..PolicySource::default()
    };
    let rate = packets(1, 1);
    let options = PacketOptions {
        limits: LimitsConfig {
            country: Some(packets(1, 1_000)),
            ports: vec![PortLimit { protocol: PortProtocol::Udp, port: 53, rate }],
            ..LimitsConfig::default()
        },
        syn_cookies: Some(SynCookiesConfig { ports: [443].into(), threshold_pps: 1 }),
        ..plain_options()
    };
    let from = |source: &str| udp_from(source.parse().unwrap());
    let syn = ethernet(0x0800, &ipv4(CLIENT.parse().unwrap(), TCP, &tcp(40_000, 443)));
    let mut engine = Engine::load(&full, &options);
    for (what, frame, counter) in [
        ("first list", from("203.0.113.1"), "drop deny udp"),
        ("second list", from("2001:db8:d::1"), "drop deny udp"),
        ("country", from("192.0.2.1"), "drop geo udp"),
        ("port, within", from(CLIENT), "pass default udp"),
        ("port, over", from(CLIENT), "drop rate_port udp"),
        ("segment, within", syn.clone(), "pass default tcp"),
        ("segment, over", syn.clone(), "reply syn_cookie tcp"),
    ] {
        judge(&mut engine, what, &frame, counter);
    }
    let list_of = |engine: &mut Engine, source| engine.explain(&from(source), None).list;
    assert_eq!(list_of(&mut engine, "203.0.113.1").as_deref(), Some("first"));
    assert_eq!(list_of(&mut engine, "2001:db8:d::1").as_deref(), Some("second"));

    // The numbers of classes and lists mean something else.
    let other = PolicySource {
        deny: [
            list("zeroth", prefixes(&["10.0.0.0/8"])),
            list("third", prefixes(&["203.0.113.0/24"])),
        ]
        .concat(),
        ..PolicySource::default()
    };
    engine.reload(&other, &plain_options());
    for (what, frame, counter) in [
        ("of another list by now", from("203.0.113.1"), "drop deny udp"),
        ("a new list", from("10.1.2.3"), "drop deny udp"),
        ("no list", from("2001:db8:d::1"), "pass default udp"),
        ("no country", from("192.0.2.1"), "pass default udp"),
        ("no limit", from(CLIENT), "pass default udp"),
        ("no cookie", syn.clone(), "pass default tcp"),
    ] {
        judge(&mut engine, what, &frame, counter);
    }
    assert_eq!(list_of(&mut engine, "203.0.113.1").as_deref(), Some("third"));
    assert_eq!(list_of(&mut engine, "10.1.2.3").as_deref(), Some("zeroth"));
    assert_eq!(list_of(&mut engine, "2001:db8:d::1"), None);

    engine.reload(&denying(Vec::new()), &plain_options());
    judge(&mut engine, "nothing at all", &from("203.0.113.1"), "pass default udp");
    assert_eq!(list_of(&mut engine, "203.0.113.1"), None);
}

/// Number 13 (gamemann's XDP firewall: an LRU map a source, which a flood of others turns over).
#[test]
fn a_spoofed_flood_takes_no_bucket_from_a_client() {
    if !requirement::root("a_spoofed_flood_takes_no_bucket_from_a_client") {
        return;
    }
    const SPOOFED: u64 = 400_000;
    const BURST_BYTES: u64 = 3_000;
    // A byte a second: a frame is earned in a minute, so that time plays no part.
    let source = Some(bytes(1, BURST_BYTES));
    let options = PacketOptions {
        limits: LimitsConfig { source, ..LimitsConfig::default() },
        ..plain_options()
    };
    let mut engine = Engine::load(&PolicySource::default(), &options);
    let (mut passed, mut dropped) = (0, 0);
    let mut send = |engine: &mut Engine, frame: &[u8], times: u64| {
        let through = (0..times).filter(|_| engine.run(frame) == Verdict::Pass).count() as u64;
        passed += through;
        dropped += times - through;
        through
    };
    let clients = [CLIENT, "2001:db8:0:7::7", "198.51.100.8", "2001:db8:0:8::8"]
        .map(|source| udp_from(source.parse().unwrap()));
    let burst = |frame: &[u8]| BURST_BYTES / frame.len() as u64;
    // The first two have used all that they had, the others half of it.
    for (place, frame) in clients.iter().enumerate() {
        let used = if place < 2 { burst(frame) } else { burst(frame) / 2 };
        assert_eq!(send(&mut engine, frame, used), used, "client {place}");
    }
    let mut random = Random::new(13);
    for number in 0..SPOOFED {
        let any = random.next_u64();
        // Another address each; and another /64 each.
        let source = if number % 2 == 0 {
            std::net::Ipv4Addr::from_bits((number as u32) << 8 | 0x0100_0000 | any as u32 & 0xff)
                .into()
        } else {
            std::net::Ipv6Addr::from_bits(
                0x3fff << 112 | u128::from(number) << 64 | u128::from(any),
            )
            .into()
        };
        assert_eq!(send(&mut engine, &udp_from(source), 1), 1, "{source} comes once");
    }
    for (place, frame) in clients.iter().enumerate() {
        let left = if place < 2 { 0 } else { burst(frame) - burst(frame) / 2 };
        assert_eq!(send(&mut engine, frame, 2 * burst(frame)), left, "client {place}");
    }
    let losses = engine.losses();
    println!("{SPOOFED} sources, {} of them found their row full", losses.buckets);
    assert!(losses.buckets > 0, "the flood has filled the table");
    let expected = [("pass default udp", passed), ("drop rate_source udp", dropped)];
    assert_eq!(engine.counts(), Counts::from(expected.map(|(name, count)| (name.into(), count))));
}
