//! What one value of `packet.feeds` and `packet.geo.update` alone cannot tell.

use std::{path::Path, time::Duration};

use serde_saphyr::{Location, Spanned};

use crate::{
    config::{
        ConfigError, FeedConfig, GeoUpdateConfig, ListConfig, Provider,
        document::{
            Entries,
            feeds::{FeedDocument, FeedFormatDocument, GeoUpdateDocument, ProviderDocument},
        },
        scalar::{Flag, Given, Name, Number, Url},
        valid::{Check, packet::LISTS_MAX},
    },
    feeds::{format::FeedFormat, guard::Bounds},
};

/// Feeds at most: each has series in the metrics.
const FEEDS_MAX: usize = 32;
/// Lists that are always there, or may be at any time.
const RESERVED: [&str; 3] = ["protected", "allow", "deny"];

const DAY: Duration = Duration::from_secs(86_400);
const FEED_BYTES_MAX: u64 = 16 << 20;
const FEED_PREFIXES_MAX: usize = 1_000_000;
const FEED_BOUNDS: Bounds = Bounds { shrink_max_percent: 50, grow_max_percent: 100 };
const GEO_INTERVAL: Duration = Duration::from_secs(7 * 86_400);
const GEO_BYTES_MAX: u64 = 256 << 20;
const GEO_BOUNDS: Bounds = Bounds { shrink_max_percent: 30, grow_max_percent: 100 };

impl Check<'_> {
    /// A feed is a deny list, counted and put in shadow by its name.
    pub(super) fn feeds(
        &self,
        feeds: Option<Entries<FeedDocument>>,
        deny: &ListConfig,
        state: &Path,
    ) -> Result<Vec<FeedConfig>, ConfigError> {
        let mut names = deny.names("deny");
        let Some(feeds) = feeds else { return Ok(Vec::new()) };
        let place = feeds.referenced;
        let mut checked = Vec::new();
        for feed in self.counted("feeds", 0..=FEEDS_MAX, feeds)? {
            let Name(name) = feed.value.name.value.clone();
            if names.contains(&name) || RESERVED.contains(&name.as_str()) {
                let message = format!(
                    "name: expected a name that no other feed and no deny list has, found {name:?} again"
                );
                return self.error(feed.value.name.referenced, message);
            }
            names.push(name.clone());
            checked.push(self.feed(name, feed.value, state)?);
        }
        if names.len() > LISTS_MAX {
            let found = names.len();
            let message =
                format!("feeds: expected at most {LISTS_MAX} deny lists with them, found {found}");
            return self.error(place, message);
        }
        Ok(checked)
    }

    fn feed(
        &self,
        name: String,
        feed: FeedDocument,
        state: &Path,
    ) -> Result<FeedConfig, ConfigError> {
        let format = self.format(&feed)?;
        let Url(url) = feed.url;
        Ok(FeedConfig {
            copy: state.join("feeds").join(format!("{name}.list")),
            name,
            url,
            format,
            interval: feed.interval_s.0.map_or(DAY, seconds),
            bytes_max: feed.bytes_max.0.map_or(FEED_BYTES_MAX, |number| number.0),
            prefixes_max: feed
                .prefixes_max
                .0
                .map_or(FEED_PREFIXES_MAX, |number| number.cast::<u32>() as usize),
            bounds: bounds(feed.shrink_max_percent, feed.grow_max_percent, FEED_BOUNDS),
            ca: feed.ca.0.map(|ca| self.file(ca)),
        })
    }

    fn format(&self, feed: &FeedDocument) -> Result<FeedFormat, ConfigError> {
        let format = feed.format;
        let FeedDocument { count_min, column, header, .. } = feed;
        let only = |key: &str, of: &str, place: Option<Location>| match place {
            Some(place) => self.error(place, format!("{key}: expected it with format {of} alone")),
            None => Ok(()),
        };
        if format != FeedFormatDocument::Tab {
            only("count_min", "tab", count_min.0.as_ref().map(|count| count.referenced))?;
        }
        if format != FeedFormatDocument::Csv {
            only("column", "csv", column.0.as_ref().map(|column| column.referenced))?;
            only("header", "csv", header.0.as_ref().map(|header| header.referenced))?;
        }
        Ok(match format {
            FeedFormatDocument::Plain => FeedFormat::Plain,
            FeedFormatDocument::Netset => FeedFormat::Netset,
            FeedFormatDocument::SpamhausJson => FeedFormat::SpamhausJson,
            FeedFormatDocument::Tab => {
                FeedFormat::Tab { count_min: count_min.0.as_ref().map_or(0, |count| count.value.0) }
            }
            FeedFormatDocument::Csv => FeedFormat::Csv {
                column: column
                    .0
                    .as_ref()
                    .map_or(1, |column| usize::from(column.value.cast::<u8>())),
                header: header.0.as_ref().is_some_and(|header| {
                    let Flag(header) = header.value;
                    header
                }),
            },
        })
    }

    /// A provider has what it needs, and nothing that it does not use.
    pub(super) fn geo_update(
        &self,
        update: Spanned<GeoUpdateDocument>,
        asn_database: bool,
    ) -> Result<GeoUpdateConfig, ConfigError> {
        let place = update.referenced;
        let update = update.value;
        let needs = |key: &str, provider: &str| {
            format!("update: expected {key}, which provider {provider} needs, found none")
        };
        let unused = |key: &str, of: &str| format!("{key}: expected it with provider {of} alone");
        let key_place = update.key_file.0.as_ref().map(|key| key.referenced);
        let account_place = update.account_id.0.as_ref().map(|account| account.referenced);
        let key_file = update.key_file.0.map(|key| self.file(key.value));
        let account_id = update.account_id.0.map(|account| account.value.0);
        if let Some(place) = account_place
            && update.provider != ProviderDocument::Maxmind
        {
            return self.error(place, unused("account_id", "maxmind"));
        }
        let provider = match (update.provider, account_id, key_file) {
            (ProviderDocument::DbipLite, _, None) => Provider::DbipLite,
            (ProviderDocument::Url, _, None) => Provider::Url,
            (ProviderDocument::DbipLite | ProviderDocument::Url, _, Some(_)) => {
                let place = key_place.unwrap_or(place);
                return self.error(place, unused("key_file", "maxmind or ipinfo"));
            }
            (ProviderDocument::Maxmind, Some(account_id), Some(key_file)) => {
                Provider::Maxmind { account_id, key_file }
            }
            (ProviderDocument::Maxmind, None, _) => {
                return self.error(place, needs("account_id", "maxmind"));
            }
            (ProviderDocument::Maxmind, _, None) => {
                return self.error(place, needs("key_file", "maxmind"));
            }
            (ProviderDocument::Ipinfo, _, Some(key_file)) => Provider::Ipinfo { key_file },
            (ProviderDocument::Ipinfo, _, None) => {
                return self.error(place, needs("key_file", "ipinfo"));
            }
        };
        let [url, asn_url] = [update.url, update.asn_url].map(|url| url.0.map(|Url(url)| url));
        if provider == Provider::Url && url.is_none() {
            return self.error(place, needs("url", "url"));
        }
        if asn_url.is_some() && !asn_database {
            let message =
                "asn_url: expected packet.geo.asn_database, which it is the source of, found none";
            return self.error(place, message.to_owned());
        }
        Ok(GeoUpdateConfig {
            provider,
            url,
            asn_url,
            interval: update.interval_s.0.map_or(GEO_INTERVAL, seconds),
            bytes_max: update.bytes_max.0.map_or(GEO_BYTES_MAX, |number| number.0),
            bounds: bounds(update.shrink_max_percent, update.grow_max_percent, GEO_BOUNDS),
            ca: update.ca.0.map(|ca| self.file(ca)),
        })
    }
}

fn seconds<const MIN: u64, const MAX: u64>(number: Number<MIN, MAX>) -> Duration {
    Duration::from_secs(number.0)
}

fn bounds(
    shrink: Given<Number<0, 100>>,
    grow: Given<Number<0, 1_000_000>>,
    default: Bounds,
) -> Bounds {
    Bounds {
        shrink_max_percent: shrink.0.map_or(default.shrink_max_percent, Number::cast),
        grow_max_percent: grow.0.map_or(default.grow_max_percent, Number::cast),
    }
}
