//! The daemon: builds all parts, serves until it is told to stop, and takes everything down again.

use std::{
    collections::VecDeque,
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, watch},
    task::{JoinHandle, spawn_blocking},
    time::interval,
};

use crate::{
    audit,
    config::Config,
    control::{self, Handler, Watchers},
    datapath::{Datapath, bans::Bans},
    explain::Origin,
    metrics,
    policy::Sources,
    state::{
        Changes, StateClaim, StateFolder, api_keys::Keyring, bans::BanJournal,
        sessions::SessionFile,
    },
    status::{EventLine, EventStatus, PolicyStatus, ReloadOutcome, ReloadStatus, SnapshotSource},
    supervisor::Supervisor,
};

mod privileges;
mod host;
mod start;
mod change;
mod holders;
mod lists;
mod geo;
mod limits;
mod turns;
mod backends;
mod api_keys;
mod sessions;
mod names;
mod bans;
mod offences;
mod record;
mod reload;
mod pending;
mod safe;
mod events;
mod detach;
mod sweep;
mod updates;
mod refresh;
mod keys;
mod revive;
mod canary;
mod tickets;
mod acme;
mod service;
mod watchdog;
mod snapshot;
mod answers;

pub use change::ChangeError;
use pending::Pending;
pub use snapshot::limit_status;
use turns::Turns;
use watchdog::Pulses;
pub use watchdog::{BEAT, Pulse};

/// Everything that is running.
struct Daemon {
    started: Instant,
    started_epoch_s: u64,
    /// The configuration in force, as its file says.
    config: Mutex<Config>,
    /// What verbs changed of it.
    changes: Mutex<Arc<Changes>>,
    state: StateFolder,
    /// No other daemon writes there meanwhile.
    _state_claim: Option<StateClaim>,
    /// Held by whoever changes what is in force, from the first step to the last; before any other lock.
    road: Mutex<Sources>,
    /// A change that is in force and waits to be confirmed.
    pending: Mutex<Option<Pending>>,
    datapath: Mutex<Datapath>,
    /// What the generation in force was compiled from. Locked within the datapath alone, so that it is
    /// always that of the generation.
    origin: Mutex<Arc<Origin>>,
    /// Apart from the datapath: walking them may take seconds.
    bans: Mutex<Bans>,
    /// Whose ban is being changed.
    turns: Turns,
    /// What became of whom workers want banned.
    offences: offences::Offences,
    /// Who changed what.
    audit: audit::Log,
    /// What of the bans outlives a restart of the host.
    journal: BanJournal,
    /// The API keys that were given out.
    api_keys: Arc<Keyring>,
    /// The sessions that were opened.
    sessions: Arc<SessionFile>,
    /// Held by whoever takes a key back or rotates it.
    api_key_turn: Mutex<()>,
    supervisor: Option<Supervisor>,
    /// How the certificate from an authority is doing.
    acme: acme::Acme,
    policy: Mutex<PolicyStatus>,
    reloads: Mutex<ReloadStatus>,
    events: Mutex<(EventStatus, VecDeque<EventLine>)>,
    watchers: Watchers,
    /// Backends that are given by names.
    names: names::Names,
    /// Feeds and databases from the network.
    refresh: refresh::Refresh,
    /// Keys of issuers of tokens.
    keys: keys::KeyRefresh,
    /// Notified when a generation was switched in.
    switched: Notify,
    /// Notified when the filter was taken off on purpose: the daemon ends.
    detached: Notify,
}

/// Runs until SIGTERM or SIGINT, which leave the filter in force, or until `seawall detach`.
///
/// # Errors
///
/// Where a part cannot be started; nothing is left then.
pub fn run(config: Config) -> anyhow::Result<()> {
    privileges::check(&config)?;
    let kept = service::kept();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(config, kept))
}

async fn serve(config: Config, kept: Vec<TcpListener>) -> anyhow::Result<()> {
    // From here on a signal is kept until it can be answered: a stop while starting leaves nothing.
    let mut signals = Signals::new()?;
    let (control_listener, control_socket) = control::bind(&config.control.socket)?;
    let metrics_listener = metrics::bind(config.metrics.listen).await?;
    let daemon = spawn_blocking(move || start::start(config, kept)).await??;
    let daemon = Arc::new(daemon);

    let (stop, stopped) = watch::channel(false);
    let pulses = Pulses::default();
    let handler: Arc<dyn Handler> = daemon.clone();
    let source: Arc<dyn SnapshotSource> = daemon.clone();
    let servers = [
        tokio::spawn(control::serve(
            control_listener,
            handler,
            pulses.control.clone(),
            stopped.clone(),
        )),
        tokio::spawn(metrics::serve(metrics_listener, source, stopped.clone())),
        tokio::spawn(events::follow(daemon.clone(), pulses.events.clone(), stopped.clone())),
        tokio::spawn(sweep::credentials(daemon.clone(), stopped.clone())),
        tokio::spawn(sessions::follow(daemon.clone(), stopped.clone())),
        tokio::spawn(sweep::bans(daemon.clone(), stopped.clone())),
        tokio::spawn(pending::watch_over(daemon.clone(), stopped.clone())),
        tokio::spawn(refresh::follow(daemon.clone(), stopped.clone())),
        tokio::spawn(names::follow(daemon.clone(), stopped.clone())),
        tokio::spawn(keys::follow(daemon.clone(), stopped.clone())),
        tokio::spawn(sweep::changes(daemon.clone(), stopped.clone())),
        tokio::spawn(revive::watch_over(daemon.clone(), stopped.clone())),
        tokio::spawn(canary::watch_over(daemon.clone(), stopped.clone())),
        tokio::spawn(offences::follow(daemon.clone(), stopped.clone())),
        tokio::spawn(tickets::rotate(daemon.clone(), stopped.clone())),
        tokio::spawn(acme::follow(daemon.clone(), stopped.clone())),
        tokio::spawn(watchdog::report(pulses.clone(), stopped)),
    ];
    service::ready("serving");
    tracing::info!("ready");

    attend(&daemon, &mut signals, &pulses.signals).await;

    service::stopping();
    tracing::info!("stopping");
    let _ = stop.send(true);
    for server in servers {
        let _ = server.await;
    }
    spawn_blocking(move || take_down(&daemon)).await?;
    drop(control_socket);
    tracing::info!("stopped");
    Ok(())
}

/// Answers signals until one says stop, or the filter is taken off. While a reload runs, further SIGHUPs
/// become one more.
async fn attend(daemon: &Arc<Daemon>, signals: &mut Signals, pulse: &Pulse) {
    let mut running: Option<JoinHandle<()>> = None;
    let mut wanted = false;
    let mut beat = interval(BEAT);
    loop {
        pulse.beat();
        tokio::select! {
            _ = beat.tick() => {}
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            () = daemon.detached.notified() => break,
            _ = signals.hangup.recv() => wanted = true,
            () = finished(&mut running) => running = None,
        }
        if wanted && running.is_none() {
            wanted = false;
            let daemon = daemon.clone();
            running = Some(spawn_blocking(move || reload::reload(&daemon)));
        }
    }
    if let Some(running) = running {
        // A reload is not broken off: it ends by itself.
        let _ = running.await;
    }
}

/// Waits for a running reload; for ever where there is none.
async fn finished(running: &mut Option<JoinHandle<()>>) {
    match running {
        Some(handle) => {
            if let Err(error) = handle.await {
                tracing::error!(%error, "a reload broke off");
            }
        }
        None => std::future::pending().await,
    }
}

/// The gateway drains. The filter stays as it is: a daemon that is stopped, for an upgrade most of all, must
/// not leave the host open.
fn take_down(daemon: &Daemon) {
    daemon.audit_own("stop", "the daemon", "");
    if let Some(supervisor) = &daemon.supervisor {
        supervisor.stop();
    }
    daemon.keep_last_sessions();
    if let Err(error) = daemon.sweep_credentials() {
        tracing::error!(%error, "when API keys and sessions were used last is not written");
    }
    let interfaces = lock(&daemon.datapath).interfaces().len();
    if interfaces > 0 {
        tracing::info!(interfaces, "the filter stays in force; `seawall detach` takes it off");
    }
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }
}

impl Daemon {
    fn record_reload(&self, error: Option<String>) {
        let mut reloads = lock(&self.reloads);
        match error {
            None => reloads.ok += 1,
            Some(_) => reloads.error += 1,
        }
        reloads.last = Some(ReloadOutcome { at_epoch_s: snapshot::now_epoch_s(), error });
    }
}

/// A thread that panicked while it held a lock left plain data behind, which is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
