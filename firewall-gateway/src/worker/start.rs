//! The first message: what to serve, on which sockets. The policy lies in a memory file beside it, as
//! a thousand certificates are too much for one packet.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    net::TcpListener,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::fs::{MemfdFlags, memfd_create};

use super::{
    channel::{Channel, ChannelError},
    message::ToWorker,
};
use crate::{limits::POLICY_BYTES_MAX, listener::BoundListener, policy::GatewayPolicy};

/// What a worker is to do, and with what.
pub struct Orders {
    /// What to serve.
    pub policy: GatewayPolicy,
    /// On which sockets.
    pub listeners: Vec<BoundListener>,
    /// Where lines of requests go, where the policy names a file: the worker could not open it.
    pub access_log: Option<File>,
    /// The API keys, where the daemon has a file of them.
    pub api_keys: Option<File>,
    /// The sessions, where it has a file of them.
    pub sessions: Option<File>,
    /// Where events go, where the policy names a file.
    pub events: Option<File>,
    /// The country database, where the policy asks for one.
    pub countries: Option<File>,
}

/// Files that a worker could not open itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct HandedFiles<'a> {
    /// Where lines of requests go.
    pub access_log: Option<BorrowedFd<'a>>,
    /// The API keys.
    pub api_keys: Option<BorrowedFd<'a>>,
    /// The sessions.
    pub sessions: Option<BorrowedFd<'a>>,
    /// That of events.
    pub events: Option<BorrowedFd<'a>>,
    /// The country database.
    pub countries: Option<BorrowedFd<'a>>,
}

/// Sends a policy, and duplicates of the listening sockets and of the files.
///
/// # Errors
/// The policy is too large, or the worker is gone.
pub fn send<S: AsFd>(
    channel: &Channel<S>,
    policy: &GatewayPolicy,
    listeners: &[BoundListener],
    files: HandedFiles<'_>,
) -> Result<(), StartError> {
    let HandedFiles { access_log, api_keys, sessions, events, countries } = files;
    let bytes = serde_json::to_vec(policy).map_err(ChannelError::Form)?;
    let policy_bytes = bytes.len() as u64;
    if policy_bytes > POLICY_BYTES_MAX {
        return Err(StartError::TooLarge { found: policy_bytes });
    }
    let created = memfd_create(c"seawall-policy", MemfdFlags::CLOEXEC).map_err(io::Error::from);
    let mut file = File::from(created.map_err(StartError::File)?);
    file.write_all(&bytes).map_err(StartError::File)?;
    let shapes = listeners.iter().map(|listener| listener.shape).collect();
    let sockets = listeners.iter().map(|listener| listener.socket.as_fd());
    let files =
        access_log.into_iter().chain(api_keys).chain(sessions).chain(events).chain(countries);
    let descriptors: Vec<BorrowedFd<'_>> =
        [file.as_fd()].into_iter().chain(sockets).chain(files).collect();
    let start = ToWorker::Start {
        policy_bytes,
        listeners: shapes,
        access_log: access_log.is_some(),
        api_keys: api_keys.is_some(),
        events: events.is_some(),
        countries: countries.is_some(),
        sessions: sessions.is_some(),
    };
    channel.send(&start, &descriptors)?;
    Ok(())
}

/// Waits for them.
///
/// # Errors
/// Another message, none in time, or one that does not hold together.
pub fn receive<S: AsFd>(channel: &Channel<S>) -> Result<Orders, StartError> {
    let Some((message, descriptors)) = channel.receive()? else { return Err(StartError::NoStart) };
    let (policy_bytes, shapes, files) = match message {
        ToWorker::Start {
            policy_bytes,
            listeners,
            access_log,
            api_keys,
            sessions,
            events,
            countries,
        } => (policy_bytes, listeners, [access_log, api_keys, sessions, events, countries]),
        ToWorker::Keys { .. }
        | ToWorker::Countries {}
        | ToWorker::ApiKeys(_)
        | ToWorker::Sessions(_)
        | ToWorker::Provider { .. }
        | ToWorker::TicketKeys { .. }
        | ToWorker::Challenges { .. }
        | ToWorker::Backends { .. }
        | ToWorker::Drain => return Err(StartError::NoStart),
    };
    let expected = 1 + shapes.len() + files.iter().filter(|there| **there).count();
    if descriptors.len() != expected {
        return Err(StartError::Descriptors { expected, found: descriptors.len() });
    }
    let mut descriptors = descriptors.into_iter().peekable();
    let file = descriptors.next().ok_or(StartError::NoStart)?;
    let policy = read(file, policy_bytes)?;
    let listeners = shapes
        .into_iter()
        .zip(descriptors.by_ref())
        .map(|(shape, socket)| BoundListener { shape, socket: TcpListener::from(socket) })
        .collect();
    let mut file = |there: bool| descriptors.next_if(|_| there).map(File::from);
    let [access_log, api_keys, sessions, events, countries] = files.map(&mut file);
    Ok(Orders { policy, listeners, access_log, api_keys, sessions, events, countries })
}

fn read(file: OwnedFd, policy_bytes: u64) -> Result<GatewayPolicy, StartError> {
    if policy_bytes > POLICY_BYTES_MAX {
        return Err(StartError::TooLarge { found: policy_bytes });
    }
    let mut file = File::from(file);
    // The position is shared with the one who wrote.
    file.rewind().map_err(StartError::File)?;
    let mut bytes = Vec::new();
    file.take(policy_bytes).read_to_end(&mut bytes).map_err(StartError::File)?;
    Ok(serde_json::from_slice(&bytes).map_err(ChannelError::Form)?)
}

/// Why a worker is not started.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum StartError {
    #[error("the gateway worker expected the message `start` first and did not get it")]
    NoStart,
    #[error("the gateway worker expected {expected} descriptors and got {found}")]
    Descriptors { expected: usize, found: usize },
    #[error(
        "the gateway's policy has {found} bytes, expected at most {POLICY_BYTES_MAX}; shorten the certificate chains"
    )]
    TooLarge { found: u64 },
    #[error("the memory file of the gateway's policy failed: {0}")]
    File(io::Error),
    #[error("the gateway worker's channel failed: {0}")]
    Channel(#[from] ChannelError),
}
