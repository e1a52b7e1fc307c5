//! A second reader of MaxMind DB files, written from the format's specification alone (version 2.0):
//! the oracle for the one that the daemon uses.

use std::net::IpAddr;

/// A database in memory.
pub struct MmdbReader {
    bytes: Vec<u8>,
    node_count: u64,
    record_bits: u64,
    data_start: usize,
    ipv4_start: u64,
}

/// A value, as far as the oracle needs to tell them apart.
#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Number(u64),
    Map(Vec<(String, Value)>),
    Other,
}

impl Value {
    fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(pairs) = self else { return None };
        pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
const SEPARATOR_BYTES: usize = 16;

impl MmdbReader {
    /// Reads a database; panics on one that does not keep to the format: it is an oracle.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        let marker = bytes
            .windows(MARKER.len())
            .rposition(|window| window == MARKER)
            .expect("a database has a metadata marker");
        let mut reader =
            Self { bytes, node_count: 0, record_bits: 0, data_start: 0, ipv4_start: 0 };
        reader.data_start = marker + MARKER.len();
        let (metadata, _) = reader.value(reader.data_start);
        let number = |key: &str| match metadata.get(key) {
            Some(Value::Number(number)) => *number,
            other => panic!("metadata {key}: {other:?}"),
        };
        reader.node_count = number("node_count");
        reader.record_bits = number("record_size");
        let tree_bytes = (reader.node_count * reader.record_bits / 4) as usize;
        reader.data_start = tree_bytes + SEPARATOR_BYTES;
        if number("ip_version") == 6 {
            for _ in 0..96 {
                if reader.ipv4_start < reader.node_count {
                    reader.ipv4_start = reader.record(reader.ipv4_start, false);
                }
            }
        }
        reader
    }

    /// The country of an address: MaxMind's nested records, or a flat `country_code`.
    #[must_use]
    pub fn country(&self, address: IpAddr) -> Option<String> {
        let (mut node, bits, length) = match address {
            IpAddr::V4(address) => (self.ipv4_start, u128::from(address.to_bits()) << 96, 32),
            IpAddr::V6(address) => (0, address.to_bits(), 128),
        };
        for depth in 0..length {
            if node >= self.node_count {
                break;
            }
            node = self.record(node, bits >> (127 - depth) & 1 == 1);
        }
        if node <= self.node_count {
            return None;
        }
        let offset = (node - self.node_count) as usize - SEPARATOR_BYTES;
        let (record, _) = self.value(self.data_start + offset);
        let nested = |key: &str| record.get(key)?.get("iso_code")?.text();
        nested("country")
            .or_else(|| nested("registered_country"))
            .or_else(|| record.get("country_code")?.text())
            .map(str::to_owned)
    }

    fn record(&self, node: u64, right: bool) -> u64 {
        let at = (node * self.record_bits / 4) as usize;
        let byte = |index: usize| u64::from(self.bytes[at + index]);
        match (self.record_bits, right) {
            (24, false) => byte(0) << 16 | byte(1) << 8 | byte(2),
            (24, true) => byte(3) << 16 | byte(4) << 8 | byte(5),
            (28, false) => (byte(3) >> 4) << 24 | byte(0) << 16 | byte(1) << 8 | byte(2),
            (28, true) => (byte(3) & 15) << 24 | byte(4) << 16 | byte(5) << 8 | byte(6),
            (32, false) => byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3),
            (32, true) => byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7),
            (bits, _) => panic!("record size {bits}"),
        }
    }

    /// The value at an offset into the file, and where the next one begins.
    fn value(&self, at: usize) -> (Value, usize) {
        let control = self.bytes[at];
        let mut at = at + 1;
        let mut kind = control >> 5;
        if kind == 1 {
            let size = usize::from(control >> 3 & 3);
            let high = u64::from(control & 7);
            let tail = self.number(at, size + 1);
            let pointer = match size {
                0 => high << 8 | tail,
                1 => (high << 16 | tail) + 2048,
                2 => (high << 24 | tail) + 526_336,
                _ => tail,
            };
            return (self.value(self.data_start + pointer as usize).0, at + size + 1);
        }
        if kind == 0 {
            kind = self.bytes[at] + 7;
            at += 1;
        }
        let mut size = usize::from(control & 31);
        if size >= 29 {
            let extra = size - 28;
            let base = [29, 285, 65_821][extra - 1];
            size = base + self.number(at, extra) as usize;
            at += extra;
        }
        match kind {
            2 => {
                let text = String::from_utf8_lossy(&self.bytes[at..at + size]).into_owned();
                (Value::Text(text), at + size)
            }
            5 | 6 | 9 => (Value::Number(self.number(at, size)), at + size),
            7 => {
                let mut pairs = Vec::with_capacity(size);
                for _ in 0..size {
                    let (key, next) = self.value(at);
                    let (value, next) = self.value(next);
                    at = next;
                    pairs.push((key.text().expect("a map's key is text").to_owned(), value));
                }
                (Value::Map(pairs), at)
            }
            11 => {
                for _ in 0..size {
                    at = self.value(at).1;
                }
                (Value::Other, at)
            }
            14 => (Value::Other, at),
            _ => (Value::Other, at + size),
        }
    }

    fn number(&self, at: usize, bytes: usize) -> u64 {
        self.bytes[at..at + bytes].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}
