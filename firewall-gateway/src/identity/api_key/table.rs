//! A key, and what it is good for; what changes of it is in atomics.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

use http::{HeaderName, HeaderValue};

use super::{
    error::KeyError,
    text::{ID_CHARS, KeyHash},
};
use crate::identity::{consumers::Consumer, table::Hashed};

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

impl Hashed for Key {
    fn hash(&self) -> &KeyHash {
        &self.hash
    }
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

    /// When it ends; [`NEVER`] and [`REVOKED`] are no times.
    #[must_use]
    pub fn ends_epoch_s(&self) -> u64 {
        self.ends_epoch_s.load(Relaxed)
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
