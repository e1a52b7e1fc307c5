//! Every automation of the project is a verb of `cargo xtask`, and every verb is a file.

#![forbid(unsafe_code)]

mod shell;

mod setup;

mod ebpf;

mod build;

mod check;
mod tidy;

mod test;

mod trial;

mod fuzz;

mod demo;

mod bench;
mod profile;

mod reference;

mod package;

mod ci;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Automations of Seawall.")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Find or install what building and running need, and say what it took.
    Setup,
    /// Build the XDP program into target/seawall-xdp.o.
    Ebpf,
    /// Set up, build the XDP program, then the whole workspace in release mode.
    Build,
    /// Format, lint (user and eBPF passes), dependencies, documentation, tidy. Needs no root.
    Check,
    /// The rules about the tree itself: file lengths, dead files, dependency direction, links.
    Tidy,
    /// Every test, in release mode, the privileged ones as root.
    Test(test::Options),
    /// Generated frames, judged by the loaded program and by a second implementation of the verdict.
    Trial(trial::Options),
    /// The gateway's parsers over seeds with faults in them, for as long as is asked.
    Fuzz(fuzz::Options),
    /// Real traffic through the whole of Seawall, in a world of network namespaces.
    Demo(demo::Options),
    /// Measured figures of this machine, beside rivals.
    Bench(bench::Options),
    /// Exercise the daemon and count what it does, for the build that is installed.
    Profile,
    /// Write docs/reference/cli.md anew, from the program.
    Reference,
    /// The Debian package; with --check its life in a fresh Debian.
    Package(package::Options),
    /// What CI runs: check, then test.
    Ci,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().verb {
        Verb::Setup => setup::run().map(drop),
        Verb::Ebpf => ebpf::run(),
        Verb::Build => build::run(),
        Verb::Check => check::run(),
        Verb::Tidy => tidy::run(),
        Verb::Test(options) => test::run(&options),
        Verb::Trial(options) => trial::run(&options),
        Verb::Fuzz(options) => fuzz::run(&options),
        Verb::Demo(options) => demo::run(&options),
        Verb::Bench(options) => bench::run(&options),
        Verb::Profile => profile::run(),
        Verb::Reference => reference::run(),
        Verb::Package(options) => package::run(&options),
        Verb::Ci => ci::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
