//! Every worker knows the API keys and sessions of this moment: those that it started with, and each change since.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Write as _},
    os::fd::AsFd as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use firewall_gateway::{
    identity::{
        api_key::{self, store::KeyChange},
        session::{self, record::SessionChange},
    },
    listener::BoundListener,
    policy::GatewayPolicy,
    worker::start::HandedFiles,
};
use rustix::fs::{MemfdFlags, memfd_create};

use super::{Told, Worker, WorkerError, WorkerUser};
use crate::state::{api_keys::Keyring, sessions::SessionFile};

/// Whom to tell.
pub struct Keyholders {
    keys: Arc<Keyring>,
    sessions: Arc<SessionFile>,
    holders: Mutex<Holders>,
}

#[derive(Default)]
struct Holders {
    workers: Vec<Weak<Worker>>,
    /// What changed since those began to be made that are not among the workers yet. A file of a million keys takes
    /// a while, and nobody who takes a key back should wait for it.
    meanwhile: BTreeMap<u64, Changes>,
    begun: u64,
}

/// What became of keys and of sessions, each in its order.
#[derive(Default)]
struct Changes {
    keys: Vec<KeyChange>,
    sessions: Vec<SessionChange>,
}

impl Keyholders {
    /// Nobody yet.
    pub fn new(keys: Arc<Keyring>, sessions: Arc<SessionFile>) -> Self {
        Self { keys, sessions, holders: Mutex::default() }
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
            holders.meanwhile.insert(turn, Changes::default());
            turn
        };
        let files = self.key_file().and_then(|keys| Ok((keys, self.session_file()?)));
        let begun = files.map_err(WorkerError::Handed).and_then(|(keys, sessions)| {
            let (api_keys, sessions) = (Some(keys.as_fd()), Some(sessions.as_fd()));
            let files = HandedFiles { api_keys, sessions, ..HandedFiles::default() };
            Worker::begin(listeners, user, policy, files, told)
        });
        let worker = {
            let mut holders = self.holders();
            let meanwhile = holders.meanwhile.remove(&turn).unwrap_or_default();
            let worker = begun?;
            // It may know some of them already, which changes nothing.
            worker.tell_api_keys(&meanwhile.keys);
            worker.tell_sessions(&meanwhile.sessions);
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
            meanwhile.keys.extend_from_slice(changes);
        }
        for worker in holders.workers.iter().filter_map(Weak::upgrade) {
            worker.tell_api_keys(changes);
        }
    }

    /// The same of sessions.
    pub fn tell_sessions(&self, changes: &[SessionChange]) {
        let mut holders = self.holders();
        for meanwhile in holders.meanwhile.values_mut() {
            meanwhile.sessions.extend_from_slice(changes);
        }
        for worker in holders.workers.iter().filter_map(Weak::upgrade) {
            worker.tell_sessions(changes);
        }
    }

    /// The keys in memory that has no name: a worker can open no file.
    fn key_file(&self) -> io::Result<File> {
        let file = File::from(memfd_create(c"seawall-api-keys", MemfdFlags::CLOEXEC)?);
        let policies = self.keys.policies();
        api_key::handed::write(policies.iter(), &mut BufWriter::new(&file))?;
        Ok(file)
    }

    /// The sessions, likewise.
    fn session_file(&self) -> io::Result<File> {
        let file = File::from(memfd_create(c"seawall-sessions", MemfdFlags::CLOEXEC)?);
        let mut to = BufWriter::new(&file);
        let each = self.sessions.each(|session| session::handed::write(session, &mut to));
        each.map_err(io::Error::other)?;
        to.flush()?;
        drop(to);
        Ok(file)
    }

    fn holders(&self) -> MutexGuard<'_, Holders> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
