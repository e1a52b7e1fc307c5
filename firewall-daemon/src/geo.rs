//! Geo data: the databases that say in which country and in which autonomous system an address is, kept up to date
//! and asked.

pub mod provider;
pub mod unpack;
pub mod checks;
pub mod update;
pub mod lookup;
mod refusal;

pub use refusal::{GEO_REASONS, GeoRefusal};

/// What a database says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// Its country.
    Country,
    /// Its autonomous system.
    Asn,
}

impl Database {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Country, Self::Asn];

    /// Its name in metrics and on the command line.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::Asn => "asn",
        }
    }
}
