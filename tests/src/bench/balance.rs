//! `cargo xtask bench balance`: where 100,000 real requests of each rule go, through the real daemon over
//! TLS, beside where they should.

mod client;
mod server;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Mutex,
    thread,
    time::Instant,
};

use anyhow::{Result, anyhow};

use self::{client::Client, server::Server};
use crate::{
    bench::report::{Report, Row},
    pki::Authority,
    seawall::{self, Seawall},
    wait,
    world::{HostPlan, SERVER_INTERFACE, SERVER_IPV4, World},
};

/// Of each rule.
const REQUESTS: u64 = 100_000;
/// Clients at once, where a rule does not ask for another number.
const CLIENTS: u64 = 8;
/// Threads of the gateway: round robin is exact in each.
const THREADS: u64 = 2;
const SERVERS: usize = 3;
/// A cookie's client asks so often.
const PER_COOKIE: u64 = 100;
/// Each server's quota.
const QUOTA: u64 = 2;
/// Chance: of 16,000 runs one would be further off.
const SIGMAS: f64 = 4.0;
/// Of a server among equals, in percent of its fair share: the rule goes by the time that each is measured to take.
const LEAST_BUSY_PERCENT: u64 = 10;

const GATEWAY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(SERVER_IPV4), 443);
const NAME: &str = "api.example";
const CLIENT: HostPlan =
    HostPlan { name: "client", ipv4: Ipv4Addr::new(198, 51, 100, 7), ipv6: &[] };

/// Of one rule.
type Measurement = fn(&Bench<'_>) -> Result<Outcome>;

/// Every rule.
pub fn run() -> Result<(Report, Vec<String>)> {
    let world = World::build(&[CLIENT])?;
    let authority = Authority::create(world.folder(), "authority")?;
    let servers: Vec<Server> = (0..SERVERS)
        .map(|place| Server::start(&world.server, address(place), place))
        .collect::<Result<_>>()?;
    let identity = authority.issue(NAME)?;
    let config = config(&world, &identity.certificate.display(), &identity.key.display());
    let daemon = Seawall::start(&world, &config)?;
    let bench = Bench { world: &world, authority: &authority, servers: &servers };
    let client = || bench.client()?.ask("/round_robin_equal", "");
    wait::until("answer", || client().ok())?;
    bench.take();
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    let rules: [(&str, Measurement); 7] = [
        ("round_robin", |bench| bench.round_robin()),
        ("round_robin_equal", |bench| bench.round_robin_equal()),
        ("least_busy", |bench| bench.least_busy()),
        ("hash_header", |bench| bench.hash_header()),
        ("hash_address", |bench| bench.hash_address()),
        ("quota", |bench| bench.quota()),
        ("sticky_cookie", |bench| bench.sticky_cookie()),
    ];
    for (id, rule) in rules {
        let begun = Instant::now();
        let outcome = rule(&bench)?;
        let Outcome { counts, expected, off_max, mut wrong } = outcome;
        let off = counts.iter().zip(&expected).map(|(one, other)| one.abs_diff(*other)).max();
        let off = off.unwrap_or_default();
        if off > off_max {
            wrong.push(format!("{counts:?} of {expected:?}: {off} off, of {off_max} at most"));
        }
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!("{id}: {counts:?} of {expected:?}, at most {off_max} off, in {seconds:.1} s");
        rows.push(Row::single(
            format!("balance_{id}"),
            off as f64,
            "requests off",
            wrong.is_empty(),
        ));
        problems.extend(wrong.into_iter().map(|what| format!("{id}: {what}")));
    }
    daemon.detach()?;
    Ok((Report::from_rows(rows), problems))
}

/// What each server got, what it should have got, and what is wrong beside.
struct Outcome {
    counts: Vec<u64>,
    expected: Vec<u64>,
    off_max: u64,
    wrong: Vec<String>,
}

struct Bench<'a> {
    world: &'a World,
    authority: &'a Authority,
    servers: &'a [Server],
}

impl Bench<'_> {
    /// Smooth weighted round robin is less than one request off in each thread.
    fn round_robin(&self) -> Result<Outcome> {
        self.ask(CLIENTS, REQUESTS, |_| ("/round_robin", String::new()), |_, _| {})?;
        Ok(self.outcome(shares(&[5, 3, 2]), THREADS))
    }

    fn round_robin_equal(&self) -> Result<Outcome> {
        self.ask(CLIENTS, REQUESTS, |_| ("/round_robin_equal", String::new()), |_, _| {})?;
        Ok(self.outcome(shares(&[1, 1, 1]), THREADS))
    }

    fn least_busy(&self) -> Result<Outcome> {
        self.ask(CLIENTS, REQUESTS, |_| ("/least_busy", String::new()), |_, _| {})?;
        let fair = REQUESTS / SERVERS as u64;
        Ok(self.outcome(shares(&[1, 1, 1]), fair * LEAST_BUSY_PERCENT / 100))
    }

    /// Each key is asked for twice: the shares are those of chance, the second time is exact.
    fn hash_header(&self) -> Result<Outcome> {
        let keys = REQUESTS / 2;
        let homes: Vec<Mutex<Option<usize>>> = (0..keys).map(|_| Mutex::default()).collect();
        let moved = Mutex::new(0_u64);
        let key = |number: u64| ("/hash_header", format!("X-Key: key {}\r\n", number % keys));
        self.ask(CLIENTS, REQUESTS, key, |number, place| {
            let Some(home) = homes.get((number % keys) as usize) else { return };
            let before = home.lock().unwrap_or_else(|error| error.into_inner()).replace(place);
            if before.is_some_and(|before| before != place) {
                *moved.lock().unwrap_or_else(|error| error.into_inner()) += 1;
            }
        })?;
        let share = 1.0 / 4.0_f64;
        // Each key counts twice.
        let sigma = 2.0 * (keys as f64 * 2.0 * share * (1.0 - 2.0 * share)).sqrt();
        let mut outcome = self.outcome(shares(&[1, 1, 2]), (SIGMAS * sigma) as u64);
        let moved = moved.into_inner().unwrap_or_else(|error| error.into_inner());
        if moved > 0 {
            outcome.wrong.push(format!("{moved} of {keys} keys went to another server"));
        }
        Ok(outcome)
    }

    /// One address has one home.
    fn hash_address(&self) -> Result<Outcome> {
        self.ask(CLIENTS, REQUESTS, |_| ("/hash_address", String::new()), |_, _| {})?;
        let mut outcome = self.outcome(Vec::new(), 0);
        let home = outcome.counts.iter().max().copied().unwrap_or_default();
        outcome.expected =
            outcome.counts.iter().map(|count| if *count == home { REQUESTS } else { 0 }).collect();
        Ok(outcome)
    }

    /// As many clients as quotas have room: one fills the first alone, four fill two, six fill three.
    fn quota(&self) -> Result<Outcome> {
        // What other rules made busy is no matter of this one.
        for server in self.servers {
            server.busiest();
        }
        let mut outcome = Outcome {
            counts: vec![0; SERVERS],
            expected: Vec::new(),
            off_max: 0,
            wrong: Vec::new(),
        };
        for (clients, requests, used) in [
            (1, REQUESTS / 5, 1),
            (2 * QUOTA, REQUESTS * 2 / 5, 2),
            (3 * QUOTA, REQUESTS * 2 / 5, 3),
        ] {
            self.ask(clients, requests, |_| ("/quota", String::new()), |_, _| {})?;
            let busiest: Vec<u64> = self.servers.iter().map(Server::busiest).collect();
            let counts = self.take();
            let expected = |place| if place < used { QUOTA.min(clients) } else { 0 };
            let expected: Vec<u64> = (0..SERVERS).map(expected).collect();
            if busiest != expected {
                outcome.wrong.push(format!(
                    "{clients} clients: {busiest:?} at once at a server, expected {expected:?}; {counts:?}"
                ));
            }
            for (sum, count) in outcome.counts.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        // What four and six clients divide among themselves is theirs; that nothing is over is exact.
        outcome.expected = outcome.counts.clone();
        Ok(outcome)
    }

    /// A cookie's client is led back each time; who is new is dealt.
    fn sticky_cookie(&self) -> Result<Outcome> {
        let lost = Mutex::new(0_u64);
        let sessions = REQUESTS / PER_COOKIE / CLIENTS;
        self.threads(CLIENTS, |_| {
            for _ in 0..sessions {
                let mut client = self.client()?;
                let first = client.ask("/sticky_cookie", "")?;
                let cookie = first.cookie.ok_or_else(|| anyhow!("expected a cookie"))?;
                for _ in 1..PER_COOKIE {
                    let answer =
                        client.ask("/sticky_cookie", &format!("Cookie: a=b; {cookie}\r\n"))?;
                    if answer.server != first.server || answer.cookie.is_some() {
                        *lost.lock().unwrap_or_else(|error| error.into_inner()) += 1;
                    }
                }
            }
            Ok(())
        })?;
        // The first request of each client is dealt in turn, in each thread.
        let mut outcome = self.outcome(shares(&[1, 1, 1]), THREADS * PER_COOKIE);
        let lost = lost.into_inner().unwrap_or_else(|error| error.into_inner());
        if lost > 0 {
            outcome.wrong.push(format!("{lost} requests were not led back"));
        }
        Ok(outcome)
    }

    /// Sends so many requests from so many clients; `seen` is told each one's number and server.
    fn ask<'t>(
        &self,
        clients: u64,
        requests: u64,
        what: impl Fn(u64) -> (&'t str, String) + Sync,
        seen: impl Fn(u64, usize) + Sync,
    ) -> Result<()> {
        self.threads(clients, |first| {
            let mut client = self.client()?;
            for number in (first..requests).step_by(clients as usize) {
                let (path, headers) = what(number);
                seen(number, client.ask(path, &headers)?.server);
            }
            Ok(())
        })
    }

    fn threads(&self, count: u64, work: impl Fn(u64) -> Result<()> + Sync) -> Result<()> {
        let work = &work;
        thread::scope(|scope| {
            let threads: Vec<_> =
                (0..count).map(|number| scope.spawn(move || work(number))).collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a client panicked"))?)
        })
    }

    fn client(&self) -> Result<Client> {
        let namespace = &self.world.host(CLIENT.name).namespace;
        Client::connect(namespace, GATEWAY, NAME, &self.authority.certificate)
    }

    /// What each server got since this was last asked.
    fn take(&self) -> Vec<u64> {
        self.servers.iter().map(Server::take).collect()
    }

    fn outcome(&self, expected: Vec<u64>, off_max: u64) -> Outcome {
        let counts = self.take();
        let sum: u64 = counts.iter().sum();
        let mut wrong = Vec::new();
        if sum != REQUESTS {
            wrong.push(format!("{sum} requests arrived of {REQUESTS}"));
        }
        Outcome { counts, expected, off_max, wrong }
    }
}

fn shares(weights: &[u64]) -> Vec<u64> {
    let sum: u64 = weights.iter().sum();
    weights.iter().map(|weight| (REQUESTS * weight + sum / 2) / sum).collect()
}

fn address(place: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 8_600 + place as u16))
}

/// An upstream and a route for each rule, all to the same servers.
fn config(
    world: &World,
    certificate: &impl std::fmt::Display,
    key: &impl std::fmt::Display,
) -> String {
    let mut upstreams = String::new();
    let mut routes = String::new();
    for (name, lines, of_server) in [
        ("round_robin", "", ["weight: 5", "weight: 3", "weight: 2"]),
        ("round_robin_equal", "", ["weight: 1"; 3]),
        ("least_busy", "balance: least_busy", ["weight: 1"; 3]),
        (
            "hash_header",
            "balance: hash, hash: {on: header, name: X-Key}",
            ["weight: 1", "weight: 1", "weight: 2"],
        ),
        ("hash_address", "balance: hash, hash: {on: address}", ["weight: 1"; 3]),
        ("quota", "balance: quota", ["quota: 2"; 3]),
        ("sticky_cookie", "sticky_cookie: {name: lb}", ["weight: 1"; 3]),
    ] {
        let backends: Vec<String> = of_server
            .iter()
            .enumerate()
            .map(|(place, own)| format!("{{address: '{}', {own}}}", address(place)))
            .collect();
        let lines = if lines.is_empty() { String::new() } else { format!(", {lines}") };
        upstreams +=
            &format!("    - {{name: {name}, backends: [{}]{lines}}}\n", backends.join(", "));
        routes += &format!("    - {{name: {name}, path: /{name}, upstream: {name}}}\n");
    }
    format!(
        "interfaces:\n  - name: {SERVER_INTERFACE}\npacket:\n  pin_path: {}\n\
         gateway:\n  listen: ['0.0.0.0:443']\n  certificate: {certificate}\n  private_key: {key}\n  \
         user: nobody\n  threads: {THREADS}\n  access_log: {{format: 'off'}}\n  \
         upstreams:\n{upstreams}  routes:\n{routes}{}",
        world.pin_path().display(),
        seawall::places(world),
    )
}
