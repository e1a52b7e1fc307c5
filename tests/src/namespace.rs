//! One network namespace: a host of its own on this machine.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::sched::{CloneFlags, setns};

/// Where `ip netns` keeps the names.
pub const FOLDER: &str = "/run/netns";

/// A named network namespace; [`crate::sweep`] removes it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes the namespace, without the chatter that a real host's IPv6 starts with: no duplicate
    /// address detection to wait for, nobody asking for routers.
    pub fn create(name: &str) -> Result<Self> {
        ip(&["netns", "add", name])?;
        let namespace = Self { name: name.to_owned() };
        namespace.ip(&["link set lo up"])?;
        for scope in ["all", "default"] {
            for key in ["accept_dad", "accept_ra", "router_solicitations"] {
                namespace.sysctl(&format!("net/ipv6/conf/{scope}/{key}"), "0")?;
            }
        }
        Ok(namespace)
    }

    /// The name that `ip netns` knows.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for it.
    pub fn path(&self) -> PathBuf {
        Path::new(FOLDER).join(&self.name)
    }

    /// Runs `work` in the namespace. On a thread of its own: a namespace belongs to a thread, and
    /// sockets and children that the thread makes stay in it.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let path = self.path();
        thread::scope(|scope| {
            let worker = scope.spawn(move || -> Result<T> {
                Self::enter(&path)?;
                Ok(work())
            });
            worker.join().unwrap_or_else(|_| Err(anyhow!("the work in {} panicked", self.name)))
        })
    }

    /// Takes the calling thread into the namespace that a file stands for, for good.
    pub fn enter(path: &Path) -> Result<()> {
        let file = File::open(path).with_context(|| format!("no namespace {}", path.display()))?;
        setns(&file, CloneFlags::CLONE_NEWNET).context("could not enter the namespace")
    }

    /// Starts a process in the namespace.
    pub fn spawn(&self, command: &mut Command) -> Result<Child> {
        let shown = format!("{command:?}");
        self.run(|| command.spawn())?.with_context(|| format!("could not start {shown}"))
    }

    /// Runs a process in the namespace to its end.
    pub fn output(&self, command: &mut Command) -> Result<Output> {
        let shown = format!("{command:?}");
        self.run(|| command.stdin(Stdio::null()).output())?
            .with_context(|| format!("could not run {shown}"))
    }

    /// Runs lines of `ip` here, in one call.
    pub fn ip(&self, lines: &[impl AsRef<str>]) -> Result<()> {
        let mut child = Command::new("ip")
            .args(["-n", &self.name, "-batch", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("could not start ip")?;
        let lines: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
        if let Some(mut input) = child.stdin.take() {
            input.write_all((lines.join("\n") + "\n").as_bytes()).context("ip closed its input")?;
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let wrote = String::from_utf8_lossy(&output.stderr);
            bail!("ip in {}: {}\n{}", self.name, wrote.trim(), lines.join("\n"));
        }
        Ok(())
    }

    /// Sets a network setting of the namespace, by its path below /proc/sys.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = Path::new("/proc/sys").join(key);
        self.run(|| fs::write(&path, value))?
            .with_context(|| format!("could not set {key} in {}", self.name))
    }

    /// Runs a tool here and fails when it fails.
    pub fn tool(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let output = self.output(Command::new(program).args(arguments))?;
        if !output.status.success() {
            let wrote = String::from_utf8_lossy(&output.stderr);
            bail!("{program} {} in {}: {}", arguments.join(" "), self.name, wrote.trim());
        }
        Ok(())
    }
}

/// Runs `ip` in the namespace that we came from.
pub fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output().context("could not start ip")?;
    if !output.status.success() {
        let wrote = String::from_utf8_lossy(&output.stderr);
        bail!("ip {}: {}", arguments.join(" "), wrote.trim());
    }
    Ok(())
}
