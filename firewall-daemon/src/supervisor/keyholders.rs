//! Every worker knows the API keys of this moment: those that it started with, and each change since.

use std::{
    fs::File,
    io::{self, BufWriter},
    os::fd::AsFd as _,
    sync::{Arc, Mutex, PoisonError, Weak},
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
    // Held from the copy of all keys until the worker is among these: no change falls in between.
    workers: Mutex<Vec<Weak<Worker>>>,
}

impl Keyholders {
    /// Nobody yet.
    pub fn new(keys: Arc<Keyring>) -> Self {
        Self { keys, workers: Mutex::default() }
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
        let worker = {
            let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
            workers.retain(|worker| worker.strong_count() > 0);
            let keys = file(&self.keys).map_err(WorkerError::ApiKeys)?;
            let worker = Worker::begin(listeners, user, policy, keys.as_fd(), told)?;
            workers.push(Arc::downgrade(&worker));
            worker
        };
        worker.served()
    }

    /// Tells all of them, those too that drain: their connections are open yet.
    pub fn tell(&self, changes: &[KeyChange]) {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        for worker in workers.iter().filter_map(Weak::upgrade) {
            worker.tell_api_keys(changes);
        }
    }
}

/// The keys in memory that has no name: a worker can open no file.
fn file(keys: &Keyring) -> io::Result<File> {
    let file = File::from(memfd_create(c"seawall-api-keys", MemfdFlags::CLOEXEC)?);
    let policies = keys.policies();
    handed::write(policies.iter(), &mut BufWriter::new(&file))?;
    Ok(file)
}
