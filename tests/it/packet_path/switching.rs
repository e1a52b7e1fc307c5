//! Changes of policy under traffic; `cargo xtask bench switch` has a thousand of them at a million packets a
//! second.

use firewall_daemon::policy::PolicySource;
use seawall_tests::{
    bench::link::Link,
    engine::Engine,
    requirement,
    switching::{
        self,
        sides::{Group, Networks, Side, options},
    },
};

use crate::frames::Frames;

const SWITCHES: u32 = 20;
/// Of either family.
const NETWORKS: usize = 900;
/// Every kind of packet, tagged and not, from many networks.
const FRAMES: usize = 4_096;

const SAMPLE_ONE_IN: u32 = 100;

#[test]
fn no_packet_is_judged_by_a_mixture_and_none_by_nobody() {
    if !requirement::root("no_packet_is_judged_by_a_mixture_and_none_by_nobody") {
        return;
    }
    let link = Link::create().expect("a veth pair");
    let outcome = link
        .run(|| {
            let networks = Networks::draw(NETWORKS);
            let frames = Frames::new(networks.frames(FRAMES));
            switching::measure(&link, &networks, &frames, SWITCHES, SAMPLE_ONE_IN)
        })
        .expect("it can be measured");
    println!(
        "{} packets, {} switches, {} events",
        outcome.arrived,
        outcome.switches.len(),
        outcome.events.seen
    );
    assert_eq!(outcome.problems(), Vec::<String>::new());
    assert_eq!((outcome.unjudged(), outcome.mixed()), (0, 0));
    let generations = outcome.events.generations.len() as u32;
    assert!(generations > SWITCHES / 2, "events of {generations} generations of {SWITCHES}");
}

/// The test above can fail: whatever is taken from the other policy shows.
#[test]
fn a_mixture_would_be_seen() {
    if !requirement::root("a_mixture_would_be_seen") {
        return;
    }
    let networks = Networks::draw(NETWORKS);
    let frames = networks.frames(FRAMES);
    let whole = Group::labels();
    for side in Side::BOTH {
        let mut engine = Engine::load(&networks.policy(side), &options(side, 0));
        for frame in &frames {
            let says = engine.run(frame);
            let group = Group::of(frame).expect("a frame of ours");
            assert_eq!(says, group.under(side).0, "{group:?} under {side:?}");
        }
        let counts = engine.counts();
        assert!(counts.keys().all(|label| whole.contains(label)), "{side:?} alone: {counts:?}");
    }
    let of = |side| networks.policy(side);
    let with_rules = |lists: Side, rules: Side| {
        let PolicySource { rules, default, .. } = of(rules);
        PolicySource { rules, default, ..of(lists) }
    };
    // (what, lists and rules, options)
    for (what, policy, side) in [
        ("lists and rules of A", of(Side::A), Side::B),
        ("lists and rules of B", of(Side::B), Side::A),
        ("rules of A", with_rules(Side::B, Side::A), Side::B),
        ("rules of B", with_rules(Side::A, Side::B), Side::A),
        ("lists of A", with_rules(Side::A, Side::B), Side::B),
        ("lists of B", with_rules(Side::B, Side::A), Side::A),
    ] {
        let mut engine = Engine::load(&policy, &options(side, 0));
        for frame in &frames {
            engine.run(frame);
        }
        let counts = engine.counts();
        let mixed = counts.keys().filter(|label| !whole.contains(*label)).count();
        assert!(mixed > 0, "{what}, and the rest of {side:?}: {counts:?}");
    }
}
