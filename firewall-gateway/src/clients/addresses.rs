//! What each address has of the gateway: connections and requests, in one table that the threads share.
//!
//! The kernel spreads one address over the threads' sockets, so that a table for each thread would
//! let an address have a limit for each thread. No lock: a slot is two words, and each changes by
//! itself. The first holds whose slot it is, its connections and its requests in flight, so that none
//! can change without the others; the second is the state of the rate (GCRA).

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Relaxed, SeqCst},
            fence,
        },
    },
    time::{Duration, Instant},
};

use super::Full;
use crate::{
    limits::{ADDRESS_SLOTS_MAX, ADDRESS_SLOTS_MIN, ADDRESS_SLOTS_PER_CONNECTION},
    policy::RequestRate,
};

/// A bounded table; an address that finds no slot is served and counted as untracked.
pub struct AddressTable {
    rows: Box<[[Slot; ROW_SLOTS]]>,
    // Keyed anew in each process: nobody can choose addresses that share a row.
    hasher: RandomState,
    started: Instant,
}

#[derive(Default)]
struct Slot {
    /// Whose it is in the upper 32 bits, 0 for nobody's; then 16 bits of connections, and as many of
    /// requests in flight.
    holder: AtomicU64,
    /// When the address would have used up what it took, in nanoseconds since the start.
    arrival_ns: AtomicU64,
}

impl AddressTable {
    /// Room for many more addresses than there can be connections.
    #[must_use]
    pub fn new(connections_max: u32, started: Instant) -> Self {
        let slots = (connections_max as usize).saturating_mul(ADDRESS_SLOTS_PER_CONNECTION);
        let slots = slots.clamp(ADDRESS_SLOTS_MIN, ADDRESS_SLOTS_MAX).next_power_of_two();
        let rows = (0..slots / ROW_SLOTS).map(|_| Default::default()).collect();
        Self { rows, hasher: RandomState::new(), started }
    }

    /// One more of what this address holds, if it may; none where it could not be tracked.
    ///
    /// # Errors
    /// It has `max` already.
    pub fn seat(
        table: &Arc<Self>,
        address: IpAddr,
        held: Held,
        max: u16,
    ) -> Result<Option<Seat>, Full> {
        let hash = table.hash(address);
        for _ in 0..TRIES_MAX {
            let Some(place) = table.place(hash) else { return Ok(None) };
            let Some(slot) = table.slot(place) else { return Ok(None) };
            let holder = slot.holder.load(Relaxed);
            if owner(holder) != fingerprint(hash) {
                continue;
            }
            // `max` is below the count's largest number, so that one more never runs into the next.
            if held.count(holder) >= u64::from(max).min(HELD_MAX) {
                return Err(Full);
            }
            let more = holder + held.one();
            if slot.holder.compare_exchange(holder, more, Relaxed, Relaxed).is_ok() {
                return Ok(Some(Seat { table: table.clone(), place, held }));
            }
        }
        Ok(None)
    }

    /// Takes one request; none where the address could not be tracked.
    pub fn request(
        &self,
        address: IpAddr,
        rate: RequestRate,
        now: Instant,
    ) -> Option<Result<(), Duration>> {
        let slot = self.slot(self.place(self.hash(address))?)?;
        let now_ns = u64::try_from(now.saturating_duration_since(self.started).as_nanos());
        let now_ns = now_ns.unwrap_or(u64::MAX);
        let each_ns = NS_PER_S / u64::from(rate.per_s.max(1));
        let most_ns = each_ns.saturating_mul(u64::from(rate.burst.max(1)));
        let next = |arrival_ns: u64| {
            let next_ns = arrival_ns.max(now_ns).saturating_add(each_ns);
            (next_ns - now_ns <= most_ns).then_some(next_ns)
        };
        let taken = slot.arrival_ns.fetch_update(Relaxed, Relaxed, next);
        Some(taken.map(drop).map_err(|arrival_ns| {
            let free_ns = arrival_ns.saturating_add(each_ns).saturating_sub(most_ns);
            Duration::from_nanos(free_ns.saturating_sub(now_ns))
        }))
    }

    /// The slot of this hash, found or taken over from the address that used its rate longest ago.
    fn place(&self, hash: u64) -> Option<Place> {
        // The mask keeps it below the number of rows, which is a power of two.
        let row = hash as usize & (self.rows.len() - 1);
        let slots = self.rows.get(row)?;
        for _ in 0..TRIES_MAX {
            let holders = slots.each_ref().map(|slot| slot.holder.load(Relaxed));
            let mine = |holder: &u64| owner(*holder) == fingerprint(hash);
            if let Some(slot) = holders.iter().position(mine) {
                return Some(Place { row, slot });
            }
            let free = holders.iter().zip(slots).enumerate();
            let free = free.filter(|(_, (holder, _))| **holder & ALL_HELD == 0);
            let (slot, (holder, taken)) =
                free.min_by_key(|(_, (_, slot))| slot.arrival_ns.load(Relaxed))?;
            let new = fingerprint(hash) << OWNER_SHIFT;
            if taken.holder.compare_exchange(*holder, new, Relaxed, Relaxed).is_err() {
                continue;
            }
            // Another thread may charge the former address in between: one request, once.
            taken.arrival_ns.store(0, Relaxed);
            // Another thread may have entered the same address elsewhere in between, and would count what it has
            // for itself. The fence: of two that enter it, one at least sees the other.
            fence(SeqCst);
            let others = slots.iter().enumerate().filter(|(place, _)| *place != slot);
            let twice = others
                .map(|(_, other)| other.holder.load(Relaxed))
                .any(|other| owner(other) == fingerprint(hash));
            // Where it was used meanwhile it stays: nobody gives up what somebody holds.
            if !twice || taken.holder.compare_exchange(new, 0, Relaxed, Relaxed).is_err() {
                return Some(Place { row, slot });
            }
        }
        None
    }

    fn slot(&self, place: Place) -> Option<&Slot> {
        self.rows.get(place.row)?.get(place.slot)
    }

    fn hash(&self, address: IpAddr) -> u64 {
        self.hasher.hash_one(host(address))
    }
}

/// What stands for an address in a table of clients: an IPv6 host has a /64 to itself and could come from any address
/// in it.
#[must_use]
pub fn host(address: IpAddr) -> (u8, u64) {
    match address.to_canonical() {
        IpAddr::V4(address) => (4, u64::from(address.to_bits())),
        IpAddr::V6(address) => (6, (address.to_bits() >> 64) as u64),
    }
}

/// What an address has a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Connections.
    Connection,
    /// Requests that are being served.
    Request,
}

impl Held {
    fn shift(self) -> u32 {
        match self {
            Self::Connection => 16,
            Self::Request => 0,
        }
    }

    fn one(self) -> u64 {
        1 << self.shift()
    }

    fn count(self, holder: u64) -> u64 {
        holder >> self.shift() & HELD_MAX
    }
}

/// The right to one of them; given back when it ends, however it does.
pub struct Seat {
    table: Arc<AddressTable>,
    place: Place,
    held: Held,
}

impl Drop for Seat {
    fn drop(&mut self) {
        // A slot that holds anything is never taken over, so it is still ours.
        if let Some(slot) = self.table.slot(self.place) {
            slot.holder.fetch_sub(self.held.one(), Relaxed);
        }
    }
}

#[derive(Clone, Copy)]
struct Place {
    row: usize,
    slot: usize,
}

// Never 0, which is nobody's. The row has used the lower bits.
fn fingerprint(hash: u64) -> u64 {
    hash >> OWNER_SHIFT | 1
}

fn owner(holder: u64) -> u64 {
    holder >> OWNER_SHIFT
}

const OWNER_SHIFT: u32 = 32;
const HELD_MAX: u64 = u16::MAX as u64;
const ALL_HELD: u64 = u32::MAX as u64;
/// Two cache lines.
const ROW_SLOTS: usize = 8;
/// A try fails only when another thread succeeded in the same row; so many in a row do not happen.
const TRIES_MAX: usize = 64;
const NS_PER_S: u64 = 1_000_000_000;

#[cfg(test)]
mod tests;
