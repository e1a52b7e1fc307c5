//! cargo-deny: licences, sources, banned crates, and known vulnerabilities where their list is within reach.

use std::process::Command;

use anyhow::Result;

use crate::shell;

const VERSION: &str = "0.20.2";

/// Runs cargo-deny, built once into target/tools when it is not on PATH.
pub fn run() -> Result<()> {
    let root = shell::tools()?;
    let ours = root.join("bin/cargo-deny");
    let program = shell::find("cargo-deny").unwrap_or(ours);
    if !program.exists() {
        shell::step(&format!("check: building cargo-deny {VERSION} (some minutes, once)"));
        let build = root.join("build");
        shell::run(
            shell::cargo()?
                .args([
                    "install",
                    "cargo-deny",
                    "--quiet",
                    "--locked",
                    "--version",
                    VERSION,
                    "--root",
                ])
                .arg(&root)
                .env("CARGO_TARGET_DIR", &build),
        )?;
        std::fs::remove_dir_all(&build)?;
    }
    shell::step("check: dependencies (bans, licences, sources)");
    let deny = |checks: &[&str]| -> Result<Command> {
        let mut command = Command::new(&program);
        command.args(["--log-level", "error", "--all-features", "check"]).args(checks);
        command.current_dir(shell::workspace()?);
        Ok(command)
    };
    shell::run(&mut deny(&["bans", "licenses", "sources"])?)?;
    advisories(&mut deny(&["advisories"])?)
}

/// The list of advisories is fetched with git. A machine that cannot reach it must say so, and not
/// pass for one that found nothing.
fn advisories(deny: &mut Command) -> Result<()> {
    shell::step("check: dependencies (advisories)");
    let output = deny.output()?;
    if output.status.success() {
        return Ok(());
    }
    let wrote = String::from_utf8_lossy(&output.stderr);
    if wrote.contains("failed to fetch advisory database") {
        shell::notice(
            "advisories were NOT checked: the advisory database could not be fetched from here",
        );
        return Ok(());
    }
    anyhow::bail!("cargo deny check advisories found:\n{wrote}")
}
