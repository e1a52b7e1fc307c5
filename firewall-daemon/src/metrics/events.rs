//! Metrics of events, and of services that are asked about requests.

use firewall_gateway::figures::{LabelCount, SinkFigures, VerdictFigures};

use super::{Families, Labels};

impl Families<'_> {
    /// Each kind of sink once: a row for each reason is there from the start, so that an alert sees the first loss.
    pub(super) fn events(&mut self, sinks: &[SinkFigures]) {
        let of = |row: &SinkFigures| -> Labels { vec![("sink", row.sink.clone())] };
        self.counters(
            "gateway_events_sent",
            "Events that a sink took",
            sinks.iter().map(|row| (of(row), row.sent)),
        );
        let lost = sinks.iter().flat_map(|row| rows(of(row), "reason", &row.lost));
        self.counters("gateway_events_lost", "Events that a sink did not get", lost);
        self.counters(
            "gateway_events_retries",
            "Attempts to deliver events after one that failed",
            sinks.iter().map(|row| (of(row), row.retries)),
        );
        self.gauges(
            "gateway_events_waiting",
            "Events that wait for a sink or are under way",
            sinks.iter().map(|row| (of(row), row.waiting)),
        );
        self.gauges(
            "gateway_events_queue_max",
            "How many events may wait for a sink",
            sinks.iter().map(|row| (of(row), row.queue_max)),
        );
    }

    /// Labels are names of services, which the configuration bounds.
    pub(super) fn verdicts(&mut self, services: &[VerdictFigures]) {
        let outcomes = services
            .iter()
            .flat_map(|row| rows(vec![("service", row.service.clone())], "outcome", &row.outcomes));
        self.counters(
            "gateway_verdicts",
            "Questions to verdict services, by what came of them",
            outcomes,
        );
    }
}

fn rows(
    of: Labels,
    name: &'static str,
    counts: &[LabelCount],
) -> impl Iterator<Item = (Labels, u64)> {
    counts.iter().map(move |row| {
        let mut labels = of.clone();
        labels.push((name, row.label.clone()));
        (labels, row.count)
    })
}
