//! bpf-linker: it must be built against the LLVM that the compiler uses, since it reads its bitcode.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::packages;
use crate::shell;

const VERSION: &str = "0.13.0";
/// The LLVM majors that this version of bpf-linker can be built against.
const LLVM_MAJORS: [u32; 3] = [21, 22, 23];

/// The LLVM major out of `rustc -vV`.
pub fn llvm_major(version: &str) -> Result<u32> {
    version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))
        .and_then(|version| version.split('.').next())
        .and_then(|major| major.parse().ok())
        .with_context(|| format!("rustc -vV names no LLVM version:\n{version}"))
}

/// The linker on PATH, else ours, which is built when it is not there.
pub fn find_or_install(llvm: u32) -> Result<PathBuf> {
    if let Some(found) = shell::find("bpf-linker") {
        return Ok(found);
    }
    // One folder for each LLVM: a compiler upgrade must not meet a linker that cannot read its bitcode.
    let root = shell::tools()?.join(format!("llvm-{llvm}"));
    let ours = root.join("bin/bpf-linker");
    if ours.exists() {
        return Ok(ours);
    }
    if !LLVM_MAJORS.contains(&llvm) {
        bail!(
            "bpf-linker {VERSION} knows LLVM {LLVM_MAJORS:?}, and the compiler uses LLVM {llvm}: \
             put a bpf-linker that was built for it on PATH"
        );
    }
    let prefix = llvm_folder(llvm)?;
    shell::step(&format!("setup: building bpf-linker {VERSION} against {}", prefix.display()));
    // Its own build folder: the install must not wait for, nor disturb, the workspace's.
    let build = root.join("build");
    shell::run(
        shell::cargo()?
            .args(["install", "bpf-linker", "--quiet", "--locked", "--version", VERSION])
            .args(["--no-default-features", "--features", &format!("llvm-{llvm}"), "--root"])
            .arg(&root)
            .env("LLVM_PREFIX", &prefix)
            .env("CARGO_TARGET_DIR", &build),
    )?;
    fs::remove_dir_all(&build).with_context(|| format!("could not remove {}", build.display()))?;
    Ok(ours)
}

/// Where Debian's packages put an LLVM.
pub fn debian_llvm(llvm: u32) -> PathBuf {
    PathBuf::from(format!("/usr/lib/llvm-{llvm}"))
}

/// The folder of the LLVM libraries, installed when they are missing.
fn llvm_folder(llvm: u32) -> Result<PathBuf> {
    let debian = debian_llvm(llvm);
    let headers = format!("llvm-{llvm}-dev");
    let polly = format!("libpolly-{llvm}-dev");
    let wanted = [headers.as_str(), polly.as_str(), "zlib1g-dev", "libzstd-dev"];
    if packages::can_install() && (Path::new(&debian).exists() || packages::available(&headers)) {
        packages::install(&wanted, "libraries for bpf-linker")?;
        return Ok(debian);
    }
    let configured = format!("llvm-config-{llvm}");
    for program in [configured.as_str(), "llvm-config"] {
        let Ok(version) = shell::output(Command::new(program).arg("--version")) else { continue };
        if version.starts_with(&format!("{llvm}.")) {
            let prefix = shell::output(Command::new(program).arg("--prefix"))?;
            return Ok(PathBuf::from(prefix.trim()));
        }
    }
    bail!(
        "bpf-linker: not on PATH, and there is no LLVM {llvm} to build it against. Install LLVM {llvm} with its \
         headers, or run `cargo binstall bpf-linker`"
    )
}
