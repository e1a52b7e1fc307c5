//! What one value of the `packet` section alone cannot tell: lists, sets, countries, shadow.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use ipnetwork::IpNetwork;
use serde_saphyr::{Location, Spanned};

use crate::{
    config::{
        ConfigError, EventsConfig, Fate, GeoConfig, KernelLog, ListConfig, PacketConfig,
        ProtectConfig, ShadowConfig,
        document::packet::{
            EventsDocument, FateDocument, GeoDocument, KernelLogDocument, ListDocument,
            PacketDocument, ProtectDocument, ShadowDocument,
        },
        scalar::{CountryCode, Flag, Given, Name, Prefix, ports::PublicService},
        valid::Check,
    },
    policy::{GeoMode, classes},
};

/// Sets at most: a source's class says with a bit in which of them it is.
const SETS_MAX: usize = 64;
/// Allow lists, and deny lists with the feeds among them, at most: `seawall deny add` may add one more.
pub(super) const LISTS_MAX: usize = classes::LISTS_MAX - 1;

/// Free databases are made anew every month.
const AGE_MAX_DAYS: u64 = 45;
const PIN_PATH: &str = "/sys/fs/bpf/seawall";
const SAMPLE_ONE_IN: u32 = 100;
const EVENTS_PER_S_MAX: u32 = 1_000;

impl Check<'_> {
    pub(super) fn packet(
        &self,
        packet: PacketDocument,
        state: &Path,
    ) -> Result<PacketConfig, ConfigError> {
        let geo = packet.geo.0.map(|geo| self.geo(geo)).transpose()?;
        let asns = geo.as_ref().is_some_and(|geo| geo.asn_database.is_some());
        let allow = self.allow(packet.allow, asns)?;
        let deny = self.deny(packet.deny, asns)?;
        let sets = self.sets(packet.sets.0, asns)?;
        let feeds = self.feeds(packet.feeds.0, &deny, state)?;
        let denying: Vec<String> = deny
            .names("deny")
            .into_iter()
            .chain(feeds.iter().map(|feed| feed.name.clone()))
            .collect();
        Ok(PacketConfig {
            protected: prefixes(packet.protected),
            protect: protect(&packet.protect),
            allow,
            shadow: self.shadow(packet.shadow, &denying, geo.as_ref())?,
            default: fate(packet.default, Fate::Pass),
            public_ports: self.disjoint(
                "public_ports",
                packet.public_ports,
                |PublicService(service)| service,
                |service, other| service.overlaps(*other),
            )?,
            rules: self.rules(packet.rules.0, &sets, geo.is_some())?,
            limits: self.limits(packet.limits)?,
            syn_cookies: packet
                .syn_cookies
                .0
                .map(|cookies| self.syn_cookies(cookies))
                .transpose()?,
            malformed: fate(packet.malformed, Fate::Drop),
            tcp_flags: fate(packet.tcp_flags, Fate::Drop),
            fragments: fate(packet.fragments, Fate::Drop),
            non_ip: fate(packet.non_ip, Fate::Drop),
            events: events(&packet.events),
            kernel_log: match packet.kernel_log {
                KernelLogDocument::Off => KernelLog::Off,
                KernelLogDocument::Debug => KernelLog::Debug,
            },
            pin_path: self.absolute("pin_path", packet.pin_path.0, PIN_PATH)?,
            deny,
            sets,
            feeds,
            geo,
        })
    }

    fn list(&self, list: ListDocument, asn_database: bool) -> Result<ListConfig, ConfigError> {
        if let Some(asn) = list.asns.first()
            && !asn_database
        {
            let message = "asns: expected packet.geo.asn_database, which says whose networks they are, found none";
            return self.error(asn.referenced, message.to_owned());
        }
        Ok(ListConfig {
            prefixes: list.prefixes.into_iter().map(|prefix| prefix.value.0).collect(),
            files: list.files.into_iter().map(|file| self.file(file.value)).collect(),
            asns: self.each_once("asns", list.asns, |asn| asn.cast::<u32>())?,
        })
    }

    fn allow(&self, document: ListDocument, asn_database: bool) -> Result<ListConfig, ConfigError> {
        let places = places(&document);
        let list = self.list(document, asn_database)?;
        self.few_enough("allow", &list, &places)?;
        Ok(list)
    }

    /// Each list of a section has a bit of its own.
    fn few_enough(
        &self,
        section: &str,
        list: &ListConfig,
        places: &[Location],
    ) -> Result<(), ConfigError> {
        let found = list.names(section).len();
        if found <= LISTS_MAX {
            return Ok(());
        }
        let message = format!(
            "{section}: expected at most {LISTS_MAX} lists (each file and each autonomous system is one, and so \
             are the prefixes together), found {found}; join some of the files"
        );
        self.error(places.last().copied().unwrap_or(Location::UNKNOWN), message)
    }

    /// A deny list is counted, and put in shadow, by its name.
    fn deny(&self, document: ListDocument, asn_database: bool) -> Result<ListConfig, ConfigError> {
        let files = places(&document);
        let list = self.list(document, asn_database)?;
        self.few_enough("deny", &list, &files)?;
        let names = list.names("deny");
        // The name of the prefixes comes first, so none is there before it.
        let places = names.len() - files.len();
        let places = std::iter::repeat_n(Location::UNKNOWN, places).chain(files);
        let mut known = BTreeSet::new();
        for (name, place) in names.iter().zip(places) {
            if !known.insert(name) {
                let message = format!(
                    "files: expected a file whose name without extension no other deny list has, \
                     found {name:?} again; rename the file"
                );
                return self.error(place, message);
            }
        }
        Ok(list)
    }

    fn sets(
        &self,
        sets: Option<Spanned<BTreeMap<Name, ListDocument>>>,
        asn_database: bool,
    ) -> Result<BTreeMap<String, ListConfig>, ConfigError> {
        let Some(sets) = sets else { return Ok(BTreeMap::new()) };
        let found = sets.value.len();
        if found > SETS_MAX {
            let message = format!("sets: expected at most {SETS_MAX} sets, found {found}");
            return self.error(sets.referenced, message);
        }
        let sets = sets.value.into_iter();
        sets.map(|(Name(name), list)| Ok((name, self.list(list, asn_database)?))).collect()
    }

    fn geo(&self, geo: Spanned<GeoDocument>) -> Result<GeoConfig, ConfigError> {
        let GeoDocument { database, only, block, asn_database, age_max_days, update } = geo.value;
        let database = self.file(database);
        let asn_database = asn_database.0.map(|path| self.file(path));
        let age_max_days = age_max_days.0.map_or(AGE_MAX_DAYS, |days| days.0);
        let update = update.0.map(|update| self.geo_update(update, asn_database.is_some()));
        let open = GeoConfig {
            database,
            mode: None,
            countries: BTreeSet::new(),
            asn_database,
            age_max: Duration::from_secs(age_max_days * 86_400),
            update: update.transpose()?,
        };
        let (key, mode, countries) = match (only.0, block.0) {
            (Some(only), None) => ("only", GeoMode::Only, only),
            (None, Some(block)) => ("block", GeoMode::Block, block),
            (None, None) => return Ok(open),
            (Some(_), Some(_)) => {
                let message = "geo: expected either `only` or `block`, found both; remove one";
                return self.error(geo.referenced, message.to_owned());
            }
        };
        if countries.value.is_empty() {
            let message = format!(
                "{key}: expected at least one country, found an empty list; \
                 leave {key} out to drop no country"
            );
            return self.error(countries.referenced, message);
        }
        let countries = self.each_once(key, countries.value, |CountryCode(country)| country)?;
        Ok(GeoConfig { mode: Some(mode), countries: countries.into_iter().collect(), ..open })
    }

    /// What is in shadow is there: a shadow over nothing would hide that the real rule still drops.
    fn shadow(
        &self,
        shadow: ShadowDocument,
        names: &[String],
        geo: Option<&GeoConfig>,
    ) -> Result<ShadowConfig, ConfigError> {
        for list in &shadow.lists {
            if !names.contains(&list.value) {
                let message = format!(
                    "lists: expected {}, found {:?}",
                    one_of("deny list", "packet.deny", names.iter()),
                    list.value
                );
                return self.error(list.referenced, message);
            }
        }
        for country in &shadow.countries {
            let CountryCode(found) = country.value;
            let expected = match geo {
                None => "packet.geo to be there, which drops countries",
                Some(geo) => match geo.mode {
                    None => "`only` or `block` in packet.geo, which drops countries",
                    Some(GeoMode::Only) if geo.countries.contains(&found) => {
                        "a country that is not in geo.only: those in it are let in"
                    }
                    Some(GeoMode::Block) if !geo.countries.contains(&found) => {
                        "a country of geo.block: all others are let in"
                    }
                    Some(GeoMode::Only | GeoMode::Block) => continue,
                },
            };
            let message = format!("countries: expected {expected}, found {found}");
            return self.error(country.referenced, message);
        }
        let lists = self.each_once("lists", shadow.lists, |name| name)?;
        let countries =
            self.each_once("countries", shadow.countries, |CountryCode(country)| country)?;
        Ok(ShadowConfig {
            policy: shadow.policy.0,
            lists: lists.into_iter().collect(),
            countries: countries.into_iter().collect(),
        })
    }
}

/// What a name should have been: one of those that there are.
pub(super) fn one_of<'a>(
    what: &str,
    section: &str,
    names: impl Iterator<Item = &'a String>,
) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() {
        return format!("the name of a {what}; {section} has none");
    }
    format!("the name of a {what} ({})", names.join(", "))
}

/// Where the files of a list and its autonomous systems stand.
fn places(list: &ListDocument) -> Vec<Location> {
    let files = list.files.iter().map(|file| file.referenced);
    files.chain(list.asns.iter().map(|asn| asn.referenced)).collect()
}

fn prefixes(prefixes: Vec<Prefix>) -> Vec<IpNetwork> {
    prefixes.into_iter().map(|Prefix(prefix)| prefix).collect()
}

fn protect(protect: &ProtectDocument) -> ProtectConfig {
    let on = |flag: &Given<Flag>| flag.0.as_ref().is_none_or(|Flag(on)| *on);
    let ProtectDocument { ssh_peer, gateway, resolvers } = protect;
    ProtectConfig { ssh_peer: on(ssh_peer), gateway: on(gateway), resolvers: on(resolvers) }
}

fn fate(fate: Given<FateDocument>, default: Fate) -> Fate {
    match fate.0 {
        None => default,
        Some(FateDocument::Pass) => Fate::Pass,
        Some(FateDocument::Drop) => Fate::Drop,
    }
}

fn events(events: &EventsDocument) -> EventsConfig {
    EventsConfig {
        sample_one_in: events.sample_one_in.0.map_or(SAMPLE_ONE_IN, |number| number.cast()),
        first_of_source: events.first_of_source.0.is_none_or(|Flag(first)| first),
        events_per_s_max: events
            .events_per_s_max
            .0
            .map_or(EVENTS_PER_S_MAX, |number| number.cast()),
    }
}
