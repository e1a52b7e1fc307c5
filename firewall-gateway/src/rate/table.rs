//! Who has used how much of a limit: a bounded table that all threads share.
//!
//! A row is a short list behind a lock of its own, and a key's hash says which row is its. The lock is what makes a
//! limit exact whatever its algorithm: asking, and taking from all limits of a request or none, is one step. It is held for
//! the arithmetic alone, never over an await, and two threads meet in a row only where they serve the same key, or one of
//! a few that share it. docs/adr/0032-rate-limits.md has what it costs beside words without a lock.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::algorithm::{Algorithm, IN_USE};
use crate::limits::RATE_ROW_SLOTS;

/// What is remembered of each key.
pub struct Table<A: Algorithm> {
    algorithm: A,
    rows: Box<[Row<A::State>]>,
    counts: Counts,
}

/// How full it is.
#[derive(Debug, Default)]
pub struct Counts {
    /// Keys that are remembered, those among them whose state is worth nothing any more.
    pub keys: AtomicU64,
    /// Keys that were forgotten too early, for others.
    pub displaced: AtomicU64,
    /// Requests that were not counted, as all of their row were in use.
    pub untracked: AtomicU64,
}

type Row<S> = Mutex<Vec<Slot<S>>>;

struct Slot<S> {
    owner: u64,
    latest_ns: u64,
    state: S,
}

impl<A: Algorithm> Table<A> {
    /// Room for so many keys; twice as many slots, as hashes do not fill rows evenly.
    #[must_use]
    pub fn new(algorithm: A, keys_max: u32) -> Self {
        let rows = (keys_max as usize * 2).div_ceil(RATE_ROW_SLOTS).next_power_of_two();
        let rows = (0..rows).map(|_| Mutex::default()).collect();
        Self { algorithm, rows, counts: Counts::default() }
    }

    /// How full it is.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Holds the slot of a key, which nobody else reads or changes meanwhile; none where there is no room for it.
    ///
    /// Whoever holds slots of several tables takes them in the order of the limits, so that no two wait for each other.
    #[must_use]
    pub fn hold(&self, key: u64, now_ns: u64) -> Option<Held<'_, A>> {
        // The mask keeps it below the number of rows, which is a power of two.
        let row = self.rows.get(key as usize & (self.rows.len() - 1))?;
        let mut slots = row.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match slots.iter().position(|slot| slot.owner == key) {
            Some(place) => place,
            None => self.room(&mut slots, key, now_ns)?,
        };
        // Threads read the clock before they wait for the lock.
        let slot = slots.get_mut(place)?;
        slot.latest_ns = slot.latest_ns.max(now_ns);
        let now_ns = slot.latest_ns;
        Some(Held { algorithm: &self.algorithm, slots, place, now_ns })
    }

    // Whoever used least gives way, so that who is at the limit is forgotten last.
    fn room(&self, slots: &mut Vec<Slot<A::State>>, key: u64, now_ns: u64) -> Option<usize> {
        let new = Slot { owner: key, latest_ns: 0, state: A::State::default() };
        if slots.len() < RATE_ROW_SLOTS {
            self.counts.keys.fetch_add(1, Relaxed);
            slots.push(new);
            return Some(slots.len() - 1);
        }
        let fresh_at = |slot: &Slot<A::State>| self.algorithm.fresh_at_ns(&slot.state);
        let fresh = slots.iter().map(fresh_at).enumerate();
        let (place, fresh_at_ns) = fresh.min_by_key(|(_, fresh_at_ns)| *fresh_at_ns)?;
        if fresh_at_ns == IN_USE {
            self.counts.untracked.fetch_add(1, Relaxed);
            return None;
        }
        if fresh_at_ns > now_ns {
            self.counts.displaced.fetch_add(1, Relaxed);
        }
        *slots.get_mut(place)? = new;
        Some(place)
    }
}

/// One key's slot, and the right to it.
pub struct Held<'a, A: Algorithm> {
    algorithm: &'a A,
    slots: MutexGuard<'a, Vec<Slot<A::State>>>,
    place: usize,
    now_ns: u64,
}

impl<A: Algorithm> Held<'_, A> {
    /// The state of the key.
    pub fn state(&mut self) -> Option<&mut A::State> {
        self.slots.get_mut(self.place).map(|slot| &mut slot.state)
    }
}

/// A slot, whatever its algorithm. One that is not there lets everything pass.
pub trait Place {
    /// See [`Algorithm::ask`].
    ///
    /// # Errors
    /// See there.
    fn ask(&mut self, cost: u64) -> Result<u64, u64>;
    /// See [`Algorithm::charge`].
    fn charge(&mut self, cost: u64);
    /// How the key stands.
    fn standing(&mut self) -> Standing;
}

/// How a key stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Units.
    pub left: u64,
    /// Until all are back.
    pub reset_ns: u64,
}

impl<A: Algorithm> Place for Held<'_, A> {
    fn ask(&mut self, cost: u64) -> Result<u64, u64> {
        let Some(slot) = self.slots.get_mut(self.place) else { return Ok(0) };
        self.algorithm.ask(&mut slot.state, self.now_ns, cost)
    }

    fn charge(&mut self, cost: u64) {
        if let Some(slot) = self.slots.get_mut(self.place) {
            self.algorithm.charge(&mut slot.state, self.now_ns, cost);
        }
    }

    fn standing(&mut self) -> Standing {
        let Some(slot) = self.slots.get_mut(self.place) else { return Standing::default() };
        let left = self.algorithm.left(&mut slot.state, self.now_ns);
        let reset_ns = match self.algorithm.fresh_at_ns(&slot.state) {
            IN_USE => 0,
            at_ns => at_ns.saturating_sub(self.now_ns),
        };
        Standing { left, reset_ns }
    }
}

#[cfg(test)]
mod tests;
