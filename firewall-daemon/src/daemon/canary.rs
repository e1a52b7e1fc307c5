//! A canary that goes back changes who is served by what: that stands in the audit log.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::Daemon;

/// Workers report once a second.
const BEAT: Duration = Duration::from_secs(1);

/// Looks at the canaries until `stop` says true.
pub async fn watch_over(daemon: Arc<Daemon>, mut stop: watch::Receiver<bool>) {
    if daemon.supervisor.is_none() {
        return;
    }
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = Seen::default();
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let daemon = daemon.clone();
        let looked = spawn_blocking(move || {
            daemon.audit_canaries(&mut seen);
            seen
        });
        match looked.await {
            Ok(looked) => seen = looked,
            Err(error) => {
                tracing::error!(%error, "canaries are not looked at any more");
                return;
            }
        }
    }
}

/// How often each canary went back: by route and upstream.
type Seen = BTreeMap<(String, String), u64>;

impl Daemon {
    fn audit_canaries(&self, seen: &mut Seen) {
        let Some(supervisor) = &self.supervisor else { return };
        for canary in supervisor.status().figures.rollouts.canaries {
            let last = seen.entry((canary.route.clone(), canary.upstream.clone())).or_default();
            if canary.rollbacks > *last {
                *last = canary.rollbacks;
                let what = format!("route {}", canary.route);
                let after = format!("upstream {} went back: 0 %", canary.upstream);
                self.audit_own("canary", &what, &after);
            }
        }
    }
}
