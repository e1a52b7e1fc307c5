//! Where the providers have their databases.

use firewall_gateway::date::civil;

use super::Database;
use crate::config::{GeoUpdateConfig, Provider};

/// A year and a month: free databases are named by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    /// Such as 2026.
    pub year: u64,
    /// From 1 to 12.
    pub month: u64,
}

impl Month {
    /// That of a moment, in seconds since 1970.
    #[must_use]
    pub fn of(epoch_s: u64) -> Self {
        let (year, month, _) = civil(epoch_s / 86_400);
        Self { year, month }
    }

    /// The one before.
    #[must_use]
    pub const fn before(self) -> Self {
        if self.month == 1 {
            Self { year: self.year - 1, month: 12 }
        } else {
            Self { month: self.month - 1, ..self }
        }
    }
}

/// Where a database is in this month; `key` is what the provider gave its customer. Nothing where nobody
/// said.
#[must_use]
pub fn url(
    config: &GeoUpdateConfig,
    database: Database,
    month: Month,
    key: Option<&str>,
) -> Option<String> {
    let own = match database {
        Database::Country => config.url.as_deref(),
        Database::Asn => config.asn_url.as_deref(),
    };
    let preset = match (&config.provider, database) {
        (Provider::DbipLite, Database::Country) => {
            Some("https://download.db-ip.com/free/dbip-country-lite-{year}-{month}.mmdb.gz")
        }
        (Provider::DbipLite, Database::Asn) => {
            Some("https://download.db-ip.com/free/dbip-asn-lite-{year}-{month}.mmdb.gz")
        }
        (Provider::Maxmind { .. }, Database::Country) => Some(
            "https://download.maxmind.com/geoip/databases/GeoLite2-Country/download?suffix=tar.gz",
        ),
        (Provider::Maxmind { .. }, Database::Asn) => {
            Some("https://download.maxmind.com/geoip/databases/GeoLite2-ASN/download?suffix=tar.gz")
        }
        // One file says both.
        (Provider::Ipinfo { .. }, Database::Country | Database::Asn) => {
            Some("https://ipinfo.io/data/ipinfo_lite.mmdb")
        }
        (Provider::Url, Database::Country | Database::Asn) => None,
    };
    let url = own.or(preset)?;
    let mut url = url
        .replace("{year}", &format!("{:04}", month.year))
        .replace("{month}", &format!("{:02}", month.month));
    if let (Provider::Ipinfo { .. }, Some(key)) = (&config.provider, key) {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str("token=");
        url.push_str(key);
    }
    Some(url)
}

/// The header `Authorization`, where the provider asks for it.
#[must_use]
pub fn authorization(config: &GeoUpdateConfig, key: Option<&str>) -> Option<String> {
    match (&config.provider, key) {
        (Provider::Maxmind { account_id, .. }, Some(key)) => {
            Some(format!("Basic {}", base64(format!("{account_id}:{key}").as_bytes())))
        }
        _ => None,
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let padded = [0, 1, 2].map(|index| chunk.get(index).copied().unwrap_or(0));
        let bits = padded.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for place in 0..4 {
            let letter = LETTERS[bits >> (18 - 6 * place) & 63];
            text.push(if place > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::Duration};

    use super::*;
    use crate::feeds::guard::Bounds;

    #[test]
    fn months() {
        for (epoch_s, year, month) in [
            (0, 1970, 1),
            (951_782_400, 2000, 2),
            (951_868_800, 2000, 3),
            (1_767_225_599, 2025, 12),
            (1_767_225_600, 2026, 1),
            (1_795_564_800, 2026, 11),
        ] {
            assert_eq!(Month::of(epoch_s), Month { year, month }, "{epoch_s}");
        }
        assert_eq!(Month { year: 2026, month: 1 }.before(), Month { year: 2025, month: 12 });
        assert_eq!(Month { year: 2026, month: 11 }.before(), Month { year: 2026, month: 10 });
    }

    #[test]
    fn text_of_bytes() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn each_provider_has_its_places() {
        let month = Month { year: 2026, month: 3 };
        let key_file = PathBuf::from("key");
        let maxmind = Provider::Maxmind { account_id: 42, key_file: key_file.clone() };
        let own = Some("https://mirror.example/{year}/{month}.mmdb");
        for (provider, database, own, url, authorization) in [
            (
                Provider::DbipLite,
                Database::Country,
                None,
                Some("https://download.db-ip.com/free/dbip-country-lite-2026-03.mmdb.gz"),
                None,
            ),
            (
                Provider::DbipLite,
                Database::Asn,
                None,
                Some("https://download.db-ip.com/free/dbip-asn-lite-2026-03.mmdb.gz"),
                None,
            ),
            (
                maxmind,
                Database::Country,
                None,
                Some(
                    "https://download.maxmind.com/geoip/databases/GeoLite2-Country/download?suffix=tar.gz",
                ),
                Some("Basic NDI6azF5"),
            ),
            (
                Provider::Ipinfo { key_file },
                Database::Asn,
                None,
                Some("https://ipinfo.io/data/ipinfo_lite.mmdb?token=k1y"),
                None,
            ),
            (
                Provider::Url,
                Database::Country,
                own,
                Some("https://mirror.example/2026/03.mmdb"),
                None,
            ),
            (Provider::Url, Database::Asn, own, None, None),
        ] {
            let config = GeoUpdateConfig {
                provider,
                url: own.map(str::to_owned),
                asn_url: None,
                interval: Duration::ZERO,
                bytes_max: 1,
                bounds: Bounds { shrink_max_percent: 1, grow_max_percent: 1 },
                ca: None,
            };
            assert_eq!(super::url(&config, database, month, Some("k1y")).as_deref(), url);
            assert_eq!(super::authorization(&config, Some("k1y")).as_deref(), authorization);
        }
    }
}
