//! Sets of addresses as sorted, disjoint intervals; an IPv4 address is a small number here.

use std::cmp::Reverse;

use firewall_common::Country;
use ipnetwork::IpNetwork;

/// Addresses from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The first address.
    pub first: u128,
    /// The last address.
    pub last: u128,
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The addresses of a network, where it is of this family.
    fn interval(self, network: &IpNetwork) -> Option<Interval> {
        let (first, size_bits) = match (self, network) {
            (Self::V4, IpNetwork::V4(network)) => {
                (u128::from(network.network().to_bits()), 32 - u32::from(network.prefix()))
            }
            (Self::V6, IpNetwork::V6(network)) => {
                (network.network().to_bits(), 128 - u32::from(network.prefix()))
            }
            (Self::V4, IpNetwork::V6(_)) | (Self::V6, IpNetwork::V4(_)) => return None,
        };
        let size_less_one = 1_u128.checked_shl(size_bits).map_or(u128::MAX, |size| size - 1);
        Some(Interval { first, last: first | size_less_one })
    }
}

/// The addresses of a list, overlaps and neighbours merged.
#[must_use]
pub fn union(family: Family, networks: &[IpNetwork]) -> Vec<Interval> {
    let mut intervals: Vec<Interval> =
        networks.iter().filter_map(|network| family.interval(network)).collect();
    intervals.sort_unstable_by_key(|interval| interval.first);
    let mut merged: Vec<Interval> = Vec::with_capacity(intervals.len());
    for interval in intervals {
        match merged.last_mut() {
            Some(last) if interval.first <= last.last.saturating_add(1) => {
                last.last = last.last.max(interval.last);
            }
            Some(_) | None => merged.push(interval),
        }
    }
    merged
}

/// The country of every address that a database knows: the longest prefix decides, as in a lookup.
#[must_use]
pub fn countries(family: Family, networks: &[(IpNetwork, Country)]) -> Vec<(Interval, Country)> {
    let mut sorted: Vec<(Interval, Country)> = networks
        .iter()
        .filter_map(|(network, country)| Some((family.interval(network)?, *country)))
        .collect();
    sorted.sort_by_key(|(interval, _)| (interval.first, Reverse(interval.last)));

    let mut sweep =
        Sweep { disjoint: Vec::with_capacity(sorted.len()), open: Vec::new(), next: Some(0) };
    for (interval, country) in sorted {
        sweep.advance(interval.first);
        sweep.open.push((interval.last, country));
    }
    while let Some((last, country)) = sweep.open.pop() {
        sweep.emit(last, country);
    }
    sweep.disjoint
}

/// Networks nest like brackets. `open` holds the end and the country of those around the current
/// address, outermost first; all before `next` is emitted, or all there is.
struct Sweep {
    disjoint: Vec<(Interval, Country)>,
    open: Vec<(u128, Country)>,
    next: Option<u128>,
}

impl Sweep {
    /// Moves on to where the next network begins.
    fn advance(&mut self, first: u128) {
        while let Some((last, country)) = self.open.pop_if(|(last, _)| *last < first) {
            self.emit(last, country);
        }
        if let (Some(before), Some((_, country))) = (first.checked_sub(1), self.open.last()) {
            self.emit(before, *country);
        }
        self.next = self.next.map(|next| next.max(first));
    }

    /// Emits what is left up to `last`: nothing, where a network inside ended at the same address.
    fn emit(&mut self, last: u128, country: Country) {
        if let Some(first) = self.next.filter(|next| *next <= last) {
            self.disjoint.push((Interval { first, last }, country));
            self.next = last.checked_add(1);
        }
    }
}

#[cfg(test)]
mod tests;
