//! The gateway's worker process: started, watched, replaced, drained.
//!
//! The worker parses what anyone sends, so it is a process of its own, without privileges. Its
//! listening sockets stay here: a new worker takes them over while the old one drains.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use firewall_gateway::{
    figures::Figures,
    identity::api_key::store::KeyChange,
    listener::{self, BoundListener},
    policy::GatewayPolicy,
};
use tokio::sync::Notify;

use crate::{
    config::GatewayConfig,
    state::keys::Keyring,
    status::{GatewayStatus, RoutesShown},
};

mod material;
mod told;
mod user;
mod worker;

pub use material::{MaterialError, policy};
pub use user::UserError;
pub use worker::{Worker, WorkerError};

use told::Told;
use user::WorkerUser;

/// A worker that dies at once is started again after this wait, doubled each time...
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// ...up to this one.
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A worker that lived so long ended a row of deaths.
const BACKOFF_RESET: Duration = Duration::from_secs(60);

/// Why the gateway cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// Its addresses.
    #[error(transparent)]
    Bind(#[from] listener::BindError),
    /// Its user.
    #[error(transparent)]
    User(#[from] UserError),
    /// Its certificate, key or CA.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// The process.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

/// Watches over the gateway.
pub struct Supervisor {
    addresses: Vec<SocketAddr>,
    listeners: Arc<Vec<BoundListener>>,
    user: WorkerUser,
    told: Told,
    /// Notified when a worker dies that was not told to.
    died: Arc<Notify>,
    state: Mutex<State>,
}

struct State {
    policy: GatewayPolicy,
    live: Arc<Worker>,
    /// Workers that were told to drain and may still serve.
    draining: Vec<Arc<Worker>>,
    /// What ended workers counted.
    retired: Figures,
    restarts: u64,
    deaths_in_a_row: u32,
}

impl Supervisor {
    /// Binds the addresses and starts a worker; returns when it serves.
    ///
    /// # Errors
    ///
    /// Where one of them fails; nothing is left then.
    pub fn start(
        config: &GatewayConfig,
        policy: GatewayPolicy,
        keys: Arc<Keyring>,
    ) -> Result<Self, SupervisorError> {
        let user = WorkerUser::find(&config.user)?;
        let listeners = Arc::new(listener::bind_listeners(&config.listen, config.threads)?);
        let died = Arc::new(Notify::new());
        let told = Told::new(keys);
        let live = told.start(&listeners, user, &policy, &died)?;
        let state = State {
            policy,
            live,
            draining: Vec::new(),
            retired: Figures::default(),
            restarts: 0,
            deaths_in_a_row: 0,
        };
        let addresses = config.listen.clone();
        Ok(Self { addresses, listeners, user, told, died, state: Mutex::new(state) })
    }

    /// Starts a worker for a new policy beside the live one; returns when it serves.
    ///
    /// # Errors
    ///
    /// Where it does not start; the live one goes on.
    pub fn stage(&self, policy: &GatewayPolicy) -> Result<Arc<Worker>, WorkerError> {
        self.told.start(&self.listeners, self.user, policy, &self.died)
    }

    /// Makes a staged worker the live one and tells the old one to drain.
    pub fn promote(&self, staged: Arc<Worker>, policy: GatewayPolicy) {
        let mut state = self.state();
        state.policy = policy;
        let old = std::mem::replace(&mut state.live, staged);
        old.drain();
        state.draining.push(old);
        state.collect();
    }

    /// Tells every worker what became of keys.
    pub fn tell_keys(&self, changes: &[KeyChange]) {
        self.told.tell(changes);
    }

    /// Waits for a death.
    pub async fn died(&self) {
        self.died.notified().await;
    }

    /// How long to wait before [`Supervisor::revive`]; nothing where the live worker lives.
    pub fn backoff(&self) -> Option<Duration> {
        let mut state = self.state();
        if state.live.is_alive() {
            return None;
        }
        if state.live.age() >= BACKOFF_RESET {
            state.deaths_in_a_row = 0;
        }
        Some(backoff(state.deaths_in_a_row))
    }

    /// Starts a worker in a dead one's place.
    ///
    /// # Errors
    ///
    /// Where it does not start; the wait before the next try is longer then.
    pub fn revive(&self) -> Result<(), WorkerError> {
        let policy = {
            let mut state = self.state();
            state.deaths_in_a_row = state.deaths_in_a_row.saturating_add(1);
            state.restarts += 1;
            state.policy.clone()
        };
        let worker = self.stage(&policy)?;
        let mut state = self.state();
        let dead = std::mem::replace(&mut state.live, worker);
        state.draining.push(dead);
        state.collect();
        Ok(())
    }

    /// Drains all workers and waits for their end; those that take too long are killed.
    pub fn stop(&self) {
        let workers: Vec<Arc<Worker>> = {
            let state = self.state();
            state.draining.iter().chain([&state.live]).cloned().collect()
        };
        for worker in &workers {
            worker.drain();
        }
        for worker in &workers {
            worker.wait();
        }
    }

    /// The state of this moment.
    pub fn status(&self) -> GatewayStatus {
        let mut state = self.state();
        state.collect();
        let mut figures = state.retired.clone();
        for worker in state.draining.iter().chain([&state.live]) {
            figures.add(&worker.figures());
        }
        GatewayStatus {
            listen: self.addresses.clone(),
            worker_pid: state.live.pid(),
            sandbox: state.live.sandbox(),
            restarts: state.restarts,
            figures,
        }
    }

    /// The routes that the live worker serves, with what was counted of them.
    pub fn routes(&self) -> RoutesShown {
        let figures = self.status().figures;
        RoutesShown::new(&self.state().policy, &figures)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Keeps the figures of workers that have ended, and lets go of them.
    fn collect(&mut self) {
        for ended in self.draining.extract_if(.., |worker| !worker.is_alive()) {
            self.retired.add(&ended.figures().retired());
        }
    }
}

fn backoff(deaths_in_a_row: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(deaths_in_a_row.min(16));
    BACKOFF_FIRST.saturating_mul(doubled).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        for (deaths, expected_ms) in
            [(0, 100), (1, 200), (2, 400), (6, 6_400), (7, 10_000), (u32::MAX, 10_000)]
        {
            assert_eq!(backoff(deaths), Duration::from_millis(expected_ms), "{deaths} deaths");
        }
    }
}
