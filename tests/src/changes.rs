//! Everything that changes of a gateway while it serves: its configuration, its certificate, its backend, its
//! worker, its binary. No request may be lost by any of it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;

use crate::{
    echo::Echo,
    manager::Manager,
    pki::Authority,
    process::Process,
    seawall,
    steady::{self, Protocol, Steady},
    upstream,
    world::{SERVER_INTERFACE, World},
};

const HOST: &str = "api.example";
/// On the server itself: what is between hosts is not what is looked at.
const GATEWAY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 443);
const OTHER_BACKEND: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8444);
const EXIT: Duration = Duration::from_secs(20);

/// How many of each.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Connections of each protocol.
    pub connections: usize,
    /// Reloads of a configuration that says the same.
    pub reloads: u32,
    /// Reloads with a new certificate.
    pub certificates: u32,
    /// Reloads with another backend.
    pub backends: u32,
    /// Reloads with other limits, for which a new worker is needed.
    pub workers: u32,
    /// Daemons that are stopped and followed by another.
    pub upgrades: u32,
}

/// What the clients saw of it.
#[derive(Debug)]
pub struct Outcome {
    /// Over HTTP/1.1.
    pub http1: steady::Outcome,
    /// Over HTTP/2.
    pub http2: steady::Outcome,
    /// Connections that the two backends saw.
    pub backends: [u64; 2],
}

/// Goes through all of it.
pub fn measure(plan: Plan) -> Result<Outcome> {
    let world = World::build(&[])?;
    let authority = Authority::create(world.folder(), "authority")?;
    let inside = authority.issue(upstream::NAME)?;
    let backends = [
        Echo::start(&world.server, upstream::ADDRESS, &inside)?,
        Echo::start(&world.server, OTHER_BACKEND, &inside)?,
    ];
    let mut changes = Changes::begin(&world, &authority)?;
    let load = |protocol| {
        let plan = steady::Plan {
            address: GATEWAY,
            host: HOST.to_owned(),
            path: "/steady".to_owned(),
            begins: "GET /steady HTTP/1.1\r\n".to_owned(),
            authority: authority.certificate.clone(),
            protocol,
            connections: plan.connections,
        };
        Steady::start(&world.server.path(), plan)
    };
    let clients = [load(Protocol::Http1)?, load(Protocol::Http2)?];
    let gone = changes.go_through(plan);
    let [http1, http2] = clients.map(Steady::finish);
    gone?;
    changes.end()?;
    Ok(Outcome { http1: http1?, http2: http2?, backends: backends.map(|echo| echo.connections()) })
}

struct Changes<'a> {
    world: &'a World,
    authority: &'a Authority,
    manager: Manager,
    daemon: Process,
    backend: SocketAddr,
    header_timeout_ms: u32,
}

impl<'a> Changes<'a> {
    fn begin(world: &'a World, authority: &'a Authority) -> Result<Self> {
        authority.issue(HOST)?;
        let (backend, header_timeout_ms) = (upstream::ADDRESS, 10_000);
        let config = seawall::write_config(world, &config(world, backend, header_timeout_ms))?;
        let mut manager = Manager::listen(world.folder())?;
        let daemon = manager.start(&world.server, &config, world.folder())?;
        Ok(Self { world, authority, manager, daemon, backend, header_timeout_ms })
    }

    fn go_through(&mut self, plan: Plan) -> Result<()> {
        for _ in 0..plan.reloads {
            self.reload()?;
        }
        for _ in 0..plan.certificates {
            self.authority.issue(HOST)?;
            self.reload()?;
        }
        for _ in 0..plan.backends {
            self.backend = match self.backend == OTHER_BACKEND {
                true => upstream::ADDRESS,
                false => OTHER_BACKEND,
            };
            self.reload()?;
        }
        for _ in 0..plan.workers {
            self.header_timeout_ms += 1;
            self.reload()?;
        }
        for _ in 0..plan.upgrades {
            self.daemon.signal(Signal::SIGTERM)?;
            let status = self.daemon.wait_for_exit(EXIT)?;
            ensure!(status.success(), "the daemon ended with {status}");
            ensure!(self.manager.kept() > 0, "the daemon left no socket with its manager");
            let config = self.world.folder().join("seawall.yaml");
            self.daemon = self.manager.start(&self.world.server, &config, self.world.folder())?;
        }
        Ok(())
    }

    fn reload(&mut self) -> Result<()> {
        let config = config(self.world, self.backend, self.header_timeout_ms);
        seawall::write_config(self.world, &config)?;
        self.daemon.signal(Signal::SIGHUP)?;
        let message = self.manager.wait_for("READY=1", &self.daemon)?;
        ensure!(message.contains("STATUS=serving"), "the daemon said: {message}");
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        let socket = seawall::socket(self.world.folder());
        let socket = socket.to_string_lossy();
        let output = seawall::run(self.world, &["detach", "--socket", &socket])?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.daemon.wait_for_exit(EXIT)?;
        Ok(())
    }
}

fn config(world: &World, backend: SocketAddr, header_timeout_ms: u32) -> String {
    format!(
        "interfaces:\n  - name: {SERVER_INTERFACE}\npacket:\n  pin_path: {pins}\n\
         gateway:\n  listen: [\"{GATEWAY}\"]\n  certificate: {HOST}.pem\n  private_key: {HOST}.key\n  \
         user: nobody\n  threads: 2\n  access_log: {{ format: off }}\n  limits: {{ header_timeout_ms: {header_timeout_ms} }}\n  \
         upstream: {{ address: \"{backend}\", server_name: {name}, ca: authority.pem }}\n{places}",
        pins = world.pin_path().display(),
        name = upstream::NAME,
        places = seawall::places(world),
    )
}
