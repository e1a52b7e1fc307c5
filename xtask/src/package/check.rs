//! `cargo xtask package --check`: the life of the package in a fresh Debian that is booted with its own systemd.

mod debian;

mod machine;

mod life;

mod gateway;

mod judges;

use std::path::Path;

use anyhow::Result;

use super::Package;
use crate::{setup, shell};

/// Asks lintian and systemd, then installs, upgrades, removes and purges; the first that differs ends it.
pub fn run(package: &Package, file: &Path) -> Result<()> {
    setup::package_check()?;
    let next = package.next()?;
    let newer = next.build()?;
    judges::lintian(file)?;
    let tree = debian::tree()?;
    gateway::make_identity(&super::folder()?)?;
    let machine = machine::Machine::boot(&tree, &super::folder()?)?;
    life::live(&machine, file, &newer, &next.changelog()?.version.to_string())?;
    machine.stop()?;
    judges::security()?;
    shell::step("package: it lives and dies as Debian expects");
    Ok(())
}
