//! `cargo xtask profile`: what the daemon is exercised with where a profile is made of it (docs/adr/0044).
//!
//! Nothing is measured. What many ask for most of the time is done most: what is rare in the counts is built to be small
//! instead of fast.

use anyhow::{Result, ensure};

use super::{
    Ground, HALF_LOAD, HOST, LARGE_BYTES, SMALL_BYTES,
    clients::{self, Pinned},
    load::{Load, Protocol},
    policies, servers,
    table::Comparison,
};

const SMALL_REQUESTS: u64 = 400_000;
const LARGE_REQUESTS: u64 = 20_000;
/// A second: some way below what the build that counts can take.
const PACED: f64 = 4_000.0;

/// Requests without policies, in both protocols; then each policy's.
pub fn run() -> Result<()> {
    let ground = Ground::lay(servers::seawall)?;
    let mut table = Comparison::default();
    ground.verify(&mut table)?;
    let ours = &ground.servers.contenders[0];
    let small = Load::of("/small", SMALL_BYTES, SMALL_REQUESTS);
    let paced = (PACED * HALF_LOAD.as_secs_f64()) as u64;
    let paced = Load { rate: Some(PACED), ..Load::of("/small", SMALL_BYTES, paced) };
    let large = Load::of("/large", LARGE_BYTES, LARGE_REQUESTS);
    for (load, protocol) in [
        (&small, Protocol::Http1),
        (&small, Protocol::Http2),
        (&paced, Protocol::Http1),
        (&paced, Protocol::Http2),
        (&large, Protocol::Http1),
        (&large, Protocol::Http2),
    ] {
        let seen = load.run(&ground.world, ours, protocol)?;
        ensure!(table.check(&seen, ours, "training", load), "{load:?} {protocol:?}: {seen:?}");
    }
    let pinned = Pinned::new(&ground.authority, HOST, ours.address)?;
    let (count, _) = clients::handshakes(&ground.world.server, &pinned, HALF_LOAD)?;
    ensure!(count > 0, "no handshake was done");
    policies::exercise(&mut table)?;
    let problems = table.problems();
    ensure!(problems.is_empty(), "{problems:?}");
    Ok(())
}
