//! The keys of session tickets are replaced when their time is over.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::spawn_blocking, time::sleep};

use super::Daemon;

/// A reload may shorten the time: it is asked about anew after this long.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Replaces them until `stop` says true.
pub async fn rotate(daemon: Arc<Daemon>, mut stop: watch::Receiver<bool>) {
    loop {
        let Some(supervisor) = &daemon.supervisor else { return };
        let wait = supervisor.ticket_keys_due_in(Instant::now());
        tokio::select! {
            () = sleep(wait.min(WAIT_MAX)) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let daemon = daemon.clone();
        let rotated = spawn_blocking(move || {
            if let Some(supervisor) = &daemon.supervisor {
                supervisor.rotate_ticket_keys_when_due(Instant::now());
            }
        });
        if let Err(error) = rotated.await {
            tracing::error!(%error, "the keys of session tickets were not replaced");
        }
    }
}
