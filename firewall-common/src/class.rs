//! What is known of a source: the list that decides, and its country.

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

/// A [`List`] and a country in one word, as the range tables hold it.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(u32);

impl Class {
    /// On no list, of no known country.
    pub const DEFAULT: Self = Self::new(List::Default, None);

    /// Packs the list into the lowest byte and the country's letters into the next two.
    #[must_use]
    pub const fn new(list: List, country: Option<Country>) -> Self {
        let letters = match country {
            Some(country) => country.letters(),
            None => [0, 0],
        };
        Self(u32::from_le_bytes([list as u8, letters[0], letters[1], 0]))
    }

    /// The word that the tables hold.
    #[must_use]
    pub const fn to_word(self) -> u32 {
        self.0
    }

    /// Reads a word of the tables; its parts are checked when they are asked for.
    #[must_use]
    pub const fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// The list that decides, or nothing where the word is none that [`Class::new`] makes.
    #[must_use]
    #[inline(always)]
    pub fn list(self) -> Option<List> {
        match self.0 & 0xff {
            0 => Some(List::Protected),
            1 => Some(List::Allow),
            2 => Some(List::Deny),
            3 => Some(List::Geo),
            4 => Some(List::Default),
            _ => None,
        }
    }

    /// The country, where it is known.
    #[must_use]
    pub fn country(self) -> Option<Country> {
        let [_, first, second, _] = self.0.to_le_bytes();
        Country::from_bytes([first, second])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_survive_the_word() {
        for list in [List::Protected, List::Allow, List::Deny, List::Geo, List::Default] {
            for country in [None, Country::parse("DE"), Country::parse("ZZ")] {
                let class = Class::from_word(Class::new(list, country).to_word());
                assert_eq!((class.list(), class.country()), (Some(list), country));
            }
        }
        assert_eq!(Class::from_word(0xff).list(), None);
    }
}
