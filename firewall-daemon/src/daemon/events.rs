//! Following what the XDP program says: sampled drops and log lines.
//!
//! The rings are looked at on a beat. A wake-up for each event would cost most when it hurts most, in a
//! flood; the program is told not to send any.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use firewall_common::{Protocol, event::Event};
use nix::time::{ClockId, clock_gettime};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::{Daemon, lock, watchdog::Pulse};
use crate::{
    datapath::{KernelLogSource, PolicyNames},
    hex,
    status::EventLine,
};

/// Sampled drops that the status shows.
const RECENT_MAX: usize = 32;
/// The ring holds 5,900 events: so 59,000 a second are read at the most, and the rest counted as lost.
const BEAT: Duration = Duration::from_millis(100);

/// Reads events and log lines until `stop` says true.
pub async fn follow(daemon: Arc<Daemon>, pulse: Pulse, mut stop: watch::Receiver<bool>) {
    let mut events = match lock(&daemon.datapath).event_source() {
        Ok(events) => events,
        Err(error) => return tracing::error!(%error, "events cannot be read"),
    };
    let mut log = daemon.kernel_log();
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pulse.beat();
        tokio::select! {
            _ = beat.tick() => {}
            // Each generation has a log of its own.
            () = daemon.switched.notified() => log = daemon.kernel_log(),
            _ = stop.wait_for(|stop| *stop) => return,
        }
        // Each time anew: the host's clock may be set meanwhile.
        let booted_at_ns = booted_at_ns();
        while let Some(event) = events.next_event() {
            daemon.record_event(&event, booted_at_ns);
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

    fn record_event(&self, event: &Event, booted_at_ns: u64) {
        let line = {
            let datapath = lock(&self.datapath);
            let index = event.interface_index;
            let source = event.flow.map(|flow| flow.source);
            let system = source.and_then(|source| lock(&self.origin).system(source));
            let interface = datapath.interfaces().iter().find(|known| known.index == index);
            EventLine {
                time_epoch_ns: booted_at_ns.saturating_add(event.time_ns),
                interface: interface.map(|interface| interface.name.clone()),
                asn: system.as_ref().map(|system| system.asn),
                organisation: system.and_then(|system| system.organisation),
                ..line(event, datapath.names(event.generation))
            }
        };
        self.watchers.tell(&line);
        tracing::debug!(
            target: "event",
            verdict = line.verdict,
            reason = line.reason,
            list = line.list,
            rule = line.rule,
            protocol = line.protocol,
            country = line.country,
            asn = line.asn,
            source = line.source,
            destination = line.destination,
            interface_index = line.interface_index,
            bytes = line.bytes,
            "sampled"
        );
        let mut events = lock(&self.events);
        events.0.total += 1;
        if events.1.len() == RECENT_MAX {
            events.1.pop_front();
        }
        events.1.push_back(line);
    }
}

fn line(event: &Event, names: Option<&PolicyNames>) -> EventLine {
    let ports = matches!(event.protocol, Protocol::Tcp | Protocol::Udp);
    let endpoint = |address: IpAddr, port: u16| {
        if ports { SocketAddr::new(address, port).to_string() } else { address.to_string() }
    };
    let list = names.and_then(|names| names.lists.get(usize::from(event.class.name)));
    let rule = names.and_then(|names| names.rules.get(event.rule as usize));
    let flow = event.flow;
    EventLine {
        time_ns: event.time_ns,
        verdict: event.verdict.label().to_owned(),
        reason: event.reason.label().to_owned(),
        protocol: event.protocol.label().to_owned(),
        list: list.cloned(),
        country: event.class.country().map(|country| country.to_string()),
        rule: rule.cloned(),
        source: flow.map(|flow| endpoint(flow.source, flow.source_port)),
        destination: flow.map(|flow| endpoint(flow.destination, flow.destination_port)),
        interface_index: event.interface_index,
        bytes: event.length,
        captured: hex::write(event.captured()),
        ..EventLine::default()
    }
}

/// What the host's clock showed when the clock of events began; zero on a clock that is set before 1970.
fn booted_at_ns() -> u64 {
    // Both clocks are there on every Linux.
    let since_boot =
        clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.saturating_sub(since_boot).as_nanos() as u64
}
