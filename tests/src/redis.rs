//! The host's Redis, on the server.

use std::{
    net::SocketAddr,
    process::{Command, Stdio},
};

use anyhow::Result;

use crate::{process::Process, world::World};

/// What it is asked with.
pub const PASSWORD: &str = "secret";

const PROGRAM: &str = "redis-server";

/// Whether the host has one.
#[must_use]
pub fn is_installed() -> bool {
    Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).status().is_ok()
}

/// Starts it in the world's folder, where it takes no snapshots, with these arguments more.
pub fn start(world: &World, address: SocketAddr, more: &[&str]) -> Result<Process> {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new(PROGRAM);
    command.args(["--bind", &host, "--port", &port, "--requirepass", PASSWORD, "--save", ""]);
    command.args(more).current_dir(world.folder());
    Process::start(&world.server, &mut command, "redis", world.folder())
}
