//! The worker process: takes its policy and sockets, locks itself in, serves, reports, drains.

pub mod message;

pub mod channel;

mod sandbox;

mod logging;

use std::{
    fs::File,
    io,
    net::TcpListener,
    os::fd::OwnedFd,
    process::ExitCode,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use self::{
    channel::{Channel, ChannelError},
    message::{FromWorker, ListenerShape, ToWorker},
};
use crate::{
    figures::Figures,
    limits::{
        FIGURE_ROWS_AT_ONCE, FIGURES_INTERVAL_MS, KEY_USE_MESSAGES_MAX, KEY_USES_INTERVAL_MS,
        START_TIMEOUT_MS,
    },
    listener::BoundListener,
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
    let ToWorker::Start { policy, listeners: shapes, keys } = message else {
        return Err(StartError::NoStart);
    };
    // What the worker could not open itself comes last: the log and the keys, where there are some.
    let keys = match keys {
        true => Some(File::from(sockets.pop().ok_or(StartError::NoKeys)?)),
        false => None,
    };
    let access_log = match &policy.access_log.file {
        Some(_) => Some(File::from(sockets.pop().ok_or(StartError::NoLog)?)),
        None => None,
    };
    let listeners = listeners(shapes, sockets)?;
    logging::start(policy.log);
    // Before the first thread: no_new_privs and Landlock hold for a thread and those it starts.
    let sandbox = sandbox::enter(&policy, listeners.len())?;
    let gateway = serve_handed(&policy, listeners, Handed { access_log, keys })?;
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
    let beat = Duration::from_millis(FIGURES_INTERVAL_MS);
    let (mut told, mut uses) = (Instant::now(), KeyUses::new());
    loop {
        // However many messages come, the figures go out in time.
        let wait = beat.saturating_sub(told.elapsed()).max(Duration::from_millis(1));
        channel.set_receive_timeout(wait)?;
        match channel.receive::<ToWorker>() {
            Ok(Some((ToWorker::Drain, _))) => break,
            Ok(Some((ToWorker::Keys(changes), _))) => gateway.keys().change(&changes),
            Ok(Some((ToWorker::Start { .. }, _))) => return Err(AttendError::SecondStart),
            // The supervisor is gone; nobody else could tell us to end.
            Ok(None) => {
                gateway.finish();
                return Ok(());
            }
            Err(ChannelError::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        if told.elapsed() >= beat {
            if gateway.is_ended() {
                return Err(AttendError::ThreadEnded);
            }
            send_figures(channel, gateway.figures())?;
            uses.tell(channel, &gateway, false)?;
            told = Instant::now();
        }
    }
    // Before the figures, which the supervisor takes for the end of a worker's news.
    uses.tell(channel, &gateway, true)?;
    let figures = gateway.finish();
    send_figures(channel, figures)?;
    channel.send(&FromWorker::Drained, &[])?;
    Ok(())
}

/// What was told of the uses of keys.
struct KeyUses {
    /// When a walk through all keys began last.
    began: SystemTime,
    at: Instant,
    since_min: u32,
    /// Where a walk goes on that was too long for one go.
    from: Option<usize>,
}

impl KeyUses {
    fn new() -> Self {
        let began = SystemTime::now();
        Self { began, at: Instant::now(), since_min: minute(began), from: None }
    }

    fn tell(
        &mut self,
        channel: &Channel<io::Stdin>,
        gateway: &Gateway,
        now: bool,
    ) -> Result<(), ChannelError> {
        let due = self.at.elapsed() >= Duration::from_millis(KEY_USES_INTERVAL_MS);
        let mut from = match self.from {
            Some(from) => from,
            None if due || now => {
                (self.began, self.at) = (SystemTime::now(), Instant::now());
                0
            }
            None => return Ok(()),
        };
        for _ in 0..KEY_USE_MESSAGES_MAX {
            let (uses, next) = gateway.keys().used_since(self.since_min, from);
            if !uses.is_empty() {
                channel.send(&FromWorker::KeysUsed(uses), &[])?;
            }
            let Some(next) = next else {
                // What is used within this minute is told again: it costs less than to miss it.
                (self.since_min, self.from) = (minute(self.began), None);
                return Ok(());
            };
            from = next;
        }
        self.from = Some(from);
        Ok(())
    }
}

fn minute(at: SystemTime) -> u32 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs() / 60).unwrap_or(u32::MAX)
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
    #[error("the gateway worker expected {expected} listening sockets and got {found}")]
    Sockets { expected: usize, found: usize },
    #[error("the gateway worker expected the access log's file and did not get it")]
    NoLog,
    #[error("the gateway worker expected the file of API keys and did not get it")]
    NoKeys,
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
