//! What others say of the package: lintian, and systemd of its unit.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// The unit as it is shipped.
const UNIT: &str = "packaging/systemd/seawall.service";
/// systemd's exposure, in tenths: at most 2.0.
const EXPOSURE_MAX: u32 = 20;

/// Shows every tag; an error is one of ours.
pub fn lintian(file: &Path) -> Result<()> {
    shell::step("package: lintian");
    let mut command = Command::new("lintian");
    command.args(["--profile", "debian", "--fail-on", "error", "--tag-display-limit", "0"]);
    shell::run(command.arg(file))
}

/// Shows systemd's judgement of the unit; worse than the bound is an error.
pub fn security() -> Result<()> {
    let unit = shell::workspace()?.join(UNIT);
    let mut command = Command::new("systemd-analyze");
    let said = shell::output(command.args(["security", "--offline=yes", "--no-pager"]).arg(&unit))?;
    let line = said.lines().last().unwrap_or_default().trim_start_matches(['→', ' ']);
    let exposure = line.split(": ").nth(1).and_then(|rest| rest.split(' ').next());
    let exposure = exposure.with_context(|| format!("systemd-analyze said {line:?}"))?;
    shell::step(&format!("package: {line}"));
    let tenths: u32 = exposure.replace('.', "").parse().context("an exposure such as 1.9")?;
    if tenths > EXPOSURE_MAX {
        bail!("{UNIT}: expected an exposure of at most 2.0, found {exposure}");
    }
    Ok(())
}
