//! Whose a slot is, in tables that threads share: rows of eight owners, which are one cache line. Who looks takes no
//! lock; who enters takes that of the row.

use std::sync::{
    Mutex, PoisonError,
    atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// Slots of a row.
pub const ROW_SLOTS: usize = 8;

/// Whose each slot of a row is; 0 is nobody's.
#[derive(Debug, Default)]
pub struct Owners {
    slots: [AtomicU64; ROW_SLOTS],
    entering: Mutex<()>,
}

impl Owners {
    /// The slot of an owner, where it has one.
    #[must_use]
    pub fn find(&self, owner: u64) -> Option<usize> {
        self.slots.iter().position(|one| one.load(Acquire) == owner)
    }

    /// Whose a slot is.
    #[must_use]
    pub fn of(&self, slot: usize) -> u64 {
        self.slots.get(slot).map_or(0, |one| one.load(Relaxed))
    }

    /// The slot of an owner. One that has none gets the slot that `least` says; `clear` is told whose that was, and
    /// empties it before anybody finds it. So what one of two threads that enter the same owner has written there is
    /// not lost to the other. What a thread writes that had found the owner before is then the next one's, once.
    pub fn enter(
        &self,
        owner: u64,
        least: impl FnOnce() -> Option<usize>,
        clear: impl FnOnce(usize, u64),
    ) -> Option<usize> {
        if let Some(slot) = self.find(owner) {
            return Some(slot);
        }
        let _alone = self.entering.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = self.find(owner) {
            return Some(slot);
        }
        let slot = least()?;
        let one = self.slots.get(slot)?;
        clear(slot, one.load(Relaxed));
        one.store(owner, Release);
        Some(slot)
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
        for (name, who, slot, expected, was) in [
            ("a free one", owner, 3, Some(3), Some(0)),
            ("it has one", owner, 4, Some(3), None),
            ("another takes it", 9, 3, Some(3), Some(owner)),
            ("there is none such", owner, ROW_SLOTS, None, None),
        ] {
            let mut cleared = None;
            let clear = |at, before| cleared = Some((at, before));
            assert_eq!(owners.enter(who, || Some(slot), clear), expected, "{name}");
            assert_eq!(cleared, was.map(|was| (3, was)), "{name}");
        }
        assert_eq!((owners.find(owner), owners.find(9), owners.of(3)), (None, Some(3), 9));
        assert_eq!((owners.enter(owner, || None, |_, _| {}), owners.of(ROW_SLOTS)), (None, 0));
    }
}
