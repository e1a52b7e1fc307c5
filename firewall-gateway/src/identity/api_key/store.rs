//! The keys of a worker, which change while requests are served.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::{ArcSwap, Guard};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{
    table::{Grant, Key, NEVER, REVOKED},
    text::{ID_CHARS, KeyHash},
};
use crate::{
    identity::{
        consumers::{Consumers, shared},
        table::Tables,
    },
    limits::{API_KEYS_MAX, KEY_USES_AT_ONCE},
};

/// A key as the daemon keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPolicy {
    /// Which one.
    pub id: String,
    /// What is known of its text.
    pub hash: KeyHash,
    /// When it ends; nothing where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_epoch_s: Option<u64>,
    /// What it is good for.
    pub grant: GrantPolicy,
}

/// What a key is good for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantPolicy {
    /// Whose it is.
    pub consumer: String,
    /// Of its consumer's scopes these alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// For these routes alone; none is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// From these networks alone; none is anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<IpNetwork>,
}

/// What becomes of a key while a worker serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KeyChange {
    /// It holds from now on.
    Add(KeyPolicy),
    /// It ends at this time, if it does not before.
    End {
        /// Which.
        hash: KeyHash,
        /// When.
        ends_epoch_s: u64,
    },
    /// It holds no longer.
    Revoke {
        /// Which.
        hash: KeyHash,
    },
}

/// When a key was used last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyUse {
    /// Which.
    pub id: String,
    /// When, to the minute.
    pub at_epoch_s: u64,
}

/// All keys. Requests read it without a lock; one thread changes it.
#[derive(Debug, Default)]
pub struct KeyStore {
    tables: ArcSwap<Tables<Key>>,
    consumers: Consumers,
    grants: Mutex<HashMap<GrantPolicy, Arc<Grant>>>,
    refused: AtomicU64,
    /// Told when some end.
    changed: watch::Sender<()>,
}

impl KeyStore {
    /// No key yet, of these consumers.
    #[must_use]
    pub fn new(consumers: Consumers) -> Self {
        Self { consumers, ..Self::default() }
    }

    /// Puts these keys in the place of all that are there.
    pub fn fill(&self, keys: Vec<Arc<Key>>) {
        self.tables.store(Arc::new(Tables::new(keys)));
    }

    /// A key of the policy; those that are good for the same share it. Nothing where its id is none.
    #[must_use]
    pub fn key(&self, policy: &KeyPolicy) -> Option<Arc<Key>> {
        let id: [u8; ID_CHARS] = policy.id.as_bytes().try_into().ok()?;
        let grant = self.grant(&policy.grant);
        let ends_epoch_s = policy.ends_epoch_s.unwrap_or(NEVER);
        Some(Arc::new(Key::new(policy.hash, id, ends_epoch_s, grant)))
    }

    /// What a key is good for, once its consumer is asked.
    #[must_use]
    pub fn grant(&self, policy: &GrantPolicy) -> Arc<Grant> {
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        let grant = grants.entry(policy.clone()).or_insert_with(|| {
            let consumer = self.consumers.find(&policy.consumer);
            let scopes = match &policy.scopes {
                None => consumer.scopes.clone(),
                // Of what its consumer no longer has, a key has nothing either.
                Some(scopes) => {
                    let mut scopes = scopes.clone();
                    scopes.retain(|scope| consumer.scopes.iter().any(|own| **own == **scope));
                    shared(&scopes)
                }
            };
            let (routes, networks) = (policy.routes.clone(), policy.networks.clone());
            let headers = consumer.headers(&scopes);
            Arc::new(Grant { consumer, scopes, routes, networks, headers })
        });
        grant.clone()
    }

    /// The keys of this moment.
    #[must_use]
    pub fn tables(&self) -> Guard<Arc<Tables<Key>>> {
        self.tables.load()
    }

    /// Told when some end.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Takes changes over: the next request of any connection meets them. One thread calls it.
    pub fn change(&self, changes: &[KeyChange]) {
        let tables = self.tables.load_full();
        let mut added = Vec::new();
        let found = |hash: &KeyHash, added: &[(KeyHash, Arc<Key>)]| {
            let new = added.iter().find(|(other, _)| other == hash).map(|(_, key)| key.clone());
            new.or_else(|| tables.find(hash).cloned())
        };
        let room = API_KEYS_MAX.saturating_sub(tables.count());
        for change in changes {
            let (hash, ends_epoch_s) = match change {
                // Told again what it began with, and nothing brings a key back that has ended.
                KeyChange::Add(policy) if found(&policy.hash, &added).is_some() => continue,
                KeyChange::Add(policy) => {
                    match self.key(policy) {
                        Some(key) if added.len() < room => added.push((policy.hash, key)),
                        Some(_) | None => {
                            self.refused.fetch_add(1, Relaxed);
                        }
                    }
                    continue;
                }
                KeyChange::End { hash, ends_epoch_s } => (hash, *ends_epoch_s),
                KeyChange::Revoke { hash } => (hash, REVOKED),
            };
            if let Some(key) = found(hash, &added) {
                key.end(ends_epoch_s);
                self.changed.send_replace(());
            }
        }
        if !added.is_empty() {
            let added = added.into_iter().map(|(_, key)| key);
            self.tables.store(Arc::new(tables.with(added)));
        }
    }

    /// Keys that were used since a minute, from the `from`th on; and where to go on, if there are more.
    #[must_use]
    pub fn used_since(&self, since_min: u32, from: usize) -> (Vec<KeyUse>, Option<usize>) {
        let tables = self.tables.load();
        let mut uses = Vec::new();
        for (place, key) in tables.iter().enumerate().skip(from) {
            if uses.len() == KEY_USES_AT_ONCE {
                return (uses, Some(place));
            }
            if let Some((id, at_epoch_s)) = key.used_since(since_min) {
                uses.push(KeyUse { id, at_epoch_s });
            }
        }
        (uses, None)
    }

    /// How many keys there are, and how many found no room.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.size().0 as u64, self.refused.load(Relaxed))
    }

    /// How many keys there are, and the bytes of their tables.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let tables = self.tables.load();
        (tables.count(), tables.bytes())
    }
}

#[cfg(test)]
mod tests;
