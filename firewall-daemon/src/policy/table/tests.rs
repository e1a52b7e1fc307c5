//! The search in the tables against a scan of the classes they were made from.

use super::*;

fn scan<N: Copy + Ord>(classes: &[(N, ClassId)], address: N) -> Option<ClassId> {
    classes.iter().rev().find(|(first, _)| *first <= address).map(|(_, class)| *class)
}

/// Classes from these first addresses on, neighbours of different ones.
fn classes<N: Copy>(firsts: &[N]) -> Vec<(N, ClassId)> {
    firsts.iter().enumerate().map(|(index, first)| (*first, index as u32 % 5)).collect()
}

#[test]
fn ipv4_search_equals_a_scan() {
    let edges =
        vec![0, 1, 0x3fff, 0x4000, 0x4001, 0x7fff_ffff, 0x8000_0000, 0xffff_c000, 0xffff_ffff];
    let crowded: Vec<u32> =
        [0].into_iter().chain((0..5_000).map(|index| 0x0a00_0000 + index * 3)).collect();
    let every: Vec<u32> =
        [0].into_iter().chain((0..40_000).map(|index| 0x0a00_0000 + index)).collect();
    let spread: Vec<u32> = (0..100_000).map(|index| index * 42_949).collect();
    for firsts in [vec![0], edges, crowded, every, spread] {
        let classes = classes(&firsts);
        let table = TableV4::new(&classes).expect("it fits");
        for first in firsts.iter().step_by(1 + firsts.len() / 1_000) {
            for address in [first.saturating_sub(1), *first, first.saturating_add(1)] {
                assert_eq!(table.class(address), scan(&classes, address), "{address:x}");
            }
        }
        assert_eq!(table.class(u32::MAX), scan(&classes, u32::MAX));
    }
}

#[test]
fn ipv6_search_equals_a_scan() {
    let network = 0x2001_0db8_0000_0001_u128 << 64;
    let next = 1_u128 << 64;
    let crowded = |base: u128, step: u128| -> Vec<u128> {
        [0].into_iter().chain((0..2_000).map(|index| base + index * step)).collect()
    };
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
        // More than a group: in one slot, in one /64, and outside of global unicast.
        crowded(network, next),
        crowded(network, 3),
        crowded(0xfe80_u128 << 112, next),
        crowded(1, next << 40),
    ] {
        let classes = classes(&firsts);
        let table = TableV6::new(&classes).expect("it fits");
        for first in firsts.iter().step_by(1 + firsts.len() / 500).copied().chain([u128::MAX]) {
            for address in [first.saturating_sub(1), first, first.saturating_add(1)] {
                assert_eq!(table.class(address), scan(&classes, address), "{address:x}");
            }
        }
    }
}

#[test]
fn no_group_lies_across_rows() {
    let firsts: Vec<u32> = (0..600_000).map(|index| index * 7_158).collect();
    let table = TableV4::new(&classes(&firsts)).expect("it fits");
    let words = table.slots.iter().chain(table.nodes.iter().flatten());
    let mut groups = 0;
    for word in words {
        if let Slot::Group { offset, count, .. } = Slot::from_word(*word) {
            assert!((offset + count) as usize <= ROW_RANGES);
            groups += 1;
        }
    }
    assert!(groups > 100_000, "{groups}");
}
