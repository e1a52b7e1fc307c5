//! Following what the XDP program says: sampled drops and log lines.
//!
//! The rings are looked at on a beat. A wake-up for each event would cost most when it hurts most, in a
//! flood; the program is told not to send any.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use firewall_common::{Protocol, event::Event};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::{Daemon, lock};
use crate::{datapath::KernelLogSource, status::EventLine};

/// Sampled drops that the status shows.
const RECENT_MAX: usize = 32;
/// The ring holds 3,600 events: so 36,000 a second are read at the most, and the rest counted as lost.
const BEAT: Duration = Duration::from_millis(100);

/// Reads events and log lines until `stop` says true.
pub async fn follow(daemon: Arc<Daemon>, mut stop: watch::Receiver<bool>) {
    let mut events = match lock(&daemon.datapath).event_source() {
        Ok(events) => events,
        Err(error) => return tracing::error!(%error, "events cannot be read"),
    };
    let mut log = daemon.kernel_log();
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            // Each generation has a log of its own.
            () = daemon.switched.notified() => log = daemon.kernel_log(),
            _ = stop.wait_for(|stop| *stop) => return,
        }
        while let Some(event) = events.next_event() {
            daemon.record_event(&event);
        }
        if let Some(log) = &mut log {
            log.flush();
        }
    }
}

impl Daemon {
    fn kernel_log(&self) -> Option<KernelLogSource> {
        lock(&self.datapath).kernel_log_source().unwrap_or_else(|error| {
            tracing::error!(%error, "the XDP program's log cannot be read");
            None
        })
    }

    fn record_event(&self, event: &Event) {
        let line = line(event);
        tracing::debug!(
            target: "event",
            reason = line.reason,
            protocol = line.protocol,
            country = line.country,
            source = line.source,
            destination = line.destination,
            interface_index = line.interface_index,
            bytes = line.bytes,
            "dropped"
        );
        let mut events = lock(&self.events);
        events.0.total += 1;
        if events.1.len() == RECENT_MAX {
            events.1.pop_front();
        }
        events.1.push_back(line);
    }
}

fn line(event: &Event) -> EventLine {
    let ports = matches!(event.protocol, Protocol::Tcp | Protocol::Udp);
    let endpoint = |address: IpAddr, port: u16| {
        if ports { SocketAddr::new(address, port).to_string() } else { address.to_string() }
    };
    let addresses = event.addresses;
    EventLine {
        time_ns: event.time_ns,
        reason: event.reason.label().to_owned(),
        protocol: event.protocol.label().to_owned(),
        country: event.country.map(|country| country.to_string()),
        source: addresses.map(|(source, _)| endpoint(source, event.source_port)),
        destination: addresses.map(|(_, to)| endpoint(to, event.destination_port)),
        interface_index: event.interface_index,
        bytes: event.length,
    }
}
