//! `cargo xtask bench gateway`: what a request costs the gateway, beside nginx and HAProxy that do the same.
//!
//! All three stand in one namespace in front of one backend, with one certificate, two threads, TLS 1.3 on both
//! sides, kept connections to the backend and no access log; each sets the same five headers. They take turns
//! within each round, and a row is the median of its rounds. The generator and the backend share the machine's
//! cores with them: what a request costs is the time of the server's own processes.
//!
//! Then what policies add to a request of ours ([`policies`]): keys, tokens, limits.

mod servers;
mod contender;
mod load;
mod clients;
mod table;
mod policies;
pub mod slow;
pub mod training;
pub mod http2_floods;

use std::{fs, thread, time::Duration};

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{bench::measure::median, client::Request, pki::Authority, world::World};

use clients::Pinned;
use contender::CONTENDERS;
use load::{Load, Protocol};
pub use table::{Comparison, Row};

/// Of each measurement; the median forgives what else the machine does.
const ROUNDS: usize = 3;
const SMALL_BYTES: usize = 1_024;
const LARGE_BYTES: usize = 102_400;
/// Requests of one sample of small answers: some seconds.
const SMALL_REQUESTS: u64 = 60_000;
const LARGE_REQUESTS: u64 = 6_000;
/// How long handshakes are counted.
const HANDSHAKES: Duration = Duration::from_secs(2);
/// A tail moves more from sample to sample than a sum does.
const HALF_LOAD_ROUNDS: usize = 7;
/// How long requests come at half the rate that a server can take.
const HALF_LOAD: Duration = Duration::from_secs(4);
const IDLE: [usize; 2] = [1_000, 10_000];
/// What a server does after a request it has done by then.
const SETTLE: Duration = Duration::from_millis(1_500);

/// The name in the certificate of all three.
const HOST: &str = "api.example";

/// Measures.
pub fn run() -> Result<(Comparison, Vec<String>)> {
    let bench = Ground::lay(servers::seawall)?;
    let mut table = Comparison::default();
    bench.verify(&mut table)?;
    bench.idle(&mut table)?;
    bench.handshakes(&mut table)?;
    let half_loads = bench.requests(&mut table)?;
    bench.half_load(&mut table, &half_loads)?;
    policies::measure(&bench, &mut table)?;
    bench.verify(&mut table)?;
    let problems = table.problems();
    Ok((table, problems))
}

// What is dropped first ends first.
struct Ground {
    servers: servers::Servers,
    authority: Authority,
    world: World,
    bodies: [(&'static str, String); 2],
}

impl Ground {
    fn lay(ours: servers::Ours) -> Result<Self> {
        raise_descriptors()?;
        let world = World::build(&[])?;
        let authority = Authority::create(world.folder(), "authority")?;
        let front = authority.issue(HOST)?;
        let bodies = [("/small", body(SMALL_BYTES)), ("/large", body(LARGE_BYTES))];
        fs::create_dir(world.folder().join("www"))?;
        for (path, body) in &bodies {
            fs::write(world.folder().join("www").join(path.trim_start_matches('/')), body)?;
        }
        let servers = servers::start(&world, &authority, &front, ours)?;
        Ok(Self { servers, authority, world, bodies })
    }

    /// Every answer is the backend's, byte for byte, in both protocols.
    fn verify(&self, table: &mut Comparison) -> Result<()> {
        for contender in &self.servers.contenders {
            for (path, body) in &self.bodies {
                for protocol in ["--http1.1", "--http2"] {
                    let address = contender.address;
                    let request = Request::get(HOST, address, path, &self.authority.certificate);
                    let answer = request.with(&[protocol]).send(&self.world.server)?;
                    if answer.status != 200 || answer.body != *body {
                        let name = contender.name;
                        table.wrong(format!("{name} {protocol} {path}: {}", answer.status));
                    }
                }
            }
        }
        Ok(())
    }

    /// Memory with connections that have asked once and are quiet.
    fn idle(&self, table: &mut Comparison) -> Result<()> {
        let mut found = IDLE.map(|_| Vec::new());
        for contender in &self.servers.contenders {
            let pinned = Pinned::new(&self.authority, HOST, contender.address)?;
            let mut idle = clients::Idle::default();
            for (count, found) in IDLE.iter().zip(&mut found) {
                idle.grow(&self.world.server, &pinned, *count, &self.bodies[0])?;
                thread::sleep(SETTLE);
                found.push(contender.memory_mib()?);
            }
            let answered = idle.ask_some(&self.bodies[0])?;
            if answered == 0 {
                table.wrong(format!("{}: its idle connections are dead", contender.name));
            }
            drop(idle);
            thread::sleep(SETTLE);
        }
        for (id, found) in ["idle_1k_mib", "idle_10k_mib"].into_iter().zip(found) {
            table.push(Row::less(id, "MiB", found, true));
        }
        Ok(())
    }

    fn handshakes(&self, table: &mut Comparison) -> Result<()> {
        let (mut rates, mut costs) = (Samples::default(), Samples::default());
        for _ in 0..ROUNDS {
            for (contender, place) in self.servers.contenders.iter().zip(0..) {
                let pinned = Pinned::new(&self.authority, HOST, contender.address)?;
                let before = contender.cpu()?;
                let (count, time) = clients::handshakes(&self.world.server, &pinned, HANDSHAKES)?;
                let spent = contender.cpu()? - before;
                rates.add(place, count as f64 / time.as_secs_f64());
                costs.add(place, spent.as_secs_f64() * 1e6 / count as f64);
            }
        }
        table.push(Row::more("handshakes", "1/s", rates.medians(), true));
        table.push(Row::less("handshake_cpu", "us", costs.medians(), true));
        Ok(())
    }

    /// What requests cost; answers the highest rates over HTTP/1.1.
    fn requests(&self, table: &mut Comparison) -> Result<Vec<f64>> {
        let small = Load::of("/small", SMALL_BYTES, SMALL_REQUESTS);
        let large = Load::of("/large", LARGE_BYTES, LARGE_REQUESTS);
        let mut highest = Vec::new();
        for (cpu, rate, protocol, load) in [
            ("h1_tls_cpu", "h1_tls_rate", Protocol::Http1, &small),
            ("h2_tls_cpu", "h2_tls_rate", Protocol::Http2, &small),
            ("h1_100k_cpu", "h1_100k_rate", Protocol::Http1, &large),
            ("h2_100k_cpu", "h2_100k_rate", Protocol::Http2, &large),
        ] {
            let (mut costs, mut rates) = (Samples::default(), Samples::default());
            let mut checked = true;
            for _ in 0..ROUNDS {
                for (contender, place) in self.servers.contenders.iter().zip(0..) {
                    let before = contender.cpu()?;
                    let seen = load.run(&self.world, contender, protocol)?;
                    let spent = contender.cpu()? - before;
                    checked &= table.check(&seen, contender, cpu, load);
                    costs.add(place, spent.as_secs_f64() * 1e6 / load.requests as f64);
                    rates.add(place, seen.rate);
                }
            }
            table.push(Row::less(cpu, "us", costs.medians(), checked));
            let rates = rates.medians();
            if highest.is_empty() {
                highest = rates.clone();
            }
            table.push(Row::more(rate, "1/s", rates, checked));
        }
        Ok(highest)
    }

    /// Each at half of its own highest rate.
    fn half_load(&self, table: &mut Comparison, highest: &[f64]) -> Result<()> {
        let mut found = Samples::default();
        let mut checked = true;
        for _ in 0..HALF_LOAD_ROUNDS {
            for ((contender, place), highest) in
                self.servers.contenders.iter().zip(0..).zip(highest)
            {
                let rate = highest / 2.0;
                let requests = (rate * HALF_LOAD.as_secs_f64()) as u64;
                let load = Load { rate: Some(rate), ..Load::of("/small", SMALL_BYTES, requests) };
                let seen = load.run(&self.world, contender, Protocol::Http1)?;
                checked &= table.check(&seen, contender, "p99_half_load", &load);
                found.add(place, seen.p99_ms.context("a load at a rate has no latencies")?);
            }
        }
        table.push(Row::less("p99_half_load", "ms", found.medians(), checked));
        Ok(())
    }
}

/// Of each contender.
#[derive(Default)]
struct Samples([Vec<f64>; CONTENDERS]);

impl Samples {
    fn add(&mut self, place: usize, value: f64) {
        self.0[place].push(value);
    }

    fn medians(self) -> Vec<f64> {
        self.0.into_iter().map(median).collect()
    }
}

/// Text that no part of repeats, so that a mix-up shows.
fn body(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 16);
    let mut number = 0_u32;
    while text.len() < bytes {
        text.push_str(&format!("{number:x} "));
        number += 1;
    }
    text.truncate(bytes);
    text
}

/// Ten thousand connections are as many descriptors on either side.
fn raise_descriptors() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .context("could not raise the descriptor limit")
}
