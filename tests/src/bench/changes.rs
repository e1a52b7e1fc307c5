//! `cargo xtask bench changes`: a gateway that is reloaded, gets other certificates, backends and workers, and is
//! upgraded, under load of both protocols.

use anyhow::Result;

use crate::{
    bench::report::{Report, Row},
    changes::{self, Plan},
};

const PLAN: Plan = Plan {
    connections: 64,
    reloads: 100,
    certificates: 20,
    backends: 20,
    workers: 10,
    upgrades: 5,
};

/// Goes through all of it.
pub fn run() -> Result<(Report, Vec<String>)> {
    let outcome = changes::measure(PLAN)?;
    let mut problems = Vec::new();
    let mut rows = Vec::new();
    for (count, seen) in [("h1", &outcome.http1), ("h2", &outcome.http2)] {
        problems.extend(seen.failures.iter().map(|why| format!("{count}: {why}")));
        if seen.answered == 0 {
            problems.push(format!("{count}: nothing was answered"));
        }
        let mut row = |id: &str, value, unit| {
            let checked = seen.failed == 0 && seen.answered > 0;
            rows.push(Row::single(format!("{count}_{id}"), value, unit, checked));
        };
        row("requests", seen.answered as f64, "count");
        row("failed", seen.failed as f64, "count");
        row("repeated", seen.repeated as f64, "count");
        row("connections", seen.connections as f64, "count");
        row("longest_ms", seen.longest.as_secs_f64() * 1e3, "ms");
    }
    for (id, count) in [
        ("reloads", PLAN.reloads),
        ("certificates", PLAN.certificates),
        ("backends", PLAN.backends),
        ("workers", PLAN.workers),
        ("upgrades", PLAN.upgrades),
    ] {
        rows.push(Row::single(id, f64::from(count), "count", true));
    }
    Ok((Report::from_rows(rows), problems))
}
