//! A fresh Debian in a folder: made once by debootstrap, and never written to by a check.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// What a booted host has, and no more.
const INCLUDE: &str = "--include=systemd,systemd-sysv,dbus,iproute2";

/// Where the tree is; made where there is none.
pub fn tree() -> Result<PathBuf> {
    let (suite, mirror) = source()?;
    let tree = super::super::folder()?.join(format!("debian-{suite}"));
    if tree.join("sbin/init").symlink_metadata().is_ok() {
        return Ok(tree);
    }
    // A tree that was not finished is not to be found by the next.
    let unfinished = tree.with_extension("unfinished");
    root(&["rm", "-rf", "--one-file-system"], |command| command.arg(&unfinished))?;
    fs::create_dir_all(&unfinished)
        .with_context(|| format!("could not make {}", unfinished.display()))?;
    shell::step(&format!("package: debootstrap {suite}"));
    root(&["debootstrap", "--variant=minbase", INCLUDE, &suite], |command| {
        command.arg(&unfinished).arg(&mirror)
    })?;
    root(&["mv"], |command| command.arg(&unfinished).arg(&tree))?;
    Ok(tree)
}

/// This machine's own release and the mirror that its packages come from.
fn source() -> Result<(String, String)> {
    let release =
        fs::read_to_string("/etc/os-release").context("could not read /etc/os-release")?;
    let Some(suite) = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))
    else {
        bail!("/etc/os-release: expected a line VERSION_CODENAME=, found none: is this a Debian?");
    };
    let listed = shell::output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Created-By: Packages",
        "Origin: Debian",
        "Component: main",
        &format!("Codename: {suite}"),
    ]))?;
    let mirror = listed.lines().next().with_context(|| {
        format!("apt knows no mirror of Debian {suite}; `apt-get update` may be due")
    })?;
    Ok((suite.to_owned(), mirror.to_owned()))
}

/// Runs a command as root, its long output away.
fn root(words: &[&str], more: impl FnOnce(&mut Command) -> &mut Command) -> Result<()> {
    let elevation = shell::elevation().context("a Debian tree needs root")?;
    let mut words = elevation.iter().map(String::as_str).chain(words.iter().copied());
    let mut command = Command::new(words.next().context("there is a command")?);
    more(command.args(words)).env("PATH", shell::path_of_root()).stdout(Stdio::null());
    shell::run(&mut command)
}
