//! A booted Debian in a container: its own systemd, network and BPF file system. What it writes goes to memory.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::shell;

const BOOT_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);
/// An interface to attach to, and a BPF file system, which a container has not by itself.
const HOST: &str = "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up && \
    mount -o remount,rw /sys && mkdir -p /sys/fs/bpf && mount -t bpf bpf /sys/fs/bpf && \
    mount -o remount,ro /sys";

/// Where the machine sees the folder of packages.
pub const PACKAGES: &str = "/packages";

/// A machine that runs; dropping it takes its power away.
pub struct Machine {
    container: Child,
    elevation: Vec<String>,
    init: String,
}

impl Machine {
    /// Boots the tree, with a folder of packages to install from.
    pub fn boot(tree: &Path, packages: &Path) -> Result<Self> {
        shell::step("package: booting a fresh Debian");
        let elevation = shell::elevation().context("a container needs root")?;
        let log = fs::File::create(packages.join("boot.log")).context("could not make boot.log")?;
        let mut command = elevated(&elevation, "systemd-nspawn");
        command
            .args(["--quiet", "--boot", "--volatile=overlay", "--register=no", "--keep-unit"])
            .args(["--private-network", "--capability=all", "--system-call-filter=bpf"])
            .arg(format!("--machine=seawall-{}", std::process::id()))
            .arg(format!("--directory={}", tree.display()))
            .arg(format!("--bind-ro={}:{PACKAGES}", packages.display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let container = command.spawn().context("could not start systemd-nspawn")?;
        let mut machine = Self { container, elevation, init: String::new() };
        machine.wait_for_init()?;
        machine.run(HOST)?;
        Ok(machine)
    }

    fn wait_for_init(&mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < BOOT_TIMEOUT {
            if let Some(status) = self.container.try_wait()? {
                bail!("systemd-nspawn ended with {status}; target/package/boot.log says why");
            }
            if let Some(init) = self.find_init() {
                self.init = init;
                let state = self.answer("systemctl is-system-running")?;
                if ["running", "degraded"].contains(&state.trim()) {
                    return Ok(());
                }
            }
            thread::sleep(PAUSE);
        }
        bail!("the container did not boot within {} s", BOOT_TIMEOUT.as_secs())
    }

    /// The last of the line of children: sudo may stand between.
    fn find_init(&self) -> Option<String> {
        let mut process = self.container.id().to_string();
        loop {
            let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
            let children =
                fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
            let child = children.split_whitespace().next()?.to_owned();
            if name.trim() == "systemd-nspawn" {
                let comm = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
                return (comm.trim() == "systemd").then_some(child);
            }
            process = child;
        }
    }

    /// Runs a line of shell inside; an error where it fails. Answers what it wrote.
    pub fn run(&self, line: &str) -> Result<String> {
        let output = self.output(line)?;
        let wrote = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let side = String::from_utf8_lossy(&output.stderr);
            bail!("in the container, `{line}` failed ({}): {wrote}{side}", output.status);
        }
        Ok(wrote)
    }

    /// The same, but it must fail; answers what it wrote on the side.
    pub fn refuse(&self, line: &str) -> Result<String> {
        let output = self.output(line)?;
        if output.status.success() {
            bail!("in the container, `{line}` went well, and was expected to fail");
        }
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// What it wrote, however it ended.
    pub fn answer(&self, line: &str) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.output(line)?.stdout).into_owned())
    }

    /// Runs a line until it goes well.
    pub fn wait(&self, line: &str, patience: Duration) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < patience {
            if self.output(line)?.status.success() {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        let log = self.answer("journalctl --unit seawall --no-pager --lines 20")?;
        bail!("in the container, `{line}` did not come true in {} s:\n{log}", patience.as_secs())
    }

    fn output(&self, line: &str) -> Result<Output> {
        let target = format!("--target={}", self.init);
        elevated(&self.elevation, "nsenter")
            .args([&target, "--mount", "--uts", "--ipc", "--net", "--pid", "--", "env", "-i"])
            .args(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])
            .args(["DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "sh", "-c", line])
            .stdin(Stdio::null())
            .output()
            .context("could not start nsenter")
    }

    /// Shuts it down.
    pub fn stop(mut self) -> Result<()> {
        // The command is cut off by what it asks for.
        let _ = self.output("systemctl poweroff");
        let start = Instant::now();
        while start.elapsed() < STOP_TIMEOUT {
            if self.container.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        bail!("the container did not stop within {} s", STOP_TIMEOUT.as_secs())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if matches!(self.container.try_wait(), Ok(None)) {
            // The kernel ends all of a container with its first process.
            let mut kill = elevated(&self.elevation, "kill");
            let victim = if self.init.is_empty() {
                self.container.id().to_string()
            } else {
                self.init.clone()
            };
            let _ = kill.args(["-KILL", &victim]).status();
            let _ = self.container.wait();
        }
    }
}

fn elevated(elevation: &[String], program: &str) -> Command {
    let mut words = elevation.iter().map(String::as_str).chain([program]);
    let mut command = Command::new(words.next().unwrap_or(program));
    command.args(words).env("PATH", shell::path_of_root());
    command
}
