//! Credentials by their hash: open addressing, never locked; what changes of one is in its atomics.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::api_key::text::KeyHash;
use crate::limits::RECENT_KEYS_MAX;

/// What is found by the hash of its secret.
pub trait Hashed {
    /// The hash.
    fn hash(&self) -> &KeyHash;
}

/// Entries that do not become more. Half of the slots at least are empty.
#[derive(Debug)]
pub struct Table<T> {
    // The place of an entry, and one; 0 is an empty slot.
    slots: Box<[u32]>,
    entries: Box<[Arc<T>]>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { slots: Box::default(), entries: Box::default() }
    }
}

impl<T: Hashed> Table<T> {
    /// A table of these; of two with one hash the first stays.
    #[must_use]
    pub fn new(entries: Vec<Arc<T>>) -> Self {
        let slots = (entries.len() * 2).next_power_of_two().max(2);
        let mut table = Self { slots: vec![0; slots].into(), entries: entries.into() };
        for place in 0..table.entries.len() {
            let Some(entry) = table.entries.get(place) else { break };
            let slot = table.slots_of(entry.hash()).find(|slot| {
                table.slots.get(*slot).is_none_or(|found| {
                    *found == 0
                        || table.entry(*found).is_some_and(|other| other.hash() == entry.hash())
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

    /// The entry of a hash. Whether the first half fits is no secret: only who knows a hash could aim at it, and
    /// from the hash there is no way back to what was hashed. All of it is compared in constant time.
    #[must_use]
    pub fn find(&self, hash: &KeyHash) -> Option<&Arc<T>> {
        for slot in self.slots_of(hash) {
            let entry = self.entry(*self.slots.get(slot)?)?;
            if entry.hash().0[..TAG_BYTES] == hash.0[..TAG_BYTES]
                && verify_slices_are_equal(&entry.hash().0, &hash.0).is_ok()
            {
                return Some(entry);
            }
        }
        None
    }

    /// All of them.
    #[must_use]
    pub fn entries(&self) -> &[Arc<T>] {
        &self.entries
    }

    /// Bytes that it takes, without what its entries refer to.
    #[must_use]
    pub fn bytes(&self) -> usize {
        // An `Arc` has two counts beside what it holds.
        let entry = size_of::<T>() + size_of::<Arc<T>>() + 2 * size_of::<usize>();
        self.slots.len() * size_of::<u32>() + self.entries.len() * entry
    }

    fn entry(&self, found: u32) -> Option<&Arc<T>> {
        self.entries.get((found as usize).checked_sub(1)?)
    }

    // The hash is uniform already: its first bytes say where to begin.
    fn slots_of(&self, hash: &KeyHash) -> impl Iterator<Item = usize> + use<T> {
        let mut first = [0u8; 8];
        first.copy_from_slice(&hash.0[..8]);
        let (first, slots) = (u64::from_le_bytes(first) as usize, self.slots.len());
        (0..slots).map(move |step| first.wrapping_add(step) & (slots - 1))
    }
}

/// A large table that hardly changes, and a small one for what came since.
#[derive(Debug)]
pub struct Tables<T> {
    settled: Arc<Table<T>>,
    recent: Arc<Table<T>>,
}

impl<T> Default for Tables<T> {
    fn default() -> Self {
        Self { settled: Arc::default(), recent: Arc::default() }
    }
}

impl<T: Hashed> Tables<T> {
    /// These, all settled.
    #[must_use]
    pub fn new(entries: Vec<Arc<T>>) -> Self {
        Self { settled: Arc::new(Table::new(entries)), recent: Arc::default() }
    }

    /// These and others: one more costs a copy of the small table, and now and then one of both.
    #[must_use]
    pub fn with(&self, added: impl IntoIterator<Item = Arc<T>>) -> Self {
        let recent = self.recent.entries().iter().cloned();
        let recent: Vec<_> = recent.chain(added).collect();
        if recent.len() <= RECENT_KEYS_MAX {
            return Self { settled: self.settled.clone(), recent: Arc::new(Table::new(recent)) };
        }
        Self::new(self.settled.entries().iter().cloned().chain(recent).collect())
    }

    /// The entry of a hash.
    #[must_use]
    pub fn find(&self, hash: &KeyHash) -> Option<&Arc<T>> {
        self.settled.find(hash).or_else(|| self.recent.find(hash))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.settled.entries().iter().chain(self.recent.entries())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.settled.entries().len() + self.recent.entries().len()
    }

    /// Bytes that they take, without what they refer to.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.settled.bytes() + self.recent.bytes()
    }
}

/// Of a hash so much is compared before all of it is.
const TAG_BYTES: usize = 16;
