//! `cargo xtask bench`: how fast it is, measured on this machine beside what else there is.

use std::{env, os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};

use crate::{build, ebpf, setup, shell};

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
    /// What limits let by while both cores take from them, beside what they were told.
    Limits {
        /// One object of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
}

/// Builds, then becomes the benchmark, so that a signal from the terminal reaches it directly.
pub fn run(options: &Options) -> Result<()> {
    let (what, json) = match options.what {
        What::Packet { json } => ("packet", json),
        What::Flood { json } => ("flood", json),
        What::Switch { json } => ("switch", json),
        What::Limits { json } => ("limits", json),
    };
    build::run()?;
    let toolchain = setup::bench()?;
    shell::step("bench: its XDP programs");
    let object = ebpf::build_object(&toolchain, ebpf::BENCH)?;
    let bench = shell::target()?.join("release/seawall-bench");
    let elevation = shell::elevation_with(&["TERM", "SEAWALL_DATA"])
        .context("network namespaces and BPF need root")?;
    shell::step("bench");
    let mut words = elevation.iter().map(String::as_str).chain(bench.to_str());
    let first = words.next().context("the build folder is not UTF-8")?;
    let mut command = Command::new(first);
    command.args(words).arg(what).arg("--object").arg(object);
    if json {
        command.arg("--json");
    }
    command.env("PATH", shell::path_of_root());
    // Its children must not load the libraries of the cargo that started us.
    if env::var_os("LD_LIBRARY_PATH").is_some() {
        command.env_remove("LD_LIBRARY_PATH");
    }
    let error = command.exec();
    Err(error).with_context(|| format!("could not start {}", bench.display()))
}
