//! The compiler for the XDP program: rustup's nightly with its own `core` sources, or Debian's rustc
//! with a prebuilt BPF `core`.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{linker, packages};
use crate::shell;

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_CLIPPY: &str = "/usr/bin/cargo-clippy";
/// Where Debian's `libstd-rust-web-dev-bpf` puts the prebuilt `core`.
const DEBIAN_CORE: &str = "/usr/lib/rustlib/bpfel-unknown-none/lib";
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf"];
const NIGHTLY: [&str; 7] =
    ["toolchain", "install", "nightly", "--profile", "minimal", "--component", "rust-src"];

/// A compiler and a linker that can build the XDP program.
pub struct Toolchain {
    /// Which compiler.
    pub kind: Kind,
    /// What it says of itself.
    pub version: String,
    /// The file of bpf-linker.
    pub linker: PathBuf,
}

/// The compilers that Seawall knows how to drive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// rustup's nightly with `rust-src`: `core` is built with the program.
    Nightly,
    /// Debian's rustc: `core` is prebuilt, and the unstable features are unlocked.
    Debian,
}

/// The best compiler that is there, or that can be installed.
pub fn find_or_install() -> Result<Toolchain> {
    let kind = find_or_install_compiler()?;
    let version = shell::output(kind.rustc().arg("-vV"))?;
    let llvm = linker::llvm_major(&version)?;
    let linker = linker::find_or_install(llvm)?;
    let version = version.lines().next().unwrap_or_default().to_owned();
    Ok(Toolchain { kind, version, linker })
}

/// Debian packs clippy apart; rustup's comes with the toolchain.
pub fn install_clippy(toolchain: &Toolchain) -> Result<()> {
    match toolchain.kind {
        Kind::Nightly => Ok(()),
        Kind::Debian if Path::new(DEBIAN_CLIPPY).exists() => Ok(()),
        Kind::Debian => packages::install(&["rust-web-clippy"], "clippy for the XDP program"),
    }
}

impl Toolchain {
    /// A cargo call that builds for the BPF target: the verb, the target, and where `core` comes from.
    pub fn cargo(&self, verb: &str) -> Result<Command> {
        let mut command = match (self.kind, verb) {
            (Kind::Nightly, _) => rustup_nightly("cargo"),
            // cargo would look for its clippy on PATH, where rustup's may stand first.
            (Kind::Debian, "clippy") => Command::new(DEBIAN_CLIPPY),
            (Kind::Debian, _) => Command::new(DEBIAN_CARGO),
        };
        command.arg(verb).args(["--release", "--target", "bpfel-unknown-none"]);
        match self.kind {
            Kind::Nightly => {
                command.args(["-Z", "build-std=core"]);
            }
            Kind::Debian => {
                // aya-ebpf needs `asm_experimental_arch`; only this build is given unstable features.
                command.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", DEBIAN_RUSTC);
                command.env("CARGO", DEBIAN_CARGO).env_remove("RUSTUP_TOOLCHAIN");
            }
        }
        // The cargo that started us put its own libraries there.
        command.env_remove("LD_LIBRARY_PATH").env_remove("RUSTC_WRAPPER").env_remove("RUSTFLAGS");
        let folder = self.linker.parent().context("bpf-linker has no folder")?;
        command.env("PATH", shell::path_with(folder)).current_dir(shell::workspace()?);
        Ok(command)
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.kind {
            Kind::Nightly => "rustup's nightly, because it has rust-src",
            Kind::Debian => {
                "Debian's rustc with the prebuilt BPF core, because rustup has no nightly with rust-src"
            }
        };
        write!(f, "{why} ({}), linker {}", self.version, self.linker.display())
    }
}

impl Kind {
    fn rustc(self) -> Command {
        let mut command = match self {
            Self::Nightly => rustup_nightly("rustc"),
            Self::Debian => Command::new(DEBIAN_RUSTC),
        };
        command.env_remove("LD_LIBRARY_PATH");
        command
    }
}

fn find_or_install_compiler() -> Result<Kind> {
    if nightly_has_source() {
        return Ok(Kind::Nightly);
    }
    if Path::new(DEBIAN_CORE).exists()
        && Path::new(DEBIAN_CARGO).exists()
        && Path::new(DEBIAN_RUSTC).exists()
    {
        return Ok(Kind::Debian);
    }
    let purpose = "compiler for the XDP program";
    if packages::available(DEBIAN_PACKAGES[0]) {
        packages::install(&DEBIAN_PACKAGES, purpose)?;
        return Ok(Kind::Debian);
    }
    if shell::find("rustup").is_some() {
        shell::step(&format!("setup: rustup {} ({purpose})", NIGHTLY.join(" ")));
        // A network that refuses is answered below, with every way there is.
        let installed = shell::run(Command::new("rustup").args(NIGHTLY)).is_ok();
        if installed && nightly_has_source() {
            return Ok(Kind::Nightly);
        }
    }
    bail!(
        "{purpose}: none found, and none could be installed. Either run `rustup {}`, \
         or, as root on Debian, `apt-get install {}`",
        NIGHTLY.join(" "),
        DEBIAN_PACKAGES.join(" ")
    )
}

/// Asks rustup's list instead of the compiler: it is faster, and it never installs anything.
fn nightly_has_source() -> bool {
    let Ok(list) = shell::output(Command::new("rustup").args(["toolchain", "list", "-v"])) else {
        return false;
    };
    list.lines()
        .filter(|line| line.starts_with("nightly-") && !line[8..].starts_with(char::is_numeric))
        .filter_map(|line| line.split_whitespace().last())
        .any(|folder| {
            Path::new(folder).join("lib/rustlib/src/rust/library/core/src/lib.rs").exists()
        })
}

fn rustup_nightly(program: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", program]);
    for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN"] {
        if env::var_os(name).is_some() {
            command.env_remove(name);
        }
    }
    command
}
