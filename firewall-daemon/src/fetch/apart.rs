//! Fetching on a thread of its own: a daemon that is told to stop does not wait for a slow server.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use super::{FetchError, Fetched, Wanted, fetch};

/// How often it is asked whether to stop.
const BEAT: Duration = Duration::from_millis(100);

/// Fetches, unless `stopping` becomes true first; what was begun then ends with the process.
///
/// # Errors
///
/// Those of [`fetch`], and where it was told to stop.
pub fn apart(wanted: Wanted, stopping: &AtomicBool) -> Result<Fetched, FetchError> {
    let (done, waiting) = mpsc::channel();
    let started = thread::Builder::new().name("fetch".to_owned()).spawn(move || {
        // Nobody waits any more where it cannot be sent.
        let _ = done.send(fetch(&wanted));
    });
    started.map_err(|error| FetchError::Connect { found: format!("no thread: {error}") })?;
    loop {
        match waiting.recv_timeout(BEAT) {
            Ok(fetched) => return fetched,
            Err(RecvTimeoutError::Timeout) if stopping.load(Ordering::Relaxed) => {
                return Err(FetchError::Stopping);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(FetchError::Protocol { found: "a fault of the client".to_owned() });
            }
        }
    }
}
