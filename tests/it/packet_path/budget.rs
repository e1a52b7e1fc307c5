//! What the program and its tables may cost. The depth of its stack is not among it: the verifier says it in
//! its log alone, and aya 0.14 keeps that only of a load that fails. It refuses more than 512 bytes itself.

use std::{
    collections::BTreeSet,
    fs,
    net::Ipv4Addr,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::maps::MapInfo;
use firewall_daemon::{
    config::{
        EventsConfig, Fate, KernelLog, LimitPer, LimitsConfig, PortLimit, PortProtocol, RateConfig,
        RuleVerdict, SynCookiesConfig,
    },
    datapath::PacketOptions,
    policy::{GeoMode, GeoSource, PolicySource, geo},
};
use ipnetwork::{IpNetwork, Ipv4Network};
use seawall_tests::{
    data,
    engine::{Engine, SHARED_BY_DAEMONS, SHARED_MAPS, plain_options},
    policies,
    random::Random,
    requirement,
};

/// The kernel's own bound is one million (since 5.2); what the verifier walks is what a switch waits
/// for.
const VERIFIED_INSTRUCTIONS_MAX: u32 = 160_000;
/// The same where each decision is logged, which is for whoever debugs a policy.
const VERIFIED_INSTRUCTIONS_LOGGED_MAX: u32 = 260_000;

/// Tables of a policy that says nothing: slots of both families, the first look and the tables of rules and
/// ports, which have one size whatever the policy. A reload holds all tables twice until it has switched.
const TABLES_EMPTY_BYTES_MAX: u64 = 6 << 20;
/// With 100,000 random /24: eleven bytes a network more.
const TABLES_100K_BYTES_MAX: u64 = TABLES_EMPTY_BYTES_MAX + 100_000 * 12;
/// With a country for every address, 1.4 million networks: what is asked for each packet has to stay near the
/// caches, so a real database may take no more than five bytes a network.
const TABLES_GEO_BYTES_MAX: u64 = TABLES_EMPTY_BYTES_MAX + 1_400_000 * 5;
/// What the generations share: 16 MiB of them find a million bans, the rest are buckets of sources and ports
/// and the ring of events.
const STATE_BYTES_MAX: u64 = 45 << 19;
/// Of either, what each CPU has for itself: counters, most of all.
const CPU_BYTES_MAX: u64 = 24 << 10;

/// Bytes of the maps that all generations share, and of those that this one has for itself, as the kernel
/// accounts for them.
fn map_bytes(engine: &mut Engine) -> (u64, u64) {
    let bytes = |map: &MapInfo| -> u64 {
        let fd = map.fd().expect("the map can be opened");
        let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
        let text = fs::read_to_string(path).expect("the kernel describes an open map");
        let line = text.lines().find_map(|line| line.strip_prefix("memlock:"));
        line.expect("it accounts for its memory").trim().parse().expect("a number")
    };
    let maps = engine.maps();
    let (state, tables): (Vec<_>, Vec<_>) = maps
        .iter()
        .partition(|map| map.name_as_str().is_some_and(|name| SHARED_MAPS.contains(&name)));
    let of_daemons = SHARED_BY_DAEMONS.map(|name| {
        MapInfo::from_pin(engine.pins().join(name)).expect("the kernel describes a map")
    });
    let shared = state.len() + of_daemons.len();
    assert_eq!(shared, SHARED_MAPS.len(), "the program uses all else that is shared");
    let state = state.into_iter().chain(&of_daemons);
    (state.map(bytes).sum(), tables.into_iter().map(bytes).sum())
}

/// So many different networks.
fn random_networks(count: usize) -> Vec<IpNetwork> {
    let mut random = Random::new(24);
    let mut upper = BTreeSet::new();
    while upper.len() < count {
        upper.insert(random.next_u64() as u32 >> 8);
    }
    let network = |upper| Ipv4Network::new(Ipv4Addr::from_bits(upper << 8), 24);
    upper.into_iter().map(|upper| IpNetwork::V4(network(upper).expect("a network"))).collect()
}

#[test]
fn the_maps_take_no_more_than_they_may() {
    if !requirement::root("the_maps_take_no_more_than_they_may") {
        return;
    }
    let mut inputs = vec![
        ("nothing", PolicySource::default(), TABLES_EMPTY_BYTES_MAX),
        ("100,000 random /24", policies::denying(random_networks(100_000)), TABLES_100K_BYTES_MAX),
    ];
    match data::file("geo/dbip-country.mmdb") {
        Some(path) => {
            let (networks, database) = geo::read(&path).expect("the database is one");
            let let_in = [policies::country("DE")].into();
            let geo = GeoSource::new(Some(GeoMode::Only), let_in, networks, database);
            let policy = PolicySource { geo: Some(geo), ..PolicySource::default() };
            inputs.push(("a country database", policy, TABLES_GEO_BYTES_MAX));
        }
        None => requirement::skip(
            "the_maps_take_no_more_than_they_may, of a country database",
            "needs geo/dbip-country.mmdb in SEAWALL_DATA",
        ),
    }
    for (what, policy, max) in inputs {
        let mut engine = Engine::load(&policy, &plain_options());
        let (state, tables) = map_bytes(&mut engine);
        println!("{what}: tables of {tables} bytes, state of {state}");
        let own = CPU_BYTES_MAX * aya::util::nr_cpus().expect("a number of CPUs") as u64;
        let (max, state_max) = (max + own, STATE_BYTES_MAX + own);
        assert!(tables <= max, "{what}: tables of {tables} bytes, at most {max}");
        assert!(state <= state_max, "{what}: state of {state} bytes, at most {state_max}");
    }
}

#[test]
fn the_verifier_walks_few_instructions() {
    if !requirement::root("the_verifier_walks_few_instructions") {
        return;
    }
    let rate = RateConfig {
        packets: policies::packets(1_000, 1_000).packets,
        bytes: policies::bytes(1_000_000, 1_000_000).bytes,
    };
    let all = Some(rate);
    let port = PortLimit { protocol: PortProtocol::Tcp, port: 443, rate };
    let limiting = RuleVerdict::Limit { per: LimitPer::Source, rate };
    let limit = policies::rule("limit", None, &[], limiting);
    let drop = policies::rule("drop", None, &[], RuleVerdict::Drop);
    let denied = vec!["203.0.113.0/24".parse().expect("a network")];
    let source = PolicySource { rules: vec![limit, drop], ..policies::denying(denied) };
    for (kernel_log, shadow, max) in [
        (KernelLog::Off, false, VERIFIED_INSTRUCTIONS_MAX),
        (KernelLog::Off, true, VERIFIED_INSTRUCTIONS_MAX),
        (KernelLog::Debug, true, VERIFIED_INSTRUCTIONS_LOGGED_MAX),
    ] {
        let everything = PacketOptions {
            limits: LimitsConfig {
                source: all,
                prefix: all,
                country: all,
                syn: all,
                udp: all,
                icmp: all,
                other: all,
                ports: vec![port],
            },
            syn_cookies: Some(SynCookiesConfig { ports: [443].into(), threshold_pps: 1_000 }),
            malformed: Fate::Drop,
            tcp_flags: Fate::Drop,
            fragments: Fate::Pass,
            non_ip: Fate::Drop,
            shadow,
            events: EventsConfig {
                sample_one_in: 100,
                first_of_source: true,
                events_per_s_max: 1_000,
            },
            kernel_log,
        };
        let mut engine = Engine::load(&source, &everything);
        let instructions = engine.verified_instructions();
        println!(
            "{instructions} instructions with everything on, kernel log {kernel_log:?}, shadow {shadow}"
        );
        assert!(instructions <= max);
    }
}
