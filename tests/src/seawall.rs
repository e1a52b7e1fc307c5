//! The real `seawall`, running in the server's namespace on a configuration of the test's.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    metrics::{self, Metrics},
    namespace::Namespace,
    process::{self, Process},
    world::World,
};

/// Where `/metrics` and `/healthz` answer, inside the server.
pub const METRICS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9464));
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Draining what is in flight is part of stopping.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// A running daemon.
#[derive(Debug)]
pub struct Seawall {
    /// The supervisor.
    pub process: Process,
    /// Its configuration file.
    pub config: PathBuf,
}

impl Seawall {
    /// Writes the configuration, starts the daemon, and waits until it says that it is healthy.
    pub fn start(world: &World, config: &str) -> Result<Self> {
        Self::start_on(&world.server, world.folder(), config)
    }

    /// The same on another host, with its files in this folder.
    pub fn start_on(namespace: &Namespace, folder: &Path, config: &str) -> Result<Self> {
        let path = write_config_in(folder, config)?;
        let mut command = command(&["run", "--config"])?;
        command.arg(&path);
        let mut process = Process::start(namespace, &mut command, "seawall", folder)?;
        process.wait_until("/healthz", START_TIMEOUT, || {
            let (status, _) = metrics::get(namespace, METRICS, "/healthz").ok()?;
            (status == 200).then_some(())
        })?;
        Ok(Self { process, config: path })
    }

    /// What it counts now.
    pub fn metrics(&self, world: &World) -> Result<Metrics> {
        Metrics::scrape(&world.server, METRICS)
    }

    /// Takes the filter off and ends it; anything but a clean end is an error.
    pub fn detach(mut self) -> Result<()> {
        let socket = socket(self.config.parent().context("the configuration is in a folder")?);
        let output = command(&["detach", "--socket"])?.arg(socket).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "detach ended with {}: {said}", output.status);
        let status = self.process.wait_for_exit(STOP_TIMEOUT)?;
        anyhow::ensure!(status.success(), "seawall stopped with {status}:\n{}", self.process.log());
        Ok(())
    }
}

/// Writes the configuration where the daemon is to find it.
pub fn write_config(world: &World, config: &str) -> Result<PathBuf> {
    write_config_in(world.folder(), config)
}

fn write_config_in(folder: &Path, config: &str) -> Result<PathBuf> {
    let path = folder.join("seawall.yaml");
    fs::write(&path, config).with_context(|| format!("could not write {}", path.display()))?;
    Ok(path)
}

/// Runs a verb of the command on the server, to its end.
pub fn run(world: &World, arguments: &[&str]) -> Result<Output> {
    world.server.output(&mut command(arguments)?)
}

/// The lines that every configuration of a world needs: its own places for the socket and the state.
pub fn places(world: &World) -> String {
    places_in(world.folder())
}

/// The same for the files of one host in a folder.
pub fn places_in(folder: &Path) -> String {
    let (socket, state) = (socket(folder), state(folder));
    format!("control: {{ socket: {} }}\nstate: {{ path: {} }}\n", socket.display(), state.display())
}

/// The state folder of a world.
pub fn state(folder: &Path) -> PathBuf {
    folder.join("state")
}

/// The control socket of a world.
pub fn socket(folder: &Path) -> PathBuf {
    folder.join("control.sock")
}

fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(process::program("seawall")?);
    command.args(arguments);
    Ok(command)
}
