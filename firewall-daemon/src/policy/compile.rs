//! From lists and countries to the tables of a generation. Pure: no I/O, no panic, whatever the input.

use firewall_common::{
    Country,
    class::{CLASSES_OF_KIND_MAX, Class, ClassId},
    ranges::{ROW_RANGES, ROWS_MAX},
};
use ipnetwork::IpNetwork;

use crate::policy::{
    GeoMode, GeoSource, PolicySource,
    classes::{Classes, Geo, Holders},
    intervals::{self, Interval, Number},
    kinds::{KindsV4, KindsV6},
    rules::{self, CompiledRules},
    table::{Full, TableV4, TableV6},
};

/// The tables of a generation.
pub struct CompiledPolicy {
    /// IPv4, the first look.
    pub v4_kinds: KindsV4,
    /// IPv4.
    pub v4: TableV4,
    /// IPv6, the first look.
    pub v6_kinds: KindsV6,
    /// IPv6.
    pub v6: TableV6,
    /// What the tables' numbers of classes mean.
    pub classes: Vec<Class>,
    /// What the classes' numbers of lists mean: protected, the allow lists, the deny lists.
    pub names: Vec<String>,
    /// The rules.
    pub rules: CompiledRules,
    /// What they were made of.
    pub summary: PolicySummary,
}

/// Counts of what a policy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicySummary {
    /// Prefixes of protected addresses.
    pub protected: usize,
    /// Prefixes on the allow lists.
    pub allow: usize,
    /// Prefixes on the deny lists.
    pub deny: usize,
    /// Networks of the country database.
    pub geo_networks: usize,
    /// Rules.
    pub rules: usize,
    /// Ranges of the IPv4 table.
    pub ranges_v4: usize,
    /// Ranges of the IPv6 table.
    pub ranges_v6: usize,
}

/// A policy that does not fit the tables.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// Too many ranges.
    #[error(
        "the policy makes more {family} ranges than fit, about {}: shorten the lists, or list larger networks",
        ROWS_MAX * ROW_RANGES
    )]
    Ranges {
        /// IPv4 or IPv6.
        family: &'static str,
    },
    /// Too many classes.
    #[error(
        "the policy makes more than {} combinations of lists, sets and countries: give the rules fewer sets",
        CLASSES_OF_KIND_MAX
    )]
    Classes,
}

/// Compiles a policy: for every address the strongest list that holds it, its country and its rules.
///
/// # Errors
///
/// Where it makes more ranges or classes than the tables hold.
pub fn compile(source: &PolicySource) -> Result<CompiledPolicy, CompileError> {
    let mut classes = Classes::new(source);
    let countries = source.geo.as_ref();
    let v4 = ranges(source, countries.map(|geo| geo.ranges_v4.as_slice()), &mut classes)?;
    let v6 = ranges(source, countries.map(|geo| geo.ranges_v6.as_slice()), &mut classes)?;
    let full = |family| move |Full| CompileError::Ranges { family };
    let summary = PolicySummary {
        protected: source.protected.len(),
        allow: source.allow.iter().map(|list| list.prefixes.len()).sum(),
        deny: source.deny.iter().map(|list| list.prefixes.len()).sum(),
        geo_networks: source.geo.as_ref().map_or(0, |geo| geo.networks.len()),
        rules: source.rules.len(),
        ranges_v4: v4.len(),
        ranges_v6: v6.len(),
    };
    let lists = source.allow.iter().chain(&source.deny).map(|list| list.name.clone());
    Ok(CompiledPolicy {
        v4_kinds: KindsV4::new(&v4),
        v6_kinds: KindsV6::new(&v6),
        v4: TableV4::new(&v4).map_err(full("IPv4"))?,
        v6: TableV6::new(&v6).map_err(full("IPv6"))?,
        classes: classes.all,
        names: ["protected".to_owned()].into_iter().chain(lists).collect(),
        rules: rules::compile(source),
        summary,
    })
}

/// Where each class begins, in order of address, from address zero on.
fn ranges<N: Number>(
    source: &PolicySource,
    countries: Option<&[(Interval<N>, Country)]>,
    classes: &mut Classes<'_>,
) -> Result<Vec<(N, ClassId)>, CompileError> {
    let mut layers = Layers::new(source, countries.unwrap_or_default());
    let mut holders = Holders::default();
    let mut ranges: Vec<(N, ClassId)> = Vec::new();
    let mut first = Some(N::ZERO);
    while let Some(address) = first {
        layers.enter(address, &mut holders);
        let class = classes.number(&holders).ok_or(CompileError::Classes)?;
        if ranges.last().is_none_or(|(_, last)| *last != class) {
            ranges.push((address, class));
        }
        // The last address is always asked for: where a layer changes nowhere else, its next change is
        // put there.
        first = (address != N::LAST).then(|| layers.next());
    }
    Ok(ranges)
}

/// All lists, sets and countries of a policy, walked together in order of address.
struct Layers<'a, N> {
    layers: Vec<Layer<N>>,
    countries: &'a [(Interval<N>, Country)],
    /// Where each layer changes next, the countries last; the last address where it never does.
    nexts: Vec<N>,
}

/// A list or a set.
struct Layer<N> {
    mark: Mark,
    intervals: Vec<Interval<N>>,
    /// The interval that holds the current address, or the next one.
    at: usize,
}

/// What a layer says of the addresses in it.
#[derive(Clone, Copy)]
enum Mark {
    Protected,
    Allow(usize),
    Deny(usize),
    Set(usize),
}

impl<'a, N: Number> Layers<'a, N> {
    fn new(source: &PolicySource, countries: &'a [(Interval<N>, Country)]) -> Self {
        let mut layers = Vec::new();
        let mut add = |mark, prefixes: &[IpNetwork]| {
            let intervals = intervals::union(prefixes);
            if !intervals.is_empty() {
                layers.push(Layer { mark, intervals, at: 0 });
            }
        };
        add(Mark::Protected, &source.protected);
        for (index, list) in source.allow.iter().enumerate() {
            add(Mark::Allow(index), &list.prefixes);
        }
        for (index, list) in source.deny.iter().enumerate() {
            add(Mark::Deny(index), &list.prefixes);
        }
        for (index, (_, prefixes)) in source.sets.iter().enumerate() {
            add(Mark::Set(index), prefixes);
        }
        let nexts = vec![N::ZERO; layers.len() + 1];
        Self { layers, countries, nexts }
    }

    /// Moves to an address, where at least one layer changes, and notes who holds it.
    fn enter(&mut self, address: N, holders: &mut Holders) {
        let Self { layers, countries, nexts } = self;
        let (own, last) = nexts.split_at_mut(layers.len());
        for (layer, next) in layers.iter_mut().zip(own) {
            if *next == address {
                *next = layer.enter(address, holders);
            }
        }
        if let [next] = last
            && *next == address
        {
            *next = enter_country(countries, address, holders);
        }
    }

    /// Where the next layer changes.
    fn next(&self) -> N {
        self.nexts.iter().min().copied().unwrap_or(N::LAST)
    }
}

/// Notes the country of an address, and returns where it changes next.
fn enter_country<N: Number>(
    countries: &mut &[(Interval<N>, Country)],
    address: N,
    holders: &mut Holders,
) -> N {
    while let [(interval, _), rest @ ..] = countries
        && interval.last < address
    {
        *countries = rest;
    }
    let (next, country) = match countries.first() {
        Some((interval, country)) if interval.first <= address => {
            (interval.last.next(), Some(*country))
        }
        Some((interval, _)) => (Some(interval.first), None),
        None => (None, None),
    };
    holders.country = country;
    next.unwrap_or(N::LAST)
}

impl<N: Number> Layer<N> {
    /// Notes whether an address is in it, and returns where that changes next.
    fn enter(&mut self, address: N, holders: &mut Holders) -> N {
        while self.intervals.get(self.at).is_some_and(|interval| interval.last < address) {
            self.at += 1;
        }
        let (next, inside) = match self.intervals.get(self.at) {
            Some(interval) if interval.first <= address => (interval.last.next(), true),
            Some(interval) => (Some(interval.first), false),
            None => (None, false),
        };
        self.mark.note(inside, holders);
        next.unwrap_or(N::LAST)
    }
}

impl Mark {
    fn note(self, inside: bool, holders: &mut Holders) {
        let set = |bits: u128, index: usize| {
            if inside { bits | 1 << index } else { bits & !(1 << index) }
        };
        match self {
            Self::Protected => holders.protected = inside,
            Self::Allow(index) => holders.allow = set(holders.allow, index),
            Self::Deny(index) => holders.deny = set(holders.deny, index),
            Self::Set(index) => holders.sets = set(u128::from(holders.sets), index) as u64,
        }
    }
}

impl GeoSource {
    /// What the countries say of an address of a country, or of no known one.
    #[must_use]
    pub fn says(&self, country: Option<Country>) -> Geo {
        let listed = country.is_some_and(|country| self.countries.contains(&country));
        let closed = match self.mode {
            Some(GeoMode::Only) => !listed,
            Some(GeoMode::Block) => listed,
            None => false,
        };
        let shadow = country.is_some_and(|country| self.shadow.contains(&country));
        match (closed, shadow) {
            (false, _) => Geo::Open,
            (true, false) => Geo::Closed,
            (true, true) => Geo::Shadow,
        }
    }
}

#[cfg(test)]
mod tests;
