//! Asking the daemon.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use firewall_gateway::explain::{self as request, RequestExplanation};
use serde::de::DeserializeOwned;

use super::{ANSWER_BYTES_MAX, Answer, Asked, Request};
use crate::{
    explain::{Explanation, Subject},
    guard::Session,
    status::{Snapshot, UpdateReport},
};

/// A daemon that takes longer is not well.
const WAIT: Duration = Duration::from_secs(5);
/// A change reads lists of millions of lines, starts a worker, and waits for those before it.
const CHANGE_WAIT: Duration = Duration::from_secs(120);

/// Lists are fetched meanwhile, one after the other.
const UPDATE_WAIT: Duration = Duration::from_secs(600);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody is there, or the caller may not speak to it.
    #[error("no seawall daemon answers at {path}: {source}; is it running, and are you root?")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It broke off.
    #[error("the seawall daemon at {path} broke off: {source}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It answered what this version does not understand.
    #[error(
        "the daemon at {path} answered what this command cannot read ({source}): are both of one version?"
    )]
    Answer {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It ended in an orderly way while it was watched.
    #[error("the seawall daemon at {path} stopped")]
    Stopped {
        /// The socket.
        path: PathBuf,
    },
    /// It refused.
    #[error("the daemon refused: {0}")]
    Refused(String),
}

/// The daemon's state.
///
/// # Errors
///
/// Where no daemon answers.
pub fn status(path: &Path) -> Result<Snapshot, ClientError> {
    ask_within(path, &Request::Status {}, WAIT)
}

/// What the policy in force says of a packet.
///
/// # Errors
///
/// Where no daemon answers, or it refuses.
pub fn explain(path: &Path, subject: Subject) -> Result<Explanation, ClientError> {
    ask_within(path, &Request::Explain { subject }, WAIT)
}

/// What the gateway's policy in force says of a request.
///
/// # Errors
///
/// Where no daemon answers, or it refuses.
pub fn explain_request(
    path: &Path,
    question: request::Question,
) -> Result<RequestExplanation, ClientError> {
    let question = Box::new(question);
    ask_within(path, &Request::ExplainRequest { question }, WAIT)
}

/// Fetches a feed, or all of them.
///
/// # Errors
///
/// Where no daemon answers, or there is no such feed.
pub fn update_feeds(
    path: &Path,
    feed: Option<String>,
    force: bool,
) -> Result<Vec<UpdateReport>, ClientError> {
    ask_within(path, &Request::FeedsUpdate { feed, force }, UPDATE_WAIT)
}

/// Fetches the databases, or takes the country database from a URL or a file.
///
/// # Errors
///
/// Where no daemon answers, or there is none to fetch.
pub fn update_geo(
    path: &Path,
    url: Option<String>,
    file: Option<PathBuf>,
    force: bool,
) -> Result<Vec<UpdateReport>, ClientError> {
    ask_within(path, &Request::GeoUpdate { url, file, force }, UPDATE_WAIT)
}

/// Asks for what one of the other verbs does.
///
/// # Errors
///
/// Where no daemon answers, or it refuses.
pub fn ask<T: DeserializeOwned>(path: &Path, request: &Request) -> Result<T, ClientError> {
    ask_within(path, request, CHANGE_WAIT)
}

fn ask_within<T: DeserializeOwned>(
    path: &Path,
    request: &Request,
    wait: Duration,
) -> Result<T, ClientError> {
    let connect = |source| ClientError::Connect { path: path.to_path_buf(), source };
    let broken = |source| ClientError::Io { path: path.to_path_buf(), source };
    let mut stream = UnixStream::connect(path).map_err(connect)?;
    stream.set_read_timeout(Some(wait)).map_err(broken)?;
    stream.set_write_timeout(Some(WAIT)).map_err(broken)?;
    let unreadable = |source| ClientError::Answer { path: path.to_path_buf(), source };
    let asked = Asked { request, session: session() };
    let mut asked = serde_json::to_vec(&asked).map_err(unreadable)?;
    asked.push(b'\n');
    stream.write_all(&asked).map_err(broken)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).map_err(broken)?;
    match serde_json::from_slice(&answer).map_err(unreadable)? {
        Answer::Ok(answer) => Ok(answer),
        Answer::Error(error) => Err(ClientError::Refused(error)),
    }
}

/// The SSH session that the command was typed in. `sudo` keeps it where it is told to; an established
/// connection to port 22 is found by the daemon anyway.
fn session() -> Option<Session> {
    Session::parse(&std::env::var("SSH_CONNECTION").ok()?)
}
