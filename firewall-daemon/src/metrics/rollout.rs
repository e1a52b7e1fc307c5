//! Metrics of routes with more than one upstream.

use firewall_gateway::figures::RolloutFigures;

use super::{Families, Labels};

impl Families<'_> {
    /// Labels are names of routes and upstreams, which the configuration bounds.
    pub(super) fn rollouts(&mut self, rollouts: &RolloutFigures) {
        let of = |route: &str, upstream: &str| -> Labels {
            vec![("route", route.to_owned()), ("upstream", upstream.to_owned())]
        };
        let splits = || rollouts.splits.iter();
        self.counters(
            "gateway_rollout_requests",
            "Requests of routes with several upstreams that were answered or failed, by the one that got them",
            splits().map(|row| (of(&row.route, &row.upstream), row.requests)),
        );
        self.counters(
            "gateway_rollout_errors",
            "Those of them that were not answered, or with a status of 500 or more",
            splits().map(|row| (of(&row.route, &row.upstream), row.errors)),
        );
        let canaries = || rollouts.canaries.iter();
        self.gauges(
            "gateway_canary_percent",
            "What a canary gets of the requests of its route; 0 once it went back",
            canaries().map(|row| (of(&row.route, &row.upstream), row.percent)),
        );
        self.counters(
            "gateway_canary_rollbacks",
            "How often a canary went back, as its errors passed the bound",
            canaries().map(|row| (of(&row.route, &row.upstream), row.rollbacks)),
        );
        let mirrors = rollouts.mirrors.iter().flat_map(|row| {
            let of = |result: &str| {
                let mut labels = of(&row.route, &row.upstream);
                labels.push(("result", result.to_owned()));
                labels
            };
            [(of("ok"), row.ok), (of("error"), row.errors), (of("skipped"), row.skipped)]
        });
        self.counters(
            "gateway_mirrored_requests",
            "Copies of requests: answered below 500, not so, or not sent",
            mirrors,
        );
    }
}
