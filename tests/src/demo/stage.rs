//! The stage: the world with Seawall and the API server running in it, and how it is cleared.

use std::path::PathBuf;

use anyhow::Result;

use super::cast;
use crate::{pki::Authority, seawall::Seawall, sweep, upstream::Upstream, world::World};

/// Everything that stands before the story begins. Fields go down in this order, the world last.
pub struct Stage {
    /// The daemon.
    pub seawall: Seawall,
    /// The API server.
    pub upstream: Upstream,
    /// Whom the clients trust.
    pub authority: PathBuf,
    /// The hosts.
    pub world: World,
}

impl Stage {
    /// Builds the world and starts what runs on the server.
    pub fn set() -> Result<Self> {
        let world = World::build(&cast::HOSTS)?;
        let authority = Authority::create(world.folder(), "authority")?;
        let upstream = Upstream::start(&world, &authority)?;
        cast::write_database(&world)?;
        let config = cast::config(&world, &authority.issue(cast::API)?);
        let seawall = Seawall::start(&world, &config)?;
        Ok(Self { seawall, upstream, authority: authority.certificate, world })
    }

    /// Leaves everything up.
    pub fn keep(&mut self) -> Result<()> {
        self.world.keep()?;
        self.seawall.process.keep();
        self.upstream.process.keep();
        Ok(())
    }

    /// Stops everything and takes it down; answers what is left, which should be nothing.
    pub fn clear(self) -> Result<Vec<String>> {
        let Self { seawall, mut upstream, world, .. } = self;
        let prefix = world.prefix().to_owned();
        let pin_path = world.pin_path();
        let stopped = seawall.detach();
        let mut left = attached(&world);
        if pin_path.exists() {
            left.push(format!("pins in {}", pin_path.display()));
        }
        let upstream_stopped = upstream.stop();
        drop(world);
        stopped?;
        upstream_stopped?;
        left.extend(sweep::leftovers(&prefix));
        Ok(left)
    }
}

/// What the daemon has left attached to the server's interface after its end.
fn attached(world: &World) -> Vec<String> {
    let mut command = std::process::Command::new("ip");
    command.args(["-o", "link", "show"]);
    let Ok(output) = world.server.output(&mut command) else { return Vec::new() };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.contains("xdp"))
        .map(|line| format!("an XDP program on {}", line.split_whitespace().nth(1).unwrap_or(line)))
        .collect()
}
