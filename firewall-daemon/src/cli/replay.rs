//! `seawall replay`: what a policy says of every frame of a capture. Nothing is attached.

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use clap::Args;
use serde::Serialize;

use super::is_broken_pipe;
use crate::{
    capture::Reader,
    config::Config,
    datapath::{
        PacketOptions,
        explain::{Explained, FRAME_BYTES_MAX, FRAME_BYTES_MIN},
        trial::Trial,
    },
    policy::{PolicySource, compile},
};

/// Run every frame of a capture through the packet filter of a configuration, at the capture's own
/// times, and print what it says of each.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// A pcap or pcapng file of Ethernet frames.
    #[arg(value_name = "CAPTURE")]
    capture: PathBuf,
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "/etc/seawall/seawall.yaml")]
    config: PathBuf,
    /// Print JSON, an object a line.
    #[arg(long)]
    json: bool,
}

/// What is said of a frame; a frame that the kernel does not run has verdict and reason `not_run`.
#[derive(Serialize)]
struct Line {
    frame: u64,
    verdict: &'static str,
    reason: String,
    list: Option<String>,
    country: Option<String>,
    rule: Option<String>,
}

/// Runs the capture and prints.
pub fn run(args: &ReplayArgs) -> anyhow::Result<()> {
    let config = Config::load(&args.config)?;
    let source = PolicySource::read(&config.packet)?;
    let policy = compile::compile(&source)?;
    let reader = Reader::open(&args.capture)?;
    let options = PacketOptions::from(&config.packet);
    let mut trial = Trial::load(&options, &policy, &config.packet.pin_path)?;
    let mut out = BufWriter::new(io::stdout().lock());
    match replay(reader, &mut trial, args.json, &mut out) {
        // Whoever reads has seen enough.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        done => done,
    }
}

fn replay(
    reader: Reader,
    trial: &mut Trial,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut totals: BTreeMap<(&'static str, String), u64> = BTreeMap::new();
    for (frame, captured) in (1..).zip(reader) {
        let captured = captured?;
        let length = captured.bytes.len();
        let line = if (FRAME_BYTES_MIN..=FRAME_BYTES_MAX).contains(&length) {
            // Zero would mean now.
            line(frame, trial.explain(&captured.bytes, captured.time_ns.max(1))?)
        } else {
            let reason = format!("{length} bytes, expected {FRAME_BYTES_MIN} to {FRAME_BYTES_MAX}");
            Line { frame, verdict: "not_run", reason, list: None, country: None, rule: None }
        };
        if json {
            writeln!(out, "{}", serde_json::to_string(&line)?)?;
        } else {
            writeln!(out, "{} {} {}", line.frame, line.verdict, line.reason)?;
        }
        *totals.entry((line.verdict, line.reason)).or_default() += 1;
    }
    for ((verdict, reason), frames) in totals {
        if json {
            let total = serde_json::json!({"verdict": verdict, "reason": reason, "frames": frames});
            writeln!(out, "{}", serde_json::json!({ "total": total }))?;
        } else {
            writeln!(out, "total {verdict} {reason} {frames}")?;
        }
    }
    Ok(out.flush()?)
}

fn line(frame: u64, explained: Explained) -> Line {
    Line {
        frame,
        verdict: explained.verdict.label(),
        reason: explained.reason.label().to_owned(),
        list: explained.list,
        country: explained.country.map(|country| country.to_string()),
        rule: explained.rule,
    }
}
