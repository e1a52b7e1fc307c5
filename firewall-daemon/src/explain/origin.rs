//! What the policy in force was compiled from: the tables know which list holds an address, and no
//! longer by which prefix.

use std::{net::IpAddr, sync::Arc};

use firewall_common::{
    Country,
    class::{Class, NO_NAME},
};
use ipnetwork::IpNetwork;

use crate::{
    config::{LimitsConfig, PacketConfig, SynCookiesConfig},
    control::ListKind,
    policy::{PolicySource, asn},
};

/// The prefixes behind the tables and the limits behind the settings. They are kept as they were read, 18
/// bytes a prefix, and looked through for each answer: a million take a few milliseconds.
#[derive(Debug, Default)]
pub struct Origin {
    /// In the order of the numbers of their names: protected, the allow lists, the deny lists.
    names: Vec<String>,
    allow_lists: usize,
    /// In the same order.
    lists: Vec<Arc<Vec<IpNetwork>>>,
    /// Of the country database.
    networks: Arc<Vec<(IpNetwork, Country)>>,
    pub(super) limits: LimitsConfig,
    pub(super) syn_cookies: Option<SynCookiesConfig>,
    asn_lookup: Option<Arc<asn::Lookup>>,
}

impl Origin {
    /// Keeps what an answer needs of a policy that was compiled.
    #[must_use]
    pub fn new(
        source: PolicySource,
        packet: &PacketConfig,
        asn_lookup: Option<Arc<asn::Lookup>>,
    ) -> Self {
        let allow_lists = source.allow.len();
        let protected = (String::new(), Arc::new(source.protected));
        let named = source.allow.into_iter().chain(source.deny);
        let named = named.map(|list| (list.name, list.prefixes));
        let (names, lists) = std::iter::once(protected).chain(named).unzip();
        Self {
            names,
            allow_lists,
            lists,
            networks: source.geo.map(|geo| geo.networks).unwrap_or_default(),
            limits: packet.limits.clone(),
            syn_cookies: packet.syn_cookies.clone(),
            asn_lookup,
        }
    }

    /// Every list: whether it is protected, allowed or denied, its name, its prefixes.
    #[must_use]
    pub fn all_lists(&self) -> Vec<(&'static str, String, Arc<Vec<IpNetwork>>)> {
        let section = |at: usize| match at {
            0 => "protected",
            at if at <= self.allow_lists => "allow",
            _ => "deny",
        };
        let named = self.names.iter().zip(&self.lists).enumerate();
        let named = named.map(|(at, (name, list))| {
            let section = section(at);
            (section, if at == 0 { section.to_owned() } else { name.clone() }, list.clone())
        });
        named.collect()
    }

    /// In whose network an address is, where a database says so.
    #[must_use]
    pub fn system(&self, address: IpAddr) -> Option<asn::System> {
        self.asn_lookup.as_ref()?.system(address)
    }

    /// The protected prefixes.
    pub(crate) fn protected(&self) -> &[IpNetwork] {
        self.lists.first().map_or(&[], |list| list.as_slice())
    }

    /// The lists of a kind by their names.
    pub(crate) fn lists(&self, kind: ListKind) -> impl Iterator<Item = (&str, &[IpNetwork])> {
        let range = match kind {
            ListKind::Allow => 1..1 + self.allow_lists,
            ListKind::Deny => 1 + self.allow_lists..self.lists.len(),
        };
        let named = self.names.iter().zip(&self.lists);
        let named = named.map(|(name, list)| (name.as_str(), list.as_slice()));
        named.skip(range.start).take(range.len())
    }

    /// The longest prefix of the list of a class that holds an address; of the country database, where
    /// the class is of no list.
    pub(super) fn prefix(&self, class: Class, address: IpAddr) -> Option<IpNetwork> {
        if class.name == NO_NAME {
            let networks = self.networks.iter().map(|(network, _)| *network);
            return longest(networks, address);
        }
        longest(self.lists.get(usize::from(class.name))?.iter().copied(), address)
    }
}

fn longest(prefixes: impl Iterator<Item = IpNetwork>, address: IpAddr) -> Option<IpNetwork> {
    prefixes.filter(|prefix| prefix.contains(address)).max_by_key(IpNetwork::prefix)
}

#[cfg(test)]
mod tests {
    use firewall_common::class::List;

    use super::*;

    #[test]
    fn the_longest_of_the_list_that_decided() {
        let prefixes = |texts: &[&str]| -> Vec<IpNetwork> {
            texts.iter().map(|text| text.parse().expect("a prefix")).collect()
        };
        let country = Country::parse("DE").expect("a country");
        let origin = Origin {
            lists: vec![
                prefixes(&["203.0.113.9/32"]).into(),
                prefixes(&["0.0.0.0/0", "203.0.113.0/24", "203.0.0.0/16", "2001:db8::/32"]).into(),
            ],
            networks: vec![(prefixes(&["203.0.113.0/25"])[0], country)].into(),
            ..Origin::default()
        };
        let named = |name| Class::new(List::Deny, None).named(name);
        let of_country = Class::new(List::Geo, Some(country));
        for (class, address, expected) in [
            (named(0), "203.0.113.9", Some("203.0.113.9/32")),
            (named(0), "203.0.113.8", None),
            (named(1), "203.0.113.9", Some("203.0.113.0/24")),
            (named(1), "203.0.114.9", Some("203.0.0.0/16")),
            (named(1), "198.51.100.1", Some("0.0.0.0/0")),
            (named(1), "2001:db8::1", Some("2001:db8::/32")),
            (named(1), "2001:db9::1", None),
            (named(2), "203.0.113.9", None),
            (of_country, "203.0.113.9", Some("203.0.113.0/25")),
            (of_country, "203.0.113.200", None),
        ] {
            let found = origin.prefix(class, address.parse().expect("an address"));
            assert_eq!(found.map(|prefix| prefix.to_string()).as_deref(), expected, "{address}");
        }
    }
}
