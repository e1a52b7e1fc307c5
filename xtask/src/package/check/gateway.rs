//! The gateway under its part of the sandbox: refused without gateway.conf, serving with it.

use std::{path::Path, process::Command, time::Duration};

use anyhow::Result;

use super::{
    life::{CONFIGURATION, all, expect},
    machine::{Machine, PACKAGES},
};
use crate::shell;

/// A key and a certificate that signs itself, in the folder of packages.
const KEY: &str = "gateway.key";
const CERTIFICATE: &str = "gateway.pem";
/// What an administrator appends.
const SECTION: &str = "gateway: { listen: [\"0.0.0.0:443\"], certificate: gateway.pem, private_key: gateway.key, \
    upstream: { address: \"127.0.0.1:8443\", server_name: api.internal, ca: gateway.pem } }";
const ADD_GATEWAY_CONF: &str = "install -D -m 644 /usr/share/seawall/systemd/gateway.conf -t \
    /etc/systemd/system/seawall.service.d && systemctl daemon-reload";
/// Where a worker is, by its user: it hides everything else of itself.
const WORKER: &str =
    "grep -l \"^Uid:.$(id -u seawall-gateway).$(id -u seawall-gateway)\" /proc/[0-9]*/status";
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes key and certificate.
pub fn make_identity(folder: &Path) -> Result<()> {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]);
    command.args(["-subj", "/CN=api.internal", "-addext", "subjectAltName=DNS:api.internal"]);
    command.arg("-keyout").arg(folder.join(KEY)).arg("-out").arg(folder.join(CERTIFICATE));
    shell::output(&mut command).map(drop)
}

/// Adds the gateway, looks at its worker, and takes it away again.
pub fn serve(machine: &Machine) -> Result<()> {
    shell::step("package: a gateway, with the unit's gateway.conf and without");
    machine.run(&format!("cp {CONFIGURATION} /run/plain.yaml"))?;
    machine
        .run(&format!("install -m 600 {PACKAGES}/{KEY} {PACKAGES}/{CERTIFICATE} /etc/seawall/"))?;
    machine.run(&format!("printf '%s\\n' '{SECTION}' >>{CONFIGURATION}"))?;
    machine.run("systemctl stop seawall")?;
    machine.refuse("systemctl start seawall")?;
    let log = machine.run("journalctl --unit seawall --no-pager --lines 20")?;
    expect(&log, "expected the privilege CAP_NET_BIND_SERVICE, which a gateway needs")?;
    machine.run("systemctl stop seawall")?;

    machine.run(ADD_GATEWAY_CONF)?;
    machine.run("systemctl start seawall")?;
    all(machine, &["ss --no-header -ltn 'sport = 443' | grep -q .", WORKER])?;
    let status = machine.run("seawall status --json")?;
    for held in ["no_capabilities", "no_new_privs", "dies_with_parent"] {
        expect(&status, held)?;
    }
    // Its own user cannot keep it alive: the kernel ends it with the daemon.
    let worker = machine.run(WORKER)?;
    machine.run("kill -KILL $(systemctl show -P MainPID seawall)")?;
    machine
        .wait(&format!("seawall status && test \"$({WORKER})\" != {}", worker.trim()), PATIENCE)?;
    machine.run("systemctl stop seawall")?;
    machine.refuse(WORKER)?;

    machine.run("rm -r /etc/systemd/system/seawall.service.d && systemctl daemon-reload")?;
    machine.run(&format!("rm /etc/seawall/{KEY} /etc/seawall/{CERTIFICATE}"))?;
    machine.run(&format!("cp /run/plain.yaml {CONFIGURATION}"))?;
    machine.run("systemctl start seawall").map(drop)
}
