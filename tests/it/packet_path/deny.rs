//! A real block list, beside a set of its lines.

use std::{collections::HashSet, fs, net::Ipv4Addr};

use firewall_common::Verdict;
use firewall_daemon::policy::list;
use seawall_tests::{
    data,
    engine::{Counts, Engine, plain_options},
    frame::udp_from,
    policies::denying,
    random::Random,
    requirement,
};

const OTHERS: usize = 100_000;

#[test]
fn every_address_of_a_real_list() {
    if !requirement::root("every_address_of_a_real_list") {
        return;
    }
    let Some(path) = data::file("lists/ipsum.txt") else {
        requirement::skip("every_address_of_a_real_list", "needs lists/ipsum.txt in SEAWALL_DATA");
        return;
    };
    // The oracle reads the file in its own way.
    let text = fs::read_to_string(&path).expect("the list can be read");
    let listed: HashSet<Ipv4Addr> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split('\t').next()?.parse().ok())
        .collect();
    assert!(listed.len() > 100_000, "{} addresses", listed.len());

    let mut deny = Vec::new();
    list::read(&path, &mut deny).expect("the list is one");
    let mut engine = Engine::load(&denying(deny), &plain_options());
    for address in &listed {
        assert_eq!(engine.run(&udp_from((*address).into())), Verdict::Drop, "{address} is listed");
    }
    let mut random = Random::new(7);
    let addresses: Vec<u32> = listed.iter().map(|address| address.to_bits()).collect();
    let mut passed = 0;
    for index in 0..OTHERS {
        // Every other one is a neighbour of a listed address.
        let address = Ipv4Addr::from_bits(if index % 2 == 0 {
            random.next_u64() as u32
        } else {
            addresses[random.below(addresses.len() as u64) as usize].wrapping_add(1)
        });
        let expected = if listed.contains(&address) { Verdict::Drop } else { Verdict::Pass };
        assert_eq!(engine.run(&udp_from(address.into())), expected, "{address}");
        passed += u64::from(expected == Verdict::Pass);
    }
    let dropped = (listed.len() + OTHERS) as u64 - passed;
    println!("{} listed, all dropped; {OTHERS} others, {passed} passed", listed.len());
    assert_eq!(
        engine.counts(),
        Counts::from([
            ("drop deny udp".to_owned(), dropped),
            ("pass default udp".to_owned(), passed)
        ])
    );
}
