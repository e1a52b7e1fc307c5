//! From lists and countries to the tables of a generation. Pure: no I/O, no panic, whatever the input.

use firewall_common::{
    Country,
    class::{Class, List},
    ranges::RANGES_MAX,
};

use crate::policy::{
    GeoMode, GeoSource, PolicySource,
    intervals::{self, Family, Interval},
    table::{TableV4, TableV6},
};

/// The tables of a generation.
#[derive(Debug)]
pub struct CompiledPolicy {
    /// IPv4.
    pub v4: TableV4,
    /// IPv6.
    pub v6: TableV6,
    /// What they were made of.
    pub summary: PolicySummary,
}

/// Counts of what a policy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicySummary {
    /// Prefixes of protected addresses.
    pub protected: usize,
    /// Prefixes on the allow list.
    pub allow: usize,
    /// Prefixes on the deny list.
    pub deny: usize,
    /// Networks of the country database.
    pub geo_networks: usize,
    /// Ranges of the IPv4 table.
    pub ranges_v4: usize,
    /// Ranges of the IPv6 table.
    pub ranges_v6: usize,
}

/// A policy that does not fit the tables.
#[derive(Debug, thiserror::Error)]
#[error(
    "the policy makes {found} {family} ranges, at most {max} fit: shorten the lists, or list larger networks"
)]
pub struct CompileError {
    found: usize,
    family: &'static str,
    max: u32,
}

/// Compiles a policy: for every address the strongest list that holds it, and its country.
///
/// # Errors
///
/// Where it makes more ranges than a table holds.
pub fn compile(source: &PolicySource) -> Result<CompiledPolicy, CompileError> {
    let v4 = classes(Family::V4, source);
    let v6 = classes(Family::V6, source);
    for (ranges, family) in [(&v4, "IPv4"), (&v6, "IPv6")] {
        // Half, since a /64 with ranges of its own takes up to two more.
        if ranges.len() > RANGES_MAX as usize / 2 {
            return Err(CompileError { found: ranges.len(), family, max: RANGES_MAX / 2 });
        }
    }
    let (v4, v6) = (TableV4::new(&v4), TableV6::new(&v6));
    let summary = PolicySummary {
        protected: source.protected.len(),
        allow: source.allow.len(),
        deny: source.deny.len(),
        geo_networks: source.geo.as_ref().map_or(0, |geo| geo.networks.len()),
        ranges_v4: v4.ranges.len(),
        ranges_v6: v6.ranges.len() + v6.deep.len(),
    };
    Ok(CompiledPolicy { v4, v6, summary })
}

/// The class of every address: where each range begins, in order, from address zero on.
fn classes(family: Family, source: &PolicySource) -> Vec<(u128, Class)> {
    let mut layers = Layers {
        protected: Layer::new(intervals::union(family, &source.protected), |interval| *interval),
        allow: Layer::new(intervals::union(family, &source.allow), |interval| *interval),
        deny: Layer::new(intervals::union(family, &source.deny), |interval| *interval),
        countries: Layer::new(
            source
                .geo
                .as_ref()
                .map_or_else(Vec::new, |geo| intervals::countries(family, &geo.networks)),
            |(interval, _)| *interval,
        ),
    };
    let mut classes: Vec<(u128, Class)> = Vec::new();
    for first in layers.boundaries() {
        let class = layers.class_at(first, source.geo.as_ref());
        if classes.last().is_none_or(|(_, last)| *last != class) {
            classes.push((first, class));
        }
    }
    classes
}

/// The layers of a policy, strongest first.
struct Layers {
    protected: Layer<Interval>,
    allow: Layer<Interval>,
    deny: Layer<Interval>,
    countries: Layer<(Interval, Country)>,
}

impl Layers {
    /// Every address at which the class may change, in order.
    fn boundaries(&self) -> Vec<u128> {
        let mut boundaries = vec![0];
        self.protected.boundaries(&mut boundaries);
        self.allow.boundaries(&mut boundaries);
        self.deny.boundaries(&mut boundaries);
        self.countries.boundaries(&mut boundaries);
        boundaries.sort_unstable();
        boundaries.dedup();
        boundaries
    }

    /// The class at an address; addresses are asked for in order.
    fn class_at(&mut self, address: u128, geo: Option<&GeoSource>) -> Class {
        let country = self.countries.at(address).map(|(_, country)| *country);
        // Every layer moves on, whether a stronger one decides or not.
        let protected = self.protected.at(address).is_some();
        let allow = self.allow.at(address).is_some();
        let deny = self.deny.at(address).is_some();
        let list = if protected {
            List::Protected
        } else if allow {
            List::Allow
        } else if deny {
            List::Deny
        } else if geo.is_some_and(|geo| geo.denies(country)) {
            List::Geo
        } else {
            List::Default
        };
        Class::new(list, country)
    }
}

impl GeoSource {
    /// Whether a country, or an address of no known country, is not let in.
    fn denies(&self, country: Option<Country>) -> bool {
        let listed = country.is_some_and(|country| self.countries.contains(&country));
        match self.mode {
            GeoMode::Only => !listed,
            GeoMode::Block => listed,
        }
    }
}

/// Sorted, disjoint intervals, walked once.
struct Layer<T> {
    items: Vec<T>,
    interval: fn(&T) -> Interval,
    next: usize,
}

impl<T> Layer<T> {
    fn new(items: Vec<T>, interval: fn(&T) -> Interval) -> Self {
        Self { items, interval, next: 0 }
    }

    fn boundaries(&self, boundaries: &mut Vec<u128>) {
        for item in &self.items {
            let interval = (self.interval)(item);
            boundaries.push(interval.first);
            boundaries.extend(interval.last.checked_add(1));
        }
    }

    fn at(&mut self, address: u128) -> Option<&T> {
        while self.items.get(self.next).is_some_and(|item| (self.interval)(item).last < address) {
            self.next += 1;
        }
        self.items.get(self.next).filter(|item| (self.interval)(item).first <= address)
    }
}

#[cfg(test)]
mod tests;
