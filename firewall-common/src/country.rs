//! Two-letter country codes.

use core::fmt;

/// An ISO 3166-1 alpha-2 code, two upper-case ASCII letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Reads two upper-case ASCII letters. Whether the code is assigned is not asked here.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(text.as_bytes().try_into().ok()?)
    }

    /// As [`Country::parse`], from the bytes that cross the kernel boundary.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 2]) -> Option<Self> {
        (bytes[0].is_ascii_uppercase() && bytes[1].is_ascii_uppercase()).then_some(Self(bytes))
    }

    /// The two letters.
    #[must_use]
    pub const fn letters(self) -> [u8; 2] {
        self.0
    }
}

impl fmt::Display for Country {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", char::from(self.0[0]), char::from(self.0[1]))
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    #[test]
    fn only_two_upper_case_letters_are_a_country() {
        assert_eq!(Country::parse("DE").map(|country| country.to_string()), Some("DE".to_string()));
        for text in ["", "D", "DEU", "de", "D1", "Ä", "--"] {
            assert_eq!(Country::parse(text), None, "{text:?}");
        }
    }
}
