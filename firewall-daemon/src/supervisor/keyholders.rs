//! Every worker knows the API keys of this moment: those that it started with, and each change since.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter},
    os::fd::AsFd as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use firewall_gateway::{
    identity::api_key::{handed, store::KeyChange},
    listener::BoundListener,
    policy::GatewayPolicy,
};
use rustix::fs::{MemfdFlags, memfd_create};

use super::{Told, Worker, WorkerError, WorkerUser};
use crate::state::api_keys::Keyring;

/// Whom to tell.
pub struct Keyholders {
    keys: Arc<Keyring>,
    holders: Mutex<Holders>,
}

#[derive(Default)]
struct Holders {
    workers: Vec<Weak<Worker>>,
    /// What changed since those began to be made that are not among the workers yet. A file of a million keys takes
    /// a while, and nobody who takes a key back should wait for it.
    meanwhile: BTreeMap<u64, Vec<KeyChange>>,
    begun: u64,
}

impl Keyholders {
    /// Nobody yet.
    pub fn new(keys: Arc<Keyring>) -> Self {
        Self { keys, holders: Mutex::default() }
    }

    /// Starts a worker that is told from its first moment on, and waits until it serves.
    ///
    /// # Errors
    ///
    /// Where it does not.
    pub fn start(
        &self,
        listeners: &[BoundListener],
        user: WorkerUser,
        policy: &GatewayPolicy,
        told: &Arc<Told>,
    ) -> Result<Arc<Worker>, WorkerError> {
        let turn = {
            let mut holders = self.holders();
            holders.begun += 1;
            let turn = holders.begun;
            holders.meanwhile.insert(turn, Vec::new());
            turn
        };
        let begun = file(&self.keys)
            .map_err(WorkerError::ApiKeys)
            .and_then(|keys| Worker::begin(listeners, user, policy, keys.as_fd(), told));
        let worker = {
            let mut holders = self.holders();
            let meanwhile = holders.meanwhile.remove(&turn).unwrap_or_default();
            let worker = begun?;
            // It may know some of them already, which changes nothing.
            worker.tell_api_keys(&meanwhile);
            holders.workers.retain(|worker| worker.strong_count() > 0);
            holders.workers.push(Arc::downgrade(&worker));
            worker
        };
        worker.served()
    }

    /// Tells all of them, those too that drain: their connections are open yet.
    pub fn tell(&self, changes: &[KeyChange]) {
        let mut holders = self.holders();
        for meanwhile in holders.meanwhile.values_mut() {
            meanwhile.extend_from_slice(changes);
        }
        for worker in holders.workers.iter().filter_map(Weak::upgrade) {
            worker.tell_api_keys(changes);
        }
    }

    fn holders(&self) -> MutexGuard<'_, Holders> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The keys in memory that has no name: a worker can open no file.
fn file(keys: &Keyring) -> io::Result<File> {
    let file = File::from(memfd_create(c"seawall-api-keys", MemfdFlags::CLOEXEC)?);
    let policies = keys.policies();
    handed::write(policies.iter(), &mut BufWriter::new(&file))?;
    Ok(file)
}
