//! What is in force and how it is: the figures of the status that are no counters of packets or requests.

use firewall_common::maps::BANS_MAX;

use super::{Families, Labels};
use crate::status::{LimitStatus, Snapshot};

impl Families<'_> {
    pub(super) fn state(&mut self, snapshot: &Snapshot) {
        self.gauge(
            "start_time_seconds",
            "When the daemon started, in seconds since 1970",
            snapshot.started_epoch_s,
        );
        let healthy = u64::from(snapshot.fault.is_none());
        self.gauge("healthy", "1, or 0 where something is wrong; the status says what", healthy);
        self.gauge(
            "policy_loaded_timestamp_seconds",
            "When the policy in force came into force, in seconds since 1970",
            snapshot.policy.loaded_at_epoch_s,
        );
        self.gauge(
            "changes",
            "Changes that verbs made to the configuration, and that are in force",
            snapshot.changes,
        );
        self.gauge(
            "shadow",
            "What only counts what it would drop: the policy, lists, countries",
            snapshot.policy.shadow.len() as u64,
        );
        if let Some(geo) = &snapshot.policy.geo {
            let mode = vec![("mode", geo.mode.clone())];
            let countries = geo.countries.len() as u64;
            self.gauges("geo_countries", "Countries that the policy names", [(mode, countries)]);
        }
        self.limits(&snapshot.policy.limits);
        let sample = u64::from(snapshot.events.sample_one_in);
        self.gauge("events_sample_one_in", "One drop in so many is sampled; 0 is none", sample);
        self.gauge("bans_max", "Bans that there may be at once", u64::from(BANS_MAX));
        if let Some(last) = &snapshot.reloads.last {
            self.gauge(
                "last_reload_timestamp_seconds",
                "When the last reload ended, in seconds since 1970",
                last.at_epoch_s,
            );
            let ok = u64::from(last.error.is_none());
            self.gauge("last_reload_successful", "Whether the last reload came into force", ok);
        }
        let audit = snapshot.audit;
        self.counter(
            "audit_records",
            "Records of the audit log, over all its files",
            audit.sequence,
        );
        self.gauge(
            "audit_owed_records",
            "Records that wait for a disk that takes them",
            audit.owed,
        );
        self.counter(
            "audit_lost_records",
            "Records that found no room among those; the daemon's log has them",
            audit.lost,
        );
        self.counter("audit_write_failures", "Writes of the audit log that failed", audit.failures);
    }

    /// A series for each limit that is configured.
    fn limits(&mut self, limits: &[LimitStatus]) {
        let mut rows = |name: &str, help: &str, figure: fn(&LimitStatus) -> Option<u64>| {
            let scope = |limit: &LimitStatus| -> Labels { vec![("scope", limit.scope.clone())] };
            let found = limits.iter().filter_map(|limit| Some((scope(limit), figure(limit)?)));
            self.gauges(name, help, found);
        };
        rows("limit_packets_per_second", "Packets a second that a limit lets pass", |limit| {
            limit.rate_pps.map(u64::from)
        });
        rows("limit_burst_packets", "Packets at once that a limit lets pass", |limit| {
            limit.burst_packets.map(u64::from)
        });
        rows("limit_bytes_per_second", "Bytes a second that a limit lets pass", |limit| {
            limit.rate_bytes_per_s
        });
        rows("limit_burst_bytes", "Bytes at once that a limit lets pass", |limit| {
            limit.burst_bytes
        });
    }
}
