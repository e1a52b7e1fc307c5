//! The gateway's worker process: started, watched, replaced, drained.
//!
//! The worker parses what anyone sends, so it is a process of its own, without privileges. Its
//! listening sockets stay here: a new worker takes them over while the old one drains.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{SocketAddr, TcpListener},
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::fs::MetadataExt as _,
    },
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use firewall_gateway::{
    behaviour::offence::Offence,
    figures::Figures,
    identity::{api_key::store::KeyChange, session::record::SessionChange},
    listener::{self, BoundListener},
    policy::{
        BackendPolicy, ChallengePolicy, GatewayPolicy, JwtPolicy, KeyOrigin, KeyText,
        ProviderPolicy, UpstreamPolicy,
    },
};

use crate::{
    config::{GatewayConfig, JwtConfig},
    state::{api_keys::Keyring, sessions::SessionFile},
    status::{GatewayStatus, RoutesShown},
};

pub mod backends;
pub mod sticky;
mod material;
mod certificates;
mod tickets;
mod told;
mod keyholders;
mod queue;
mod user;
mod worker;

pub use certificates::warnings;
pub use material::{Material, MaterialError, material};
pub use user::UserError;
pub use worker::{Worker, WorkerError};

use keyholders::Keyholders;
use tickets::TicketRing;
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
    /// What workers tell.
    told: Arc<Told>,
    /// Who knows the API keys.
    keyholders: Keyholders,
    /// Keys that were fetched, by the issuer's name.
    keys: Mutex<BTreeMap<String, FetchedKeys>>,
    state: Mutex<State>,
}

/// What was fetched of an issuer.
#[derive(Clone, Debug)]
pub struct FetchedKeys {
    /// What tells its endpoint.
    pub endpoint: String,
    /// Its keys.
    pub keys: KeyText,
    /// What it says of itself, where people log in there.
    pub provider: Option<ProviderPolicy>,
}

struct State {
    material: Material,
    tickets: TicketRing,
    /// What is shown to an authority at this moment.
    challenges: Vec<ChallengePolicy>,
    live: Arc<Worker>,
    /// Workers that were told to drain and may still serve.
    draining: Vec<Arc<Worker>>,
    /// What ended workers counted.
    retired: Figures,
    restarts: u64,
    deaths_in_a_row: u32,
    /// Which file the workers have their countries from: device, inode, length, time of change.
    countries: Option<(u64, u64, u64, i64)>,
}

impl Supervisor {
    /// Binds the addresses, or takes over the sockets that were kept, and starts a worker; returns when it
    /// serves.
    ///
    /// # Errors
    ///
    /// Where one of them fails; nothing is left then.
    pub fn start(
        config: &GatewayConfig,
        material: Material,
        kept: Vec<TcpListener>,
        api_keys: Arc<Keyring>,
        sessions: Arc<SessionFile>,
    ) -> Result<Self, SupervisorError> {
        let user = WorkerUser::find(&config.user)?;
        let listeners = Arc::new(listener::bind_listeners(&config.listen, config.threads, kept)?);
        let told = Arc::new(Told::new(api_keys.clone(), sessions.clone()));
        let keyholders = Keyholders::new(api_keys, sessions);
        let tickets = TicketRing::new(Instant::now());
        let policy = handed(&material.policy, &tickets);
        let live = keyholders.start(&listeners, user, &policy, &told)?;
        material.log_warnings();
        let state = State {
            material,
            tickets,
            challenges: Vec::new(),
            live,
            draining: Vec::new(),
            retired: Figures::default(),
            restarts: 0,
            deaths_in_a_row: 0,
            countries: None,
        };
        let addresses = config.listen.clone();
        let (keys, state) = (Mutex::default(), Mutex::new(state));
        Ok(Self { addresses, listeners, user, told, keyholders, keys, state })
    }

    /// Starts a worker for a new policy beside the live one; returns when it serves.
    ///
    /// # Errors
    ///
    /// Where it does not start; the live one goes on.
    pub fn stage(&self, policy: &GatewayPolicy) -> Result<Arc<Worker>, WorkerError> {
        let mut policy = handed(policy, &self.state().tickets);
        self.set_fetched_keys(&mut policy);
        self.keyholders.start(&self.listeners, self.user, &policy, &self.told)
    }

    /// The policy in force, with the keys of this moment.
    pub fn policy(&self) -> GatewayPolicy {
        let mut policy = self.state().material.policy.clone();
        self.set_fetched_keys(&mut policy);
        policy
    }

    fn set_fetched_keys(&self, policy: &mut GatewayPolicy) {
        for (jwt, FetchedKeys { endpoint, keys, provider }) in &*self.keys() {
            let fetched = |jwt: &JwtPolicy| matches!(&jwt.origin, KeyOrigin::Fetched { endpoint: of, .. } if of == endpoint);
            if policy.issuers().any(|one| one.name == *jwt && fetched(one)) {
                policy.set_keys(jwt, keys.clone());
                if let Some(provider) = provider {
                    policy.set_provider(jwt, provider.clone());
                }
            }
        }
    }

    /// Makes a staged worker the live one and tells the old one to drain.
    pub fn promote(&self, staged: Arc<Worker>, material: Material) {
        material.log_warnings();
        let mut state = self.state();
        state.material = material;
        // They may have been replaced since it was staged.
        staged.replace_ticket_keys(state.tickets.keys());
        staged.show(&state.challenges);
        let old = std::mem::replace(&mut state.live, staged.clone());
        old.drain();
        state.draining.push(old);
        state.collect();
        drop(state);
        self.bring_up_to_date(&staged);
    }

    /// Keys that came while it was started are not lost on a worker.
    fn bring_up_to_date(&self, worker: &Worker) {
        let keys = self.keys().clone();
        for (jwt, fetched) in keys {
            worker.renew_keys(&jwt, &fetched);
        }
    }

    /// Gives workers other keys of an issuer, and what it says of itself.
    pub fn renew_keys(&self, jwt: &JwtConfig, keys: KeyText, provider: Option<ProviderPolicy>) {
        let KeyOrigin::Fetched { endpoint, .. } = &jwt.policy.origin else { return };
        let name = &jwt.policy.name;
        let fetched = FetchedKeys { endpoint: endpoint.clone(), keys, provider };
        self.keys().insert(name.clone(), fetched.clone());
        let workers: Vec<Arc<Worker>> = {
            let state = self.state();
            state.draining.iter().chain([&state.live]).cloned().collect()
        };
        for worker in workers {
            worker.renew_keys(name, &fetched);
        }
    }

    /// Forgets the keys of issuers that are no longer configured.
    pub fn retain_keys(&self, configured: impl Fn(&str) -> bool) {
        self.keys().retain(|name, _| configured(name));
    }

    /// Waits until a worker wants newer keys.
    pub async fn keys_wanted(&self) {
        self.told.keys_wanted.notified().await;
    }

    /// Of which issuers newer keys are wanted, since this was last asked.
    pub fn take_keys_wanted(&self) -> BTreeSet<String> {
        self.told.take_keys_wanted()
    }

    /// Waits for clients that workers want banned; nothing once that is over.
    pub fn next_offences(&self) -> Option<Vec<Offence>> {
        self.told.offences.next()
    }

    /// Nobody is to be banned any more.
    pub fn close_offences(&self) {
        self.told.offences.close();
    }

    /// How many of them were not heard, as too many were waiting.
    pub fn offences_lost(&self) -> u64 {
        self.told.offences.lost()
    }

    /// Hands the country database to every worker, where the policy asks for one and the file is another than
    /// before.
    pub fn renew_countries(&self) {
        let mut state = self.state();
        let Some(path) = state.material.policy.countries.clone() else { return };
        let file = match worker::database(&path) {
            Ok(file) => file,
            Err(error) => {
                tracing::warn!(%error, "workers keep the country database that they have");
                return;
            }
        };
        let found = file.metadata().ok().map(|it| (it.dev(), it.ino(), it.len(), it.mtime()));
        if found.is_none() || std::mem::replace(&mut state.countries, found) == found {
            return;
        }
        for worker in state.draining.iter().chain([&state.live]) {
            worker.hand_countries(&file);
        }
    }

    /// Tells every worker what became of API keys.
    pub fn tell_api_keys(&self, changes: &[KeyChange]) {
        self.keyholders.tell(changes);
    }

    /// Tells every worker what became of sessions.
    pub fn tell_sessions(&self, changes: &[SessionChange]) {
        self.keyholders.tell_sessions(changes);
    }

    /// Waits for workers to tell who has logged in or out; nothing once that is over.
    pub fn next_sessions(&self) -> Option<Vec<SessionChange>> {
        self.told.sessions.next()
    }

    /// Nobody waits for that any more; what was told and not attended to.
    pub fn close_sessions(&self) -> Vec<SessionChange> {
        self.told.sessions.close();
        self.told.sessions.left()
    }

    /// Its listening sockets.
    pub fn sockets(&self) -> Vec<BorrowedFd<'_>> {
        self.listeners.iter().map(|listener| listener.socket.as_fd()).collect()
    }

    /// Whether a worker of the policy in force may connect to a port.
    pub fn reaches(&self, port: u16) -> bool {
        let state = self.state();
        let mut ways = state.material.policy.upstreams.iter().flat_map(UpstreamPolicy::ways);
        ways.any(|way| way == port)
    }

    /// Puts other backends in place of an upstream's, in the live worker and in any that follows.
    pub fn set_backends(&self, name: &str, backends: Vec<BackendPolicy>) {
        let mut state = self.state();
        let mut upstreams = state.material.policy.upstreams.iter_mut();
        if let Some(upstream) = upstreams.find(|upstream| upstream.name == name) {
            upstream.backends.clone_from(&backends);
            state.live.set_backends(name, backends);
        }
    }

    /// Waits for a death.
    pub async fn died(&self) {
        self.told.died.notified().await;
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
            state.material.policy.clone()
        };
        let worker = self.stage(&policy)?;
        let mut state = self.state();
        worker.show(&state.challenges);
        let dead = std::mem::replace(&mut state.live, worker.clone());
        state.draining.push(dead);
        state.collect();
        drop(state);
        self.bring_up_to_date(&worker);
        Ok(())
    }

    /// How long the current key of session tickets may still be the current one.
    pub fn ticket_keys_due_in(&self, now: Instant) -> Duration {
        self.state().ticket_keys_due_in(now)
    }

    /// Replaces the keys of session tickets where their time is over, in every worker.
    pub fn rotate_ticket_keys_when_due(&self, now: Instant) {
        let mut state = self.state();
        if !state.ticket_keys_due_in(now).is_zero() {
            return;
        }
        state.tickets.rotate(now);
        for worker in state.draining.iter().chain([&state.live]) {
            worker.replace_ticket_keys(state.tickets.keys());
        }
    }

    /// Shows these to an authority that looks whether a name is ours, and no others.
    pub fn show(&self, challenges: Vec<ChallengePolicy>) {
        let mut state = self.state();
        state.challenges = challenges;
        // One that drains may have taken the authority's connection already.
        for worker in state.draining.iter().chain([&state.live]) {
            worker.show(&state.challenges);
        }
    }

    /// Whether the live worker shows them.
    pub fn is_shown(&self) -> bool {
        self.state().live.is_shown()
    }

    /// What clients refuse of the certificates in force, now or soon.
    pub fn warnings(&self, now_epoch_s: u64) -> Vec<String> {
        warnings(&self.state().material.certificates, now_epoch_s)
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
        let (certificates, certificates_total) = certificates::status(&state.material.certificates);
        GatewayStatus {
            listen: self.addresses.clone(),
            worker_pid: state.live.pid(),
            sandbox: state.live.sandbox(),
            restarts: state.restarts,
            certificates,
            certificates_total,
            acme: None,
            session_changes_lost: self.told.sessions.lost(),
            figures,
        }
    }

    /// The routes that the live worker serves, with what was counted of them.
    pub fn routes(&self) -> RoutesShown {
        let figures = self.status().figures;
        RoutesShown::new(&self.state().material.policy, &figures)
    }

    fn keys(&self) -> MutexGuard<'_, BTreeMap<String, FetchedKeys>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ticket_keys_due_in(&self, now: Instant) -> Duration {
        let lifetime_s = self.material.policy.tls.ticket_lifetime_s;
        self.tickets.due_in(Duration::from_secs(lifetime_s.into()), now)
    }

    /// Keeps the figures of workers that have ended, and lets go of them.
    fn collect(&mut self) {
        for ended in self.draining.extract_if(.., |worker| !worker.is_alive()) {
            self.retired.add(&ended.figures().retired());
        }
    }
}

/// The policy with the keys of this moment.
fn handed(policy: &GatewayPolicy, tickets: &TicketRing) -> GatewayPolicy {
    let mut policy = policy.clone();
    policy.tls.ticket_keys = tickets.keys().to_vec();
    policy
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
