//! `cargo xtask bench`: how fast it is, measured on this machine beside what else there is.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{
    build, ebpf,
    setup::{self, Toolchain},
    shell,
};

const PROGRAM: &str = "seawall-bench";

/// Options of `cargo xtask bench`.
#[derive(Args)]
pub struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Packets a second that the XDP program disposes of, beside nftables and a kernel LPM trie.
    Packet {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Handshakes of a TLS client during a SYN flood of a million segments a second, with Seawall and without.
    Flood {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// A thousand changes of policy under a million packets a second: none judged by a mixture, none unjudged.
    Switch {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// The daemon is killed, stopped, upgraded to another build and reloaded under a million packets a second.
    Takeover {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// What limits let by while both cores take from them, beside what they were told.
    Limits {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Where 100,000 real requests of each rule of balancing go, beside where they should.
    Balance {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// What a change by a verb takes, from the start of the command to its end.
    Control {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// What a request costs the gateway, beside nginx and HAProxy that do the same.
    Gateway {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// What a thousand clients with slow heads, bodies and reads cost another one, beside nginx and HAProxy.
    Slow {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// What floods of HTTP/2 frames make of memory and of others' requests, beside nginx.
    Http2Floods {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// A gateway that is reloaded, upgraded and changed in every way under load: no request is lost.
    Changes {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// What an API key adds to a request, and what memory a million of them take.
    Keys {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// What a session adds to a request, and what memory 100,000 of them take.
    Sessions {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// What a limit of rates adds to a request, by algorithm.
    Rates {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// What holding a request against the document of its API costs: bodies that fit, ten thousand that do not.
    Validation {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// A million events to a receiver that is down for a part of the time: each received or counted as lost, in order.
    Events {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// From the request that decides to the first dropped packet, over a thousand attackers; a hundred thousand at once.
    Bans {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// What a signed token adds to a request, verified and remembered, by algorithm.
    Tokens {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
}

/// Builds, then becomes the benchmark.
pub fn run(options: &Options) -> Result<()> {
    let (what, json) = match options.what {
        What::Packet { json } => ("packet", json),
        What::Flood { json } => ("flood", json),
        What::Switch { json } => ("switch", json),
        What::Takeover { json } => ("takeover", json),
        What::Limits { json } => ("limits", json),
        What::Control { json } => ("control", json),
        What::Gateway { json } => ("gateway", json),
        What::Slow { json } => ("slow", json),
        What::Http2Floods { json } => ("http2-floods", json),
        What::Changes { json } => ("changes", json),
        What::Balance { json } => ("balance", json),
        What::Tokens { json } => ("tokens", json),
        What::Keys { json } => ("keys", json),
        What::Sessions { json } => ("sessions", json),
        What::Rates { json } => ("rates", json),
        What::Validation { json } => ("validation", json),
        What::Events { json } => ("events", json),
        What::Bans { json } => ("bans", json),
    };
    let programs = build::dist(&["seawall", "api-server", PROGRAM])?;
    let toolchain = setup::bench()?;
    shell::step("bench: its XDP programs");
    let object = ebpf::build_object(&toolchain, ebpf::BENCH)?;
    let other = match options.what {
        What::Takeover { .. } => Some(other_build(&toolchain)?),
        _ => None,
    };
    shell::step("bench");
    let mut arguments = vec![what.into(), "--object".into(), object.into_os_string()];
    if let Some(other) = other {
        arguments.extend(["--other".into(), other.into_os_string()]);
    }
    if json {
        arguments.push("--json".into());
    }
    shell::become_program(&programs.join(PROGRAM), &arguments, &["TERM", "SEAWALL_DATA"])
}

/// The daemon, built apart and without optimisation, around an XDP program of other instructions: another
/// version, as far as an upgrade sees, which has to get along with what that of the other profile has pinned.
fn other_build(toolchain: &Toolchain) -> Result<PathBuf> {
    shell::step("bench: another build of the XDP program and of the daemon");
    let object = ebpf::build_other(toolchain)?;
    let target = shell::workspace()?.join("target/other-build");
    let mut command = shell::cargo()?;
    command.args(["build", "--quiet", "--locked", "--package", "firewall-daemon"]);
    command.env("SEAWALL_XDP_OBJECT", object);
    shell::run(command.env("CARGO_TARGET_DIR", &target))?;
    Ok(target.join("debug/seawall"))
}
