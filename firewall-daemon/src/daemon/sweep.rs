//! Bans that have ended are removed now and then: a packet finds out by itself, but they take room.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::{Daemon, lock};

/// A full table of a million takes seconds to walk, which this is far above.
const BEAT: Duration = Duration::from_secs(60);

/// Sweeps until `stop` says true; the first time at once, as an earlier daemon may have died over a ban.
pub async fn bans(daemon: Arc<Daemon>, mut stop: watch::Receiver<bool>) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let daemon = daemon.clone();
        match spawn_blocking(move || lock(&daemon.bans).sweep()).await {
            Ok(Ok(bans)) => tracing::debug!(bans, "swept"),
            Ok(Err(error)) => tracing::error!(%error, "ended bans cannot be removed"),
            Err(error) => tracing::error!(%error, "ended bans cannot be removed"),
        }
    }
}
