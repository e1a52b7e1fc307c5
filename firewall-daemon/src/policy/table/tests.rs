//! The search in the tables against a scan of the classes they were made from.

use super::*;

fn class(number: u32) -> Class {
    Class::from_word(number)
}

fn scan(classes: &[(u128, Class)], address: u128) -> Option<Class> {
    classes.iter().rev().find(|(first, _)| *first <= address).map(|(_, class)| *class)
}

/// Addresses at and around every boundary, and at the ends of the space.
fn probes(classes: &[(u128, Class)], last: u128) -> Vec<u128> {
    let near = |first: u128| [first.saturating_sub(1), first, first.saturating_add(1).min(last)];
    classes.iter().flat_map(|(first, _)| near(*first)).chain([0, last]).collect()
}

#[test]
fn ipv4_search_equals_a_scan() {
    let edges = [0, 1, 0x3fff, 0x4000, 0x4001, 0x7fff_ffff, 0x8000_0000, 0xffff_c000, 0xffff_ffff];
    let crowded = (0..5_000).map(|index| 0x0a00_0000 + index * 3);
    for firsts in [vec![0], edges.to_vec(), [0].into_iter().chain(crowded).collect()] {
        let classes: Vec<(u128, Class)> = firsts
            .iter()
            .enumerate()
            .map(|(index, first)| (*first, class(index as u32 % 5)))
            .collect();
        let table = TableV4::new(&classes);
        for address in probes(&classes, u128::from(u32::MAX)) {
            assert_eq!(table.class(address as u32), scan(&classes, address), "{address:x}");
        }
    }
}

#[test]
fn ipv6_search_equals_a_scan() {
    let network = 0x2001_0db8_0000_0001_u128 << 64;
    let next = 1_u128 << 64;
    for firsts in [
        vec![0],
        vec![0, 1],
        vec![0, network, network + next],
        // Ranges inside a /64 that has none of its own at its first address.
        vec![0, network + 1, network + 2],
        // ... and whose neighbours have some as well.
        vec![0, network + 5, network + next + 5, network + 2 * next, network + 3 * next + 1],
        vec![0, network, network + 1, network + next, network + next + 1],
        vec![0, 0x2000_u128 << 112, 0x4000_u128 << 112, u128::MAX - next + 1, u128::MAX],
        vec![0, u128::MAX - 1],
    ] {
        let classes: Vec<(u128, Class)> = firsts
            .iter()
            .enumerate()
            .map(|(index, first)| (*first, class(index as u32 % 5)))
            .collect();
        let table = TableV6::new(&classes);
        for address in probes(&classes, u128::MAX) {
            assert_eq!(table.class(address), scan(&classes, address), "{firsts:x?} at {address:x}");
        }
        assert!(table.ranges.windows(2).all(|pair| pair[0].first < pair[1].first), "{firsts:x?}");
    }
}

#[test]
fn every_row_repeats_the_next_ones_first_word() {
    let classes: Vec<(u128, Class)> =
        (0..100_000_u128).map(|index| (index * 42_000, class(index as u32 % 5))).collect();
    let table = TableV4::new(&classes);
    assert_eq!(table.slots.len(), SLOT_ROWS as usize);
    for pair in table.slots.windows(2) {
        assert_eq!(pair[0][ROW_SLOTS], pair[1][0]);
    }
    let last = table.slots.last().expect("a row");
    assert_eq!(last[ROW_SLOTS] as usize, table.ranges.len() - 1);
}
