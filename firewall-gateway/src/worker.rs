//! The worker process: takes its policy and sockets, locks itself in, serves, reports, drains.

pub mod message;

pub mod channel;

mod sandbox;

mod logging;

use std::{fs::File, io, net::TcpListener, os::fd::OwnedFd, process::ExitCode, time::Duration};

use self::{
    channel::{Channel, ChannelError},
    message::{FromWorker, ListenerShape, ToWorker},
};
use crate::{
    figures::Figures,
    limits::{FIGURE_ROWS_AT_ONCE, FIGURES_INTERVAL_MS, JWTS_MAX, START_TIMEOUT_MS},
    listener::BoundListener,
    server::{Gateway, serve_logging},
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
    let (gateway, sandbox) = match start(&channel) {
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

fn start(channel: &Channel<io::Stdin>) -> Result<(Gateway, Vec<String>), StartError> {
    channel.set_receive_timeout(Duration::from_millis(START_TIMEOUT_MS))?;
    let (message, mut sockets) = match channel.receive()? {
        Some(received) => received,
        None => return Err(StartError::NoStart),
    };
    let (mut policy, shapes, key_sets) = match message {
        ToWorker::Start { policy, listeners, key_sets } => (policy, listeners, key_sets),
        ToWorker::Keys { .. } | ToWorker::Drain => return Err(StartError::NoStart),
    };
    for _ in 0..key_sets.min(JWTS_MAX) {
        match channel.receive()? {
            Some((ToWorker::Keys { jwt, keys }, _)) => policy.set_keys(&jwt, keys),
            _ => return Err(StartError::NoKeys),
        }
    }
    // The log comes last, where there is one: the worker could not open it.
    let access_log = match &policy.access_log.file {
        Some(_) => Some(File::from(sockets.pop().ok_or(StartError::NoLog)?)),
        None => None,
    };
    let listeners = listeners(shapes, sockets)?;
    logging::start(policy.log);
    // Before the first thread: no_new_privs and Landlock hold for a thread and those it starts.
    let sandbox = sandbox::enter(&policy, listeners.len())?;
    let gateway = serve_logging(&policy, listeners, access_log)?;
    Ok((gateway, sandbox))
}

fn listeners(
    shapes: Vec<ListenerShape>,
    sockets: Vec<OwnedFd>,
) -> Result<Vec<BoundListener>, StartError> {
    if shapes.len() != sockets.len() {
        return Err(StartError::Sockets { expected: shapes.len(), found: sockets.len() });
    }
    let pairs = shapes.into_iter().zip(sockets);
    Ok(pairs
        .map(|(shape, socket)| BoundListener { shape, socket: TcpListener::from(socket) })
        .collect())
}

fn attend(
    channel: &Channel<io::Stdin>,
    gateway: Gateway,
    sandbox: Vec<String>,
) -> Result<(), AttendError> {
    channel.send(&FromWorker::Ready { sandbox }, &[])?;
    channel.set_receive_timeout(Duration::from_millis(FIGURES_INTERVAL_MS))?;
    loop {
        match channel.receive::<ToWorker>() {
            Ok(Some((ToWorker::Drain, _))) => break,
            Ok(Some((ToWorker::Keys { jwt, keys }, _))) => {
                // The daemon has read them before; what it could not use does not come here.
                if let Err(error) = gateway.issuers().renew(&jwt, &keys) {
                    tracing::error!(%error, "an issuer keeps the keys it had");
                }
            }
            Ok(Some((ToWorker::Start { .. }, _))) => return Err(AttendError::SecondStart),
            // The supervisor is gone; nobody else could tell us to end.
            Ok(None) => {
                gateway.finish();
                return Ok(());
            }
            Err(ChannelError::TimedOut) => {
                if gateway.is_ended() {
                    return Err(AttendError::ThreadEnded);
                }
                send_figures(channel, gateway.figures())?;
                for jwt in gateway.issuers().newer_wanted() {
                    channel.send(&FromWorker::KeysWanted { jwt }, &[])?;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    let figures = gateway.finish();
    send_figures(channel, figures)?;
    channel.send(&FromWorker::Drained, &[])?;
    Ok(())
}

fn send_figures(channel: &Channel<io::Stdin>, mut figures: Figures) -> Result<(), ChannelError> {
    let (routes, backends) = figures.take_rows();
    channel.send(&FromWorker::Figures(Box::new(figures)), &[])?;
    for rows in routes.chunks(FIGURE_ROWS_AT_ONCE) {
        channel.send(&FromWorker::Routes(rows.to_vec()), &[])?;
    }
    for rows in backends.chunks(FIGURE_ROWS_AT_ONCE) {
        channel.send(&FromWorker::Backends(rows.to_vec()), &[])?;
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("the gateway worker expected the message `start` first and did not get it")]
    NoStart,
    #[error("the gateway worker expected keys behind the message `start` and did not get them")]
    NoKeys,
    #[error("the gateway worker expected {expected} listening sockets and got {found}")]
    Sockets { expected: usize, found: usize },
    #[error("the gateway worker expected the access log's file and did not get it")]
    NoLog,
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
    #[error("a gateway thread has ended by itself")]
    ThreadEnded,
    #[error("the channel to the daemon failed: {0}")]
    Channel(#[from] ChannelError),
}
