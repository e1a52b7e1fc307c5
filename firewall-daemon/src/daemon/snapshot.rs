//! The state of this moment, put together from the parts.

use std::process;

pub use crate::status::now_epoch_s;

use super::{Daemon, host, lock, updates};
use crate::{
    config::{LimitsConfig, PacketConfig, PortProtocol, RateConfig, ShadowConfig},
    datapath::{DatapathError, RuleCount},
    policy::{GeoMode, GeoSource, PolicySource, compile::PolicySummary},
    status::{
        GeoStatus, InterfaceStatus, LimitStatus, PacketCount, PolicyStatus, RuleStatus, Snapshot,
        SnapshotSource, Unlimited, WatcherStatus,
    },
    supervisor::Supervisor,
};

impl SnapshotSource for Daemon {
    fn snapshot(&self) -> Snapshot {
        let (path, packet, acme, mut warnings) = {
            let config = lock(&self.config);
            let acme = config.gateway.as_ref().and_then(|gateway| gateway.acme.clone());
            (config.path.clone(), config.packet.clone(), acme, host::warnings(&config.packet))
        };
        warnings.extend(updates::warnings(&packet, lock(&self.policy).geo.as_ref(), now_epoch_s()));
        let mut gateway = self.supervisor.as_ref().map(Supervisor::status);
        if let Some(supervisor) = &self.supervisor {
            warnings.extend(supervisor.warnings(now_epoch_s()));
        }
        if let (Some(gateway), Some(acme)) = (&mut gateway, &acme) {
            warnings.extend(self.acme.warning(acme));
            gateway.acme = Some(self.acme.status(acme));
        }
        let mut snapshot = Snapshot {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: process::id(),
            uptime_s: self.started.elapsed().as_secs(),
            started_epoch_s: self.started_epoch_s,
            config: path,
            warnings,
            policy: lock(&self.policy).clone(),
            changes: lock(&self.changes).count() as u64,
            reloads: lock(&self.reloads).clone(),
            audit: self.audit.figures(),
            feeds: self.refresh.feeds(&packet),
            keys: self.keys.status(),
            databases: self.refresh.databases(&packet),
            gateway,
            offences: match &self.supervisor {
                Some(supervisor) => self.offences.figures(supervisor.offences_lost()),
                None => Vec::new(),
            },
            ..Snapshot::default()
        };
        {
            let events = lock(&self.events);
            snapshot.events = events.0.clone();
            snapshot.events.recent = events.1.iter().cloned().collect();
            snapshot.events.watchers = WatcherStatus {
                active: self.watchers.count(),
                events_lost: self.watchers.lost(),
                dropped: self.watchers.dropped(),
            };
        }
        if snapshot.gateway.as_ref().is_some_and(|gateway| gateway.worker_pid.is_none()) {
            snapshot.fault = Some("the gateway has no worker".to_owned());
        }
        self.add_datapath(&mut snapshot);
        snapshot
    }
}

impl Daemon {
    fn add_datapath(&self, snapshot: &mut Snapshot) {
        let datapath = lock(&self.datapath);
        snapshot.generation = u64::from(datapath.generation());
        snapshot.interfaces = datapath
            .interfaces()
            .iter()
            .map(|interface| InterfaceStatus {
                name: interface.name.clone(),
                index: interface.index,
                mode: interface.mode.label().to_owned(),
                unfiltered_us: interface.unfiltered.unwrap_or_default().as_micros() as u64,
            })
            .collect();
        snapshot.rule_counters_replaced = datapath.rule_counters_replaced();
        let read = || {
            let bans = datapath.ban_count()?;
            Ok::<_, DatapathError>((
                datapath.counters()?,
                datapath.rule_counts()?,
                datapath.losses()?,
                bans,
            ))
        };
        match read() {
            Ok((rows, rules, losses, bans)) => {
                snapshot.bans = bans;
                snapshot.rules = rules
                    .into_iter()
                    .map(|RuleCount { name, packets, bytes }| RuleStatus { name, packets, bytes })
                    .collect();
                snapshot.packets = rows
                    .iter()
                    .map(|row| PacketCount {
                        verdict: row.verdict.label().to_owned(),
                        reason: row.reason.label().to_owned(),
                        protocol: row.protocol.label().to_owned(),
                        packets: row.packets,
                        bytes: row.bytes,
                    })
                    .collect();
                snapshot.events.lost = losses.events;
                snapshot.events.over_bound = losses.events_bound;
                snapshot.replies_failed = losses.replies;
                snapshot.unlimited =
                    Unlimited { bucket: losses.buckets, contention: losses.contention };
            }
            Err(error) => snapshot.fault = Some(format!("the counters cannot be read: {error}")),
        }
    }
}

/// What the status says of a policy that comes into force now.
pub fn policy_status(
    source: &PolicySource,
    summary: &PolicySummary,
    config: &PacketConfig,
) -> PolicyStatus {
    PolicyStatus {
        loaded_at_epoch_s: now_epoch_s(),
        protected: summary.protected as u64,
        allow: summary.allow as u64,
        deny: summary.deny as u64,
        geo: source.geo.as_ref().map(geo_status),
        limits: limit_status(&config.limits),
        shadow: shadow(&config.shadow),
        ranges_v4: summary.ranges_v4 as u64,
        ranges_v6: summary.ranges_v6 as u64,
    }
}

/// The limits, as status and `seawall limit show` tell them.
pub fn limit_status(config: &LimitsConfig) -> Vec<LimitStatus> {
    let LimitsConfig { source, prefix, country, syn, udp, icmp, other, ports } = config;
    let scopes = [
        ("source", source),
        ("prefix", prefix),
        ("country", country),
        ("syn", syn),
        ("udp", udp),
        ("icmp", icmp),
        ("other", other),
    ];
    let of_scopes =
        scopes.into_iter().filter_map(|(scope, rate)| Some((scope.to_owned(), (*rate)?)));
    let of_ports = ports.iter().map(|limit| {
        let protocol = match limit.protocol {
            PortProtocol::Tcp => "tcp",
            PortProtocol::Udp => "udp",
        };
        (format!("port {}/{protocol}", limit.port), limit.rate)
    });
    let status = |(scope, rate): (String, RateConfig)| LimitStatus {
        scope,
        rate_pps: rate.packets.map(|packets| packets.rate_pps),
        burst_packets: rate.packets.map(|packets| packets.burst_packets),
        rate_bytes_per_s: rate.bytes.map(|bytes| bytes.rate_bytes_per_s),
        burst_bytes: rate.bytes.map(|bytes| bytes.burst_bytes),
    };
    of_scopes.chain(of_ports).map(status).collect()
}

fn shadow(config: &ShadowConfig) -> Vec<String> {
    let policy = config.policy.then(|| "policy".to_owned());
    let lists = config.lists.iter().map(|list| format!("list {list}"));
    let countries = config.countries.iter().map(|country| format!("country {country}"));
    policy.into_iter().chain(lists).chain(countries).collect()
}

fn geo_status(geo: &GeoSource) -> GeoStatus {
    GeoStatus {
        mode: geo.mode.map_or("none", GeoMode::label).to_owned(),
        countries: geo.countries.iter().map(ToString::to_string).collect(),
        database: geo.database.path.clone(),
        kind: geo.database.kind.clone(),
        build_epoch_s: geo.database.build_epoch_s,
        networks: geo.networks.len() as u64,
    }
}
