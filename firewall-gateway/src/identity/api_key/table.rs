//! Keys by their hash: open addressing, never locked; what changes of a key is in atomics.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::{HeaderName, HeaderValue};

use super::{
    error::KeyError,
    text::{ID_CHARS, KeyHash},
};
use crate::identity::consumers::Consumer;

/// When a key ends: never.
pub const NEVER: u64 = u64::MAX;
/// When a key ended that was revoked: no time on any clock.
pub const REVOKED: u64 = 0;

/// What a key is good for. Many keys share one.
#[derive(Debug)]
pub struct Grant {
    /// Whose they are.
    pub consumer: Arc<Consumer>,
    /// Those of the key that its consumer has too.
    pub scopes: Arc<[Arc<str>]>,
    /// For these routes; none is all.
    pub routes: Vec<String>,
    /// From these networks; none is anywhere.
    pub networks: Vec<ipnetwork::IpNetwork>,
    /// What backends are told of whoever has one.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// A key: 64 bytes with its grant.
#[derive(Debug)]
pub struct Key {
    hash: KeyHash,
    id: [u8; ID_CHARS],
    ends_epoch_s: AtomicU64,
    used_min: AtomicU32,
    grant: Arc<Grant>,
}

impl Key {
    /// A key that has not been used.
    #[must_use]
    pub fn new(hash: KeyHash, id: [u8; ID_CHARS], ends_epoch_s: u64, grant: Arc<Grant>) -> Self {
        let ends_epoch_s = AtomicU64::new(ends_epoch_s);
        Self { hash, id, ends_epoch_s, used_min: AtomicU32::new(0), grant }
    }

    /// What it is good for.
    #[must_use]
    pub fn grant(&self) -> &Arc<Grant> {
        &self.grant
    }

    /// Whether it holds at this time.
    ///
    /// # Errors
    /// Why it does not.
    pub fn holds(&self, now_epoch_s: u64) -> Result<(), KeyError> {
        match self.ends_epoch_s.load(Relaxed) {
            REVOKED => Err(KeyError::Revoked),
            ends if ends <= now_epoch_s => Err(KeyError::Expired),
            _ => Ok(()),
        }
    }

    /// It ends at this time; a key never ends later than it was said before.
    pub fn end(&self, ends_epoch_s: u64) {
        self.ends_epoch_s.fetch_min(ends_epoch_s, Relaxed);
    }

    /// It is used: to the minute, and written once in it, so that cores do not take the line from each other.
    pub fn used(&self, now_epoch_s: u64) {
        let minute = u32::try_from(now_epoch_s / 60).unwrap_or(u32::MAX);
        if self.used_min.load(Relaxed) < minute {
            self.used_min.store(minute, Relaxed);
        }
    }

    /// Its id, and when it was last used where that is not before `since_min`.
    #[must_use]
    pub fn used_since(&self, since_min: u32) -> Option<(String, u64)> {
        let minute = self.used_min.load(Relaxed);
        let id = self.id.iter().copied().map(char::from).collect();
        (minute != 0 && minute >= since_min).then_some((id, u64::from(minute) * 60))
    }
}

/// Keys that do not become more. Half of the slots at least are empty.
#[derive(Debug, Default)]
pub struct KeyTable {
    // The place of a key, and one; 0 is an empty slot.
    slots: Box<[u32]>,
    keys: Box<[Arc<Key>]>,
}

impl KeyTable {
    /// A table of these; of two with one hash the first stays.
    #[must_use]
    pub fn new(keys: Vec<Arc<Key>>) -> Self {
        let slots = (keys.len() * 2).next_power_of_two().max(2);
        let mut table = Self { slots: vec![0; slots].into(), keys: keys.into() };
        for place in 0..table.keys.len() {
            let Some(key) = table.keys.get(place) else { break };
            let slot = table.slots_of(&key.hash).find(|slot| {
                table.slots.get(*slot).is_none_or(|found| {
                    *found == 0 || table.key(*found).is_some_and(|other| other.hash == key.hash)
                })
            });
            if let Some(slot) =
                slot.and_then(|slot| table.slots.get_mut(slot)).filter(|it| **it == 0)
            {
                *slot = u32::try_from(place + 1).unwrap_or_default();
            }
        }
        table
    }

    /// The key of a hash. Whether the first half fits is no secret: only who knows a hash could aim at it, and
    /// from the hash there is no way back to the key. All of it is compared in constant time.
    #[must_use]
    pub fn find(&self, hash: &KeyHash) -> Option<&Arc<Key>> {
        for slot in self.slots_of(hash) {
            let key = self.key(*self.slots.get(slot)?)?;
            if key.hash.0[..TAG_BYTES] == hash.0[..TAG_BYTES]
                && verify_slices_are_equal(&key.hash.0, &hash.0).is_ok()
            {
                return Some(key);
            }
        }
        None
    }

    /// All of them.
    #[must_use]
    pub fn keys(&self) -> &[Arc<Key>] {
        &self.keys
    }

    /// Bytes that it takes, without the grants.
    #[must_use]
    pub fn bytes(&self) -> usize {
        // An `Arc` has two counts beside what it holds.
        let key = size_of::<Key>() + size_of::<Arc<Key>>() + 2 * size_of::<usize>();
        self.slots.len() * size_of::<u32>() + self.keys.len() * key
    }

    fn key(&self, found: u32) -> Option<&Arc<Key>> {
        self.keys.get((found as usize).checked_sub(1)?)
    }

    // The hash is uniform already: its first bytes say where to begin.
    fn slots_of(&self, hash: &KeyHash) -> impl Iterator<Item = usize> + use<> {
        let mut first = [0u8; 8];
        first.copy_from_slice(&hash.0[..8]);
        let (first, slots) = (u64::from_le_bytes(first) as usize, self.slots.len());
        (0..slots).map(move |step| first.wrapping_add(step) & (slots - 1))
    }
}

/// Of a hash so much is compared before all of it is.
const TAG_BYTES: usize = 16;
