//! Tokens that were verified already, in one thread: no lock, bounded in number and bytes.
//!
//! Only good tokens come in, so nobody fills it without an issuer's help. They are found by their SHA-256:
//! of the token itself nothing is kept.

use std::collections::HashMap;

use crate::{
    identity::Identity,
    limits::{JWT_CACHE_BYTES_MAX, JWT_CACHE_TOKENS_MAX},
};

/// SHA-256 of a token, and whose it is: one token may be good for two issuers' settings, in two ways.
pub type CacheKey = ([u8; 32], usize);

/// The tokens.
#[derive(Debug)]
pub struct Cache<T = Identity> {
    places: HashMap<CacheKey, usize>,
    slots: Vec<Slot<T>>,
    /// Where the next one to go is looked for.
    hand: usize,
    bytes: usize,
}

/// A token that is good for a time.
#[derive(Clone, Debug)]
pub struct Verified<T = Identity> {
    /// Who it is.
    pub identity: T,
    /// Which keys it was verified with.
    pub generation: u64,
    /// The first second in which it is good...
    pub from_epoch_s: u64,
    /// ...and the first in which it is not any more.
    pub until_epoch_s: u64,
}

#[derive(Debug)]
struct Slot<T> {
    key: CacheKey,
    verified: Verified<T>,
    bytes: usize,
    used: bool,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self { places: HashMap::new(), slots: Vec::new(), hand: 0, bytes: 0 }
    }
}

impl<T: Clone> Cache<T> {
    /// A token that is still good, verified with these keys.
    pub fn find(&mut self, key: &CacheKey, generation: u64, now_epoch_s: u64) -> Option<T> {
        let slot = self.slots.get_mut(*self.places.get(key)?)?;
        let verified = &slot.verified;
        let timely = (verified.from_epoch_s..verified.until_epoch_s).contains(&now_epoch_s);
        if verified.generation != generation || !timely {
            return None;
        }
        slot.used = true;
        Some(verified.identity.clone())
    }

    /// Keeps a token, whose length stands for what it takes; others that were not used lately give way.
    pub fn keep(&mut self, key: CacheKey, token_bytes: usize, verified: Verified<T>) {
        let slot = Slot { key, verified, bytes: token_bytes, used: false };
        if let Some(place) = self.places.get(&key) {
            self.forget(*place);
        }
        while self.slots.len() >= JWT_CACHE_TOKENS_MAX
            || (self.bytes + token_bytes > JWT_CACHE_BYTES_MAX && !self.slots.is_empty())
        {
            self.forget_one();
        }
        self.bytes += token_bytes;
        self.places.insert(key, self.slots.len());
        self.slots.push(slot);
    }

    // The clock: whoever was used since the hand last came by stays for one round more.
    fn forget_one(&mut self) {
        loop {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let Some(slot) = self.slots.get_mut(self.hand) else { return };
            if slot.used {
                slot.used = false;
                self.hand += 1;
                continue;
            }
            return self.forget(self.hand);
        }
    }

    // The last one takes the place of the one that goes.
    fn forget(&mut self, place: usize) {
        let gone = self.slots.swap_remove(place);
        self.bytes -= gone.bytes;
        self.places.remove(&gone.key);
        if let Some(moved) = self.slots.get(place) {
            self.places.insert(moved.key, place);
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        assert_eq!(self.places.len(), self.slots.len());
        assert_eq!(self.bytes, self.slots.iter().map(|slot| slot.bytes).sum::<usize>());
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Cache, CacheKey, JWT_CACHE_BYTES_MAX, JWT_CACHE_TOKENS_MAX, Verified};
    use crate::identity::{Identity, Method};

    fn key(number: u32) -> CacheKey {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        (digest, 0)
    }

    fn verified(number: u32) -> Verified {
        let identity = Identity {
            consumer: number.to_string().into(),
            scopes: Arc::new([]),
            roles: Arc::new([]),
            claims: None,
            method: Method::Jwt,
            credential: "".into(),
        };
        Verified { identity, generation: 1, from_epoch_s: 10, until_epoch_s: 20 }
    }

    #[test]
    fn a_token_is_found_while_it_is_good() {
        let mut cache = Cache::default();
        cache.keep(key(1), 100, verified(1));
        for (number, generation, now, expected) in [
            (1, 1, 10, true),
            (1, 1, 19, true),
            (1, 1, 9, false),
            (1, 1, 20, false),
            (1, 2, 10, false),
            (2, 1, 10, false),
        ] {
            let found = cache.find(&key(number), generation, now);
            assert_eq!(found.is_some(), expected, "{number} {generation} {now}");
        }
        assert!(cache.find(&(key(1).0, 1), 1, 10).is_none(), "of another issuer");
        cache.keep(key(1), 200, Verified { generation: 2, ..verified(1) });
        assert_eq!((cache.len(), cache.bytes), (1, 200));
        assert!(cache.find(&key(1), 2, 10).is_some());
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let mut cache = Cache::default();
        let most = u32::try_from(JWT_CACHE_TOKENS_MAX).unwrap();
        for number in 0..most * 2 {
            cache.keep(key(number), 100, verified(number));
            assert!(cache.find(&key(0), 1, 10).is_some(), "in use at {number}");
        }
        assert_eq!(cache.len(), JWT_CACHE_TOKENS_MAX);
        assert!(cache.find(&key(most * 2 - 1), 1, 10).is_some());
        let large = JWT_CACHE_BYTES_MAX / 4;
        for number in 0..100 {
            cache.keep(key(number), large, verified(number));
            assert!(cache.bytes <= JWT_CACHE_BYTES_MAX, "{}", cache.bytes);
        }
        assert!((1..=4).contains(&cache.len()), "{}", cache.len());
    }
}
