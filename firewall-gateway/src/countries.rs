//! Which country an address is in, by the database of the packet filter. The worker can open no file: the daemon
//! hands the database over at the start, and again when there is a newer one.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _, Seek as _},
    net::IpAddr,
};

use arc_swap::ArcSwapOption;
use maxminddb::Reader;
use serde::Deserialize;

use crate::limits::COUNTRY_DATABASE_BYTES_MAX;

/// Two letters (ISO 3166-1).
pub type Code = [u8; 2];

/// The database of this moment; threads share it.
#[derive(Default)]
pub struct Countries(ArcSwapOption<Reader<Vec<u8>>>);

impl Countries {
    /// Takes a database in place of the one before.
    ///
    /// # Errors
    /// It cannot be read, or is none: the one before stays.
    pub fn replace(&self, mut file: File) -> io::Result<()> {
        // The position is shared with the one who handed it over.
        file.rewind()?;
        let mut bytes = Vec::new();
        file.take(COUNTRY_DATABASE_BYTES_MAX).read_to_end(&mut bytes)?;
        let reader = Reader::from_source(bytes).map_err(io::Error::other)?;
        self.0.store(Some(reader.into()));
        Ok(())
    }

    /// The country of an address; nothing where there is no database, or it does not say.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Option<Code> {
        let reader = self.0.load();
        let reader = reader.as_ref()?;
        let address = address.to_canonical();
        // An IPv4 database knows nothing of IPv6.
        if reader.metadata().ip_version != 6 && !address.is_ipv4() {
            return None;
        }
        let record: Option<Record<'_>> = reader.lookup(address).ok()?.decode().ok()?;
        record?.first(code)
    }
}

impl fmt::Debug for Countries {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Countries").finish_non_exhaustive()
    }
}

/// A country's code, where a text is one.
#[must_use]
pub fn code(text: &str) -> Option<Code> {
    let code: Code = text.as_bytes().try_into().ok()?;
    code.iter().all(u8::is_ascii_uppercase).then_some(code)
}

/// The fields of a record that say a country. All others are passed over.
#[derive(Deserialize)]
pub struct Record<'a> {
    #[serde(borrow, default)]
    country: Option<Place<'a>>,
    #[serde(borrow, default)]
    registered_country: Option<Place<'a>>,
    #[serde(borrow, default)]
    country_code: Option<&'a str>,
}

/// MaxMind's nested country. Other makers give the same name to a text, which is none of ours.
#[derive(Deserialize)]
#[serde(untagged)]
enum Place<'a> {
    Nested {
        #[serde(borrow, default)]
        iso_code: Option<&'a str>,
    },
    Other(serde::de::IgnoredAny),
}

impl Record<'_> {
    /// Its country, as `parse` reads it: that of the network, or else where it is registered.
    pub fn first<T>(&self, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let nested = |place: &Option<Place<'_>>| match place {
            Some(Place::Nested { iso_code: Some(code) }) => parse(code),
            Some(Place::Nested { iso_code: None } | Place::Other(_)) | None => None,
        };
        nested(&self.country)
            .or_else(|| nested(&self.registered_country))
            .or_else(|| parse(self.country_code?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_database_nobody_is_anywhere() {
        let countries = Countries::default();
        assert_eq!(countries.of("192.0.2.1".parse().unwrap()), None);
        let file = rustix::fs::memfd_create(c"none", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        assert!(countries.replace(file.into()).is_err());
        assert_eq!(countries.of("192.0.2.1".parse().unwrap()), None);
    }

    #[test]
    fn a_code_is_two_letters() {
        for (text, expected) in
            [("DE", true), ("de", false), ("D", false), ("DEU", false), ("D1", false), ("", false)]
        {
            assert_eq!(code(text).is_some(), expected, "{text}");
        }
    }
}
