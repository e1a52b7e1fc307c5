//! Scores of addresses, or of consumers: a bounded table for all threads, whose rows are locked by a first offence alone.
//!
//! A score is one word, its time and its value together, so that decay and the next offence are one change. Whose
//! a slot is stands apart, eight in a cache line: a client that never offended costs a look at one.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{
    signal::Signal,
    slots::{Owners, ROW_SLOTS, home},
};
use crate::clients::addresses::host;

/// A bounded table: who finds no slot displaces the one of its row with the lowest score.
pub struct Scores {
    half_life_ms: f64,
    rows: Box<[Row]>,
    // Keyed anew in each process: nobody can choose addresses that share a row.
    hasher: RandomState,
    used: AtomicU64,
    displaced: AtomicU64,
}

#[derive(Default)]
struct Row {
    owners: Owners,
    scores: [AtomicU64; ROW_SLOTS],
    /// Until when it is refused whatever its score, and the how manieth time in a row that is.
    refused: [AtomicU64; ROW_SLOTS],
    /// How often each signal was seen, a byte each.
    seen: [[AtomicU64; SEEN_WORDS]; ROW_SLOTS],
}

/// Whose a score is.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// An IPv4 address', or an IPv6 /64's.
    Address(IpAddr),
    /// A consumer's, by its name.
    Consumer(&'a str),
}

/// For how long somebody is refused: longer each time in a row.
#[derive(Clone, Copy, Debug)]
pub struct Refusals {
    /// The first time.
    pub first_ms: u64,
    /// Each further time takes so many times as long as the one before...
    pub factor: u32,
    /// ...and no longer than this.
    pub longest_ms: u64,
    /// So long after its end a time still counts as one before.
    pub remember_ms: u64,
}

impl Refusals {
    /// The same time each time.
    #[must_use]
    pub const fn of(for_ms: u64) -> Self {
        Self { first_ms: for_ms, factor: 1, longest_ms: for_ms, remember_ms: 0 }
    }

    fn for_ms(&self, before: u64) -> u64 {
        let times = u32::try_from(before).unwrap_or(u32::MAX);
        let factor = u64::from(self.factor).saturating_pow(times);
        self.first_ms.saturating_mul(factor).min(self.longest_ms)
    }
}

/// What is known of somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Known {
    /// Its score at this moment.
    pub score: f64,
    /// Until when it is refused whatever its score, in milliseconds; 0 where it is not.
    pub until_ms: u64,
}

/// An offence was added.
#[derive(Clone, Copy, Debug)]
pub struct Added {
    /// The score before.
    pub before: f64,
    /// The score with it.
    pub after: f64,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    row: usize,
    slot: usize,
}

impl Scores {
    /// Nobody has offended yet; so many have room.
    #[must_use]
    pub fn new(half_life_s: u32, slots: usize) -> Self {
        Self {
            half_life_ms: f64::from(half_life_s.max(1)) * 1e3,
            rows: (0..slots / ROW_SLOTS).map(|_| Row::default()).collect(),
            hasher: RandomState::new(),
            used: AtomicU64::new(0),
            displaced: AtomicU64::new(0),
        }
    }

    /// What is known of somebody; nothing of most, which costs a look at one cache line.
    #[must_use]
    pub fn known(&self, whose: Whose<'_>, now_ms: u64) -> Known {
        if self.used.load(Relaxed) == 0 {
            return Known::default();
        }
        let (row, owner) = self.row(whose);
        let Some(slots) = self.rows.get(row) else { return Known::default() };
        let Some(slot) = slots.owners.find(owner) else {
            return Known::default();
        };
        let word =
            |words: &[AtomicU64; ROW_SLOTS]| words.get(slot).map_or(0, |it| it.load(Relaxed));
        let until_ms = at_ms(word(&slots.refused));
        Known {
            score: self.decayed(word(&slots.scores), now_ms),
            until_ms: if until_ms > now_ms { until_ms } else { 0 },
        }
    }

    /// Adds an offence of this weight.
    pub fn add(&self, whose: Whose<'_>, signal: Signal, weight: u32, now_ms: u64) -> Option<Added> {
        let place = self.place(whose, now_ms)?;
        let row = self.rows.get(place.row)?;
        let score = row.scores.get(place.slot)?;
        let next = |word: u64| {
            Some(packed(self.decayed(word, now_ms) + f64::from(weight), now_ms.max(at_ms(word))))
        };
        // It never says no.
        let (Ok(word) | Err(word)) = score.fetch_update(Relaxed, Relaxed, next);
        let before = self.decayed(word, now_ms);
        if before < FORGOTTEN {
            for seen in row.seen.get(place.slot)? {
                seen.store(0, Relaxed);
            }
        }
        let (index, shift) = lane(signal);
        let seen = row.seen.get(place.slot)?.get(index)?;
        let more = |word: u64| (word >> shift & 0xff != 0xff).then(|| word + (1 << shift));
        // At 255 it stays.
        let _ = seen.fetch_update(Relaxed, Relaxed, more);
        Some(Added { before, after: before + f64::from(weight), place })
    }

    /// Refuses from now on for a time, and begins the score anew. Says what was done where it was not refused
    /// yet: one of many threads that see the same score decides.
    pub fn decide(
        &self,
        added: &Added,
        now_ms: u64,
        refusals: &Refusals,
    ) -> Option<Vec<(Signal, u8)>> {
        let row = self.rows.get(added.place.row)?;
        let refused = row.refused.get(added.place.slot)?;
        let next = |word: u64| {
            let (until_ms, times) = (at_ms(word), word & VALUE_MASK);
            let remembered = until_ms.saturating_add(refusals.remember_ms) > now_ms;
            let before = if remembered { times } else { 0 };
            let until_ms_next = now_ms.saturating_add(refusals.for_ms(before)).min(AT_MAX_MS);
            let word = until_ms_next << VALUE_BITS | (before + 1).min(VALUE_MASK);
            (until_ms <= now_ms).then_some(word)
        };
        refused.fetch_update(Relaxed, Relaxed, next).ok()?;
        row.scores.get(added.place.slot)?.store(packed(0.0, now_ms), Relaxed);
        let seen = row.seen.get(added.place.slot)?.each_ref().map(|one| one.swap(0, Relaxed));
        let count = |signal: Signal| {
            let (index, shift) = lane(signal);
            let count = seen.get(index).copied().unwrap_or_default() >> shift & 0xff;
            (signal, u8::try_from(count).unwrap_or(u8::MAX))
        };
        Some(Signal::ALL.into_iter().map(count).filter(|(_, count)| *count > 0).collect())
    }

    /// Slots in use, and how many were taken from an address that had a score.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.used.load(Relaxed), self.displaced.load(Relaxed))
    }

    /// How long a score takes to fall to another.
    #[must_use]
    pub fn falls_in_ms(&self, from: f64, to: f64) -> u64 {
        // A float of this size fits; what is below 0 becomes 0.
        (self.half_life_ms * (from / to.max(1.0)).log2()).ceil() as u64
    }

    fn decayed(&self, word: u64, now_ms: u64) -> f64 {
        let score = (word & VALUE_MASK) as f64 / PARTS;
        let passed_ms = now_ms.saturating_sub(at_ms(word));
        if score == 0.0 || passed_ms == 0 {
            return score;
        }
        score * (-(passed_ms as f64) / self.half_life_ms).exp2()
    }

    /// The slot of somebody, found, free, or taken from the one with the lowest score that is not refused.
    fn place(&self, whose: Whose<'_>, now_ms: u64) -> Option<Place> {
        let (row, owner) = self.row(whose);
        let slots = self.rows.get(row)?;
        let worth = |slot: usize| {
            let word = |words: &[AtomicU64; ROW_SLOTS]| {
                words.get(slot).map_or(0, |word| word.load(Relaxed))
            };
            let refused = at_ms(word(&slots.refused)) > now_ms;
            (refused, self.decayed(word(&slots.scores), now_ms))
        };
        let least = || {
            (0..ROW_SLOTS).min_by_key(|slot| {
                let (refused, score) = worth(*slot);
                (slots.owners.of(*slot) != 0, refused, (score * PARTS) as u64)
            })
        };
        let clear = |slot: usize, before: u64| {
            let (refused, score) = worth(slot);
            if before == 0 {
                self.used.fetch_add(1, Relaxed);
            } else if refused || score >= FORGOTTEN {
                self.displaced.fetch_add(1, Relaxed);
            }
            let words = [slots.scores.get(slot), slots.refused.get(slot)].into_iter().flatten();
            let seen = slots.seen.get(slot).into_iter().flatten();
            words.chain(seen).for_each(|word| word.store(0, Relaxed));
        };
        let slot = slots.owners.enter(owner, least, clear)?;
        Some(Place { row, slot })
    }

    fn row(&self, whose: Whose<'_>) -> (usize, u64) {
        let hash = match whose {
            Whose::Address(address) => self.hasher.hash_one(host(address)),
            Whose::Consumer(name) => self.hasher.hash_one(name),
        };
        home(hash, self.rows.len())
    }
}

impl std::fmt::Debug for Scores {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Scores").field("used", &self.used).finish_non_exhaustive()
    }
}

/// A score with its time: 40 bits of milliseconds, which are 34 years, and 24 of the value.
fn packed(score: f64, at_ms: u64) -> u64 {
    // A float that is too large becomes the largest number.
    let value = ((score * PARTS) as u64).min(VALUE_MASK);
    at_ms << VALUE_BITS | value
}

fn at_ms(word: u64) -> u64 {
    word >> VALUE_BITS
}

fn lane(signal: Signal) -> (usize, u32) {
    let number = signal as usize;
    (number / 8, (number % 8) as u32 * 8)
}

const SEEN_WORDS: usize = Signal::ALL.len().div_ceil(8);
const VALUE_BITS: u32 = 24;
const VALUE_MASK: u64 = (1 << VALUE_BITS) - 1;
const AT_MAX_MS: u64 = u64::MAX >> VALUE_BITS;
/// A score is kept to this part of one: it may be 262,143 at most.
const PARTS: f64 = 64.0;
/// Below it, nothing is left of what was done.
const FORGOTTEN: f64 = 1.0;

#[cfg(test)]
mod tests;
