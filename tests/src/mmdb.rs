//! Writes small country databases in the MaxMind DB format, version 2.0, for IPv4 and IPv6 together.

use std::{collections::BTreeMap, fs, net::IpAddr, path::Path};

use anyhow::{Context as _, Result, ensure};
use ipnetwork::IpNetwork;

/// Records of 24 bits reach this far; a small database never does.
const RECORD_MAX: usize = (1 << 24) - 1;
/// Sixteen zero bytes stand between the tree and the data.
const SEPARATOR: usize = 16;
const METADATA_MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// Where a record holds its country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `country.iso_code`, as MaxMind writes it.
    Nested,
    /// `registered_country.iso_code`, which stands alone where only the registration is known.
    Registered,
    /// `country_code`, as some free databases write it.
    Flat,
}

/// Writes a database that gives each network its country; the longer prefix wins.
pub fn write(path: &Path, shape: Shape, networks: &[(IpNetwork, &str)]) -> Result<()> {
    let bytes = build(shape, networks)?;
    fs::write(path, bytes).with_context(|| format!("could not write {}", path.display()))
}

/// The bytes of such a database.
pub fn build(shape: Shape, networks: &[(IpNetwork, &str)]) -> Result<Vec<u8>> {
    let records = networks.iter().map(|(network, country)| (*network, record(shape, country)));
    database("Seawall-Test-Country", records.collect())
}

/// The bytes of a database that gives each network the number and the name of its autonomous system.
pub fn build_asn(networks: &[(IpNetwork, u32, &str)]) -> Result<Vec<u8>> {
    let records = networks.iter().map(|(network, asn, name)| {
        let record = map(&[
            ("autonomous_system_number", number(6, u64::from(*asn))),
            ("autonomous_system_organization", string(name)),
        ]);
        (*network, record)
    });
    database("Seawall-Test-ASN", records.collect())
}

fn database(kind: &str, mut records: Vec<(IpNetwork, Vec<u8>)>) -> Result<Vec<u8>> {
    records.sort_by_key(|(network, _)| depth(network));
    let mut data: Vec<u8> = Vec::new();
    let mut offsets: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut tree = Tree { nodes: vec![[Record::Empty; 2]] };
    for (network, record) in records {
        let offset = *offsets.entry(record).or_insert_with_key(|record| {
            let offset = data.len();
            data.extend(record);
            offset
        });
        tree.insert(bits(&network), depth(&network), offset);
    }
    let mut bytes = tree.bytes()?;
    bytes.extend([0; SEPARATOR]);
    bytes.extend(data);
    bytes.extend(METADATA_MARKER);
    bytes.extend(metadata(kind, tree.nodes.len()));
    Ok(bytes)
}

#[derive(Clone, Copy)]
enum Record {
    Empty,
    Node(usize),
    Data(usize),
}

struct Tree {
    nodes: Vec<[Record; 2]>,
}

impl Tree {
    fn insert(&mut self, bits: u128, depth: u8, offset: usize) {
        let mut node = 0;
        for level in 0..depth {
            let side = usize::from(bits >> (127 - level) & 1 == 1);
            if level + 1 == depth {
                self.nodes[node][side] = Record::Data(offset);
                return;
            }
            node = match self.nodes[node][side] {
                Record::Node(next) => next,
                // A shorter prefix ends here: both of its halves keep its country until told otherwise.
                above @ (Record::Empty | Record::Data(_)) => {
                    self.nodes.push([above; 2]);
                    let next = self.nodes.len() - 1;
                    self.nodes[node][side] = Record::Node(next);
                    next
                }
            };
        }
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        let count = self.nodes.len();
        let mut bytes = Vec::with_capacity(count * 6);
        for record in self.nodes.iter().flatten() {
            let value = match record {
                Record::Empty => count,
                Record::Node(next) => *next,
                Record::Data(offset) => count + SEPARATOR + offset,
            };
            ensure!(value <= RECORD_MAX, "the database is too large for records of 24 bits");
            bytes.extend(&value.to_be_bytes()[5..]);
        }
        Ok(bytes)
    }
}

/// The bits of a network in the tree: IPv4 lives below `::/96`.
fn bits(network: &IpNetwork) -> u128 {
    match network.network() {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn depth(network: &IpNetwork) -> u8 {
    match network {
        IpNetwork::V4(network) => 96 + network.prefix(),
        IpNetwork::V6(network) => network.prefix(),
    }
}

fn record(shape: Shape, country: &str) -> Vec<u8> {
    let country = string(country);
    match shape {
        Shape::Nested => map(&[("country", map(&[("iso_code", country)]))]),
        Shape::Registered => map(&[("registered_country", map(&[("iso_code", country)]))]),
        Shape::Flat => map(&[("country_code", country)]),
    }
}

fn metadata(kind: &str, nodes: usize) -> Vec<u8> {
    map(&[
        ("binary_format_major_version", number(5, 2)),
        ("binary_format_minor_version", number(5, 0)),
        ("build_epoch", number(9, 1_750_000_000)),
        ("database_type", string(kind)),
        ("description", map(&[("en", string("Documentation and test ranges"))])),
        ("ip_version", number(5, 6)),
        ("languages", [control(11, 1), string("en")].concat()),
        ("node_count", number(6, nodes as u64)),
        ("record_size", number(5, 24)),
    ])
}

/// The control byte of a value: its type and size; types past 7 take a byte of their own.
fn control(kind: u8, size: usize) -> Vec<u8> {
    let (first, extended) = if kind > 7 { (0, Some(kind - 7)) } else { (kind, None) };
    let (short, long) = if size < 29 { (size as u8, None) } else { (29, Some((size - 29) as u8)) };
    std::iter::once(first << 5 | short).chain(extended).chain(long).collect()
}

fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = control(7, entries.len());
    for (key, value) in entries {
        bytes.extend(string(key));
        bytes.extend(value);
    }
    bytes
}

fn string(text: &str) -> Vec<u8> {
    [control(2, text.len()), text.as_bytes().to_vec()].concat()
}

fn number(kind: u8, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let significant = &bytes[value.leading_zeros() as usize / 8..];
    [control(kind, significant.len()), significant.to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use maxminddb::Reader;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Found {
        country: Option<Inner>,
        registered_country: Option<Inner>,
        country_code: Option<String>,
    }

    #[derive(Deserialize)]
    struct Inner {
        iso_code: Option<String>,
    }

    #[test]
    fn another_reader_finds_what_was_written() {
        let networks = [
            ("198.51.100.0/24".parse().unwrap(), "DE"),
            ("198.51.100.128/25".parse().unwrap(), "AQ"),
            ("2001:db8:d::/48".parse().unwrap(), "DE"),
        ];
        let cases = [
            ("198.51.100.1", Some("DE")),
            ("198.51.100.127", Some("DE")),
            ("198.51.100.128", Some("AQ")),
            ("198.51.101.0", None),
            ("198.51.99.255", None),
            ("2001:db8:d:ffff::1", Some("DE")),
            ("2001:db8:e::", None),
        ];
        for shape in [Shape::Nested, Shape::Registered, Shape::Flat] {
            let reader = Reader::from_source(build(shape, &networks).unwrap()).unwrap();
            for (address, expected) in cases {
                let address: IpAddr = address.parse().unwrap();
                let found: Option<Found> = reader.lookup(address).unwrap().decode().unwrap();
                let code = found.and_then(|found| match shape {
                    Shape::Nested => found.country.and_then(|inner| inner.iso_code),
                    Shape::Registered => found.registered_country.and_then(|inner| inner.iso_code),
                    Shape::Flat => found.country_code,
                });
                assert_eq!(code.as_deref(), expected, "{shape:?} {address}");
            }
        }
    }
}
