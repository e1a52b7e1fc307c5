//! `packet.feeds` and `packet.geo.update`.

use std::{path::PathBuf, time::Duration};

use crate::feeds::{format::FeedFormat, guard::Bounds};

/// A deny list that others keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedConfig {
    /// Its name, and that of its deny list.
    pub name: String,
    /// Where it comes from.
    pub url: String,
    /// How it is written.
    pub format: FeedFormat,
    /// How often it is asked for.
    pub interval: Duration,
    /// Bytes at most.
    pub bytes_max: u64,
    /// Prefixes at most.
    pub prefixes_max: usize,
    /// How much it may change at once.
    pub bounds: Bounds,
    /// Who may have signed its server's certificate; else whom the host trusts.
    pub ca: Option<PathBuf>,
    /// The last good copy.
    pub copy: PathBuf,
}

impl FeedConfig {
    /// What its copies are copies of.
    #[must_use]
    pub fn source(&self) -> String {
        format!("{} {:?}", self.url, self.format)
    }
}

/// How the databases are kept up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeoUpdateConfig {
    /// Whose they are.
    pub provider: Provider,
    /// Where the country database is, where it is not where the provider has it.
    pub url: Option<String>,
    /// The same of the database of autonomous systems.
    pub asn_url: Option<String>,
    /// How often it is asked for.
    pub interval: Duration,
    /// Bytes at most, packed and unpacked.
    pub bytes_max: u64,
    /// How much it may change at once.
    pub bounds: Bounds,
    /// Who may have signed the server's certificate; else whom the host trusts.
    pub ca: Option<PathBuf>,
}

/// Whose databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// DB-IP's free ones, new every month.
    DbipLite,
    /// MaxMind's GeoLite2, for an account.
    Maxmind {
        /// The account's number.
        account_id: u64,
        /// A file with the account's licence key.
        key_file: PathBuf,
    },
    /// IPinfo's Lite, for a token.
    Ipinfo {
        /// A file with the token.
        key_file: PathBuf,
    },
    /// Anyone's, at a URL.
    Url,
}
