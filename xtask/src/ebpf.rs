//! `cargo xtask ebpf`: the XDP program, as the one object file that the daemon embeds. The benchmark's
//! programs are built the same way.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    setup::{self, Toolchain},
    shell,
};

/// A crate for the BPF target, and the name of its binary.
#[derive(Clone, Copy)]
pub struct Object {
    package: &'static str,
    binary: &'static str,
}

/// The XDP program.
pub const FIREWALL: Object = Object { package: "firewall-ebpf", binary: "seawall-xdp" };
/// The benchmark's programs.
pub const BENCH: Object = Object { package: "bench-ebpf", binary: "seawall-bench" };

/// Builds target/seawall-xdp.o; the file is touched only when its content changes, so that nothing
/// that embeds it is built again.
pub fn run() -> Result<()> {
    let toolchain = setup::run()?;
    build(&toolchain)
}

/// The same, with a toolchain that was found before.
pub fn build(toolchain: &Toolchain) -> Result<()> {
    shell::step("ebpf: the XDP program");
    build_object(toolchain, FIREWALL).map(drop)
}

/// Builds target/BINARY.o; answers where it is.
pub fn build_object(toolchain: &Toolchain, object: Object) -> Result<PathBuf> {
    shell::run(&mut cargo(toolchain, "build", object)?)?;
    let built = target()?.join("bpfel-unknown-none/release").join(object.binary);
    let file = shell::workspace()?.join("target").join(object.binary).with_extension("o");
    let content =
        fs::read(&built).with_context(|| format!("could not read {}", built.display()))?;
    if !fs::read(&file).is_ok_and(|old| old == content) {
        fs::write(&file, &content)
            .with_context(|| format!("could not write {}", file.display()))?;
    }
    Ok(file)
}

/// The XDP program, less optimised: the same verdicts by other instructions. Answers where it is.
pub fn build_other(toolchain: &Toolchain) -> Result<PathBuf> {
    let target = shell::workspace()?.join("target/other-ebpf");
    let mut command = cargo(toolchain, "build", FIREWALL)?;
    command.env("CARGO_TARGET_DIR", &target).env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "2");
    shell::run(&mut command)?;
    Ok(target.join("bpfel-unknown-none/release").join(FIREWALL.binary))
}

/// A cargo call on such a crate, with the flags that its code relies on.
pub fn cargo(toolchain: &Toolchain, verb: &str, object: Object) -> Result<Command> {
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
        .args(["--quiet", "--locked", "--package", object.package])
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CARGO_TARGET_DIR", target()?);
    Ok(command)
}

/// Apart from the workspace's: another compiler, whose fingerprints would undo each other.
fn target() -> Result<PathBuf> {
    Ok(shell::workspace()?.join("target/ebpf"))
}
