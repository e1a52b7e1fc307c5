//! All keys in one file, as the daemon hands them to a worker: what they are good for as JSON, each once, and
//! 52 bytes a key. A million would take a minute as JSON messages, and a second like this.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    store::{GrantPolicy, KeyPolicy, KeyStore},
    table::{Key, NEVER},
    text::{ID_CHARS, KeyHash},
};
use crate::limits::API_KEYS_MAX;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    keys: usize,
    grants: Vec<GrantPolicy>,
}

/// Writes keys.
///
/// # Errors
/// They cannot be written.
pub fn write<'a>(
    keys: impl Iterator<Item = &'a KeyPolicy> + Clone,
    file: &mut impl Write,
) -> io::Result<()> {
    let (mut numbers, mut head) = (HashMap::new(), Head { keys: 0, grants: Vec::new() });
    for key in keys.clone() {
        head.keys += 1;
        numbers.entry(&key.grant).or_insert_with(|| {
            head.grants.push(key.grant.clone());
            head.grants.len() - 1
        });
    }
    let text = serde_json::to_vec(&head)?;
    file.write_all(&(text.len() as u64).to_le_bytes())?;
    file.write_all(&text)?;
    for key in keys {
        let id: [u8; ID_CHARS] = key.id.as_bytes().try_into().map_err(io::Error::other)?;
        let number = numbers.get(&key.grant).copied().unwrap_or_default();
        file.write_all(&key.hash.0)?;
        file.write_all(&id)?;
        file.write_all(&key.ends_epoch_s.unwrap_or(NEVER).to_le_bytes())?;
        file.write_all(&u32::try_from(number).map_err(io::Error::other)?.to_le_bytes())?;
    }
    file.flush()
}

/// Reads what [`write()`] wrote into a store.
///
/// # Errors
/// It cannot be read, or is not that.
pub fn read(mut file: impl Read, store: &KeyStore) -> io::Result<()> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut length = [0u8; 8];
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > HEAD_BYTES_MAX {
        return Err(wrong("its head is too large"));
    }
    let mut text = Vec::new();
    file.by_ref().take(length).read_to_end(&mut text)?;
    let head: Head = serde_json::from_slice(&text)?;
    if head.keys > API_KEYS_MAX {
        return Err(wrong("there are too many keys in it"));
    }
    let grants: Vec<_> = head.grants.iter().map(|grant| store.grant(grant)).collect();
    let mut keys = Vec::with_capacity(head.keys);
    let (mut hash, mut id, mut ends, mut number) = ([0; 32], [0; ID_CHARS], [0; 8], [0; 4]);
    for _ in 0..head.keys {
        file.read_exact(&mut hash)?;
        file.read_exact(&mut id)?;
        file.read_exact(&mut ends)?;
        file.read_exact(&mut number)?;
        let grant = grants.get(u32::from_le_bytes(number) as usize);
        let grant = grant.ok_or_else(|| wrong("a key names a grant that is not there"))?;
        let ends = u64::from_le_bytes(ends);
        keys.push(Arc::new(Key::new(KeyHash(hash), id, ends, grant.clone())));
    }
    store.fill(keys);
    Ok(())
}

/// A grant for each of a million keys, with some scopes.
const HEAD_BYTES_MAX: u64 = 512 << 20;
