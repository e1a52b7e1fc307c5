//! Sets of addresses as sorted, disjoint intervals.

use std::cmp::Reverse;

use firewall_common::Country;
use ipnetwork::IpNetwork;

/// An address of one family, as a number.
pub trait Number: Copy + Ord + Sized {
    /// The first address.
    const ZERO: Self;
    /// The last address.
    const LAST: Self;

    /// The addresses of a network, where it is of this family.
    fn interval(network: &IpNetwork) -> Option<Interval<Self>>;
    /// The next address.
    fn next(self) -> Option<Self>;
    /// The address before.
    fn previous(self) -> Option<Self>;
}

/// Addresses from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval<N> {
    /// The first address.
    pub first: N,
    /// The last address.
    pub last: N,
}

impl Number for u32 {
    const ZERO: Self = 0;
    const LAST: Self = Self::MAX;

    fn interval(network: &IpNetwork) -> Option<Interval<Self>> {
        let IpNetwork::V4(network) = network else { return None };
        let first = network.network().to_bits();
        let rest = Self::MAX.checked_shr(u32::from(network.prefix())).unwrap_or(0);
        Some(Interval { first, last: first | rest })
    }

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn previous(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

impl Number for u128 {
    const ZERO: Self = 0;
    const LAST: Self = Self::MAX;

    fn interval(network: &IpNetwork) -> Option<Interval<Self>> {
        let IpNetwork::V6(network) = network else { return None };
        let first = network.network().to_bits();
        let rest = Self::MAX.checked_shr(u32::from(network.prefix())).unwrap_or(0);
        Some(Interval { first, last: first | rest })
    }

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn previous(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

/// The addresses of a list, overlaps and neighbours merged.
#[must_use]
pub fn union<N: Number>(networks: &[IpNetwork]) -> Vec<Interval<N>> {
    let mut intervals: Vec<Interval<N>> = networks.iter().filter_map(N::interval).collect();
    intervals.sort_unstable_by_key(|interval| interval.first);
    let mut merged: Vec<Interval<N>> = Vec::with_capacity(intervals.len());
    for interval in intervals {
        match merged.last_mut() {
            Some(last) if last.last.next().is_none_or(|next| interval.first <= next) => {
                last.last = last.last.max(interval.last);
            }
            Some(_) | None => merged.push(interval),
        }
    }
    merged
}

/// The country of every address that a database knows: the longest prefix decides, as in a lookup.
#[must_use]
pub fn countries<N: Number>(networks: &[(IpNetwork, Country)]) -> Vec<(Interval<N>, Country)> {
    let mut sorted: Vec<(Interval<N>, Country)> = networks
        .iter()
        .filter_map(|(network, country)| Some((N::interval(network)?, *country)))
        .collect();
    sorted.sort_by_key(|(interval, _)| (interval.first, Reverse(interval.last)));

    let mut sweep =
        Sweep { disjoint: Vec::with_capacity(sorted.len()), open: Vec::new(), next: Some(N::ZERO) };
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
struct Sweep<N> {
    disjoint: Vec<(Interval<N>, Country)>,
    open: Vec<(N, Country)>,
    next: Option<N>,
}

impl<N: Number> Sweep<N> {
    /// Moves on to where the next network begins.
    fn advance(&mut self, first: N) {
        while let Some((last, country)) = self.open.pop_if(|(last, _)| *last < first) {
            self.emit(last, country);
        }
        if let (Some(before), Some((_, country))) = (first.previous(), self.open.last()) {
            self.emit(before, *country);
        }
        self.next = self.next.map(|next| next.max(first));
    }

    /// Emits what is left up to `last`: nothing, where a network inside ended at the same address. What
    /// goes on in the same country is one interval.
    fn emit(&mut self, last: N, country: Country) {
        let Some(first) = self.next.filter(|next| *next <= last) else { return };
        self.next = last.next();
        match self.disjoint.last_mut() {
            Some((before, same)) if *same == country && before.last.next() == Some(first) => {
                before.last = last;
            }
            Some(_) | None => self.disjoint.push((Interval { first, last }, country)),
        }
    }
}

#[cfg(test)]
mod tests;
