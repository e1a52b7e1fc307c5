//! Deny lists drawn at random, and the country database: what policies are made of, and how often a
//! source is expected to meet them.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use crate::{
    bench::{seawall, traffic::Sources},
    data,
    mmdb_reader::MmdbReader,
    random::Random,
};

/// So many different networks: /24 of IPv4, out of all that can be a source.
#[must_use]
pub fn random_v4(count: usize) -> Vec<IpNetwork> {
    let draw = |random: &mut Random| (1 << 16) + random.below(223 << 16) as u32;
    distinct(count, draw)
        .into_iter()
        .filter_map(|upper| Ipv4Network::new(Ipv4Addr::from_bits(upper << 8), 24).ok())
        .map(IpNetwork::V4)
        .collect()
}

/// So many different networks: /32 of IPv6, out of 2000::/3.
#[must_use]
pub fn random_v6(count: usize) -> Vec<IpNetwork> {
    let draw = |random: &mut Random| (1 << 29) + random.below(1 << 29) as u32;
    distinct(count, draw)
        .into_iter()
        .filter_map(|upper| Ipv6Network::new(Ipv6Addr::from_bits(u128::from(upper) << 96), 32).ok())
        .map(IpNetwork::V6)
        .collect()
}

fn distinct(count: usize, draw: impl Fn(&mut Random) -> u32) -> BTreeSet<u32> {
    let mut random = Random::new(0x5ea_0a11);
    let mut found = BTreeSet::new();
    while found.len() < count {
        found.insert(draw(&mut random));
    }
    found
}

/// The country database, and the countries that are let in.
pub struct Geo {
    /// The file.
    pub path: PathBuf,
    /// Every network that has a country.
    pub networks: Vec<(IpNetwork, String)>,
    /// The half of the countries with the fewest addresses: nearly everything is dropped then, and what
    /// passes costs the network stack, which is not measured here.
    pub let_in: BTreeSet<String>,
    reader: MmdbReader,
}

impl Geo {
    /// Reads the real database.
    pub fn read() -> Result<Self> {
        let path = data::file("geo/dbip-country.mmdb").context(
            "no geo/dbip-country.mmdb: SEAWALL_DATA names the folder, ../shared/data is looked into",
        )?;
        let networks = seawall::networks(&path)?;
        let mut weights: BTreeMap<&str, f64> = BTreeMap::new();
        for (network, country) in &networks {
            *weights.entry(country).or_default() += match network {
                IpNetwork::V4(network) => f64::from(network.size()) / 4e9,
                IpNetwork::V6(_) => 1.0 / networks.len() as f64,
            };
        }
        let mut countries: Vec<(&str, f64)> = weights.into_iter().collect();
        countries.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        let half = countries.len() / 2;
        let let_in = countries[..half].iter().map(|(country, _)| (*country).to_owned()).collect();
        let reader = MmdbReader::new(fs::read(&path)?);
        Ok(Self { path, networks, let_in, reader })
    }

    /// IPv6 sources of real networks, each network as likely as any other.
    #[must_use]
    pub fn real_v6(&self) -> Sources {
        const COUNT: usize = 1 << 18;
        let mut random = Random::new(6);
        let real: Vec<Ipv6Network> = self
            .networks
            .iter()
            .filter_map(|(network, _)| match network {
                // Of a network longer than /64 the generator would hit the rest of the /64.
                IpNetwork::V6(network) if network.prefix() <= 64 => Some(*network),
                IpNetwork::V6(_) | IpNetwork::V4(_) => None,
            })
            .collect();
        let draw = |_| {
            let network = real[random.below(real.len() as u64) as usize];
            let host = random.next_u64().checked_shr(u32::from(network.prefix())).unwrap_or(0);
            (network.network().to_bits() >> 64) as u64 | host
        };
        Sources::V6Of((0..COUNT).map(draw).collect())
    }

    /// Whether an address is let in.
    #[must_use]
    pub fn lets_in(&self, address: IpAddr) -> bool {
        self.reader.country(address).is_some_and(|country| self.let_in.contains(&country))
    }
}

/// The share of the sources that the list denies, and of those that pass: found by drawing, with a
/// second reader of the database.
#[must_use]
pub fn shares(sources: &Sources, denied: &[IpNetwork], geo: Option<&Geo>) -> (f64, f64) {
    const DRAWN: usize = 1 << 18;
    let listed: HashSet<IpNetwork> = denied.iter().copied().collect();
    let mut random = Random::new(7);
    let (mut denies, mut passes) = (0, 0);
    for number in 0..DRAWN {
        let address = sources.draw(&mut random, number);
        if listed.contains(&listing(address)) {
            denies += 1;
        } else if geo.is_some_and(|geo| geo.lets_in(address)) {
            passes += 1;
        }
    }
    let share = |count| f64::from(count) / DRAWN as f64;
    (share(denies), share(passes))
}

/// Whether a random list names an address.
#[must_use]
pub fn lists(denied: &[IpNetwork], address: IpAddr) -> bool {
    denied.contains(&listing(address))
}

/// The network by which an address would be listed.
fn listing(address: IpAddr) -> IpNetwork {
    let network = match address {
        IpAddr::V4(address) => {
            let upper = Ipv4Addr::from_bits(address.to_bits() & 0xffff_ff00);
            Ipv4Network::new(upper, 24).map(IpNetwork::V4)
        }
        IpAddr::V6(address) => {
            let upper = Ipv6Addr::from_bits(address.to_bits() >> 96 << 96);
            Ipv6Network::new(upper, 32).map(IpNetwork::V6)
        }
    };
    network.expect("24 and 32 are prefix lengths")
}
