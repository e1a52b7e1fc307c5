//! The metrics: a snapshot, written as OpenMetrics text.

use std::{fmt, sync::atomic::AtomicU64};

use firewall_gateway::figures::{DURATION_BOUNDS_US, DurationHistogram};
use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet, text},
    metrics::{MetricType, counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::status::{GatewayStatus, Snapshot};

mod server;
mod behaviour;
mod events;
mod feeds;
mod keys;
mod rates;
mod rollout;
mod sessions;
mod standings;
mod state;
mod red;
mod tls;

pub use server::{BindError, bind, serve};

/// Writes a snapshot. Every label comes from an enum or from the configuration: nothing from the
/// network can make a new series.
///
/// # Errors
///
/// None that is known: the text is written to memory.
pub fn encode(snapshot: &Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("seawall");
    let mut families = Families { registry: &mut registry };
    families.daemon(snapshot);
    families.state(snapshot);
    families.packets(snapshot);
    families.feeds(snapshot);
    families.keys(snapshot);
    if let Some(gateway) = &snapshot.gateway {
        families.gateway(gateway);
        families.behaviour(snapshot, gateway);
    }
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

type Labels = Vec<(&'static str, String)>;

struct Families<'a> {
    registry: &'a mut Registry,
}

impl Families<'_> {
    fn counters(&mut self, name: &str, help: &str, rows: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Counter<u64, AtomicU64>>::default();
        for (labels, count) in rows {
            family.get_or_create(&labels).inc_by(count);
        }
        self.registry.register(name, help, family);
    }

    fn counter(&mut self, name: &str, help: &str, count: u64) {
        let counter = Counter::<u64, AtomicU64>::default();
        counter.inc_by(count);
        self.registry.register(name, help, counter);
    }

    fn gauges(&mut self, name: &str, help: &str, rows: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Gauge>::default();
        for (labels, value) in rows {
            family.get_or_create(&labels).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.registry.register(name, help, family);
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        self.registry.register(name, help, gauge);
    }

    /// Gauges of microseconds, in the base unit.
    fn seconds(&mut self, name: &str, help: &str, rows: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        for (labels, value_us) in rows {
            family.get_or_create(&labels).set(value_us as f64 / 1e6);
        }
        self.registry.register(name, help, family);
    }

    fn daemon(&mut self, snapshot: &Snapshot) {
        let version = vec![("version", snapshot.version.clone())];
        self.gauges("build_info", "Version of the daemon, as a label", [(version, 1)]);
        self.gauge("generation", "Number of the generation in force", snapshot.generation);
        self.gauge(
            "warnings",
            "What of the host keeps a part of the policy from working; the status says what",
            snapshot.warnings.len() as u64,
        );
        let reloads = &snapshot.reloads;
        self.counters(
            "reloads",
            "Reloads that came into force, and reloads that left the old policy in force",
            [
                (vec![("result", "ok".to_owned())], reloads.ok),
                (vec![("result", "error".to_owned())], reloads.error),
            ],
        );
        let policy = &snapshot.policy;
        let list = |name: &str, count| (vec![("list", name.to_owned())], count);
        self.gauges(
            "policy_prefixes",
            "Prefixes of the policy in force",
            [
                list("protected", policy.protected),
                list("allow", policy.allow),
                list("deny", policy.deny),
                list("geo", policy.geo.as_ref().map_or(0, |geo| geo.networks)),
            ],
        );
        let family = |name: &str, count| (vec![("family", name.to_owned())], count);
        self.gauges(
            "policy_ranges",
            "Ranges of the tables in force",
            [family("ipv4", policy.ranges_v4), family("ipv6", policy.ranges_v6)],
        );
        if let Some(geo) = &policy.geo {
            self.gauge(
                "geo_database_build_timestamp_seconds",
                "When the country database was made, in seconds since 1970",
                geo.build_epoch_s,
            );
        }
        self.gauges(
            "interface_info",
            "Interfaces with the XDP program on them, and its mode",
            snapshot.interfaces.iter().map(|interface| {
                let name = ("interface", interface.name.clone());
                (vec![name, ("mode", interface.mode.clone())], 1)
            }),
        );
        self.seconds(
            "interface_unfiltered_seconds",
            "How long no program was on the interface when this daemon changed the mode of an earlier one",
            snapshot.interfaces.iter().map(|interface| {
                (vec![("interface", interface.name.clone())], interface.unfiltered_us)
            }),
        );
    }

    fn packets(&mut self, snapshot: &Snapshot) {
        let labels = |row: &crate::status::PacketCount| -> Labels {
            vec![
                ("verdict", row.verdict.clone()),
                ("reason", row.reason.clone()),
                ("protocol", row.protocol.clone()),
            ]
        };
        self.counters(
            "packets",
            "Packets judged by the XDP program; every packet is counted once",
            snapshot.packets.iter().map(|row| (labels(row), row.packets)),
        );
        self.counters(
            "bytes",
            "Bytes of those packets, link headers included",
            snapshot.packets.iter().map(|row| (labels(row), row.bytes)),
        );
        let rule = |rule: &crate::status::RuleStatus| vec![("rule", rule.name.clone())];
        self.counters(
            "rule_packets",
            "Packets that a rule decided about, kept by its name",
            snapshot.rules.iter().map(|row| (rule(row), row.packets)),
        );
        self.counters(
            "rule_bytes",
            "Bytes of those packets, link headers included",
            snapshot.rules.iter().map(|row| (rule(row), row.bytes)),
        );
        self.counter(
            "rule_counters_replaced",
            "Rules that are gone and had to give up their counters to others",
            snapshot.rule_counters_replaced,
        );
        self.gauge("bans", "Bans, ended ones among them until they are swept", snapshot.bans);
        self.counter(
            "syn_cookies_failed",
            "Segments that could not be answered with a SYN cookie, and were dropped",
            snapshot.replies_failed,
        );
        let unlimited = snapshot.unlimited;
        let cause = |cause: &str, count| (vec![("cause", cause.to_owned())], count);
        self.counters(
            "packets_unlimited",
            "Packets that passed without their limit being asked",
            [cause("bucket", unlimited.bucket), cause("contention", unlimited.contention)],
        );
        self.counter("events", "Sampled drops read", snapshot.events.total);
        self.counter(
            "events_lost",
            "Sampled drops that found the ring buffer full",
            snapshot.events.lost,
        );
        self.counter(
            "events_over_bound",
            "Drops that were not considered for an event, as the bound was met",
            snapshot.events.over_bound,
        );
        let watchers = snapshot.events.watchers;
        self.gauge("watchers", "Those who watch sampled drops now", watchers.active);
        self.counter(
            "watch_events_lost",
            "Sampled drops that a watcher lost, as it read too slowly",
            watchers.events_lost,
        );
        self.counter(
            "watchers_dropped",
            "Watchers that were left, as they read nothing any more",
            watchers.dropped,
        );
    }

    fn gateway(&mut self, gateway: &GatewayStatus) {
        let figures = &gateway.figures;
        self.counters(
            "gateway_requests",
            "Answers by protocol and status; 499 where the client left first",
            figures.requests.iter().map(|row| {
                let status = ("status", row.status.to_string());
                (vec![("protocol", row.protocol.clone()), status], row.count)
            }),
        );
        self.registry.register_with_unit(
            "gateway_request_duration",
            "From the end of a request's headers to the last byte of its answer",
            Unit::Seconds,
            Durations::new(&figures.request_duration),
        );
        self.counters(
            "gateway_rejections",
            "Requests that the gateway refused",
            figures.rejections.iter().map(|row| (vec![("reason", row.label.clone())], row.count)),
        );
        let result = |result: &str, count| (vec![("result", result.to_owned())], count);
        self.counters(
            "gateway_authenticated",
            "Requests whose sender is known",
            figures
                .authenticated
                .iter()
                .map(|row| (vec![("method", row.label.clone())], row.count)),
        );
        self.counters(
            "gateway_denied",
            "Requests without a good credential",
            figures.denied.iter().map(|row| (vec![("reason", row.label.clone())], row.count)),
        );
        self.counters(
            "gateway_forbidden",
            "Requests that no rule of their route lets pass",
            figures.forbidden.iter().map(|row| (vec![("condition", row.label.clone())], row.count)),
        );
        self.counters(
            "gateway_cross_site",
            "Requests of pages of other sites that were refused",
            figures.cross_site.iter().map(|row| (vec![("reason", row.label.clone())], row.count)),
        );
        self.counters(
            "gateway_introspections",
            "Questions about tokens, by what came of them",
            figures
                .introspections
                .iter()
                .map(|row| (vec![("outcome", row.label.clone())], row.count)),
        );
        self.counters(
            "gateway_leaks",
            "What answers of backends said that they should not",
            figures.leaks.iter().map(|row| (vec![("kind", row.label.clone())], row.count)),
        );
        self.counter(
            "gateway_leaks_unscanned",
            "Answers whose end was not looked through",
            figures.leaks_unscanned,
        );
        self.counters(
            "gateway_sanitised",
            "Requests whose texts were looked at, by what became of them",
            figures.sanitised.iter().map(|row| (vec![("verdict", row.label.clone())], row.count)),
        );
        self.counters(
            "gateway_sanitise_changes",
            "Requests with texts that were changed, by kind of change",
            figures
                .sanitise_changes
                .iter()
                .map(|row| (vec![("kind", row.label.clone())], row.count)),
        );
        self.counters(
            "gateway_sanitise_faults",
            "Requests with texts that are not taken, by the first fault",
            figures
                .sanitise_faults
                .iter()
                .map(|row| (vec![("fault", row.label.clone())], row.count)),
        );
        self.counters(
            "gateway_validation_faults",
            "Requests that do not look as the document of their API says, by the first fault",
            figures
                .validation_faults
                .iter()
                .map(|row| (vec![("fault", row.label.clone())], row.count)),
        );
        self.counters(
            "gateway_answer_faults",
            "Answers of upstreams that do not look as the document of their API says, by the first fault",
            figures.answer_faults.iter().map(|row| (vec![("fault", row.label.clone())], row.count)),
        );
        self.counter(
            "gateway_preflights",
            "Preflights of pages that may, answered by the gateway",
            figures.preflights,
        );
        self.counter(
            "gateway_cookies_hardened",
            "Cookies of upstreams that were changed or removed",
            figures.cookies_hardened,
        );
        self.counters(
            "gateway_tokens",
            "Tokens that a thread remembered, and those that it looked at whole",
            [result("cached", figures.tokens_cached), result("verified", figures.tokens_verified)],
        );
        self.counter(
            "gateway_token_keys_wanted",
            "Tokens whose key is not there, of a name that did not ask lately",
            figures.token_keys_wanted,
        );
        self.gauge("gateway_api_keys", "API keys that a worker knows", figures.api_keys);
        self.counter(
            "gateway_api_keys_refused",
            "API keys that found no room in a worker",
            figures.api_keys_refused,
        );
        self.sessions(gateway);
        self.counters(
            "gateway_tls_handshakes",
            "TLS handshakes of clients",
            [
                result("ok", figures.tls_handshakes_ok),
                result("failed", figures.tls_handshakes_failed),
            ],
        );
        self.tls(gateway);
        let open = figures.upstream_connections_active;
        self.gauge(
            "gateway_upstream_connections_active",
            "Connections to the upstream open now",
            open,
        );
        let workers = u64::from(gateway.worker_pid.is_some());
        self.gauge("gateway_workers", "Whether there is a gateway worker", workers);
        self.gauge(
            "gateway_connections_active",
            "Client connections open now",
            figures.connections_active,
        );
        self.counters(
            "gateway_connections",
            "Client connections taken, served by another thread, closed at once and why, closed since they asked for nothing",
            [
                result("accepted", figures.connections_accepted),
                result("moved", figures.connections_moved),
                result("refused", figures.connections_refused),
                result("refused_address", figures.connections_refused_address),
                result("refused_proxy", figures.connections_refused_proxy),
                result("idle_closed", figures.connections_idle_closed),
            ],
        );
        self.counter(
            "gateway_client_addresses_untracked",
            "Connections and requests of addresses that the full table of addresses could not hold",
            figures.client_addresses_untracked,
        );
        self.counters(
            "gateway_http2_floods",
            "HTTP/2 connections ended for what they sent beside requests",
            figures.http2_floods.iter().map(|row| (vec![("kind", row.label.clone())], row.count)),
        );
        self.counters(
            "gateway_upstream_connections",
            "Requests to the upstream over a new and over an earlier connection",
            [
                result("opened", figures.upstream_connections_opened),
                result("reused", figures.upstream_connections_reused),
            ],
        );
        self.counters(
            "gateway_upstream_failures",
            "What the upstream did wrong",
            figures
                .upstream_failures
                .iter()
                .map(|row| (vec![("kind", row.label.clone())], row.count)),
        );
        self.counter(
            "gateway_upstream_retries",
            "Requests sent again since a kept connection had died or the backend refused them unread",
            figures.upstream_retries,
        );
        self.counter(
            "gateway_upstream_requests_refused",
            "Requests that a backend gave back unread over HTTP/2",
            figures.upstream_requests_refused,
        );
        self.rollouts(&figures.rollouts);
        self.rates(&figures.rates, figures.rate_store);
        self.session_store(figures.session_store);
        self.events(&figures.events);
        self.verdicts(&figures.verdicts);
        let direction = |direction: &str, bytes| (vec![("direction", direction.to_owned())], bytes);
        self.counters(
            "gateway_body_bytes",
            "Bytes of bodies from and to clients",
            [direction("in", figures.bytes_in), direction("out", figures.bytes_out)],
        );
        self.standings(figures);
        self.counter(
            "gateway_upstream_errors_replaced",
            "Answers of upstreams with a status from 500 on that gave way to the gateway's own",
            figures.upstream_errors_replaced,
        );
        self.counter(
            "gateway_tunnels",
            "Connections that left HTTP behind, such as WebSockets",
            figures.tunnels_opened,
        );
        self.gauge(
            "gateway_tunnels_active",
            "Connections that have left HTTP behind and are open",
            figures.tunnels_active,
        );
        self.counter(
            "gateway_tunnels_idle_closed",
            "Tunnels closed because neither side said anything for too long",
            figures.tunnels_idle_closed,
        );
        self.counter(
            "gateway_tunnels_revoked",
            "Tunnels closed because the key or session of their client was taken back or is over",
            figures.tunnels_revoked,
        );
        self.counter(
            "gateway_responses_compressed",
            "Answers sent compressed",
            figures.responses_compressed,
        );
        self.counter(
            "gateway_access_log_lines_lost",
            "Lines of the access log that could not be written",
            figures.access_lines_lost,
        );
        self.counters(
            "gateway_spans",
            "Spans of traces that the collector took, that found the queue full, that it did not take",
            [
                result("exported", figures.spans_exported),
                result("dropped_queue", figures.spans_dropped_queue),
                result("dropped_export", figures.spans_dropped_export),
            ],
        );
        self.routes(&figures.routes);
        self.backends(&figures.backends);
        self.counter(
            "gateway_worker_restarts",
            "Gateway workers that died and were replaced",
            gateway.restarts,
        );
    }
}

/// Durations as the worker counted them.
#[derive(Debug)]
struct Durations {
    sum_s: f64,
    count: u64,
    buckets: Vec<(f64, u64)>,
}

impl Durations {
    fn new(durations: &DurationHistogram) -> Self {
        const US_PER_S: f64 = 1e6;
        let bounds = DURATION_BOUNDS_US
            .iter()
            .map(|bound_us| *bound_us as f64 / US_PER_S)
            .chain([f64::INFINITY]);
        Self {
            sum_s: durations.sum_us as f64 / US_PER_S,
            count: durations.buckets.iter().sum(),
            buckets: bounds.zip(durations.buckets.iter().copied()).collect(),
        }
    }
}

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_histogram::<NoLabelSet>(self.sum_s, self.count, &self.buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests;
