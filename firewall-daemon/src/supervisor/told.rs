//! What workers tell beside their figures.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use firewall_gateway::{
    behaviour::offence::Offence,
    identity::{api_key::store::KeyUse, session::record::SessionChange},
    limits::{JWTS_MAX, LOGINS_MAX, OFFENCES_AT_ONCE},
};
use tokio::sync::Notify;

use super::queue::Queue;
use crate::state::{api_keys::Keyring, sessions::SessionFile};

/// Changes of sessions that are written together.
const SESSIONS_AT_ONCE: usize = 512;

/// What was told and not attended to yet.
#[derive(Debug)]
pub struct Told {
    /// Notified when a worker dies that was not told to.
    pub died: Notify,
    /// Notified when one wants newer keys.
    pub keys_wanted: Notify,
    /// Whom they want banned.
    pub offences: Queue<Offence>,
    /// Who has logged in or out.
    pub sessions: Queue<SessionChange>,
    wanted: Mutex<BTreeSet<String>>,
    api_keys: Arc<Keyring>,
    session_file: Arc<SessionFile>,
}

impl Told {
    /// Nothing was told; uses of API keys and sessions are noted in these.
    pub fn new(api_keys: Arc<Keyring>, session_file: Arc<SessionFile>) -> Self {
        let (died, keys_wanted, wanted) = Default::default();
        let (offences, sessions) = (Queue::new(OFFENCES_AT_ONCE), Queue::new(SESSIONS_AT_ONCE));
        Self { died, keys_wanted, offences, sessions, wanted, api_keys, session_file }
    }

    /// Sessions were used.
    pub fn sessions_used(&self, uses: Vec<KeyUse>) {
        self.session_file.used(uses);
    }

    /// API keys were used.
    pub fn used(&self, uses: Vec<KeyUse>) {
        self.api_keys.used(uses);
    }

    /// A worker wants newer keys of an issuer.
    pub fn want_keys(&self, jwt: String) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        // There are no more issuers: one that names more is not to be believed.
        if wanted.len() < JWTS_MAX + LOGINS_MAX {
            wanted.insert(jwt);
        }
        self.keys_wanted.notify_one();
    }

    /// Of which issuers, since this was last asked.
    pub fn take_keys_wanted(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.wanted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
