//! Debian packages: which are there, and installing the others.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::shell;

/// Installs what is missing of `packages`; says which, and what for.
pub fn install(packages: &[&str], purpose: &str) -> Result<()> {
    let missing: Vec<&str> =
        packages.iter().copied().filter(|package| !installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !can_install() {
        bail!(
            "{purpose}: missing, and there is no apt-get here. Install what this distribution calls: {list}"
        );
    }
    let elevation = shell::elevation().map_err(|why| {
        anyhow!("{purpose}: missing. Run `apt-get install {list}` as root ({why})")
    })?;
    shell::step(&format!("setup: installing {list} ({purpose})"));
    if apt(&elevation, &["install", "--yes", "--no-install-recommends"], &missing).is_ok() {
        return Ok(());
    }
    // A machine's package lists may be empty or name versions that the mirrors have dropped.
    shell::step("setup: refreshing the package lists");
    apt(&elevation, &["update"], &[])?;
    apt(&elevation, &["install", "--yes", "--no-install-recommends"], &missing)
        .with_context(|| format!("{purpose}: could not install {list}"))
}

/// Whether this is a machine whose packages we know how to install.
pub fn can_install() -> bool {
    Path::new("/usr/bin/apt-get").exists()
}

/// Whether a package can be had here, refreshing the lists once when they do not know it.
pub fn available(package: &str) -> bool {
    if !can_install() {
        return false;
    }
    if known(package) {
        return true;
    }
    let Ok(elevation) = shell::elevation() else { return false };
    shell::step("setup: refreshing the package lists");
    apt(&elevation, &["update"], &[]).is_ok() && known(package)
}

fn known(package: &str) -> bool {
    shell::output(Command::new("apt-cache").args(["show", "--no-all-versions", package]))
        .is_ok_and(|shown| !shown.trim().is_empty())
}

fn installed(package: &str) -> bool {
    shell::output(Command::new("dpkg-query").args(["-W", "-f", "${Status}", package]))
        .is_ok_and(|status| status.ends_with(" installed"))
}

fn apt(elevation: &[String], arguments: &[&str], packages: &[&str]) -> Result<()> {
    // Through `env`, because sudo drops the variable, and without it a package may stop to ask.
    let words: Vec<&str> = elevation
        .iter()
        .map(String::as_str)
        .chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q=2"])
        .chain(arguments.iter().copied())
        .chain(packages.iter().copied())
        .collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null());
    shell::run(&mut command)
}
