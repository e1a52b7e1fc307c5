//! Rate, errors and durations of each route and each backend: named rows that can be added up.

use serde::{Deserialize, Serialize};

use super::DurationHistogram;
use crate::{limits::FIGURE_ROWS_MAX, validate::Verdict};

/// What a route answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteFigures {
    /// The route; [`NO_ROUTE`] for what no route took.
    pub route: String,
    /// Answers over HTTP/1 by class of status, from 1xx.
    pub h1: [u64; STATUS_CLASSES.len()],
    /// The same over HTTP/2.
    pub h2: [u64; STATUS_CLASSES.len()],
    /// Requests that were held against a document, by verdict, in the order of `Verdict`.
    pub validations: [u64; Verdict::ALL.len()],
    /// Answers to them, likewise.
    pub answers: [u64; Verdict::ALL.len()],
    /// From the end of the request's headers to the last byte of the answer.
    pub duration: DurationHistogram,
}

/// What a backend was sent, and how it fared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendFigures {
    /// Its upstream.
    pub upstream: String,
    /// Its address.
    pub backend: String,
    /// Requests given to it, repeated ones counted each time.
    pub requests: u64,
    /// Those it did not answer whole: no connection, no head in time, a body cut off.
    pub failures: u64,
    /// Answers with a status from 500 on.
    pub server_errors: u64,
    /// Requests under way at this moment (a gauge).
    pub in_flight: u64,
    /// From the request's being given to it until the head of its answer.
    pub duration: DurationHistogram,
}

/// Classes of status, in the order of the counts.
pub const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The row of what no route took. No route of a configuration has this name.
pub const NO_ROUTE: &str = "(none)";

/// The row that takes what no other row has room for: routes and backends of many policies, one
/// after the other.
pub const OTHER: &str = "(other)";

/// A row with a name. Rows are kept in the order of their names.
pub trait Row: Clone {
    /// What makes two rows one.
    fn name(&self) -> (&str, &str);
    /// Takes the name of the row for what has no other.
    fn rename_other(&mut self);
    /// Adds the counts of the same row.
    fn add(&mut self, other: &Self);
}

impl Row for RouteFigures {
    fn name(&self) -> (&str, &str) {
        (&self.route, "")
    }

    fn rename_other(&mut self) {
        self.route = OTHER.to_owned();
    }

    fn add(&mut self, other: &Self) {
        for (ours, theirs) in [
            (&mut self.h1[..], &other.h1[..]),
            (&mut self.h2, &other.h2),
            (&mut self.validations, &other.validations),
            (&mut self.answers, &other.answers),
        ] {
            for (ours, theirs) in ours.iter_mut().zip(theirs) {
                *ours = ours.saturating_add(*theirs);
            }
        }
        self.duration.add(&other.duration);
    }
}

impl Row for BackendFigures {
    fn name(&self) -> (&str, &str) {
        (&self.upstream, &self.backend)
    }

    fn rename_other(&mut self) {
        self.upstream = OTHER.to_owned();
        self.backend = OTHER.to_owned();
    }

    fn add(&mut self, other: &Self) {
        for (ours, theirs) in [
            (&mut self.requests, other.requests),
            (&mut self.failures, other.failures),
            (&mut self.server_errors, other.server_errors),
            (&mut self.in_flight, other.in_flight),
        ] {
            *ours = ours.saturating_add(theirs);
        }
        self.duration.add(&other.duration);
    }
}

/// Adds rows to rows; what is over [`FIGURE_ROWS_MAX`] goes to the row [`OTHER`].
pub fn add_rows<R: Row>(ours: &mut Vec<R>, theirs: &[R]) {
    for row in theirs {
        match ours.binary_search_by(|known| known.name().cmp(&row.name())) {
            Ok(place) => ours[place].add(row),
            Err(place) if ours.len() < FIGURE_ROWS_MAX => ours.insert(place, row.clone()),
            Err(_) => {
                let mut row = row.clone();
                row.rename_other();
                match ours.binary_search_by(|known| known.name().cmp(&row.name())) {
                    Ok(place) => ours[place].add(&row),
                    Err(place) => ours.insert(place, row),
                }
            }
        }
    }
}

/// Puts newer rows in the place of those of the same name: each holds all that was counted.
pub fn replace_rows<R: Row>(ours: &mut Vec<R>, newer: Vec<R>) {
    for row in newer {
        match ours.binary_search_by(|known| known.name().cmp(&row.name())) {
            Ok(place) => ours[place] = row,
            Err(place) if ours.len() <= FIGURE_ROWS_MAX => ours.insert(place, row),
            // A worker has no more rows than a policy allows; one that says so is not believed.
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(name: &str, answers: u64) -> RouteFigures {
        RouteFigures { route: name.to_owned(), h1: [0, answers, 0, 0, 0], ..Default::default() }
    }

    #[test]
    fn rows_of_one_name_are_one() {
        let mut rows = Vec::new();
        add_rows(&mut rows, &[route("b", 1), route("a", 2)]);
        add_rows(&mut rows, &[route("b", 3), route(NO_ROUTE, 1)]);
        assert_eq!(rows, [route(NO_ROUTE, 1), route("a", 2), route("b", 4)]);
        replace_rows(&mut rows, vec![route("a", 7), route("c", 1)]);
        assert_eq!(rows, [route(NO_ROUTE, 1), route("a", 7), route("b", 4), route("c", 1)]);
    }

    #[test]
    fn rows_are_bounded_and_nothing_is_lost() {
        let mut rows = Vec::new();
        let many: Vec<_> =
            (0..FIGURE_ROWS_MAX + 10).map(|n| route(&format!("{n:05}"), 1)).collect();
        add_rows(&mut rows, &many);
        assert_eq!(rows.len(), FIGURE_ROWS_MAX + 1);
        assert_eq!(rows.iter().map(|row| row.h1[1]).sum::<u64>(), many.len() as u64);
        assert!(rows.contains(&route(OTHER, 10)));
        add_rows(&mut rows, &many);
        assert_eq!(rows.len(), FIGURE_ROWS_MAX + 1);
        assert_eq!(rows.iter().map(|row| row.h1[1]).sum::<u64>(), 2 * many.len() as u64);
        replace_rows(&mut rows, (0..10).map(|n| route(&format!("x{n}"), 1)).collect());
        assert_eq!(rows.len(), FIGURE_ROWS_MAX + 1);
    }

    #[test]
    fn a_backend_is_known_by_its_upstream_too() {
        let backend = |upstream: &str, requests| BackendFigures {
            upstream: upstream.to_owned(),
            backend: "127.0.0.1:1".to_owned(),
            requests,
            ..Default::default()
        };
        let mut rows = Vec::new();
        add_rows(&mut rows, &[backend("a", 1), backend("b", 2), backend("a", 4)]);
        assert_eq!(rows, [backend("a", 5), backend("b", 2)]);
    }
}
