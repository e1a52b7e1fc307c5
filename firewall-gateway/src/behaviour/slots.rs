//! Whose a slot is, in tables that threads share without a lock: rows of eight owners, which are one cache line.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Slots of a row.
pub const ROW_SLOTS: usize = 8;

/// Whose each slot of a row is; 0 is nobody's.
#[derive(Debug, Default)]
pub struct Owners([AtomicU64; ROW_SLOTS]);

impl Owners {
    /// The slot of an owner, where it has one.
    #[must_use]
    pub fn find(&self, owner: u64) -> Option<usize> {
        self.0.iter().position(|one| one.load(Relaxed) == owner)
    }

    /// Whose a slot is.
    #[must_use]
    pub fn of(&self, slot: usize) -> u64 {
        self.0.get(slot).map_or(0, |one| one.load(Relaxed))
    }

    /// Gives a slot to an owner, and says whose it was.
    pub fn replace(&self, slot: usize, owner: u64) -> Option<u64> {
        Some(self.0.get(slot)?.swap(owner, Relaxed))
    }
}

/// The row of so many, and the owner, that a hash stands for. 0 is nobody's; the lowest bit is always set.
#[must_use]
pub fn home(hash: u64, rows: usize) -> (usize, u64) {
    ((hash >> 1) as usize % rows.max(1), hash | 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_found_where_it_is_put_and_nobody_is_none() {
        let owners = Owners::default();
        let (row, owner) = home(6, 2);
        assert_eq!((row, owner), (1, 7));
        assert_eq!(home(0, 0), (0, 1));
        assert_eq!(owners.find(owner), None);
        assert_eq!(owners.replace(3, owner), Some(0));
        assert_eq!((owners.find(owner), owners.of(3)), (Some(3), owner));
        assert_eq!(owners.replace(3, 9), Some(owner));
        assert_eq!(owners.find(owner), None);
        assert_eq!((owners.replace(ROW_SLOTS, 9), owners.of(ROW_SLOTS)), (None, 0));
    }
}
