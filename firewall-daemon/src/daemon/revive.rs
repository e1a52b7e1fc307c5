//! A gateway worker that dies is replaced, after a wait that grows while it goes on dying.

use std::sync::Arc;

use tokio::{sync::watch, task::spawn_blocking, time::sleep};

use super::Daemon;

/// Watches over the worker until `stop` says true.
pub async fn watch_over(daemon: Arc<Daemon>, mut stop: watch::Receiver<bool>) {
    let Some(supervisor) = &daemon.supervisor else { return };
    loop {
        tokio::select! {
            () = supervisor.died() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        while let Some(wait) = supervisor.backoff() {
            tracing::warn!(
                wait_ms = wait.as_millis() as u64,
                "the gateway worker died: starting another"
            );
            tokio::select! {
                () = sleep(wait) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let daemon = daemon.clone();
            let revived = spawn_blocking(move || {
                daemon.supervisor.as_ref().map_or(Ok(()), |supervisor| supervisor.revive())
            });
            match revived.await {
                Ok(Ok(())) => tracing::info!("another gateway worker serves"),
                Ok(Err(error)) => tracing::error!(%error, "no other gateway worker"),
                Err(error) => tracing::error!(%error, "no other gateway worker"),
            }
        }
    }
}
