//! The real country database, beside a second reader of it.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use firewall_common::{Country, Verdict};
use firewall_daemon::policy::{GeoMode, GeoSource, PolicySource, geo};
use ipnetwork::IpNetwork;
use seawall_tests::{
    data,
    engine::{Engine, plain_options},
    frame::udp_from,
    mmdb_reader::MmdbReader,
    random::Random,
    requirement,
};

const ADDRESSES: usize = 100_000;

#[test]
fn only_one_country() {
    if !requirement::root("only_one_country") {
        return;
    }
    let Some(path) = data::file("geo/dbip-country.mmdb") else {
        requirement::skip("only_one_country", "needs geo/dbip-country.mmdb in SEAWALL_DATA");
        return;
    };
    let oracle = MmdbReader::new(fs::read(&path).expect("the database can be read"));
    let (networks, database) = geo::read(&path).expect("the database is one");
    let mut random = Random::new(20_261_123);
    let mut addresses = Vec::with_capacity(2 * ADDRESSES);
    for _ in 0..ADDRESSES {
        addresses.push(IpAddr::V4(Ipv4Addr::from_bits(random.next_u64() as u32)));
    }
    for index in 0..ADDRESSES {
        addresses.push(ipv6(index, &networks, &mut random));
    }

    let countries = [Country::parse("DE").expect("a country")].into();
    let geo = Some(GeoSource::new(Some(GeoMode::Only), countries, networks, database));
    let source = PolicySource { geo, ..PolicySource::default() };
    let mut engine = Engine::load(&source, &plain_options());
    let mut passed = [0_usize; 2];
    for address in addresses {
        let country = oracle.country(address);
        let expected = if country.as_deref() == Some("DE") { Verdict::Pass } else { Verdict::Drop };
        assert_eq!(engine.run(&udp_from(address)), expected, "{address} is in {country:?}");
        passed[usize::from(address.is_ipv6())] += usize::from(expected == Verdict::Pass);
    }
    println!("{ADDRESSES} IPv4 and {ADDRESSES} IPv6 addresses, no mismatch; passed {passed:?}");
    // Both verdicts were seen often enough in both families for the comparison to mean something.
    assert!(passed.iter().all(|passed| (1_000..ADDRESSES - 1_000).contains(passed)), "{passed:?}");
}

/// Addresses drawn from all of IPv6 are nobody's. A third are those; a third lie in a network of the
/// database; and a third are the first behind one, where an error by one would show.
fn ipv6(index: usize, networks: &[(IpNetwork, Country)], random: &mut Random) -> IpAddr {
    let any = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
    let network = loop {
        let (network, _) = networks[random.below(networks.len() as u64) as usize];
        if let IpNetwork::V6(network) = network {
            break network;
        }
    };
    let hosts = u128::MAX.checked_shr(u32::from(network.prefix())).unwrap_or(0);
    let last = network.network().to_bits() | hosts;
    IpAddr::V6(Ipv6Addr::from_bits(match index % 3 {
        0 => any,
        1 => network.network().to_bits() | (any & hosts),
        _ => last.wrapping_add(1),
    }))
}
