//! `seawall backend`, `seawall backends`: who serves what, and how they do.

use std::{fmt::Write as _, net::SocketAddr};

use clap::{Args, Subcommand};
use firewall_gateway::figures::{BackendFigures, BackendStanding};

use super::{lists::To, print, print_changed};
use crate::control::{self, BackendAsk, BackendVerb, QUOTA_MAX, Request, WEIGHT_MAX};

/// Change the backends of an upstream. In force when the command returns, and after a restart.
#[derive(Args, Debug)]
pub struct BackendArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Give it requests: a new one, or one that drains or was removed.
    Add {
        #[command(flatten)]
        which: Which,
        /// Its share, beside the others' weights.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(WEIGHT_MAX)))]
        weight: u32,
        /// Requests at once, where the upstream balances by quota; 0 is any number.
        #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=i64::from(QUOTA_MAX)))]
        quota: u32,
        #[command(flatten)]
        to: To,
    },
    /// Give it no new requests; what is in flight finishes.
    Drain {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        to: To,
    },
    /// Take it away; what is in flight finishes.
    Remove {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        to: To,
    },
}

#[derive(Args, Debug)]
struct Which {
    /// The upstream's name.
    #[arg(value_name = "UPSTREAM")]
    upstream: String,
    /// Where it listens, such as 10.0.0.7:8443.
    #[arg(value_name = "ADDRESS")]
    address: SocketAddr,
}

/// Show the backends: whether they get requests, how many are in flight, how they went.
#[derive(Args, Debug)]
pub struct BackendsArgs {
    #[command(flatten)]
    to: To,
}

/// Asks the daemon and prints.
pub fn change(args: BackendArgs) -> anyhow::Result<()> {
    let (which, change, to) = match args.verb {
        Verb::Add { which, weight, quota, to } => (which, BackendVerb::Add { weight, quota }, to),
        Verb::Drain { which, to } => (which, BackendVerb::Drain, to),
        Verb::Remove { which, to } => (which, BackendVerb::Remove, to),
    };
    let Which { upstream, address } = which;
    print_changed(&to, &Request::Backend(BackendAsk { change, upstream, address }))
}

/// Asks the daemon and prints.
pub fn show(args: &BackendsArgs) -> anyhow::Result<()> {
    let status = control::status(&args.to.socket)?;
    let mut figures = status.gateway.map(|gateway| gateway.figures).unwrap_or_default();
    figures.standings.retain(|backend| backend.state != BackendStanding::GONE);
    if args.to.json {
        let shown = serde_json::json!({
            "upstreams": figures.upstreams,
            "standings": figures.standings,
            "backends": figures.backends,
        });
        return print(&(serde_json::to_string_pretty(&shown)? + "\n"));
    }
    let counted = |one: &BackendStanding| {
        let same =
            |row: &&BackendFigures| (&row.upstream, &row.backend) == (&one.upstream, &one.backend);
        figures
            .backends
            .iter()
            .find(same)
            .map_or((0, 0), |row| (row.requests, row.failures + row.server_errors))
    };
    let mut text = String::new();
    for upstream in &figures.upstreams {
        let breaker = if upstream.breaker_open > 0 { ", breaker open" } else { "" };
        writeln!(
            text,
            "{}: {} in flight, {} waiting, {} refused, {} retries{breaker}",
            upstream.upstream,
            upstream.in_flight,
            upstream.waiting,
            upstream.queue_full + upstream.queue_timeouts + upstream.breaker_refused,
            upstream.retries
        )?;
        let own = figures.standings.iter().filter(|one| one.upstream == upstream.upstream);
        for backend in own {
            let (requests, failed) = counted(backend);
            writeln!(
                text,
                "  {:<24} {:<8} weight {}, {} in flight, {} requests, {} failed, {:.1} ms",
                backend.backend,
                backend.state,
                backend.weight,
                backend.in_flight,
                requests,
                failed,
                backend.latency_us as f64 / 1e3
            )?;
        }
    }
    if figures.upstreams.is_empty() {
        text.push_str("no gateway\n");
    }
    print(&text)
}
