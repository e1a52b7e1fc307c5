//! `seawall doctor`: what of the machine keeps the filter from working, each with its remedy.
//!
//! Each check has two halves: `examine` in this file asks the system, and the check's own file judges the answer.

use std::{fs, path::Path, process::Command};

use serde::Serialize;

use crate::{
    config::{Config, ConfigError},
    control,
    policy::{PolicySource, compile},
    supervisor,
};

mod kernel;
mod interfaces;
mod offloads;
mod nftables;
mod clock;
mod limits;
mod state;
mod files;
mod text;

pub use text::render;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As expected.
    Ok,
    /// Good to know, or not to be known here.
    Notice,
    /// A part does not work, or will not for long.
    Warning,
    /// It does not start, or does not protect.
    Error,
}

impl Level {
    /// The word for it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check, and what it looked at.
    pub check: String,
    /// How bad it is.
    pub level: Level,
    /// What should be.
    pub expected: String,
    /// What is.
    pub found: String,
    /// What to do; nothing where all is well.
    pub remedy: Option<String>,
}

impl Finding {
    /// All is well.
    fn ok(check: &str, expected: &str, found: impl Into<String>) -> Self {
        Self {
            check: check.to_owned(),
            level: Level::Ok,
            expected: expected.to_owned(),
            found: found.into(),
            remedy: None,
        }
    }

    /// Something is not as expected.
    fn not(
        level: Level,
        check: &str,
        expected: &str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = Some(remedy.into());
        Self { level, remedy, ..Self::ok(check, expected, found) }
    }
}

/// What all checks found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The worst of them.
    pub level: Level,
    /// In the order of the checks.
    pub findings: Vec<Finding>,
}

/// Asks the machine. It changes nothing but for a file in the state folder, made and removed at once.
#[must_use]
pub fn examine(path: &Path) -> Report {
    let mut findings = kernel::examine();
    match Config::load(path) {
        Ok(config) => {
            let check = "configuration";
            let found = format!("{} is well-formed", path.display());
            findings.push(Finding::ok(check, "a file that is understood", found));
            examine_configured(&config, &mut findings);
        }
        Err(error) => findings.push(unreadable(path, &error)),
    }
    findings.push(clock::judge(&clock::ask()));
    findings.extend(nftables::judge(&run("nft", &["-j", "list", "ruleset"])));
    let level = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    Report { level, findings }
}

fn unreadable(path: &Path, error: &ConfigError) -> Finding {
    let remedy = format!("correct it, then: seawall check {}", path.display());
    Finding::not(
        Level::Error,
        "configuration",
        "a file that is understood",
        error.to_string(),
        remedy,
    )
}

fn examine_configured(config: &Config, findings: &mut Vec<Finding>) {
    let daemon = control::status(&config.control.socket).ok();
    for interface in &config.interfaces {
        findings.extend(interfaces::examine(interface, &config.packet.pin_path));
    }
    let syn_cookies = config.packet.syn_cookies.is_some();
    findings.extend(kernel::syn_cookies(syn_cookies, sysctl("net/ipv4/tcp_syncookies").as_deref()));
    findings.push(limits::examine(daemon.as_ref().map(|daemon| daemon.pid)));
    findings.extend(state::examine(&config.state.path));
    findings.push(state::bpffs(&config.packet.pin_path));
    let links = state::links(&config.packet.pin_path);
    findings.push(state::judge_pins(links, daemon.is_some(), &config.packet.pin_path));
    findings.extend(policy(config));
    if let Some(gateway) = &config.gateway {
        findings.extend(files::examine(gateway));
    }
}

/// What lists, database and gateway say, read as the daemon would read them.
fn policy(config: &Config) -> Vec<Finding> {
    let (check, expected) = ("policy", "lists, database and certificate that can be read");
    let remedy = format!("correct it, then: seawall check {}", config.path.display());
    let failed = |error: String| Finding::not(Level::Error, check, expected, error, remedy.clone());
    let source = match PolicySource::read(&config.packet) {
        Ok(source) => source,
        Err(error) => return vec![failed(error.to_string())],
    };
    let mut findings = match compile::compile(&source) {
        Ok(policy) => {
            let found = format!(
                "{} IPv4 and {} IPv6 ranges",
                policy.summary.ranges_v4, policy.summary.ranges_v6
            );
            vec![Finding::ok(check, expected, found)]
        }
        Err(error) => vec![failed(error.to_string())],
    };
    if let Some(gateway) = &config.gateway
        && let Err(error) = supervisor::material(gateway, config.log)
    {
        findings.push(failed(error.to_string()));
    }
    if let Some(geo) = &source.geo {
        let database = &geo.database;
        findings.push(files::judge_database(
            &database.path,
            database.build_epoch_s,
            files::now_s(),
        ));
    }
    findings
}

/// A setting below /proc/sys; nothing where it cannot be read.
fn sysctl(key: &str) -> Option<String> {
    let text = fs::read_to_string(Path::new("/proc/sys").join(key)).ok()?;
    Some(text.trim().to_owned())
}

/// What a tool prints, or why it does not.
fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).env("LC_ALL", "C").output();
    let output = output.map_err(|error| format!("{program} does not run: {error}"))?;
    if !output.status.success() {
        let side = String::from_utf8_lossy(&output.stderr);
        let first = side.lines().next().unwrap_or_default().to_owned();
        return Err(format!("{program} fails: {first}"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
