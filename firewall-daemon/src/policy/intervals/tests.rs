//! Sets against a scan of all of a small space.

use super::*;

fn network(text: &str) -> IpNetwork {
    text.parse().expect("a network")
}

#[test]
fn overlaps_and_neighbours_merge() {
    // (networks, merged)
    for (texts, expected) in [
        (&["10.0.0.0/8"][..], &[(0x0a00_0000_u32, 0x0aff_ffff_u32)][..]),
        (&["10.0.0.0/9", "10.128.0.0/9"], &[(0x0a00_0000, 0x0aff_ffff)]),
        (&["10.1.0.0/16", "10.0.0.0/8", "10.0.0.0/8"], &[(0x0a00_0000, 0x0aff_ffff)]),
        (&["0.0.0.0/0", "255.255.255.255/32"], &[(0, 0xffff_ffff)]),
        (&["1.0.0.0/32", "1.0.0.2/32"], &[(0x0100_0000, 0x0100_0000), (0x0100_0002, 0x0100_0002)]),
        (&["::/0"], &[]),
    ] {
        let networks: Vec<IpNetwork> = texts.iter().map(|text| network(text)).collect();
        let found: Vec<(u32, u32)> = union::<u32>(&networks)
            .iter()
            .map(|interval| (interval.first, interval.last))
            .collect();
        assert_eq!(found, expected, "{texts:?}");
    }
    let all = [network("::/0"), network("ffff::/16")];
    assert_eq!(union::<u128>(&all), [Interval { first: 0, last: u128::MAX }]);
}

#[test]
fn the_longest_prefix_names_the_country() {
    let country = |code| Country::parse(code).expect("a country");
    let networks = [
        (network("8000::/1"), country("AA")),
        (network("ff00::/8"), country("BB")),
        (network("ffff::/16"), country("CC")),
        (network("fff0::/16"), country("DD")),
        (network("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"), country("EE")),
        (network("4000::/8"), country("FF")),
        (network("4000::/8"), country("FF")),
    ];
    let disjoint = countries::<u128>(&networks);
    let owner = |address: &str| {
        let address = address.parse::<std::net::Ipv6Addr>().expect("an address").to_bits();
        let found: Vec<Country> = disjoint
            .iter()
            .filter(|(interval, _)| (interval.first..=interval.last).contains(&address))
            .map(|(_, country)| *country)
            .collect();
        assert!(found.len() <= 1, "{address:x}: {found:?}");
        found.first().map(ToString::to_string)
    };
    for (address, expected) in [
        ("7fff::", None),
        ("8000::", Some("AA")),
        ("feff:ffff::", Some("AA")),
        ("ff00::", Some("BB")),
        ("fff0::1", Some("DD")),
        ("fff1::", Some("BB")),
        ("ffff::", Some("CC")),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", Some("CC")),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some("EE")),
        ("40ff::", Some("FF")),
        ("4100::", None),
    ] {
        assert_eq!(owner(address).as_deref(), expected, "{address}");
    }
    assert!(disjoint.windows(2).all(|pair| pair[0].0.last < pair[1].0.first));
}
