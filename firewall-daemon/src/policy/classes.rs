//! The classes of a policy: which combinations of lists, sets and country there are, and a number each.

use firewall_common::{
    Country,
    class::{CLASSES_OF_KIND_MAX, Class, ClassId, Kind, List, NO_NAME},
};
use rustc_hash::FxHashMap;

use crate::policy::{
    GeoSource, PolicySource,
    rules::{Condition, conditions},
};

/// Allow lists and deny lists at most, of each: a source's holders are a bit each. The configuration is held to
/// one less, as verbs may add one.
pub const LISTS_MAX: usize = u128::BITS as usize;

/// What holds an address. Lists and sets are bits, the first is the lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Holders {
    /// It is a protected address.
    pub protected: bool,
    /// Allow lists.
    pub allow: u128,
    /// Deny lists.
    pub deny: u128,
    /// Sets.
    pub sets: u64,
    /// The country.
    pub country: Option<Country>,
}

/// Numbers classes as they are met.
pub struct Classes<'a> {
    geo: Option<&'a GeoSource>,
    /// The deny lists in shadow.
    shadow: u128,
    /// What the name of the first deny list is numbered: they follow the allow lists.
    deny_names: u16,
    conditions: Vec<Condition>,
    numbers: FxHashMap<Holders, ClassId>,
    /// Holders that differ may be of one class.
    by_class: FxHashMap<Class, ClassId>,
    /// How many there are of each kind.
    counts: [u32; Kind::STEP as usize],
    /// By number; [`Class::DEFAULT`] where a number is not used.
    pub all: Vec<Class>,
}

impl<'a> Classes<'a> {
    /// None yet.
    pub fn new(source: &'a PolicySource) -> Self {
        let shadow = source.deny.iter().enumerate().filter(|(_, list)| list.shadow);
        Self {
            geo: source.geo.as_ref(),
            shadow: shadow.fold(0, |bits, (index, _)| bits | 1 << index),
            deny_names: 1 + source.allow.len() as u16,
            conditions: conditions(source),
            numbers: FxHashMap::default(),
            by_class: FxHashMap::default(),
            counts: [0; Kind::STEP as usize],
            all: Vec::new(),
        }
    }

    /// The number of the class of an address with these holders; nothing where there are too many.
    pub fn number(&mut self, holders: &Holders) -> Option<ClassId> {
        if let Some(number) = self.numbers.get(holders) {
            return Some(*number);
        }
        let class = self.class(holders);
        let number = match self.by_class.get(&class) {
            Some(number) => *number,
            None => self.add(class)?,
        };
        self.numbers.insert(*holders, number);
        Some(number)
    }

    fn add(&mut self, class: Class) -> Option<ClassId> {
        let kind = class.kind();
        let count = self.counts.get_mut(kind as usize)?;
        if *count == CLASSES_OF_KIND_MAX {
            return None;
        }
        let number = *count * Kind::STEP + kind as ClassId;
        *count += 1;
        if self.all.len() <= number as usize {
            self.all.resize(number as usize + 1, Class::DEFAULT);
        }
        *self.all.get_mut(number as usize)? = class;
        self.by_class.insert(class, number);
        Some(number)
    }

    /// Precedence: protected, allow, deny, geo; then what of these is in shadow.
    fn class(&self, holders: &Holders) -> Class {
        let Holders { protected, allow, deny, sets, country } = *holders;
        let deny_name = |lists: u128| self.deny_names + lists.trailing_zeros() as u16;
        let enforced = deny & !self.shadow;
        let geo = self.geo.map_or(Geo::Open, |geo| geo.says(country));
        let (list, name, shadow) = if protected {
            (List::Protected, 0, false)
        } else if allow != 0 {
            (List::Allow, 1 + allow.trailing_zeros() as u16, false)
        } else if enforced != 0 {
            (List::Deny, deny_name(enforced), false)
        } else if geo == Geo::Closed {
            (List::Geo, NO_NAME, false)
        } else if deny != 0 {
            (List::Deny, deny_name(deny), true)
        } else if geo == Geo::Shadow {
            (List::Geo, NO_NAME, true)
        } else {
            (List::Default, NO_NAME, false)
        };
        let rules = self.conditions.iter().enumerate().fold(0, |bits, (index, condition)| {
            bits | u64::from(condition.holds(sets, country)) << index
        });
        // The bits above the rules are the program's own: they hold for every source.
        let rules = rules | !0 << firewall_common::rules::RULES_MAX;
        Class::new(list, country).named(name).in_shadow(shadow).with_rules(rules)
    }
}

/// What the countries of a policy say of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Geo {
    /// It is let in.
    Open,
    /// It is not.
    Closed,
    /// It would not be, but is counted alone.
    Shadow,
}
