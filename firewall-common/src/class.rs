//! What is known of a source: the list that decides, its country, and the rules that may apply to it.

use crate::Country;

/// The list that decides about a source. The order of the numbers is the order of precedence;
/// a longer prefix of a weaker list never outranks a shorter one of a stronger list.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {
    /// Protected addresses.
    Protected = 0,
    /// Allow list.
    Allow = 1,
    /// Deny list.
    Deny = 2,
    /// A country that is not let in, or an address of no known country where only some are.
    Geo = 3,
    /// None of them.
    Default = 4,
}

/// The number of a class in [`crate::ranges`]; below [`CLASSES_MAX`]. Its lowest two bits are its
/// [`Kind`], so that a flood's packets end without a look at the class.
pub type ClassId = u32;

/// Numbers of classes at most: the bits that a range of the tables leaves for them.
pub const CLASSES_MAX: u32 = 1 << 18;
/// Classes of one kind at most.
pub const CLASSES_OF_KIND_MAX: u32 = CLASSES_MAX / Kind::STEP;

/// What the number of a class says by itself.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The class itself says what becomes of its addresses.
    Other = 0,
    /// A deny list in force decides.
    Deny = 1,
    /// A country decides that is not let in, and not in shadow.
    Geo = 2,
}

impl Kind {
    /// From one number of a kind to the next.
    pub const STEP: u32 = 4;

    /// What the number of a class says; nothing where it is no number of a class.
    #[must_use]
    #[inline(always)]
    pub fn of(id: ClassId) -> Option<Self> {
        match id % Self::STEP {
            0 => Some(Self::Other),
            1 => Some(Self::Deny),
            2 => Some(Self::Geo),
            _ => None,
        }
    }
}
/// [`Class::name`] where no list is meant.
pub const NO_NAME: u16 = u16::MAX;

/// What is known of a source. No hidden padding: it crosses the kernel boundary.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    /// A bit for each rule whose sources and countries hold it.
    pub rules: u64,
    /// The number of the list's name in the policy, or [`NO_NAME`].
    pub name: u16,
    /// The country's letters, or zeros.
    letters: [u8; 2],
    /// A number of [`List`].
    list: u8,
    /// 1: the list is in shadow.
    shadow: u8,
    /// No hidden bytes.
    _pad: u16,
}

impl Class {
    /// On no list, of no known country, under no rule.
    pub const DEFAULT: Self = Self::new(List::Default, None);

    /// A source on `list`, of `country`; no list's name, no rules, not in shadow.
    #[must_use]
    pub const fn new(list: List, country: Option<Country>) -> Self {
        let letters = match country {
            Some(country) => country.letters(),
            None => [0, 0],
        };
        Self { rules: 0, name: NO_NAME, letters, list: list as u8, shadow: 0, _pad: 0 }
    }

    /// The same, under a list's name.
    #[must_use]
    pub const fn named(self, name: u16) -> Self {
        Self { name, ..self }
    }

    /// The same, its list in shadow or in force.
    #[must_use]
    pub const fn in_shadow(self, shadow: bool) -> Self {
        Self { shadow: shadow as u8, ..self }
    }

    /// The same, under rules.
    #[must_use]
    pub const fn with_rules(self, rules: u64) -> Self {
        Self { rules, ..self }
    }

    /// Reads the bytes of a class; its parts are checked when they are asked for.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let [rules @ .., name_0, name_1, first, second, list, shadow, _, _] = bytes;
        Self {
            rules: u64::from_ne_bytes(rules),
            name: u16::from_ne_bytes([name_0, name_1]),
            letters: [first, second],
            list,
            shadow,
            _pad: 0,
        }
    }

    /// The list that decides, or nothing where the number is none of [`List`].
    #[must_use]
    #[inline(always)]
    pub fn list(&self) -> Option<List> {
        match self.list {
            0 => Some(List::Protected),
            1 => Some(List::Allow),
            2 => Some(List::Deny),
            3 => Some(List::Geo),
            4 => Some(List::Default),
            _ => None,
        }
    }

    /// Whether its list only counts what it would drop.
    #[must_use]
    #[inline(always)]
    pub fn is_shadow(&self) -> bool {
        self.shadow != 0
    }

    /// What the class's number is to say.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.list() {
            Some(List::Deny) if !self.is_shadow() => Kind::Deny,
            Some(List::Geo) if !self.is_shadow() => Kind::Geo,
            Some(_) | None => Kind::Other,
        }
    }

    /// The country, where it is known.
    #[must_use]
    pub fn country(&self) -> Option<Country> {
        Country::from_bytes(self.letters)
    }

    /// The country's place in a table by country; zero where it is not known.
    #[must_use]
    #[inline(always)]
    pub fn country_index(&self) -> u32 {
        let [first, second] = self.letters;
        let (first, second) = (first.wrapping_sub(b'A'), second.wrapping_sub(b'A'));
        if first < 26 && second < 26 { 1 + u32::from(first) * 26 + u32::from(second) } else { 0 }
    }
}

/// Places in a table by country: 26 × 26 pairs of letters, and the unknown.
pub const COUNTRIES: u32 = 1 + 26 * 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_kept() {
        for list in [List::Protected, List::Allow, List::Deny, List::Geo, List::Default] {
            for country in [None, Country::parse("DE"), Country::parse("ZZ")] {
                let class = Class::new(list, country).named(7).in_shadow(true).with_rules(5);
                assert_eq!((class.list(), class.country()), (Some(list), country));
                assert_eq!((class.name, class.is_shadow(), class.rules), (7, true, 5));
            }
        }
        assert_eq!(Class { list: 9, ..Class::DEFAULT }.list(), None);
    }

    #[test]
    fn every_country_has_a_place_of_its_own() {
        for (text, place) in [("AA", 1), ("AB", 2), ("BA", 27), ("ZZ", COUNTRIES - 1)] {
            let class = Class::new(List::Default, Country::parse(text));
            assert_eq!(class.country_index(), place, "{text}");
        }
        assert_eq!(Class::DEFAULT.country_index(), 0);
    }
}
