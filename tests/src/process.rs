//! A process of the world: where its program is, what it logs, and how it is ended.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::namespace::Namespace;

const POLL: Duration = Duration::from_millis(10);
/// How much of a log an error shows: the end, where the cause stands.
const LOG_LINES_SHOWN: usize = 15;

/// The file of a program of the workspace, built in the same profile as ourselves.
pub fn program(name: &str) -> Result<PathBuf> {
    let me = env::current_exe().context("could not find our own file")?;
    // A test binary lies one folder deeper, in `deps`.
    let candidates = me.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    candidates.into_iter().find(|file| file.is_file()).with_context(|| {
        format!("{name} is not built beside {}: run `cargo xtask build`", me.display())
    })
}

/// A process in a namespace whose output goes to a file; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Option<Child>,
    log: PathBuf,
}

impl Process {
    /// Starts it, with a log named after it in `folder`.
    pub fn start(
        namespace: &Namespace,
        command: &mut Command,
        name: &str,
        folder: &Path,
    ) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log);
        let file = file.with_context(|| format!("could not open {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = Some(namespace.spawn(command)?);
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Its process number.
    pub fn pid(&self) -> Pid {
        let id = self.child.as_ref().map_or(0, Child::id);
        Pid::from_raw(i32::try_from(id).unwrap_or_default())
    }

    /// Everything that it wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.pid(), signal).with_context(|| format!("could not signal {}", self.name))
    }

    /// Waits until `ready` answers; an early end or the timeout is an error with the end of its log.
    pub fn wait_until<T>(
        &mut self,
        what: &str,
        timeout: Duration,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(value) = ready() {
                return Ok(value);
            }
            if let Some(status) = self.poll_exit()? {
                bail!("{} ended ({status}) before {what}:\n{}", self.name, self.log_end());
            }
            if Instant::now() > deadline {
                bail!("{}: no {what} within {timeout:?}:\n{}", self.name, self.log_end());
            }
            thread::sleep(POLL);
        }
    }

    /// Waits for its end.
    pub fn wait_for_exit(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.poll_exit()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("{} did not end within {timeout:?}:\n{}", self.name, self.log_end());
            }
            thread::sleep(POLL);
        }
    }

    /// Tells it to stop, and waits for its end.
    pub fn stop(&mut self, timeout: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait_for_exit(timeout)
    }

    /// Lets it run on when this value is dropped.
    pub fn keep(&mut self) {
        self.child = None;
    }

    fn poll_exit(&mut self) -> Result<Option<ExitStatus>> {
        let child = self.child.as_mut().with_context(|| format!("{} is not ours", self.name))?;
        child.try_wait().with_context(|| format!("could not wait for {}", self.name))
    }

    /// The end of what it has logged, where a cause stands.
    pub fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself; then there is nothing to kill but a status to collect.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
