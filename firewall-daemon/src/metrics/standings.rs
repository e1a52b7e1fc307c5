//! How upstreams and their backends stand: a series for each that is configured, looked up or added.

use firewall_gateway::figures::{BackendStanding, Figures, UpstreamStanding};

use super::{Families, Labels};

/// The states of a backend, as the worker names them.
const STATES: [&str; 5] = ["up", "trial", "ejected", "unwell", "draining"];

impl Families<'_> {
    pub(super) fn standings(&mut self, figures: &Figures) {
        let live = || figures.standings.iter().filter(|one| one.state != BackendStanding::GONE);
        self.gauges(
            "gateway_backend_state",
            "1 for the state that a backend is in, 0 for the others",
            live().flat_map(|one| {
                STATES.map(|state| {
                    let mut labels = backend(one);
                    labels.push(("state", state.to_owned()));
                    (labels, u64::from(one.state == state))
                })
            }),
        );
        self.seconds(
            "gateway_backend_latency_seconds",
            "How long a backend's answers took lately, until their head",
            live().map(|one| (backend(one), one.latency_us)),
        );
        self.gauges(
            "gateway_backend_weight",
            "A backend's share of the requests, beside the others' weights",
            live().map(|one| (backend(one), u64::from(one.weight))),
        );
        let of = |count: fn(&BackendStanding) -> u64| {
            figures.standings.iter().map(move |one| (backend(one), count(one)))
        };
        self.counters(
            "gateway_backend_ejections",
            "How often a backend was taken out",
            of(|one| one.ejections),
        );
        self.counters(
            "gateway_backend_checks",
            "Active checks of a backend",
            figures.standings.iter().flat_map(|one| {
                [("ok", one.checks_ok), ("failed", one.checks_failed)].map(|(result, count)| {
                    let mut labels = backend(one);
                    labels.push(("result", result.to_owned()));
                    (labels, count)
                })
            }),
        );
        self.upstreams(&figures.upstreams);
    }

    fn upstreams(&mut self, upstreams: &[UpstreamStanding]) {
        let of = |count: fn(&UpstreamStanding) -> u64| {
            upstreams.iter().map(move |one| (upstream(one), count(one)))
        };
        self.gauges(
            "gateway_upstream_requests_active",
            "Requests in flight now",
            of(|one| one.in_flight),
        );
        self.gauges(
            "gateway_upstream_queue_length",
            "Requests that wait for room now",
            of(|one| one.waiting),
        );
        self.gauges(
            "gateway_upstream_breaker_open",
            "1 while the circuit breaker refuses requests",
            of(|one| one.breaker_open),
        );
        self.counters(
            "gateway_upstream_queued",
            "Requests that had to wait for room",
            of(|one| one.queued),
        );
        self.counters(
            "gateway_upstream_shed",
            "Requests refused to keep an upstream from drowning",
            upstreams.iter().flat_map(|one| {
                [
                    ("queue_full", one.queue_full),
                    ("queue_timeout", one.queue_timeouts),
                    ("breaker_open", one.breaker_refused),
                ]
                .map(|(reason, count)| {
                    let mut labels = upstream(one);
                    labels.push(("reason", reason.to_owned()));
                    (labels, count)
                })
            }),
        );
        self.counters(
            "gateway_upstream_failovers",
            "Requests sent to a further backend, and those that were not as the budget was used up",
            upstreams.iter().flat_map(|one| {
                [("sent", one.retries), ("refused", one.retries_refused)].map(|(result, count)| {
                    let mut labels = upstream(one);
                    labels.push(("result", result.to_owned()));
                    (labels, count)
                })
            }),
        );
        self.counters(
            "gateway_upstream_hedges",
            "Copies of requests sent to another backend, and those that were not as the budget was used up",
            upstreams.iter().flat_map(|one| {
                [("sent", one.hedges), ("refused", one.hedges_refused)].map(|(result, count)| {
                    let mut labels = upstream(one);
                    labels.push(("result", result.to_owned()));
                    (labels, count)
                })
            }),
        );
        self.counters(
            "gateway_upstream_hedges_won",
            "Copies of requests whose answer the client got",
            of(|one| one.hedges_won),
        );
        self.counters(
            "gateway_upstream_unwell_tried",
            "Requests sent to a backend that is not well, as no other was left",
            of(|one| one.unwell_tried),
        );
        self.counters(
            "gateway_upstream_ejections_refused",
            "Backends that stayed in although they failed, as too many were out",
            of(|one| one.ejections_refused),
        );
        self.counters(
            "gateway_upstream_breaker_opened",
            "How often the circuit breaker opened",
            of(|one| one.breaker_opened),
        );
    }
}

fn backend(one: &BackendStanding) -> Labels {
    vec![("upstream", one.upstream.clone()), ("backend", one.backend.clone())]
}

fn upstream(one: &UpstreamStanding) -> Labels {
    vec![("upstream", one.upstream.clone())]
}
