//! One worker process, from its start to its end.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{fs::OpenOptionsExt as _, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use firewall_gateway::{
    figures::{Figures, replace_rows},
    identity::{api_key::store::KeyChange, session::record::SessionChange},
    limits::{KEY_CHANGES_AT_ONCE, SESSION_CHANGES_AT_ONCE},
    listener::BoundListener,
    policy::{BackendPolicy, ChallengePolicy, GatewayPolicy, JwtPolicy, KeyOrigin, TicketKey},
    worker::{
        channel::{Channel, ChannelError},
        message::{FromWorker, ToWorker},
        start::{self, HandedFiles, StartError},
    },
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::{FetchedKeys, told::Told, user::WorkerUser};

/// From the start of the process to its `ready`.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// A message to a worker: it is small, and the kernel keeps several.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);
/// How much longer than its drain time a worker may take to end.
const DRAIN_MARGIN: Duration = Duration::from_secs(2);
/// How often an ending process is looked at.
const REAP_INTERVAL: Duration = Duration::from_millis(5);
/// From the end of the channel to the end of the process.
const REAP_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a worker does not serve.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The process or its channel could not be made.
    #[error("cannot start the gateway worker: {0}")]
    Spawn(#[from] io::Error),
    /// The file of the access log or of events could not be opened.
    #[error("{key} {path}: expected a file that can be written, found: {error}")]
    File {
        /// The configuration key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// The file of API keys or that of sessions could not be made.
    #[error("cannot hand API keys and sessions to the gateway worker: {0}")]
    Handed(io::Error),
    /// The country database could not be opened.
    #[error("packet.geo.database {path}: expected a readable file, found: {error}")]
    Countries {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// The channel failed.
    #[error("cannot speak to the gateway worker: {0}")]
    Channel(#[from] ChannelError),
    /// It could not be handed what it is to serve.
    #[error("cannot hand the gateway worker its policy: {0}")]
    Start(#[from] StartError),
    /// It said why.
    #[error("the gateway worker cannot start: {0}")]
    Failed(String),
    /// It ended without a word.
    #[error("the gateway worker ended before it was ready")]
    Ended,
    /// It took too long.
    #[error("the gateway worker was not ready within {} s", READY_TIMEOUT.as_secs())]
    Late,
}

/// A worker process.
pub struct Worker {
    channel: Channel<OwnedFd>,
    /// What tells the endpoints of its issuers, by their names.
    endpoints: BTreeMap<String, String>,
    drain_timeout: Duration,
    started: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    child: Option<Child>,
    phase: Phase,
    sandbox: Vec<String>,
    figures: Figures,
    /// How often it was told what to show to an authority, and which of these it answered last.
    told: u64,
    shown: u64,
    /// It was told to end, so its end is no death.
    dismissed: bool,
}

#[derive(Default)]
enum Phase {
    #[default]
    Starting,
    Ready,
    Failed(WorkerError),
    Ended,
}

impl Worker {
    /// Starts a process; [`Self::served`] waits until it serves. `told` hears what it says, and when it ends untold.
    ///
    /// # Errors
    ///
    /// Where it cannot be started.
    pub fn begin(
        listeners: &[BoundListener],
        user: WorkerUser,
        policy: &GatewayPolicy,
        files: HandedFiles<'_>,
        told: &Arc<Told>,
    ) -> Result<Arc<Self>, WorkerError> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(io::Error::from)?;
        let channel = Channel::new(ours)?;
        // A worker that reads nothing any more must not hold up whoever tells it something.
        channel.set_send_timeout(SEND_TIMEOUT)?;
        let worker = Arc::new(Self {
            channel,
            endpoints: endpoints(policy),
            drain_timeout: Duration::from_millis(policy.limits.drain_timeout_ms),
            started: Instant::now(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let access_log = policy.access_log.file.as_deref();
        let access_log = access_log.map(|path| append(ACCESS_LOG, path)).transpose()?;
        let events = policy.events.as_ref().and_then(|events| events.file.as_deref());
        let events = events.map(|path| append(EVENTS, path)).transpose()?;
        let countries = policy.countries.as_deref().map(database).transpose()?;
        let files = HandedFiles {
            access_log: access_log.as_ref().map(|file| file.as_fd()),
            events: events.as_ref().map(|file| file.as_fd()),
            countries: countries.as_ref().map(|file| file.as_fd()),
            ..files
        };
        start::send(&worker.channel, policy, listeners, files)?;

        let (this, told) = (worker.clone(), told.clone());
        // The kernel kills the worker when the thread that started it ends (PR_SET_PDEATHSIG): so the
        // thread that reads from it is the one that starts it, and lives as long as it does.
        thread::Builder::new()
            .name("gateway-worker".to_owned())
            .spawn(move || this.attend(theirs, user, &told))?;
        Ok(worker)
    }

    /// Waits until it serves.
    ///
    /// # Errors
    ///
    /// Where it does not serve in time; the process is gone then.
    pub fn served(self: Arc<Self>) -> Result<Arc<Self>, WorkerError> {
        match self.await_ready() {
            Ok(()) => Ok(self),
            Err(error) => {
                self.kill();
                Err(error)
            }
        }
    }

    /// Hands over a newer country database.
    pub fn hand_countries(&self, file: &File) {
        if let Err(error) = self.channel.send(&ToWorker::Countries {}, &[file.as_fd()]) {
            tracing::warn!(%error, pid = self.pid(), "a worker keeps an older country database");
        }
    }

    /// Tells it what became of API keys. One that cannot be told is killed: the next one knows.
    pub fn tell_api_keys(&self, changes: &[KeyChange]) {
        let parts = changes.chunks(KEY_CHANGES_AT_ONCE);
        self.tell_or_kill(parts.map(|part| ToWorker::ApiKeys(part.to_vec())));
    }

    /// Tells it what became of sessions, likewise.
    pub fn tell_sessions(&self, changes: &[SessionChange]) {
        let parts = changes.chunks(SESSION_CHANGES_AT_ONCE);
        self.tell_or_kill(parts.map(|part| ToWorker::Sessions(part.to_vec())));
    }

    fn tell_or_kill(&self, messages: impl Iterator<Item = ToWorker>) {
        for message in messages {
            if !self.is_alive() {
                return;
            }
            if let Err(error) = self.channel.send(&message, &[]) {
                tracing::error!(%error, "the gateway worker is killed: it cannot be told who may not come in any more");
                let mut state = self.state();
                if let Some(child) = &mut state.child {
                    // Not yet reaped, so the number is still its own.
                    let _ = child.kill();
                }
                return;
            }
        }
    }

    /// Tells it to end when what is in flight is done.
    pub fn drain(&self) {
        self.state().dismissed = true;
        // One that is gone already needs no telling.
        if let Err(error) = self.channel.send(&ToWorker::Drain, &[]) {
            tracing::debug!(%error, "the gateway worker cannot be told to drain");
        }
    }

    /// Tells it other backends of an upstream.
    pub fn set_backends(&self, name: &str, backends: Vec<BackendPolicy>) {
        let told = ToWorker::Backends { upstream: name.to_owned(), backends };
        // One that is gone is followed by one that begins with them.
        if let Err(error) = self.channel.send(&told, &[]) {
            tracing::warn!(%error, "the gateway worker cannot be told other backends");
        }
    }

    /// Tells it what to show to an authority.
    pub fn show(&self, challenges: &[ChallengePolicy]) {
        let number = {
            let mut state = self.state();
            state.told += 1;
            state.told
        };
        let message = ToWorker::Challenges { number, challenges: challenges.to_vec() };
        // One that has ended is asked by nobody.
        if let Err(error) = self.channel.send(&message, &[]) {
            tracing::debug!(%error, "the gateway worker cannot be told its challenges");
        }
    }

    /// Whether it shows what it was told last.
    pub fn is_shown(&self) -> bool {
        let state = self.state();
        state.shown == state.told
    }

    /// Hands it new keys of session tickets.
    pub fn replace_ticket_keys(&self, keys: &[TicketKey]) {
        let message = ToWorker::TicketKeys { keys: keys.to_vec() };
        // One that has ended resumes nothing.
        if let Err(error) = self.channel.send(&message, &[]) {
            tracing::debug!(%error, "the gateway worker cannot be told its ticket keys");
        }
    }

    /// Gives it other keys of an issuer, where its issuer has that endpoint, and what a provider of logins says of
    /// itself.
    pub fn renew_keys(&self, jwt: &str, fetched: &FetchedKeys) {
        let endpoint = self.endpoints.get(jwt);
        if endpoint.is_none_or(|known| *known != fetched.endpoint) || !self.is_alive() {
            return;
        }
        let keys = ToWorker::Keys { jwt: jwt.to_owned(), keys: fetched.keys.clone() };
        let provider = fetched.provider.clone().map(|provider| ToWorker::Provider {
            login: jwt.to_owned(),
            provider: Box::new(provider),
        });
        for message in [Some(keys), provider].into_iter().flatten() {
            if let Err(error) = self.channel.send(&message, &[]) {
                tracing::warn!(jwt, %error, "the gateway worker did not take an issuer's keys");
            }
        }
    }

    /// Waits for the end of a worker that was told to drain; kills it when its time is over.
    pub fn wait(&self) {
        let limit = self.drain_timeout + DRAIN_MARGIN;
        let state = self.state();
        let (_, late) = self
            .changed
            .wait_timeout_while(state, limit, |state| !matches!(state.phase, Phase::Ended))
            .map_or_else(|error| (None, error.into_inner().1), |(state, late)| (Some(state), late));
        if late.timed_out() {
            tracing::warn!(
                limit_ms = limit.as_millis() as u64,
                "the gateway worker is killed: it did not drain in time"
            );
            self.kill();
        }
    }

    /// Ends it at once.
    pub fn kill(&self) {
        let mut state = self.state();
        state.dismissed = true;
        if let Some(child) = &mut state.child {
            // Not yet reaped, so the number is still its own.
            let _ = child.kill();
        }
    }

    /// Whether the process has not ended.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state().phase, Phase::Ended | Phase::Failed(_))
    }

    /// Since it was started.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// The process, while it lives.
    pub fn pid(&self) -> Option<u32> {
        self.state().child.as_ref().map(Child::id)
    }

    /// What holds it in.
    pub fn sandbox(&self) -> Vec<String> {
        self.state().sandbox.clone()
    }

    /// What it last said it had counted.
    pub fn figures(&self) -> Figures {
        self.state().figures.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn await_ready(&self) -> Result<(), WorkerError> {
        let state = self.state();
        let waited = self.changed.wait_timeout_while(state, READY_TIMEOUT, |state| {
            matches!(state.phase, Phase::Starting)
        });
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match std::mem::take(&mut state.phase) {
            Phase::Ready => {
                state.phase = Phase::Ready;
                Ok(())
            }
            Phase::Starting => Err(WorkerError::Late),
            Phase::Failed(error) => {
                state.phase = Phase::Ended;
                Err(error)
            }
            Phase::Ended => {
                state.phase = Phase::Ended;
                Err(WorkerError::Ended)
            }
        }
    }

    /// The life of the thread that belongs to the process.
    fn attend(&self, theirs: OwnedFd, user: WorkerUser, told: &Told) {
        match spawn(theirs, user) {
            Ok(child) => {
                let pid = child.id();
                self.state().child = Some(child);
                self.listen(told);
                self.reap();
                let dismissed = self.state().dismissed;
                tracing::info!(pid, dismissed, "the gateway worker has ended");
                if !dismissed {
                    told.died.notify_one();
                }
            }
            Err(error) => self.enter(Phase::Failed(error.into())),
        }
    }

    fn listen(&self, told: &Told) {
        loop {
            match self.channel.receive() {
                Ok(Some((FromWorker::Ready { sandbox }, _))) => {
                    self.state().sandbox = sandbox;
                    self.enter(Phase::Ready);
                }
                Ok(Some((FromWorker::Failed { error }, _))) => {
                    self.enter(Phase::Failed(WorkerError::Failed(error)));
                }
                Ok(Some((FromWorker::Figures(figures), _))) => {
                    let mut state = self.state();
                    let rows = state.figures.take_rows();
                    state.figures = *figures;
                    state.figures.put_rows(rows);
                }
                Ok(Some((FromWorker::Routes(rows), _))) => {
                    replace_rows(&mut self.state().figures.routes, rows);
                }
                Ok(Some((FromWorker::Backends(rows), _))) => {
                    replace_rows(&mut self.state().figures.backends, rows);
                }
                Ok(Some((FromWorker::Upstreams(rows), _))) => {
                    replace_rows(&mut self.state().figures.upstreams, rows);
                }
                Ok(Some((FromWorker::Standings(rows), _))) => {
                    replace_rows(&mut self.state().figures.standings, rows);
                }
                Ok(Some((FromWorker::Shown { number }, _))) => self.state().shown = number,
                Ok(Some((FromWorker::KeysWanted { jwt }, _))) => told.want_keys(jwt),
                Ok(Some((FromWorker::ApiKeysUsed(uses), _))) => told.used(uses),
                Ok(Some((FromWorker::SessionsChanged(change), _))) => {
                    told.sessions.tell(vec![*change]);
                }
                Ok(Some((FromWorker::SessionsUsed(uses), _))) => told.sessions_used(uses),
                Ok(Some((FromWorker::Offences(offences), _))) => told.offences.tell(offences),
                Ok(Some((FromWorker::Drained, _))) | Ok(None) => return,
                // A worker that says nonsense may be in an attacker's hands.
                Err(error) => {
                    tracing::error!(%error, "the gateway worker is killed: it does not keep to the protocol");
                    let mut state = self.state();
                    if let Some(child) = &mut state.child {
                        let _ = child.kill();
                    }
                    return;
                }
            }
        }
    }

    /// Waits for a process that has nothing more to say; kills it where it stays.
    fn reap(&self) {
        let deadline = Instant::now() + REAP_TIMEOUT;
        loop {
            let mut state = self.state();
            let Some(child) = &mut state.child else { break };
            match child.try_wait() {
                Ok(None) if Instant::now() < deadline => {}
                Ok(None) => {
                    let _ = child.kill();
                }
                Ok(Some(_)) | Err(_) => {
                    state.child = None;
                    break;
                }
            }
            drop(state);
            thread::sleep(REAP_INTERVAL);
        }
        if !matches!(self.state().phase, Phase::Failed(_)) {
            self.enter(Phase::Ended);
        }
    }

    fn enter(&self, phase: Phase) {
        self.state().phase = phase;
        self.changed.notify_all();
    }
}

fn endpoints(policy: &GatewayPolicy) -> BTreeMap<String, String> {
    let endpoint = |jwt: &JwtPolicy| match &jwt.origin {
        KeyOrigin::Fetched { endpoint, .. } => Some((jwt.name.clone(), endpoint.clone())),
        KeyOrigin::Local => None,
    };
    policy.issuers().filter_map(endpoint).collect()
}

const ACCESS_LOG: &str = "gateway.access_log.file";
const EVENTS: &str = "gateway.events.file";

/// The country database, for a worker that can open no file.
///
/// # Errors
/// It cannot be opened.
pub fn database(path: &Path) -> Result<File, WorkerError> {
    File::open(path).map_err(|error| WorkerError::Countries { path: path.to_path_buf(), error })
}

/// Opened anew for each worker: after a reload, what was renamed by log rotation gets no more lines once
/// the old worker has drained.
fn append(key: &'static str, path: &Path) -> Result<File, WorkerError> {
    File::options()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
        .map_err(|error| WorkerError::File { key, path: path.to_path_buf(), error })
}

/// The same binary: its worker's half of the protocol is always the one that this half was built with.
fn spawn(theirs: OwnedFd, user: WorkerUser) -> io::Result<Child> {
    Command::new("/proc/self/exe")
        .arg0("seawall")
        .arg("gateway-worker")
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        // The standard library takes supplementary groups away when root gives up its user.
        .uid(user.uid)
        .gid(user.gid)
        .spawn()
}
