//! The life of the package, step by step, each with what must then be true.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};

use super::{
    gateway,
    machine::{Machine, PACKAGES},
};
use crate::shell;

/// Where the configuration is.
pub const CONFIGURATION: &str = "/etc/seawall/seawall.yaml";
/// What an administrator does first.
const NAME_THE_INTERFACE: &str =
    "sed -i 's/name: name-it-here.*/name: v0/' /etc/seawall/seawall.yaml";
const ATTACHED: &str = "ip link show v0 | grep -q xdp";
const ACTIVE: &str = "systemctl is-active --quiet seawall";
/// The time that systemd takes to notice a daemon that stands still is the shortest that the daemon allows.
const SHORT_WATCHDOG: &str = "mkdir -p /run/systemd/system/seawall.service.d && \
    printf '[Service]\\nWatchdogSec=3\\n' >/run/systemd/system/seawall.service.d/watchdog.conf && \
    systemctl daemon-reload && systemctl restart seawall";
/// Looks every 10 ms whether the filter is in force, for as long as a file is there.
const WATCH: &str = "touch /run/watching; (while [ -e /run/watching ]; do \
    ip link show v0 | grep -q xdp || echo gone >>/run/gaps; sleep 0.01; done) >/dev/null 2>&1 &";
const NO_GAP: &str = "rm /run/watching; test ! -e /run/gaps";
const PATIENCE: Duration = Duration::from_secs(20);

/// Installs, starts, breaks, upgrades, removes, purges.
pub fn live(machine: &Machine, old: &Path, new: &Path, version: &str) -> Result<()> {
    let install = |file: &Path| -> Result<String> {
        let name = file.file_name().context("a package has a name")?.to_string_lossy();
        Ok(format!("dpkg --install {PACKAGES}/{name}"))
    };
    fresh(machine, &install(old)?)?;
    service(machine)?;
    gateway::serve(machine)?;
    upgrade(machine, &install(new)?, version)?;
    remove(machine)
}

fn fresh(machine: &Machine, install: &str) -> Result<()> {
    shell::step("package: installed");
    let said = machine.run(install)?;
    expect(&said, "nothing is attached yet")?;
    all(
        machine,
        &[
            "dpkg --verify seawall",
            "test -z \"$(dpkg --audit)\"",
            "getent passwd seawall-gateway | grep -q /usr/sbin/nologin",
            "test \"$(stat -c %a:%U /var/lib/seawall)\" = 700:root",
            "test \"$(stat -c %a:%U /etc/seawall/seawall.yaml)\" = 644:root",
            "test -s /usr/share/bash-completion/completions/seawall",
            "test -s /usr/share/zsh/vendor-completions/_seawall",
            "test -s /usr/share/fish/vendor_completions.d/seawall.fish",
            "seawall --version",
            "seawall check /etc/seawall/seawall.yaml",
            "systemd-analyze verify --man=no /lib/systemd/system/seawall.service 2>&1 | (! grep .)",
        ],
    )?;
    // Nothing that an administrator did not name: not enabled, not started, not attached.
    expect(
        &machine.refuse("systemctl is-enabled seawall || { echo disabled >&2; false; }")?,
        "disabled",
    )?;
    machine.refuse(ACTIVE)?;
    machine.refuse(ATTACHED)?;
    machine.refuse("systemctl start seawall")?;
    expect(&machine.run("journalctl --unit seawall --no-pager")?, "name-it-here")?;
    machine.run("systemctl stop seawall")?;
    machine.refuse(ATTACHED).map(drop)
}

fn service(machine: &Machine) -> Result<()> {
    shell::step("package: the service, under its sandbox");
    machine.run(NAME_THE_INTERFACE)?;
    machine.run("systemctl enable --now seawall")?;
    all(machine, &[ACTIVE, ATTACHED, "systemctl is-enabled --quiet seawall"])?;
    expect(&machine.run("seawall status")?, "shadow      policy")?;
    expect(&machine.run("seawall explain 203.0.113.7")?, "verdict     pass")?;
    // CAP_NET_ADMIN, CAP_PERFMON and CAP_BPF: the bits 12, 38 and 39.
    let limits = machine.run("cat /proc/$(systemctl show -P MainPID seawall)/status")?;
    for line in
        ["CapEff:\t000000c000001000", "CapBnd:\t000000c000001000", "NoNewPrivs:\t1", "Seccomp:\t2"]
    {
        expect(&limits, line)?;
    }

    shell::step("package: a good reload, a bad one, a crash, and a daemon that stands still");
    machine.run(SHORT_WATCHDOG)?;
    machine.run(WATCH)?;
    machine.run("systemctl reload seawall")?;
    machine.wait("seawall status | grep -q '1 in force'", PATIENCE)?;
    machine.run("cp /etc/seawall/seawall.yaml /run/good.yaml")?;
    machine.run("echo 'nonsense: 1' >>/etc/seawall/seawall.yaml")?;
    machine.refuse("systemctl reload seawall")?;
    machine.run("cp /run/good.yaml /etc/seawall/seawall.yaml")?;
    all(machine, &[ACTIVE, ATTACHED])?;
    restarted_by(machine, "KILL")?;
    restarted_by(machine, "STOP")?;
    expect(&machine.run("journalctl --unit seawall --no-pager")?, "Watchdog timeout")?;
    machine.run("rm -r /run/systemd/system/seawall.service.d && systemctl daemon-reload")?;
    machine.run(NO_GAP).map(drop)
}

/// A signal to the daemon alone; systemd starts another, which serves.
fn restarted_by(machine: &Machine, signal: &str) -> Result<()> {
    let pid = "$(systemctl show -P MainPID seawall)";
    let before = machine.run(&format!("echo {pid}; kill -{signal} {pid}"))?;
    let another = format!("test {pid} != {} && {ACTIVE} && seawall status", before.trim());
    machine.wait(&another, PATIENCE)?;
    machine.run(ATTACHED).map(drop)
}

fn upgrade(machine: &Machine, install: &str, version: &str) -> Result<()> {
    shell::step("package: upgraded");
    machine.run(
        "echo '# mine' >>/etc/seawall/seawall.yaml; sha256sum /etc/seawall/seawall.yaml >/run/sum",
    )?;
    // Changes made by verbs are kept in the state folder, which the sandbox lets the daemon write.
    all(machine, &["seawall ban 203.0.113.9 --for 1h", "seawall deny add 198.51.100.0/24"])?;
    let pid = machine.run("systemctl show -P MainPID seawall")?;
    machine.run(WATCH)?;
    machine.run(install)?;
    machine.run(NO_GAP)?;
    all(
        machine,
        &[
            ACTIVE,
            ATTACHED,
            "sha256sum --check --quiet /run/sum",
            "systemctl is-enabled --quiet seawall",
            "seawall bans | grep -q 203.0.113.9",
            "seawall deny list | grep -q 198.51.100.0/24",
        ],
    )?;
    if machine.run("systemctl show -P MainPID seawall")? == pid {
        bail!("the upgrade left the old daemon running");
    }
    expect(
        &machine.run("dpkg-query --show --showformat '${Version} ${Status}' seawall")?,
        &format!("{version} install ok installed"),
    )
}

fn remove(machine: &Machine) -> Result<()> {
    shell::step("package: removed, then purged");
    machine.run("dpkg --remove seawall")?;
    machine.refuse(ATTACHED)?;
    machine.refuse(ACTIVE)?;
    all(
        machine,
        &[
            "test ! -e /usr/bin/seawall",
            "test ! -e /lib/systemd/system/seawall.service",
            "test -z \"$(ls -A /sys/fs/bpf/seawall 2>/dev/null)\"",
            "sha256sum --check --quiet /run/sum",
            "test -d /var/lib/seawall",
        ],
    )?;
    machine.run("dpkg --purge seawall")?;
    machine.refuse(&format!("test -e {CONFIGURATION}"))?;
    all(
        machine,
        &[
            "test ! -e /etc/seawall",
            "test ! -e /var/lib/seawall",
            "test ! -e /run/seawall",
            "! getent passwd seawall-gateway",
            "! getent group seawall-gateway",
            "! dpkg-query --show seawall",
            "test -z \"$(find / -xdev -name '*seawall*' -not -path '/proc/*')\"",
        ],
    )
}

/// Each of these must go well.
pub fn all(machine: &Machine, lines: &[&str]) -> Result<()> {
    lines.iter().try_for_each(|line| machine.run(line).map(drop))
}

/// This must be a part of what was said.
pub fn expect(said: &str, part: &str) -> Result<()> {
    if !said.contains(part) {
        bail!("expected {part:?} in what was said:\n{said}");
    }
    Ok(())
}
