//! `cargo xtask bench packet`: how many packets a second the XDP program disposes of, beside the limit
//! of this machine and beside what else there is, all in one run on one pair of interfaces.
//! `cargo xtask bench flood`: what a SYN flood leaves to clients.
//! `cargo xtask bench switch`: changes of policy under load.
//! `cargo xtask bench takeover`: the daemon dies, stops, is upgraded and reloads under load.
//! `cargo xtask bench limits`: limits that both cores take from.
//! `cargo xtask bench gateway`: what a request costs the gateway, beside nginx and HAProxy.
//! `cargo xtask profile`: exercise for a daemon that counts what it does.
//! `cargo xtask bench slow`: what a thousand slow clients cost another one.
//! `cargo xtask bench http2-floods`: what floods of HTTP/2 frames make of memory and of others' requests.
//! `cargo xtask bench changes`: a gateway that is reloaded, upgraded and changed under load.
//! `cargo xtask bench control`: what a change by a verb takes, end to end.
//! `cargo xtask bench balance`: where requests go, by each rule.
//! `cargo xtask bench tokens`: what a token adds to a request.
//! `cargo xtask bench keys`: what an API key adds to one, and a million of them to a worker.
//! `cargo xtask bench sessions`: the same of a session, and 100,000 of them.
//! `cargo xtask bench rates`: what a limit adds to one, by algorithm.
//! `cargo xtask bench validation`: what holding a request against a document costs.
//! `cargo xtask bench events`: a million events, with the receiver down for a part of the time.
//! `cargo xtask bench bans`: from a request that decides to the first dropped packet, and a storm of offenders.

pub mod link;

mod traffic;

mod receiver;

mod seawall;
mod nftables;
mod lpm;

pub(crate) mod lists;

mod measure;

mod expect;

mod cases;

mod clients;

mod costs;

mod report;

mod paced;

mod syn_generator;
mod syn_flood;

mod switch;
mod takeover;

mod limits;

mod control;

mod gateway;

mod changes;

mod balance;

mod tokens;

mod keys;

mod sessions;

mod rates;

mod validation;
mod events;

mod bans;

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use serde::Serialize;

use crate::{ending, requirement};

use cases::{Case, Maker};
use link::Link;
use lists::Geo;
use measure::Sample;
use report::Report;

#[derive(Parser)]
#[command(name = "seawall-bench", about = "Packets a second, beside the limit and beside rivals.")]
struct Arguments {
    /// What to measure.
    what: What,
    /// The object of bench-ebpf.
    #[arg(long)]
    object: PathBuf,
    /// Another build of the daemon, for `takeover`.
    #[arg(long)]
    other: Option<PathBuf>,
    /// One object of JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum What {
    /// Packets a second, beside the limit and beside rivals.
    Packet,
    /// Handshakes during a SYN flood.
    Flood,
    /// Changes of policy under a million packets a second.
    Switch,
    /// The daemon dies, stops, is upgraded and reloads under a million packets a second.
    Takeover,
    /// Limits that both cores take from.
    Limits,
    /// What a change by a verb takes.
    Control,
    /// What a request costs, beside nginx and HAProxy.
    Gateway,
    /// Nothing: the daemon is exercised, for a profile of it.
    Training,
    /// What a thousand slow clients cost another one.
    Slow,
    /// What floods of HTTP/2 frames make of memory, and of others' requests.
    Http2Floods,
    /// Reloads, other certificates and backends, new workers and upgrades under load.
    Changes,
    /// Where requests go, by each rule.
    Balance,
    /// What a token adds to a request.
    Tokens,
    /// What an API key adds to one, and a million of them to a worker.
    Keys,
    /// The same of a session, and 100,000 of them.
    Sessions,
    /// What a limit adds to one, by algorithm.
    Rates,
    /// What holding a request against the document of its API costs.
    Validation,
    /// A million events, with the receiver down for a part of the time.
    Events,
    /// From a request that decides to the first dropped packet, and a storm of offenders.
    Bans,
}

/// Every receiver takes a turn so many times: the machine's mood changes, and the median forgives it.
const TURNS: usize = 5;

/// Runs the benchmark; a check that does not hold is a failure, after all rows were printed.
pub fn main() -> ExitCode {
    ending::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<bool> {
    ensure!(requirement::is_root(), "namespaces and BPF need root: run `cargo xtask bench`");
    let (report, problems) = match arguments.what {
        What::Packet => packet(&arguments.object)?,
        What::Flood => syn_flood::run(&arguments.object)?,
        What::Switch => switch::run(&arguments.object)?,
        What::Takeover => {
            let other = arguments.other.as_deref().context("--other names another build")?;
            takeover::run(&arguments.object, other)?
        }
        What::Limits => limits::run(&arguments.object)?,
        What::Control => control::run()?,
        What::Changes => changes::run()?,
        What::Gateway => {
            let (table, problems) = gateway::run()?;
            return told(&table, &problems, arguments.json);
        }
        What::Training => return gateway::training::run().map(|()| true),
        What::Slow => {
            let (table, problems) = gateway::slow::run()?;
            return told(&table, &problems, arguments.json);
        }
        What::Http2Floods => {
            let (table, problems) = gateway::http2_floods::run()?;
            return told(&table, &problems, arguments.json);
        }
        What::Balance => balance::run()?,
        What::Tokens => tokens::run()?,
        What::Keys => keys::run()?,
        What::Sessions => sessions::run()?,
        What::Rates => rates::run()?,
        What::Validation => validation::run()?,
        What::Events => events::run()?,
        What::Bans => bans::run()?,
    };
    told(&report, &problems, arguments.json)
}

fn told(report: &(impl Serialize + Display), problems: &[String], json: bool) -> Result<bool> {
    if json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        print!("{report}");
    }
    for problem in problems {
        eprintln!("check failed: {problem}");
    }
    Ok(problems.is_empty())
}

fn packet(object: &Path) -> Result<(Report, Vec<String>)> {
    let start = Instant::now();
    let link = Link::create()?;
    let pins = link.pins();
    link.run(|| {
        let geo = Geo::read()?;
        let mut cases = Maker { object, pins: &pins, geo: &geo }.all()?;
        eprintln!("loaded after {:.0} s", start.elapsed().as_secs_f64());
        for turn in 1..=TURNS {
            cases.iter_mut().try_for_each(|case| case.sample(&link))?;
            eprintln!("turn {turn} of {TURNS} after {:.0} s", start.elapsed().as_secs_f64());
        }
        say_what_limits(&cases);
        let mut report = Report::of(&cases);
        let mut problems: Vec<String> = cases
            .iter()
            .flat_map(|case| case.problems.iter().map(|what| format!("{}: {what}", case.id)))
            .collect();
        drop(cases);
        for (row, wrong) in [
            clients::loss(&link, object)?,
            costs::switch(&link, object, &geo)?,
            costs::pass(&link, &geo)?,
        ] {
            problems.extend(wrong.iter().map(|what| format!("{}: {what}", row.id)));
            report.rows.push(row);
        }
        Ok((report, problems))
    })
}

/// A rate is the receiver's only where the generator sent more than it could take.
fn say_what_limits(cases: &[Case]) {
    for case in cases {
        let (overflow, disturbed) =
            (case.median(Sample::overflow), case.median(|sample| sample.disturbed));
        eprintln!(
            "{:<18} {:>5.1} % of what was sent found the queue full; others had a core {:.1} % of the time",
            case.id,
            overflow * 1e2,
            disturbed * 1e2
        );
    }
}
