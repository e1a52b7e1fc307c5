//! Waiting for what another process is about to do: by asking again, never by counting on a pause.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

const POLL: Duration = Duration::from_millis(20);
/// Longer than anything takes on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Asks until there is an answer.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if Instant::now() > deadline {
            bail!("no {what} within {PATIENCE:?}");
        }
        thread::sleep(POLL);
    }
}
