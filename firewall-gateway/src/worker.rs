//! The worker process: takes its policy and sockets, locks itself in, serves, reports, drains.

pub mod message;

pub mod channel;

pub mod start;

mod sandbox;

mod logging;

mod key_uses;

mod offences;

mod sessions;

use std::{
    fs::File,
    io,
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use self::{
    channel::{Channel, ChannelError},
    key_uses::KeyUses,
    message::{FromWorker, ToWorker},
    start::{Orders, StartError},
};
use crate::{
    figures::{FigureRows, Figures},
    limits::{
        DRAIN_BEAT_MS, FIGURE_ROWS_AT_ONCE, FIGURES_INTERVAL_MS, SESSIONS_SWEEP_INTERVAL_MS,
        START_TIMEOUT_MS,
    },
    server::{Gateway, Handed, serve_handed},
};

/// The whole life of a worker. The supervisor starts it with its end of the channel as stdin.
#[must_use]
pub fn run() -> ExitCode {
    let channel = match Channel::new(io::stdin()) {
        Ok(channel) => channel,
        Err(error) => {
            eprintln!(
                "gateway-worker: stdin is not the daemon's channel ({error}); this verb is for the daemon alone"
            );
            return ExitCode::from(2);
        }
    };
    let (gateway, sandbox) = match begin(&channel) {
        Ok(started) => started,
        Err(error) => {
            let failed = FromWorker::Failed { error: error.to_string() };
            if let Err(unsent) = channel.send(&failed, &[]) {
                eprintln!("gateway-worker: {error}; the daemon could not be told: {unsent}");
            }
            return ExitCode::FAILURE;
        }
    };
    match attend(&channel, gateway, sandbox) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the gateway worker ends");
            ExitCode::FAILURE
        }
    }
}

fn begin(channel: &Channel<io::Stdin>) -> Result<(Gateway, Vec<String>), BeginError> {
    channel.set_receive_timeout(Duration::from_millis(START_TIMEOUT_MS))?;
    let Orders { policy, listeners, access_log, api_keys: keys, sessions, events, countries } =
        start::receive(channel)?;
    logging::start(policy.log);
    // Before the first thread: no_new_privs and Landlock hold for a thread and those it starts.
    let sandbox = sandbox::enter(&policy, listeners.len())?;
    let gateway =
        serve_handed(&policy, listeners, Handed { access_log, keys, sessions, events, countries })?;
    Ok((gateway, sandbox))
}

fn attend(
    channel: &Channel<io::Stdin>,
    gateway: Gateway,
    sandbox: Vec<String>,
) -> Result<(), AttendError> {
    channel.send(&FromWorker::Ready { sandbox }, &[])?;
    if let Some(waiting) = gateway.offences() {
        offences::tell(waiting)?;
    }
    if let Some(waiting) = gateway.sessions().told() {
        sessions::tell(waiting)?;
    }
    let beat = Duration::from_millis(FIGURES_INTERVAL_MS);
    let (mut told, mut swept, mut draining) = (Instant::now(), Instant::now(), false);
    let mut uses = [
        KeyUses::new(|it, since, from| it.keys().used_since(since, from), FromWorker::ApiKeysUsed),
        KeyUses::new(
            |it, since, from| it.sessions().used_since(since, from),
            FromWorker::SessionsUsed,
        ),
    ];
    // One that drains is told of keys too: its connections are open yet.
    while !(draining && gateway.is_drained()) {
        // However many messages come, the figures go out in time.
        let due = beat.saturating_sub(told.elapsed()).max(Duration::from_millis(1));
        let wait = if draining { due.min(Duration::from_millis(DRAIN_BEAT_MS)) } else { due };
        channel.set_receive_timeout(wait)?;
        match channel.receive::<ToWorker>() {
            Ok(Some((ToWorker::Drain, _))) => {
                gateway.sessions().hand_on();
                gateway.drain();
                draining = true;
            }
            Ok(Some((ToWorker::Backends { upstream, backends }, _))) => {
                if !gateway.set_backends(&upstream, &backends) {
                    return Err(AttendError::UnknownUpstream(upstream));
                }
            }
            Ok(Some((ToWorker::TicketKeys { keys }, _))) => gateway.replace_ticket_keys(&keys),
            Ok(Some((ToWorker::Challenges { number, challenges }, _))) => {
                gateway.show(&challenges);
                channel.send(&FromWorker::Shown { number }, &[])?;
            }
            Ok(Some((ToWorker::Keys { jwt, keys }, _))) => {
                // The daemon has read them before; what it could not use does not come here.
                if let Err(error) = gateway.issuers().renew(&jwt, &keys) {
                    tracing::error!(%error, "an issuer keeps the keys it had");
                }
            }
            Ok(Some((ToWorker::Countries {}, files))) => {
                let file = files.into_iter().next().map(File::from);
                let taken = file.map(|file| gateway.countries().replace(file));
                if let Some(Err(error)) = taken {
                    tracing::error!(%error, "the country database stays the one it was");
                }
            }
            Ok(Some((ToWorker::ApiKeys(changes), _))) => gateway.keys().change(&changes),
            Ok(Some((ToWorker::Sessions(changes), _))) => gateway.sessions().change(changes),
            Ok(Some((ToWorker::Provider { login, provider }, _))) => {
                // Likewise.
                if let Err(error) = gateway.logins().renew(&login, &provider) {
                    tracing::error!(%error, "a login keeps what its provider said before");
                }
            }
            Ok(Some((ToWorker::Start { .. }, _))) => return Err(AttendError::SecondStart),
            // The supervisor is gone; nobody else could tell us to end.
            Ok(None) => {
                gateway.finish();
                return Ok(());
            }
            Err(ChannelError::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        if told.elapsed() < beat {
            continue;
        }
        if !draining && gateway.is_ended() {
            return Err(AttendError::ThreadEnded);
        }
        send_figures(channel, gateway.figures())?;
        for jwt in gateway.issuers().newer_wanted() {
            channel.send(&FromWorker::KeysWanted { jwt }, &[])?;
        }
        for uses in &mut uses {
            uses.tell(channel, &gateway, false)?;
        }
        if swept.elapsed() >= Duration::from_millis(SESSIONS_SWEEP_INTERVAL_MS) {
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
            gateway.sessions().sweep(now.as_secs());
            swept = Instant::now();
        }
        told = Instant::now();
    }
    for uses in &mut uses {
        uses.tell(channel, &gateway, true)?;
    }
    let figures = gateway.finish();
    send_figures(channel, figures)?;
    channel.send(&FromWorker::Drained, &[])?;
    Ok(())
}

fn send_figures(channel: &Channel<io::Stdin>, mut figures: Figures) -> Result<(), ChannelError> {
    let FigureRows { routes, backends, upstreams, standings } = figures.take_rows();
    channel.send(&FromWorker::Figures(Box::new(figures)), &[])?;
    for rows in routes.chunks(FIGURE_ROWS_AT_ONCE) {
        channel.send(&FromWorker::Routes(rows.to_vec()), &[])?;
    }
    for rows in backends.chunks(FIGURE_ROWS_AT_ONCE) {
        channel.send(&FromWorker::Backends(rows.to_vec()), &[])?;
    }
    for rows in upstreams.chunks(FIGURE_ROWS_AT_ONCE) {
        channel.send(&FromWorker::Upstreams(rows.to_vec()), &[])?;
    }
    for rows in standings.chunks(FIGURE_ROWS_AT_ONCE) {
        channel.send(&FromWorker::Standings(rows.to_vec()), &[])?;
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum BeginError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the gateway worker cannot use its channel: {0}")]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Sandbox(#[from] sandbox::SandboxError),
    #[error(transparent)]
    Serve(#[from] crate::server::ServeError),
}

#[derive(Debug, thiserror::Error)]
enum AttendError {
    #[error("the daemon sent `start` to a worker that is serving")]
    SecondStart,
    #[error("the daemon sent backends of {0:?}, which is no upstream of this worker")]
    UnknownUpstream(String),
    #[error("a gateway thread has ended by itself")]
    ThreadEnded,
    #[error("a thread that tells the daemon something cannot be started: {0}")]
    Telling(io::Error),
    #[error("the channel to the daemon failed: {0}")]
    Channel(#[from] ChannelError),
}
