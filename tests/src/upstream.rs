//! The real `api-server`, on the server's loopback: what the gateway protects.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    process::Command,
    time::Duration,
};

use anyhow::Result;

use crate::{
    client::{Answer, Request},
    pki::{Authority, Identity},
    process::{self, Process},
    world::World,
};

/// Where it listens, inside the server.
pub const ADDRESS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8443));
/// The name in its certificate.
pub const NAME: &str = "api.internal";
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// A running API server.
#[derive(Debug)]
pub struct Upstream {
    /// The process.
    pub process: Process,
    identity: Identity,
    authority: std::path::PathBuf,
}

impl Upstream {
    /// Starts it with a certificate of this authority, and waits until it answers.
    pub fn start(world: &World, authority: &Authority) -> Result<Self> {
        let identity = authority.issue(NAME)?;
        let mut upstream = Self {
            process: launch(world, &identity)?,
            identity,
            authority: authority.certificate.clone(),
        };
        upstream.wait(world)?;
        Ok(upstream)
    }

    /// Ends it at once.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop(START_TIMEOUT).map(drop)
    }

    /// Starts it again after it was stopped.
    pub fn restart(&mut self, world: &World) -> Result<()> {
        self.process = launch(world, &self.identity)?;
        self.wait(world)
    }

    /// Asks it directly, past the gateway.
    pub fn ask(&self, world: &World, path: &str) -> Result<Answer> {
        Request::get(NAME, ADDRESS, path, &self.authority).send(&world.server)
    }

    fn wait(&mut self, world: &World) -> Result<()> {
        let request = Request::get(NAME, ADDRESS, "/healthz", &self.authority);
        self.process.wait_until("answer", START_TIMEOUT, || {
            let answer = request.send(&world.server).ok()?;
            (answer.status == 200).then_some(())
        })
    }
}

fn launch(world: &World, identity: &Identity) -> Result<Process> {
    launch_at(world, identity, ADDRESS, &[])
}

/// Starts an API server at an address of the server, with more arguments, and does not wait for it.
pub fn launch_at(
    world: &World,
    identity: &Identity,
    address: SocketAddr,
    arguments: &[&str],
) -> Result<Process> {
    let mut command = Command::new(process::program("api-server")?);
    command.args(["--listen", &address.to_string()]);
    command.arg("--certificate").arg(&identity.certificate);
    command.arg("--private-key").arg(&identity.key).args(arguments);
    Process::start(&world.server, &mut command, "api-server", world.folder())
}
