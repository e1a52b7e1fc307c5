//! `cargo xtask ebpf`: the XDP program, as the one object file that the daemon embeds.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    setup::{self, Toolchain},
    shell,
};

/// Builds target/seawall-xdp.o; the file is touched only when its content changes, so that nothing
/// that embeds it is built again.
pub fn run() -> Result<()> {
    let toolchain = setup::run()?;
    build(&toolchain)
}

/// The same, with a toolchain that was found before.
pub fn build(toolchain: &Toolchain) -> Result<()> {
    shell::step("ebpf: the XDP program");
    shell::run(&mut cargo(toolchain, "build")?)?;
    let built = target()?.join("bpfel-unknown-none/release/seawall-xdp");
    let object = shell::workspace()?.join("target/seawall-xdp.o");
    let content =
        fs::read(&built).with_context(|| format!("could not read {}", built.display()))?;
    if fs::read(&object).is_ok_and(|old| old == content) {
        return Ok(());
    }
    fs::write(&object, &content).with_context(|| format!("could not write {}", object.display()))
}

/// A cargo call on the XDP program, with the flags that its code relies on.
pub fn cargo(toolchain: &Toolchain, verb: &str) -> Result<Command> {
    let flags = [
        format!("--cfg=bpf_target_arch=\"{}\"", std::env::consts::ARCH),
        // Debug information becomes BTF: the maps' types, and source lines in the verifier's log.
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        // Compare-and-exchange, which the token buckets need, came with v3 and kernel 5.12.
        "-Ctarget-cpu=v3".to_owned(),
    ];
    let mut command = toolchain.cargo(verb)?;
    command
        .args(["--quiet", "--locked", "--package", "firewall-ebpf"])
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CARGO_TARGET_DIR", target()?);
    Ok(command)
}

/// Apart from the workspace's: another compiler, whose fingerprints would undo each other.
fn target() -> Result<PathBuf> {
    Ok(shell::workspace()?.join("target/ebpf"))
}
