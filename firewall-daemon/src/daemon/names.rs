//! Backends by name: looked up here, as the worker may reach nothing but backends.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, ToSocketAddrs as _},
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
    supervisor::backends::{Known, in_force},
};

/// How often it is asked what is due.
const BEAT: Duration = Duration::from_secs(1);
/// Addresses of one name that are used.
const ADDRESSES_MAX: usize = 64;
/// How long a start waits for all names; what is not known by then is looked up again soon.
const START_WAIT: Duration = Duration::from_secs(3);
/// How soon a name is looked up again that has no address.
const RETRY: Duration = Duration::from_secs(1);

/// The addresses of names. What was once known is kept until there is something better.
#[derive(Debug, Default)]
pub struct Names {
    known: Mutex<Known>,
    due: Mutex<BTreeMap<(String, u16), Instant>>,
}

impl Names {
    /// Looks all names of a configuration up, at once and for a bounded time.
    pub fn at_start(config: &Config) -> Self {
        let names = Self::default();
        let (found, finds) = mpsc::channel();
        let mut asked = 0;
        for name in of(config) {
            let found = found.clone();
            let lookup = move || {
                let answer = look_up(&name);
                // Nobody waits any more.
                let _ = found.send((name, answer));
            };
            // Where there is no thread to be had, the first beat looks it up.
            if thread::Builder::new().name("name".to_owned()).spawn(lookup).is_ok() {
                asked += 1;
            }
        }
        let end = Instant::now() + START_WAIT;
        for _ in 0..asked {
            let left = end.saturating_duration_since(Instant::now());
            let Ok((name, answer)) = finds.recv_timeout(left) else { break };
            names.take(&name, answer);
        }
        names
    }

    /// The addresses as they were last found.
    pub fn known(&self) -> Known {
        lock(&self.known).clone()
    }

    /// Whether these are others than before.
    fn take(&self, name: &BackendName, answer: Result<Vec<SocketAddr>, String>) -> bool {
        let key = (name.name.clone(), name.port);
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

    fn is_due(&self, name: &BackendName) -> bool {
        let due = lock(&self.due);
        due.get(&(name.name.clone(), name.port)).is_none_or(|due| *due <= Instant::now())
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
