//! Rate, errors and durations of the gateway's routes and backends: a row for each that the
//! configuration names.

use std::fmt;

use firewall_gateway::{
    figures::{BackendFigures, DurationHistogram, RouteFigures, STATUS_CLASSES},
    validate::Verdict,
};
use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::MetricType,
    registry::Unit,
};

use super::{Durations, Families, Labels};

impl Families<'_> {
    pub(super) fn routes(&mut self, routes: &[RouteFigures]) {
        let rows = routes.iter().flat_map(|row| {
            let protocols = [("h1", row.h1), ("h2", row.h2)];
            protocols.into_iter().flat_map(move |(protocol, counts)| {
                STATUS_CLASSES.iter().zip(counts).map(move |(class, count)| {
                    let labels = vec![
                        ("route", row.route.clone()),
                        ("protocol", protocol.to_owned()),
                        ("status", (*class).to_owned()),
                    ];
                    (labels, count)
                })
            })
        });
        self.counters(
            "gateway_route_requests",
            "Answers by route, protocol and class of status; route (none) is what no route took",
            rows.filter(|(_, count)| *count > 0),
        );
        let answers = routes.iter().flat_map(|row| {
            Verdict::ALL.into_iter().zip(row.answers).map(|(verdict, count)| {
                let verdict = ("verdict", verdict.label().to_owned());
                (vec![("route", row.route.clone()), verdict], count)
            })
        });
        self.counters(
            "gateway_answer_validations",
            "Answers that were held against the document of their API, by route and verdict",
            answers.filter(|(_, count)| *count > 0),
        );
        let judged = routes.iter().flat_map(|row| {
            Verdict::ALL.into_iter().zip(row.validations).map(|(verdict, count)| {
                let verdict = ("verdict", verdict.label().to_owned());
                (vec![("route", row.route.clone()), verdict], count)
            })
        });
        self.counters(
            "gateway_validations",
            "Requests that were held against the document of their API, by route and verdict",
            judged.filter(|(_, count)| *count > 0),
        );
        self.registry.register_with_unit(
            "gateway_route_request_duration",
            "From the end of a request's headers to the last byte of its answer, by route",
            Unit::Seconds,
            Histograms::new(
                routes.iter().map(|row| (vec![("route", row.route.clone())], &row.duration)),
            ),
        );
    }

    pub(super) fn backends(&mut self, backends: &[BackendFigures]) {
        self.counters(
            "gateway_backend_requests",
            "Requests given to a backend, repeated ones counted each time",
            backends.iter().map(|row| (backend(row), row.requests)),
        );
        self.counters(
            "gateway_backend_failures",
            "Requests that a backend did not answer whole",
            backends.iter().map(|row| (backend(row), row.failures)),
        );
        self.counters(
            "gateway_backend_server_errors",
            "Answers of a backend with a status from 500 on",
            backends.iter().map(|row| (backend(row), row.server_errors)),
        );
        self.gauges(
            "gateway_backend_requests_in_flight",
            "Requests under way to a backend now",
            backends.iter().map(|row| (backend(row), row.in_flight)),
        );
        self.registry.register_with_unit(
            "gateway_backend_response_duration",
            "From a request's being given to a backend until the head of its answer",
            Unit::Seconds,
            Histograms::new(backends.iter().map(|row| (backend(row), &row.duration))),
        );
    }
}

fn backend(row: &BackendFigures) -> Labels {
    vec![("upstream", row.upstream.clone()), ("backend", row.backend.clone())]
}

/// A histogram for each row.
#[derive(Debug)]
struct Histograms {
    rows: Vec<(Labels, Durations)>,
}

impl Histograms {
    fn new<'a>(rows: impl IntoIterator<Item = (Labels, &'a DurationHistogram)>) -> Self {
        Self { rows: rows.into_iter().map(|(labels, row)| (labels, Durations::new(row))).collect() }
    }
}

impl EncodeMetric for Histograms {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (labels, durations) in &self.rows {
            durations.encode(encoder.encode_family(labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
