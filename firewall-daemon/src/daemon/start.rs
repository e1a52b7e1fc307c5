//! The first policy: read, compiled, and put in force. Everything that can fail comes before the
//! packet filter; where that fails, the parts before it take themselves down.

use std::{
    collections::VecDeque,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Instant,
};

use tokio::sync::Notify;

use super::{
    Daemon,
    change::Prepared,
    host,
    keys::KeyRefresh,
    names::Names,
    pending,
    refresh::Refresh,
    service,
    snapshot::{now_epoch_s, policy_status},
    turns::Turns,
    updates,
};
use crate::{
    audit,
    config::Config,
    control::{Caller, Watchers},
    datapath::{Datapath, DatapathError, DatapathOptions, PacketOptions, bans::Bans},
    explain::Origin,
    policy::Sources,
    state::{StateFolder, api_keys::Keyring, bans::BanJournal, sessions::SessionFile},
    status::{EventStatus, ReloadStatus},
    supervisor::{self, Supervisor, backends, sticky},
};

/// Starts all parts; `kept` are listening sockets of the daemon before.
pub fn start(config: Config, kept: Vec<TcpListener>) -> anyhow::Result<Daemon> {
    let state = StateFolder::open(&config.state.path)?;
    let state_claim = state.claim()?;
    if let Err(error) = state.try_writing() {
        tracing::warn!(%error, "no change will be taken: the state folder cannot be written");
    }
    let changes = state.changes()?.going_on(now_epoch_s());
    let audit = audit::Log::open_when_possible(&state.path().join(audit::FILE));
    let journal = BanJournal::open(state.path())?;
    let api_keys = Arc::new(Keyring::open(state.path())?);
    let sessions = Arc::new(SessionFile::open(state.path()));
    updates::recover(&config);
    let mut sources = Sources::default();
    let prepared = Prepared::new(&config, &changes, &mut sources)?;
    let Prepared { packet, source, compiled, asn_lookup } = prepared;
    let names = Names::at_start(&config, state.path());
    let supervisor = match &config.gateway {
        Some(gateway) => {
            if let Err(error) = sticky::keep(&gateway.sticky_key) {
                tracing::warn!(%error, "sticky cookies are good for one worker alone");
            }
            let mut material = supervisor::material(gateway, config.log)?;
            let (policy, known) = (&mut material.policy, names.known());
            backends::lay_over(policy, &gateway.upstreams, &changes.backends, &known);
            Some(Supervisor::start(gateway, material, kept, api_keys.clone(), sessions.clone())?)
        }
        None => None,
    };
    // Without a gateway the manager lets go of those of before: nobody would take from them.
    service::keep(&supervisor.as_ref().map_or_else(Vec::new, Supervisor::sockets));
    let options = DatapathOptions {
        interfaces: config.interfaces.clone(),
        pin_path: config.packet.pin_path.clone(),
    };
    let start = || {
        let datapath = Datapath::start(&options, &PacketOptions::from(&packet), &compiled)?;
        Ok((datapath, Bans::open(&options.pin_path)?))
    };
    let (datapath, bans) = match start() {
        Ok(parts) => parts,
        Err(error) => {
            if let Some(supervisor) = supervisor {
                supervisor.stop();
            }
            return Err(DatapathError::into(error));
        }
    };
    for interface in datapath.interfaces() {
        let mode = interface.mode.label();
        tracing::info!(interface = interface.name, mode, "attached");
    }
    host::log(&packet);
    let policy = policy_status(&source, &compiled.summary, &packet);
    let origin = Origin::new(source, &packet, asn_lookup);
    let sample_one_in = packet.events.sample_one_in;
    let events = EventStatus { sample_one_in, ..EventStatus::default() };
    let kept = state.history().keep(&config, &Caller::daemon().user, "start", now_epoch_s());
    if let Err(error) = kept {
        tracing::warn!(%error, "not kept in the history");
    }
    let daemon = Daemon {
        pending: Mutex::new(None),
        started: Instant::now(),
        started_epoch_s: now_epoch_s(),
        config: Mutex::new(config),
        changes: Mutex::new(Arc::new(changes)),
        state,
        _state_claim: state_claim,
        road: Mutex::new(sources),
        datapath: Mutex::new(datapath),
        origin: Mutex::new(Arc::new(origin)),
        bans: Mutex::new(bans),
        turns: Turns::default(),
        offences: Default::default(),
        audit,
        journal,
        api_keys,
        sessions,
        api_key_turn: Mutex::new(()),
        supervisor,
        acme: Default::default(),
        policy: Mutex::new(policy),
        reloads: Mutex::new(ReloadStatus::default()),
        events: Mutex::new((events, VecDeque::new())),
        watchers: Watchers::default(),
        names,
        refresh: Refresh::default(),
        keys: KeyRefresh::default(),
        switched: Notify::new(),
        detached: Notify::new(),
    };
    pending::left_behind(&daemon);
    daemon.restore_bans();
    let (what, generation) = {
        let config = super::lock(&daemon.config);
        let what = format!("seawall {} with {}", env!("CARGO_PKG_VERSION"), config.path.display());
        (what, super::lock(&daemon.datapath).generation())
    };
    daemon.audit_own("start", &what, &format!("generation {generation}"));
    Ok(daemon)
}
