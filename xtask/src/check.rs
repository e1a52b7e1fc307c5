//! `cargo xtask check`: everything about the code that needs no kernel and no root.

mod deny;

use anyhow::Result;

use crate::{ebpf, setup, shell, tidy};

/// Format, two clippy passes, documentation, dependencies, tidy; the first that fails ends it.
pub fn run() -> Result<()> {
    let toolchain = setup::run()?;
    shell::step("check: format");
    shell::run(shell::cargo()?.args(["fmt", "--all", "--check"]))?;

    // The daemon embeds the object, so every pass over it needs one.
    ebpf::build(&toolchain)?;
    shell::step("check: clippy");
    shell::run(
        shell::cargo()?
            .args(["clippy", "--quiet", "--locked", "--workspace"])
            .args(["--exclude", "firewall-ebpf", "--exclude", "bench-ebpf"])
            .args(["--all-targets", "--", "-Dwarnings"]),
    )?;
    // A pass of its own: in one pass the kernel's crates would be given the features of the user's.
    shell::step("check: clippy, XDP programs");
    setup::clippy(&toolchain)?;
    for object in [ebpf::FIREWALL, ebpf::BENCH] {
        shell::run(ebpf::cargo(&toolchain, "clippy", object)?.args(["--", "-Dwarnings"]))?;
    }

    shell::step("check: documentation");
    shell::run(
        shell::cargo()?
            .args(["doc", "--quiet", "--locked", "--no-deps", "--document-private-items"])
            .env("RUSTDOCFLAGS", "-Dwarnings"),
    )?;
    tidy::run()?;
    deny::run()
}
