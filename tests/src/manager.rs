//! A service manager as far as the daemon needs one: hears what it says, keeps the sockets that it hands over,
//! and gives them to the next daemon.

use std::{
    fmt::Write as _,
    io::IoSliceMut,
    mem::MaybeUninit,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::net::UnixDatagram,
    },
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::{
    io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
};

use crate::{
    namespace::Namespace,
    process::{self, Process},
};

/// Descriptors on their way to the daemon: clear of 3 and what follows, where it looks for them.
const ABOVE: i32 = 200;
const SOCKETS_MAX: usize = 253;
const PATIENCE: Duration = Duration::from_secs(30);
const LISTEN: Duration = Duration::from_millis(100);

/// The manager.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    kept: Vec<(String, OwnedFd)>,
}

impl Manager {
    /// Listens in a folder.
    pub fn listen(folder: &Path) -> Result<Self> {
        let path = folder.join("notify.sock");
        let socket = UnixDatagram::bind(&path)?;
        socket.set_read_timeout(Some(LISTEN))?;
        Ok(Self { socket, path, kept: Vec::new() })
    }

    /// Starts a daemon in a namespace, with all that was kept, and waits until it is ready.
    pub fn start(
        &mut self,
        namespace: &Namespace,
        config: &Path,
        folder: &Path,
    ) -> Result<Process> {
        let mut passed = Vec::new();
        let mut script = "LISTEN_PID=$$ exec \"$@\"".to_owned();
        for (place, (_, socket)) in (3..).zip(&self.kept) {
            let socket = fcntl_dupfd_cloexec(socket, ABOVE)?;
            fcntl_setfd(&socket, FdFlags::empty())?;
            write!(script, " {place}<&{fd} {fd}<&-", fd = socket.as_raw_fd())?;
            passed.push(socket);
        }
        let names: Vec<&str> = self.kept.iter().map(|(name, _)| name.as_str()).collect();
        // Not every shell has descriptors above 9.
        let mut command = Command::new("bash");
        command.args(["-c", &script, "bash"]).arg(process::program("seawall")?);
        command.args(["run", "--config"]).arg(config);
        command.env("NOTIFY_SOCKET", &self.path);
        command.env("LISTEN_FDS", self.kept.len().to_string());
        command.env("LISTEN_FDNAMES", names.join(":"));
        let daemon = Process::start(namespace, &mut command, "seawall", folder)?;
        drop(passed);
        self.wait_for("READY=1", &daemon)?;
        Ok(daemon)
    }

    /// Listens until the daemon says this; answers all that it said with it.
    pub fn wait_for(&mut self, line: &str, daemon: &Process) -> Result<String> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let message = self.hear()?;
            if message.lines().any(|said| said == line) {
                return Ok(message);
            }
        }
        bail!("{line} was not heard within {PATIENCE:?}:\n{}", daemon.log())
    }

    /// Sockets that are kept.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    fn hear(&mut self) -> Result<String> {
        let mut bytes = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = match recvmsg(&self.socket, &mut parts, &mut control, flags) {
            Ok(received) => received.bytes,
            Err(rustix::io::Errno::AGAIN) => return Ok(String::new()),
            Err(error) => return Err(error.into()),
        };
        let message =
            String::from_utf8_lossy(bytes.get(..received).unwrap_or_default()).into_owned();
        let said = |key: &str| message.lines().find_map(|line| line.strip_prefix(key));
        let name = said("FDNAME=").unwrap_or("stored").to_owned();
        if said("FDSTOREREMOVE=1").is_some() {
            self.kept.retain(|(kept, _)| *kept != name);
        }
        for sent in control.drain() {
            if let RecvAncillaryMessage::ScmRights(sockets) = sent {
                said("FDSTORE=1").context("descriptors without FDSTORE=1")?;
                self.kept.extend(sockets.map(|socket| (name.clone(), socket)));
            }
        }
        Ok(message)
    }
}
