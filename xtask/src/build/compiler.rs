//! The compiler of what is installed, and how it is called for that.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{setup, shell};

/// Of whatever is installed. A request and its answer go from hand to hand by value, some 200 times 100 to 350 bytes: LLVM
/// calls the C library for more than 128, and a call takes longer than the copy.
const ALWAYS: [&str; 1] = ["-Cllvm-args=-max-store-memcpy=24"];

/// With a profile: as it was made, and silent about functions that have changed since, which go without.
pub const USE: [&str; 2] = ["-Cllvm-args=-disable-vp", "-Cllvm-args=-no-pgo-warn-mismatch"];

/// How the counting build differs: the counters are a file in memory, since a worker may write none when it ends; and what
/// follows the counting is left out.
pub const COUNT: [&str; 4] = [
    "-Cllvm-args=-disable-vp",
    "-Cllvm-args=-runtime-counter-relocation",
    "-Clto=off",
    "-Clinker-plugin-lto=no",
];

/// A compiler: a profile fits no other, as the names of functions have its version in them.
pub struct Compiler {
    host: String,
    release: String,
    llvm: u32,
}

impl Compiler {
    /// The one that builds this workspace.
    pub fn find() -> Result<Self> {
        Self::read(&Self::says(&["-vV"])?)
    }

    /// In the workspace, whose toolchain file says which one it is.
    fn says(arguments: &[&str]) -> Result<String> {
        let mut rustc = Command::new("rustc");
        shell::output(rustc.args(arguments).current_dir(shell::workspace()?))
    }

    fn read(version: &str) -> Result<Self> {
        let line = |begin: &str| {
            let found = version.lines().find_map(|line| line.strip_prefix(begin));
            found.with_context(|| format!("rustc -vV has no line `{begin}`:\n{version}"))
        };
        let (host, release) = (line("host: ")?.to_owned(), line("release: ")?.to_owned());
        Ok(Self { host, release, llvm: setup::llvm_major(version)? })
    }

    /// Where the profile for it is kept.
    pub fn profile(&self) -> Result<PathBuf> {
        let name = format!("{}-rustc-{}.profdata", self.host, self.release);
        Ok(shell::workspace()?.join("firewall-daemon/profile").join(name))
    }

    /// A call that builds programs as they are installed, with these flags.
    ///
    /// Always for a named target: what runs while building is left alone then, and the names of functions are the same with
    /// a profile and without.
    pub fn dist(&self, programs: &[&str], flags: &[String]) -> Result<Command> {
        let flags = [&ALWAYS.map(str::to_owned)[..], flags].concat();
        let mut command = shell::cargo()?;
        command.args(["build", "--quiet", "--locked", "--profile", "dist", "--target", &self.host]);
        command.args(["--workspace", "--exclude", "firewall-ebpf", "--exclude", "bench-ebpf"]);
        command.args(programs.iter().flat_map(|program| ["--bin", program]));
        command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
        Ok(command)
    }

    /// Where such programs are, below the folder that cargo builds into.
    #[must_use]
    pub fn dist_folder(&self, target: &Path) -> PathBuf {
        target.join(&self.host).join("dist")
    }

    /// The tool that joins what was counted: of the compiler's own LLVM, whose files it reads.
    pub fn merger(&self) -> Result<PathBuf> {
        let llvm = self.llvm;
        let sysroot = Self::says(&["--print", "sysroot"])?;
        let of_rustup = Path::new(sysroot.trim()).join("lib/rustlib").join(&self.host).join("bin");
        [of_rustup, setup::debian_llvm(llvm).join("bin")]
            .into_iter()
            .map(|folder| folder.join("llvm-profdata"))
            .find(|file| file.is_file())
            .or_else(|| shell::find(&format!("llvm-profdata-{llvm}")))
            .with_context(|| {
                format!(
                    "no llvm-profdata of LLVM {llvm}, which {self} uses: run `rustup component add llvm-tools`, \
                     or install LLVM {llvm}"
                )
            })
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rustc {} on {}", self.release, self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_compiler_says_of_itself() {
        let said = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\n\
                    release: 1.95.0\nLLVM version: 22.1.2\n";
        let compiler = Compiler::read(said).unwrap();
        assert_eq!(compiler.to_string(), "rustc 1.95.0 on x86_64-unknown-linux-gnu");
        assert_eq!(compiler.llvm, 22);
        let lacking = Compiler::read("rustc 1.95.0\nhost: x\n").err().unwrap().to_string();
        assert!(lacking.contains("no line `release: `"), "{lacking}");
    }
}
