//! Sampled drops.

use std::time::Instant;

use firewall_common::{Country, Protocol, Reason, Verdict};
use firewall_daemon::{
    config::EventsConfig,
    datapath::PacketOptions,
    policy::{GeoMode, PolicySource},
};
use seawall_tests::{
    engine::{Engine, plain_options},
    frame::{TCP, ethernet, ipv6, tcp, udp_from},
    policies::{denying, geo},
    requirement,
};

/// Events without a bound that the test would meet.
fn sampled(sample_one_in: u32) -> PacketOptions {
    let events =
        EventsConfig { sample_one_in, first_of_source: false, events_per_s_max: 1_000_000 };
    PacketOptions { events, ..plain_options() }
}

fn policy() -> PolicySource {
    PolicySource {
        geo: Some(geo(GeoMode::Block, "KP", &[("2001:db8::/32", "KP")])),
        ..denying(vec!["203.0.113.0/24".parse().expect("a prefix")])
    }
}

#[test]
fn an_event_says_what_was_dropped() {
    if !requirement::root("an_event_says_what_was_dropped") {
        return;
    }
    let mut engine = Engine::load(&policy(), &sampled(1));
    let mut events = engine.events();
    let good = udp_from([198, 51, 100, 1].into());
    let denied = udp_from([203, 0, 113, 9].into());
    let source = "2001:db8::9".parse().expect("an address");
    let blocked = ethernet(0x86dd, &ipv6(source, TCP, &tcp(1234, 443)));
    for frame in [&good, &denied, &blocked, &vec![0_u8; 14]] {
        engine.run(frame);
    }
    let event = events.next_event().expect("the denied packet");
    assert_eq!((event.verdict, event.reason), (Verdict::Drop, Reason::Deny));
    assert_eq!((event.protocol, event.length as usize), (Protocol::Udp, denied.len()));
    assert_eq!(event.class.country(), None);
    assert_eq!(event.captured(), &denied[..]);
    let flow = event.flow.expect("it was IP");
    assert_eq!((flow.source_port, flow.destination_port), (40_000, 53));
    assert_eq!(
        (flow.source.to_string(), flow.destination.to_string()),
        ("203.0.113.9".into(), "192.0.2.10".into())
    );

    let event = events.next_event().expect("the blocked packet");
    assert_eq!((event.reason, event.protocol), (Reason::Geo, Protocol::Tcp));
    assert_eq!(event.class.country(), Country::parse("KP"));
    let flow = event.flow.expect("it was IP");
    assert_eq!((flow.source_port, flow.destination_port), (1234, 443));
    assert_eq!(
        (flow.source.to_string(), flow.destination.to_string()),
        ("2001:db8::9".into(), "2001:db8:1::10".into())
    );
    assert_eq!(events.next_event(), None, "an all-zero frame is link control and passes");
}

#[test]
fn one_in_so_many_and_the_ring_is_bounded() {
    if !requirement::root("one_in_so_many_and_the_ring_is_bounded") {
        return;
    }
    let denied = udp_from([203, 0, 113, 9].into());
    // (one in, drops, least and most events, least lost)
    for (one_in, drops, least, most, least_lost) in
        [(0, 1_000, 0, 0, 0), (10, 10_000, 800, 1_200, 0), (1, 10_000, 5_500, 6_000, 4_000)]
    {
        let mut engine = Engine::load(&policy(), &sampled(one_in));
        let mut events = engine.events();
        for _ in 0..drops {
            assert_eq!(engine.run(&denied), Verdict::Drop);
        }
        let read = std::iter::from_fn(|| events.next_event()).count() as u64;
        let lost = engine.losses().events;
        assert!((least..=most).contains(&read), "one in {one_in}: {read} read, {lost} lost");
        assert!(lost >= least_lost, "one in {one_in}: {read} read, {lost} lost");
        if one_in == 1 {
            assert_eq!(read + lost, drops, "each is read or counted as lost");
        }
    }
}

#[test]
fn the_first_of_each_source_and_no_more_than_the_bound() {
    if !requirement::root("the_first_of_each_source_and_no_more_than_the_bound") {
        return;
    }
    let options = |events_per_s_max| PacketOptions {
        events: EventsConfig { sample_one_in: 0, first_of_source: true, events_per_s_max },
        ..plain_options()
    };
    // (events a second, sources, events, over the bound)
    for (bound, sources, expected, over) in [(1_000, 20, 20, 0), (5, 20, 5, 15), (0, 20, 0, 0)] {
        let mut engine = Engine::load(&policy(), &options(bound));
        let mut events = engine.events();
        let start = Instant::now();
        for _ in 0..3 {
            for last in 1..=sources {
                engine.run(&udp_from([203, 0, 113, last].into()));
            }
        }
        let read = std::iter::from_fn(|| events.next_event()).count();
        // A second's worth at once, and what came in while the frames were judged.
        let more = (start.elapsed().as_secs_f64() * f64::from(bound)).ceil() as usize;
        assert!((expected..=expected + more).contains(&read), "at most {bound} a second: {read}");
        let lost = engine.losses().events_bound as usize;
        // Of those that met the bound, some were new and some were not.
        assert!(read + lost >= expected + over, "at most {bound} a second: {read}, {lost} lost");
        assert_eq!(lost == 0, over == 0, "at most {bound} a second: {lost} lost");
    }
}
