//! A key as people hold it: `sw_ab12cd34_` and 49 letters and digits.
//!
//! The prefix and the eight characters of the id say what it is and which one, in a ticket or to a scanner of
//! repositories; then 256 random bits, and a checksum, so that what was mistyped or cut off is told apart
//! from a key that nobody gave out without looking for it.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use flate2::Crc;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::error::KeyError;

/// What every key begins with.
pub const PREFIX: &str = "sw_";
/// Characters of an id: 62^8 of them, and the daemon gives none out twice.
pub const ID_CHARS: usize = 8;
/// 62^43 is the first power above 2^256.
const SECRET_CHARS: usize = 43;
/// 62^6 is the first above 2^32.
const CHECKSUM_CHARS: usize = 6;
const CHECKSUM_START: usize = PREFIX.len() + ID_CHARS + 1 + SECRET_CHARS;
/// The length of every key.
pub const KEY_CHARS: usize = CHECKSUM_START + CHECKSUM_CHARS;

/// A key. It is shown once and kept nowhere: [`KeyHash`] is what remains.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyText(String);

impl KeyText {
    /// A new one.
    ///
    /// # Errors
    /// The kernel has no randomness to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let (mut id, mut secret) = ([0u8; 8], [0u8; 32]);
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut secret)?;
        let mut id_number = [0u8; 32];
        id_number[..8].copy_from_slice(&id);
        Ok(Self::of(&base62::<ID_CHARS>(id_number), &base62::<SECRET_CHARS>(secret)))
    }

    fn of(id: &[u8], secret: &[u8]) -> Self {
        let mut text = String::with_capacity(KEY_CHARS);
        text.push_str(PREFIX);
        text.extend(id.iter().copied().map(char::from));
        text.push('_');
        text.extend(secret.iter().copied().map(char::from));
        let checksum = checksum(text.as_bytes());
        text.extend(checksum.map(char::from));
        Self(text)
    }

    /// Reads what claims to be one.
    ///
    /// # Errors
    /// It is none, or was changed on its way.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        let text = std::str::from_utf8(bytes).map_err(|_| KeyError::Malformed)?;
        let rest = text.strip_prefix(PREFIX).ok_or(KeyError::Malformed)?;
        let (id, rest) = rest.split_at_checked(ID_CHARS).ok_or(KeyError::Malformed)?;
        let rest = rest.strip_prefix('_').ok_or(KeyError::Malformed)?;
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if rest.len() != SECRET_CHARS + CHECKSUM_CHARS || !plain(id) || !plain(rest) {
            return Err(KeyError::Malformed);
        }
        let (text_before, found) = bytes.split_at(CHECKSUM_START);
        if checksum(text_before) != found {
            return Err(KeyError::Checksum);
        }
        Ok(Self(text.to_owned()))
    }

    /// Which one, without what is secret of it.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.get(PREFIX.len()..PREFIX.len() + ID_CHARS).unwrap_or_default()
    }

    /// What remains of it.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(self.0.as_bytes())
    }

    /// For the one time that it is shown.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}{}_redacted", self.id())
    }
}

/// Whether a text is meant as a key, whatever is wrong with it.
#[must_use]
pub fn is_meant(text: &[u8]) -> bool {
    text.starts_with(PREFIX.as_bytes())
}

/// The SHA-256 of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// Of a key's text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let mut hash = [0u8; 32];
        hash.copy_from_slice(digest(&SHA256, text).as_ref());
        Self(hash)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl Serialize for KeyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_hash(&text).ok_or_else(|| D::Error::custom("expected 64 hexadecimal digits"))
    }
}

fn parse_hash(text: &str) -> Option<KeyHash> {
    let mut hash = [0u8; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(KeyHash(hash))
}

fn checksum(text: &[u8]) -> [u8; CHECKSUM_CHARS] {
    let mut crc = Crc::new();
    crc.update(text);
    let mut number = [0u8; 32];
    number[..4].copy_from_slice(&crc.sum().to_le_bytes());
    base62(number)
}

/// The last `CHARS` digits of a number, whose lowest byte is the first.
fn base62<const CHARS: usize>(mut number: [u8; 32]) -> [u8; CHARS] {
    let mut digits = [b'0'; CHARS];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0u16;
        for byte in number.iter_mut().rev() {
            let value = rest << 8 | u16::from(*byte);
            *byte = (value / 62) as u8;
            rest = value % 62;
        }
        *digit = ALPHABET[usize::from(rest)];
    }
    digits
}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::cases;

    #[test]
    fn a_key_is_read_as_it_was_made() {
        let key = KeyText::generate().unwrap();
        assert_eq!((key.reveal().len(), key.id().len()), (KEY_CHARS, ID_CHARS));
        assert_eq!(KeyText::parse(key.reveal().as_bytes()), Ok(key.clone()));
        let shown = format!("{key:?}");
        assert!(shown.ends_with("_redacted") && !shown.contains(&key.reveal()[12..]), "{shown}");
        assert_ne!(KeyText::generate().unwrap(), key);
        let text = serde_json::to_string(&key.hash()).unwrap();
        assert_eq!(serde_json::from_str::<KeyHash>(&text).unwrap(), key.hash());
        assert!(serde_json::from_str::<KeyHash>(&text.replace('"', "\"0")).is_err());
    }

    #[test]
    fn all_of_256_bits_are_in_a_key() {
        let lowest = base62::<SECRET_CHARS>([0; 32]);
        assert_eq!(lowest, [b'0'; SECRET_CHARS]);
        let highest = base62::<SECRET_CHARS>([0xff; 32]);
        // 62^43 is some 3 % above 2^256: the first digit nearly reaches its end.
        assert!(highest[0] > b'v', "{:?}", std::str::from_utf8(&highest));
        let mut one = [0u8; 32];
        one[31] = 0x80;
        assert_ne!(base62::<SECRET_CHARS>(one)[0], b'0');
    }

    #[test]
    fn every_character_counts() {
        let key = KeyText::of(b"ab12cd34", &[b'x'; SECRET_CHARS]);
        for place in 0..KEY_CHARS {
            let mut bytes = key.reveal().as_bytes().to_vec();
            bytes[place] = if bytes[place] == b'y' { b'z' } else { b'y' };
            let expected = match place {
                0..3 | 11 => KeyError::Malformed,
                _ => KeyError::Checksum,
            };
            assert_eq!(KeyText::parse(&bytes), Err(expected), "{place}");
            bytes.truncate(place);
            assert_eq!(KeyText::parse(&bytes), Err(KeyError::Malformed), "{place}");
        }
        for other in [
            key.reveal().to_owned() + "0",
            key.reveal().to_owned() + " ",
            key.reveal().to_uppercase(),
            format!("{}, {0}", key.reveal()),
            "\u{e4}".repeat(KEY_CHARS / 2),
            String::new(),
        ] {
            assert_eq!(KeyText::parse(other.as_bytes()), Err(KeyError::Malformed), "{other}");
        }
        assert_eq!(KeyText::parse(&[0xff; KEY_CHARS]), Err(KeyError::Malformed));
    }

    #[test]
    fn generated_texts_are_the_key_or_none() {
        let key = KeyText::of(b"ab12cd34", &[b'x'; SECRET_CHARS]);
        let other = KeyText::of(b"Zz99Yy00", &[b'7'; SECRET_CHARS]);
        let seeds = [&key, &other].map(|key| key.reveal().as_bytes().to_vec());
        let mut read = 0;
        for bytes in cases(7, 100_000, &seeds) {
            let Ok(found) = KeyText::parse(&bytes) else { continue };
            read += 1;
            assert!(found == key || found == other, "{}", found.reveal());
        }
        assert!(read > 1_000, "{read}");
    }
}
