//! `seawall limit`: how much passes.

use clap::{Args, Subcommand};

use super::{lists::To, print, print_changed};
use crate::{
    config::{ByteRate, LimitScope, PacketRate, RateConfig},
    control::{self, LimitSet, LimitsShown, Request},
    status,
};

/// Change the limits. In force when the command returns, and after a restart.
#[derive(Args, Debug)]
pub struct LimitArgs {
    #[command(subcommand)]
    verb: LimitVerb,
}

#[derive(Debug, Subcommand)]
enum LimitVerb {
    /// Set a limit: in packets, in bytes, or both.
    Set(SetArgs),
    /// Take a limit away.
    Clear {
        /// Whose.
        scope: LimitScope,
        #[command(flatten)]
        to: To,
    },
    /// Show the limits in force.
    Show {
        #[command(flatten)]
        to: To,
    },
}

#[derive(Args, Debug)]
#[group(id = "rate", required = true, multiple = true, args = ["rate_pps", "rate_bytes_per_s"])]
struct SetArgs {
    /// Whose.
    scope: LimitScope,
    /// Packets a second.
    #[arg(long, value_name = "N", requires = "burst_packets")]
    rate_pps: Option<u32>,
    /// Packets at once, after quiet.
    #[arg(long, value_name = "N", requires = "rate_pps")]
    burst_packets: Option<u32>,
    /// Bytes of frames a second.
    #[arg(long, value_name = "N", requires = "burst_bytes")]
    rate_bytes_per_s: Option<u64>,
    /// Bytes at once, after quiet.
    #[arg(long, value_name = "N", requires = "rate_bytes_per_s")]
    burst_bytes: Option<u64>,
    #[command(flatten)]
    to: To,
}

/// Asks the daemon and prints.
pub fn run(args: LimitArgs) -> anyhow::Result<()> {
    match args.verb {
        LimitVerb::Set(args) => {
            let packets = args.rate_pps.zip(args.burst_packets);
            let bytes = args.rate_bytes_per_s.zip(args.burst_bytes);
            let packets =
                packets.map(|(rate_pps, burst_packets)| PacketRate { rate_pps, burst_packets });
            let bytes = bytes
                .map(|(rate_bytes_per_s, burst_bytes)| ByteRate { rate_bytes_per_s, burst_bytes });
            let rate = Some(RateConfig { packets, bytes });
            print_changed(&args.to, &Request::Limit(LimitSet { scope: args.scope, rate }))
        }
        LimitVerb::Clear { scope, to } => {
            print_changed(&to, &Request::Limit(LimitSet { scope, rate: None }))
        }
        LimitVerb::Show { to } => show(&to),
    }
}

fn show(to: &To) -> anyhow::Result<()> {
    let shown: LimitsShown = control::ask(&to.socket, &Request::LimitShow {})?;
    if to.json {
        return print(&(serde_json::to_string_pretty(&shown)? + "\n"));
    }
    let mut text = status::render_limits(&shown.limits);
    if !shown.changed.is_empty() {
        text.push_str(&format!("changed by verbs: {}\n", shown.changed.join(" ")));
    }
    print(&text)
}
