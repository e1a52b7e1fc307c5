//! Backends by name: looked up here, as the worker may reach nothing but backends.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, ToSocketAddrs as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::{Daemon, lock};
use crate::{
    config::{BackendName, Config, UpstreamConfig},
    state::{KnownNames, names as kept},
    supervisor::backends::in_force,
};

/// How often it is asked what is due.
const BEAT: Duration = Duration::from_secs(1);
/// Addresses of one name that are used.
const ADDRESSES_MAX: usize = 64;
/// How long a start or a reload waits for all names; what is not known by then is looked up again soon.
const WAIT: Duration = Duration::from_secs(3);
/// Names that are kept, those of earlier configurations among them.
const KEPT_MAX: usize = 1_024;
/// How soon a name is looked up again that has no address.
const RETRY: Duration = Duration::from_secs(1);

/// The addresses of names. What was once known is kept until there is something better, over a restart too.
#[derive(Debug)]
pub struct Names {
    known: Mutex<KnownNames>,
    due: Mutex<BTreeMap<(String, u16), Instant>>,
    file: PathBuf,
}

impl Names {
    /// What an earlier daemon knew, and then all names of a configuration looked up.
    pub fn at_start(config: &Config, folder: &Path) -> Self {
        let file = kept::path(folder);
        let known = kept::read(&file).unwrap_or_else(|error| {
            // It is only the second best: no reason not to start.
            tracing::warn!(%error, "addresses of names that were kept are not used");
            KnownNames::new()
        });
        let names = Self { known: Mutex::new(known), due: Mutex::default(), file };
        names.look_up_all(of(config));
        names
    }

    /// Looks up those of a configuration that were never looked up.
    pub fn learn(&self, config: &Config) {
        let known = self.known();
        let is_new = |name: &BackendName| !known.contains_key(&key(name));
        self.look_up_all(of(config).into_iter().filter(is_new).collect());
    }

    /// All at once, and for a bounded time.
    fn look_up_all(&self, wanted: Vec<BackendName>) {
        let (found, finds) = mpsc::channel();
        let mut asked = 0;
        for name in wanted {
            let found = found.clone();
            let lookup = move || {
                let answer = look_up(&name);
                // Nobody waits any more.
                let _ = found.send((name, answer));
            };
            // Where there is no thread to be had, the next beat looks it up.
            if thread::Builder::new().name("name".to_owned()).spawn(lookup).is_ok() {
                asked += 1;
            }
        }
        let end = Instant::now() + WAIT;
        for _ in 0..asked {
            let left = end.saturating_duration_since(Instant::now());
            let Ok((name, answer)) = finds.recv_timeout(left) else { break };
            self.take(&name, answer);
        }
    }

    /// The addresses as they were last found.
    pub fn known(&self) -> KnownNames {
        lock(&self.known).clone()
    }

    /// Whether these are others than before.
    fn take(&self, name: &BackendName, answer: Result<Vec<SocketAddr>, String>) -> bool {
        let key = key(name);
        let (next, changed) = match answer {
            Ok(addresses) => {
                let old = lock(&self.known).insert(key.clone(), addresses.clone());
                let changed = old.as_ref() != Some(&addresses);
                if changed {
                    let addresses: Vec<String> =
                        addresses.iter().map(ToString::to_string).collect();
                    tracing::info!(
                        name = name.name,
                        addresses = addresses.join(" "),
                        "a name's backends"
                    );
                    self.keep();
                }
                (Duration::from_secs(name.refresh_s), changed)
            }
            Err(error) => {
                let kept = lock(&self.known).contains_key(&key);
                tracing::warn!(name = name.name, error, kept, "a name cannot be looked up");
                let wait = if kept { Duration::from_secs(name.refresh_s) } else { RETRY };
                (wait, false)
            }
        };
        lock(&self.due).insert(key, Instant::now() + next);
        changed
    }

    fn keep(&self) {
        // Held while it is written: a later state does not come before an earlier one.
        let known = lock(&self.known);
        if let Err(error) = kept::write(&self.file, &known) {
            tracing::warn!(%error, "a start without a resolver would not know these addresses");
        }
    }

    /// Lets go of names of earlier configurations, where there are too many; a rollback may have some again.
    fn forget_others(&self, names: &[BackendName]) {
        let mut known = lock(&self.known);
        if known.len() > KEPT_MAX {
            let is_named = |known: &(String, u16)| names.iter().any(|name| key(name) == *known);
            known.retain(|known, _| is_named(known));
            lock(&self.due).retain(|known, _| is_named(known));
        }
    }

    fn is_due(&self, name: &BackendName) -> bool {
        let due = lock(&self.due);
        due.get(&key(name)).is_none_or(|due| *due <= Instant::now())
    }
}

/// Looks up what is due until `stop` says true.
pub async fn follow(daemon: Arc<Daemon>, mut stop: watch::Receiver<bool>) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let names = of(&lock(&daemon.config));
        daemon.names.forget_others(&names);
        for name in names.into_iter().filter(|name| daemon.names.is_due(name)) {
            let this = daemon.clone();
            let looked_up = spawn_blocking(move || {
                let answer = look_up(&name);
                if this.names.take(&name, answer) {
                    this.put_backends_in_force();
                }
            });
            tokio::select! {
                _ = looked_up => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }
}

impl Daemon {
    /// Tells the worker the backends of every upstream that has names.
    fn put_backends_in_force(&self) {
        let _road = lock(&self.road);
        let Some(supervisor) = &self.supervisor else { return };
        let policy = self.policy_in_force();
        let upstreams = policy.config.gateway.iter().flat_map(|gateway| &gateway.upstreams);
        let named = |upstream: &&UpstreamConfig| !upstream.names.is_empty();
        for upstream in upstreams.filter(named) {
            let backends = in_force(upstream, &policy.changes.backends, &self.names.known());
            supervisor.set_backends(&upstream.name, backends);
        }
    }
}

fn key(name: &BackendName) -> (String, u16) {
    (name.name.clone(), name.port)
}

fn of(config: &Config) -> Vec<BackendName> {
    let upstreams = config.gateway.iter().flat_map(|gateway| &gateway.upstreams);
    upstreams.flat_map(|upstream| upstream.names.iter().cloned()).collect()
}

/// By the host's own means: its hosts file, its resolvers.
fn look_up(name: &BackendName) -> Result<Vec<SocketAddr>, String> {
    let found = (name.name.as_str(), name.port).to_socket_addrs();
    let mut addresses: Vec<SocketAddr> = found.map_err(|error| error.to_string())?.collect();
    // The order of an answer changes with each, and says nothing.
    addresses.sort();
    addresses.dedup();
    if addresses.len() > ADDRESSES_MAX {
        let found = addresses.len();
        tracing::warn!(
            name = name.name,
            found,
            max = ADDRESSES_MAX,
            "only some of a name's addresses are used"
        );
        addresses.truncate(ADDRESSES_MAX);
    }
    if addresses.is_empty() { Err("it has no address".to_owned()) } else { Ok(addresses) }
}
