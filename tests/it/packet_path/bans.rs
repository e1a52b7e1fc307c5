//! Bans: in force with the next packet, as many as there is room for, each until its end.

use std::{fs, net::Ipv4Addr, path::Path, time::Duration};

use aya::maps::{Array, Map, MapData};
use firewall_common::{
    Reason, Verdict, ban_places,
    maps::{self, BANS_MAX},
};
use firewall_daemon::{
    config::{AttachPolicy, InterfaceConfig},
    datapath::{Datapath, DatapathError, DatapathOptions, bans::Bans},
    policy::compile,
};
use seawall_tests::{
    engine::{Counts, Engine, plain_options},
    frame::udp_from,
    policies::denying,
    requirement,
    world::{SERVER_INTERFACE, World},
};

const HOUR: Duration = Duration::from_secs(3_600);
/// Ends at once.
const NO_TIME: Duration = Duration::ZERO;

fn engine() -> Engine {
    Engine::load(&denying(Vec::new()), &plain_options())
}

#[test]
fn a_ban_ends_by_itself_and_is_swept() {
    if !requirement::root("a_ban_ends_by_itself_and_is_swept") {
        return;
    }
    let mut engine = engine();
    let mut bans = engine.bans();
    let [first, second, inside, other] =
        ["198.51.100.1", "2001:db8::1", "2001:db8::2", "198.51.100.2"]
            .map(|text| text.parse().expect("an address"));
    let mut passed_and_dropped = (0, 0);
    let mut judge = |source, expected| {
        assert_eq!(engine.run(&udp_from(source)), expected, "{source}");
        match expected {
            Verdict::Pass => passed_and_dropped.0 += 1,
            _ => passed_and_dropped.1 += 1,
        }
    };
    // (ban, time, counted then, left after a sweep, sources with their verdicts)
    let (pass, drop) = (Verdict::Pass, Verdict::Drop);
    for (source, time, counted, left, verdicts) in [
        (first, HOUR, 1, 1, [(first, drop), (second, pass), (other, pass)]),
        (second, HOUR, 2, 2, [(first, drop), (second, drop), (inside, drop)]),
        // Another time for the same ban, which has ended then.
        (first, NO_TIME, 2, 1, [(first, pass), (second, drop), (other, pass)]),
        (first, HOUR, 2, 2, [(first, drop), (inside, drop), (other, pass)]),
        // An address of the same /64.
        (inside, NO_TIME, 2, 1, [(second, pass), (inside, pass), (first, drop)]),
    ] {
        bans.add(source, time).expect("there is room");
        assert_eq!(bans.count().expect("a count"), counted, "{source}");
        for (source, verdict) in verdicts {
            judge(source, verdict);
        }
        assert_eq!(bans.sweep().expect("it sweeps"), left, "{source}");
        assert_eq!(bans.list().expect("a list").len() as u64, left, "{source}");
        for (source, verdict) in verdicts {
            judge(source, verdict);
        }
    }
    assert!(bans.remove(first).expect("it is there"));
    assert!(!bans.remove(first).expect("it is not there"));
    assert_eq!(bans.sweep().expect("it sweeps"), 0);
    judge(first, pass);
    let (passed, dropped) = passed_and_dropped;
    let expected = [("pass default udp", passed), ("drop ban udp", dropped)];
    assert_eq!(engine.counts(), Counts::from(expected.map(|(name, count)| (name.into(), count))));
}

#[test]
fn a_million_bans_at_once() {
    if !requirement::root("a_million_bans_at_once") {
        return;
    }
    let mut engine = engine();
    let mut bans = engine.bans();
    // Every other address from here on, so that each ban has neighbours without one.
    let source = |number: u32| Ipv4Addr::from_bits(0x0b00_0000 + number * 2);
    for number in 0..BANS_MAX {
        bans.add(source(number).into(), HOUR).expect("there is room");
    }
    let max = u64::from(BANS_MAX);
    assert!(max >= 1_000_000);
    match bans.add(source(BANS_MAX).into(), HOUR) {
        Err(DatapathError::BansFull { max }) => assert_eq!(max, BANS_MAX),
        other => panic!("{other:?}"),
    }
    assert_eq!(bans.count().expect("a count"), max, "a ban that was refused is not counted");
    bans.add(source(0).into(), HOUR).expect("one that is there may be given another time");

    const STEP: u32 = 997;
    let judged = BANS_MAX.div_ceil(STEP);
    for number in (0..BANS_MAX).step_by(STEP as usize) {
        let banned = source(number);
        let neighbour = Ipv4Addr::from_bits(banned.to_bits() + 1);
        assert_eq!(engine.run(&udp_from(banned.into())), Verdict::Drop, "{banned}");
        assert_eq!(engine.run(&udp_from(neighbour.into())), Verdict::Pass, "{neighbour}");
    }
    let expected = ["pass default udp", "drop ban udp"].map(|name| (name.into(), judged.into()));
    assert_eq!(engine.counts(), Counts::from(expected));

    assert!(bans.remove(source(5).into()).expect("it is there"));
    bans.add(source(6).into(), NO_TIME).expect("it is there");
    assert_eq!(bans.sweep().expect("it sweeps"), max - 2);
    assert_eq!(bans.count().expect("a count"), max - 2);
    for (number, expected) in [(4, Verdict::Drop), (5, Verdict::Pass), (6, Verdict::Pass)] {
        assert_eq!(engine.run(&udp_from(source(number).into())), expected, "{number}");
    }
    bans.add(source(BANS_MAX).into(), HOUR).expect("there is room again");
}

/// What packets ask before they ask for a ban: written anew by whoever takes the bans over.
#[test]
fn the_next_daemon_counts_the_bans_that_it_finds_before_a_packet_asks() {
    if !requirement::root("the_next_daemon_counts_the_bans_that_it_finds_before_a_packet_asks") {
        return;
    }
    let world = World::build(&[]).expect("a world");
    let options = DatapathOptions {
        interfaces: vec![InterfaceConfig {
            name: SERVER_INTERFACE.to_owned(),
            mode: AttachPolicy::Native,
            replace: false,
        }],
        pin_path: world.pin_path(),
    };
    let policy = compile::compile(&denying(Vec::new())).expect("it compiles");
    let start = || {
        let started = || Datapath::start(&options, &plain_options(), &policy);
        world.server.run(started).expect("the namespace is there").expect("it starts")
    };
    let sources = ["198.51.100.1", "2001:db8::1"].map(|text| text.parse().expect("an address"));
    let is_banned = |datapath: &mut Datapath, what: &str| {
        assert_eq!(datapath.ban_count().expect("a count"), 2, "{what}");
        for source in sources {
            let said = datapath.explain(&udp_from(source)).expect("it says");
            assert_eq!((said.verdict, said.reason), (Verdict::Drop, Reason::Ban), "{what}");
        }
    };
    let mut datapath = start();
    let mut bans = Bans::open(&world.pin_path()).expect("they are pinned");
    for source in sources {
        bans.add(source, HOUR).expect("there is room");
    }
    is_banned(&mut datapath, "at first");
    let gone = |name: &str| fs::remove_file(world.pin_path().join(name)).expect("it is pinned");
    // (what is wrong, how it comes to be so)
    let cases: [(&str, &dyn Fn()); 4] = [
        ("nothing", &|| ()),
        ("no count", &|| gone(maps::BAN_COUNT)),
        ("no bit map", &|| gone(maps::BAN_FREE)),
        ("the count and the bit map of another time", &|| {
            write(&world.pin_path().join(maps::BAN_COUNT), 0..1, 0);
            write(&world.pin_path().join(maps::BAN_FREE), 0..ban_places::WORDS, u64::MAX);
        }),
    ];
    for (what, spoil) in cases {
        drop(datapath);
        spoil();
        datapath = start();
        is_banned(&mut datapath, what);
    }
    datapath.detach().expect("it comes off");
}

fn write(pin: &Path, range: std::ops::Range<u32>, word: u64) {
    let map = MapData::from_pin(pin).and_then(Map::from_map_data).expect("it is pinned");
    let mut array = Array::<MapData, u64>::try_from(map).expect("an array of words");
    range.for_each(|index| array.set(index, word, 0).expect("it can be written"));
}
