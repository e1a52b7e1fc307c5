//! A record's line, and the hash that chains it to the one before.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::hex;

const HASH_BYTES: usize = 32;
/// What stands between the bytes that are hashed and their hash, and what ends the line.
const BEFORE_HASH: &[u8] = b",\"hash\":\"";
const AFTER_HASH: &[u8] = b"\"}";
/// From the end of what is hashed to the end of the line.
const SEAL_BYTES: usize = BEFORE_HASH.len() + 2 * HASH_BYTES + AFTER_HASH.len();

/// A SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hash([u8; HASH_BYTES]);

impl Hash {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = [0; HASH_BYTES];
        hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(hash)
    }

    /// From 64 digits, small letters alone: a hash is written in one way, so that no byte of a line is free.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = hex::parse(text).ok()?;
        let hash = Self(bytes.try_into().ok()?);
        (hash.to_string() == text).then_some(hash)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::write(&self.0))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom("expected 64 hexadecimal digits, small letters"))
    }
}

/// Closes an object of JSON with the hash of all its bytes but the last brace. The line has no line feed.
pub fn seal(object: &str) -> (String, Hash) {
    let hashed = object.strip_suffix('}').unwrap_or(object);
    let hash = Hash::of(hashed.as_bytes());
    (format!("{hashed},\"hash\":\"{hash}\"}}"), hash)
}

/// The hash that a line's bytes ask for; nothing where it does not end as a record does.
pub fn hash_of_line(line: &[u8]) -> Option<Hash> {
    let (hashed, seal) = line.split_at_checked(line.len().checked_sub(SEAL_BYTES)?)?;
    (seal.starts_with(BEFORE_HASH) && seal.ends_with(AFTER_HASH)).then(|| Hash::of(hashed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_sealed_over_all_its_bytes() {
        let (line, hash) = seal("{\"a\":1}");
        // printf '{"a":1' | sha256sum
        let expected = Hash::of(b"{\"a\":1");
        assert_eq!(line, format!("{{\"a\":1,\"hash\":\"{expected}\"}}"));
        assert_eq!((hash_of_line(line.as_bytes()), hash), (Some(expected), expected));
        for short in ["", "{}", "{\"a\":1}", &line[1..70]] {
            assert_eq!(hash_of_line(short.as_bytes()), None, "{short:?}");
        }
    }

    #[test]
    fn hashes() {
        // The test vector of FIPS 180-2.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Hash::of(b"abc").to_string(), abc);
        assert_eq!(Hash::parse(abc), Some(Hash::of(b"abc")));
        for wrong in ["", "00", &abc.to_uppercase(), &format!(" {abc}"), &format!("{abc}00")] {
            assert_eq!(Hash::parse(wrong), None, "{wrong:?}");
        }
    }
}
