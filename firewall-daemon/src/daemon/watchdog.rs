//! The service manager's watchdog: it is told that the daemon lives only while the loops that matter turn.
//!
//! A daemon whose loops have stopped still has its filter in force and answers nobody; only a restart helps,
//! and only the service manager can see to it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::service;

/// Each loop beats at least so often, busy or idle.
pub const BEAT: Duration = Duration::from_millis(250);
/// Within the watchdog's time the loops are looked at so often: one look too late must not end the daemon.
const LOOKS: u32 = 3;
/// Between two looks a loop that turns has beaten, however the two fall.
const LOOK_MIN: Duration = Duration::from_millis(500);

/// What one loop says of itself: a number that goes up while it turns.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// The loop has turned once more.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The loops that the daemon cannot do without.
#[derive(Clone, Debug, Default)]
pub struct Pulses {
    /// Signals are answered.
    pub signals: Pulse,
    /// Callers of the control socket are accepted.
    pub control: Pulse,
    /// Events are read.
    pub events: Pulse,
}

impl Pulses {
    fn counts(&self) -> [(&'static str, u64); 3] {
        [
            ("signals", self.signals.count()),
            ("control", self.control.count()),
            ("events", self.events.count()),
        ]
    }
}

/// Tells the service manager that all is well, where it asks for that, until `stop` says true. A loop that
/// stands still makes it silent; then the service manager ends the daemon and starts it anew.
pub async fn report(pulses: Pulses, stop: watch::Receiver<bool>) {
    if let Some(patience) = sd_notify::watchdog_enabled() {
        look(patience, &pulses, stop, service::alive).await;
    }
}

async fn look(
    patience: Duration,
    pulses: &Pulses,
    mut stop: watch::Receiver<bool>,
    alive: impl Fn(),
) {
    let every = patience / LOOKS;
    if every < LOOK_MIN {
        let (found_ms, needed_ms) = (patience.as_millis(), (LOOKS * LOOK_MIN).as_millis());
        tracing::warn!(
            found_ms = found_ms as u64,
            needed_ms = needed_ms as u64,
            "WatchdogSec= is shorter than the daemon can answer"
        );
    }
    let mut beat = interval(every.max(LOOK_MIN));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once, when no loop has turned yet.
    beat.tick().await;
    let mut last = pulses.counts().map(|(_, count)| count);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let counts = pulses.counts();
        let mut all = true;
        for ((name, count), last) in counts.iter().zip(last) {
            if *count == last {
                all = false;
                tracing::error!(name, "a loop of the daemon stands still");
            }
        }
        last = counts.map(|(_, count)| count);
        if all {
            alive();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::sleep;

    use super::*;

    /// How often the service manager is told within ten seconds, with these loops standing still.
    async fn told(still: &[&str], patience: Duration) -> u32 {
        let pulses = Pulses::default();
        let (stop, stopped) = watch::channel(false);
        let told = Cell::new(0);
        let turn = async {
            for _ in 0..40 {
                for (name, pulse) in [
                    ("signals", &pulses.signals),
                    ("control", &pulses.control),
                    ("events", &pulses.events),
                ] {
                    if !still.contains(&name) {
                        pulse.beat();
                    }
                }
                sleep(BEAT).await;
            }
            stop.send(true).expect("it listens");
        };
        tokio::join!(turn, look(patience, &pulses, stopped, || told.set(told.get() + 1)));
        told.get()
    }

    #[tokio::test]
    async fn it_is_told_only_while_every_loop_turns() {
        let patience = Duration::from_secs(6);
        let (all, signals, control, events, two, none) = tokio::join!(
            told(&[], patience),
            told(&["signals"], patience),
            told(&["control"], patience),
            told(&["events"], patience),
            told(&["signals", "control"], patience),
            told(&["signals", "control", "events"], patience),
        );
        assert!((4..=5).contains(&all), "{all}");
        assert_eq!((signals, control, events, two, none), (0, 0, 0, 0, 0));
    }
}
