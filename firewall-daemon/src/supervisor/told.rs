//! What workers tell beside their figures.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use firewall_gateway::{identity::api_key::store::KeyUse, limits::JWTS_MAX};
use tokio::sync::Notify;

use super::offences::OffenceQueue;
use crate::state::api_keys::Keyring;

/// What was told and not attended to yet.
#[derive(Debug)]
pub struct Told {
    /// Notified when a worker dies that was not told to.
    pub died: Notify,
    /// Notified when one wants newer keys.
    pub keys_wanted: Notify,
    /// Whom they want banned.
    pub offences: OffenceQueue,
    wanted: Mutex<BTreeSet<String>>,
    api_keys: Arc<Keyring>,
}

impl Told {
    /// Nothing was told; uses of API keys are noted in this ring.
    pub fn new(api_keys: Arc<Keyring>) -> Self {
        let (died, keys_wanted, offences, wanted) = Default::default();
        Self { died, keys_wanted, offences, wanted, api_keys }
    }

    /// API keys were used.
    pub fn used(&self, uses: Vec<KeyUse>) {
        self.api_keys.used(uses);
    }

    /// A worker wants newer keys of an issuer.
    pub fn want_keys(&self, jwt: String) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        // There are no more issuers: one that names more is not to be believed.
        if wanted.len() < JWTS_MAX {
            wanted.insert(jwt);
        }
        self.keys_wanted.notify_one();
    }

    /// Of which issuers, since this was last asked.
    pub fn take_keys_wanted(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.wanted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
