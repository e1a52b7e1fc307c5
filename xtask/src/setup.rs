//! `cargo xtask setup`: finds or installs what building and running need, and says what it took.

mod toolchain;

mod linker;

mod packages;

pub use linker::{debian_llvm, llvm_major};
pub use toolchain::Toolchain;

use std::process::Command;

use anyhow::Result;

use crate::shell;

/// The programs that the demo and the tests call, and the Debian package of each.
const RUNTIME_TOOLS: [(&str, &str); 8] = [
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("curl", "curl"),
    ("ethtool", "ethtool"),
    ("nft", "nftables"),
    ("openssl", "openssl"),
    ("tmux", "tmux"),
    ("nsenter", "util-linux"),
];

/// What the build of the TLS library and of bpf-linker call.
const BUILD_TOOLS: [(&str, &str); 2] = [("cc", "gcc"), ("c++", "g++")];

/// Looks for everything; installs what is missing. There is no stamp file: looking takes well under
/// a second, and cannot be wrong about a tool that was removed.
pub fn run() -> Result<Toolchain> {
    programs("build", &BUILD_TOOLS)?;
    let toolchain = toolchain::find_or_install()?;
    programs("runtime", &RUNTIME_TOOLS)?;
    shell::step(&format!("setup: {toolchain}"));
    Ok(toolchain)
}

/// What `check` needs beside that.
pub fn clippy(toolchain: &Toolchain) -> Result<()> {
    toolchain::install_clippy(toolchain)
}

/// What `bench` needs beside what building does: rivals, and what asks them.
pub fn bench() -> Result<Toolchain> {
    let tools = [
        ("nft", "nftables"),
        ("nginx", "nginx-light"),
        ("haproxy", "haproxy"),
        ("h2load", "nghttp2-client"),
    ];
    programs("benchmark", &tools)?;
    toolchain::find_or_install()
}

/// What `package` needs beside that; answers what Debian calls this machine's architecture.
pub fn package() -> Result<String> {
    let tools = [
        ("dpkg-deb", "dpkg"),
        ("dpkg-shlibdeps", "dpkg-dev"),
        ("strip", "binutils"),
        ("gzip", "gzip"),
        ("md5sum", "coreutils"),
    ];
    programs("package", &tools)?;
    let architecture = shell::output(Command::new("dpkg").arg("--print-architecture"))?;
    Ok(architecture.trim().to_owned())
}

/// What `package --check` needs: a Debian to install into, a systemd to run there, and a judge.
pub fn package_check() -> Result<()> {
    let tools = [
        ("debootstrap", "debootstrap"),
        ("systemd-nspawn", "systemd-container"),
        ("systemd-analyze", "systemd"),
        ("lintian", "lintian"),
    ];
    programs("package check", &tools)
}

/// What `test` needs beside that: a Prometheus that scrapes the daemon, the judge of its rules, an authority
/// that speaks ACME, a store that gateways share, what runs a provider of identities, and a browser.
pub fn test() -> Result<()> {
    let tools = [
        ("prometheus", "prometheus"),
        ("promtool", "prometheus"),
        ("pebble", "pebble"),
        ("pebble-challtestsrv", "pebble"),
        ("redis-server", "redis-server"),
        ("node", "nodejs"),
        ("npm", "npm"),
        ("chromium", "chromium"),
    ];
    programs("test", &tools)
}

fn programs(kind: &str, tools: &[(&str, &str)]) -> Result<()> {
    let mut missing: Vec<&str> = tools
        .iter()
        .filter(|(tool, _)| shell::find(tool).is_none())
        .map(|(_, package)| *package)
        .collect();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    packages::install(&missing, &format!("{kind} tools"))
}
