//! Names of keys that nobody knows. Each asks for newer keys once in a while, and no storm of them asks more.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::limits::{JWT_UNKNOWN_KID_REST_S, JWT_UNKNOWN_KIDS_MAX};

/// What was asked for lately; threads share it, and none waits for another.
///
/// A word has 32 bits of a name's hash and the second in which it asked. The hash is keyed, so that nobody
/// makes names that push out each other; where it happens anyway, newer keys are asked for once too often.
#[derive(Debug)]
pub struct UnknownKids {
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Default for UnknownKids {
    fn default() -> Self {
        let slots = (0..JWT_UNKNOWN_KIDS_MAX).map(|_| AtomicU64::new(0)).collect();
        Self { slots, hasher: RandomState::new() }
    }
}

impl UnknownKids {
    /// Whether a name is one to ask for newer keys for.
    #[must_use]
    pub fn asks(&self, kid: &str, now_epoch_s: u64) -> bool {
        let hash = self.hasher.hash_one(kid);
        let Some(slot) = self.slots.get(hash as u32 as usize % self.slots.len().max(1)) else {
            return true;
        };
        // Seconds wrap every 136 years; then a name asks once too often.
        let now = now_epoch_s & u64::from(u32::MAX);
        let found = slot.load(Relaxed);
        let same = found >> 32 == hash >> 32 && found != 0;
        if same && now.saturating_sub(found & u64::from(u32::MAX)) < JWT_UNKNOWN_KID_REST_S {
            return false;
        }
        slot.store(hash >> 32 << 32 | now, Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{JWT_UNKNOWN_KID_REST_S, UnknownKids};

    #[test]
    fn a_name_asks_once_in_a_while() {
        let kids = UnknownKids::default();
        let start = 1_700_000_000;
        assert!(kids.asks("a", start));
        for later in 0..JWT_UNKNOWN_KID_REST_S {
            assert!(!kids.asks("a", start + later), "{later}");
        }
        assert!(kids.asks("a", start + JWT_UNKNOWN_KID_REST_S));
        assert!(!kids.asks("a", start + JWT_UNKNOWN_KID_REST_S));
        assert!(!kids.asks("a", 5), "a clock that was set back");
        assert!(kids.asks("b", start));
    }
}
