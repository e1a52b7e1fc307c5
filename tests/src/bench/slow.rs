//! `cargo xtask bench slow`: what a thousand slow clients at once, and floods of HTTP/2 frames, leave to
//! another client, and what they make the worker hold.

mod client;

mod drip;

mod floods;

use std::{
    net::{Ipv4Addr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{
    bench::{
        measure,
        report::{Report, Row},
    },
    echo::Echo,
    pki::Authority,
    seawall::{self, Seawall},
    upstream, wait,
    world::{HostPlan, SERVER_INTERFACE, SERVER_IPV4, World},
};

use client::{Client, Tls};
use drip::Drips;

/// Slow clients: a third each sends its head, sends its body, and reads its answer, a byte a second.
const SLOW_CLIENTS: usize = 1_000;
const TURNS: usize = 5;
const LENGTH: Duration = Duration::from_secs(4);
/// What another client's 99th percentile may rise by.
const RISE_MAX: f64 = 1.2;
/// What a flood may make the worker hold beyond what it held.
const FLOOD_GROWTH_MB_MAX: f64 = 32.0;
const GATEWAY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(SERVER_IPV4), 443);
const API: &str = "api.example";
const CLIENT: HostPlan =
    HostPlan { name: "client", ipv4: Ipv4Addr::new(198, 51, 100, 7), ipv6: &[] };
const SLOW: HostPlan = HostPlan { name: "slow", ipv4: Ipv4Addr::new(203, 0, 113, 7), ipv6: &[] };

/// Measures.
pub fn run() -> Result<(Report, Vec<String>)> {
    let world = World::build(&[CLIENT, SLOW])?;
    let authority = Authority::create(world.folder(), "authority")?;
    let gateway = authority.issue(API)?;
    let inside = authority.issue(upstream::NAME)?;
    let _echo = Echo::start(&world.server, upstream::ADDRESS, &inside)?;
    let config = |clients: &str| {
        format!(
            "interfaces:\n  - name: {SERVER_INTERFACE}\npacket:\n  pin_path: {}\ngateway:\n  \
             listen: [\"0.0.0.0:443\"]\n  certificate: {}\n  private_key: {}\n  user: nobody\n  \
             threads: 2\n  upstream:\n    address: {}\n    server_name: {}\n    ca: authority.pem\n\
             {clients}log: {{ level: warn }}\n{}",
            world.pin_path().display(),
            gateway.certificate.display(),
            gateway.key.display(),
            upstream::ADDRESS,
            upstream::NAME,
            seawall::places(&world),
        )
    };
    let tls = Tls::trusting(&authority.certificate)?;
    let mut problems = Vec::new();
    // All slow clients come from one address, which is to have them all and to be served.
    let many = "  clients: { connections_max: 4000, requests_active_max: 4000 }\n";
    let daemon = Seawall::start(&world, &config(many))?;
    let mut rows =
        Bench { world: &world, daemon: &daemon, tls: &tls }.slow_clients(&mut problems)?;
    daemon.detach()?;
    let daemon = Seawall::start(&world, &config(""))?;
    rows.extend(Bench { world: &world, daemon: &daemon, tls: &tls }.floods(&mut problems)?);
    daemon.detach()?;
    Ok((Report::from_rows(rows), problems))
}

struct Bench<'a> {
    world: &'a World,
    daemon: &'a Seawall,
    tls: &'a Tls,
}

impl Bench<'_> {
    fn slow_clients(&self, problems: &mut Vec<String>) -> Result<Vec<Row>> {
        let (mut quiet, mut slow, mut rss_mb) = (Vec::new(), Vec::new(), Vec::new());
        for turn in 1..=TURNS {
            quiet.push(self.p99_us(LENGTH)?);
            let drips =
                Drips::start(&self.world.host(SLOW.name).namespace, self.tls, SLOW_CLIENTS)?;
            let (open, p99) =
                (self.metric("seawall_gateway_connections_active", &[])?, self.p99_us(LENGTH)?);
            slow.push(p99);
            rss_mb.push(self.worker_mb()?);
            let came = drips.stop();
            if (open as usize) < SLOW_CLIENTS * 9 / 10 {
                problems
                    .push(format!("turn {turn}: {open} connections were open, of {SLOW_CLIENTS}"));
            }
            eprintln!(
                "turn {turn}: p99 {:.0} us without and {p99:.0} us with {open} connections, {came} came in all",
                quiet.last().copied().unwrap_or_default()
            );
            self.wait_until_quiet()?;
        }
        let (quiet, slow) = (measure::median(quiet), measure::median(slow));
        if slow > quiet * RISE_MAX {
            problems
                .push(format!("p99 rose from {quiet:.0} to {slow:.0} us, by more than a fifth"));
        }
        let held = slow <= quiet * RISE_MAX;
        for reason in ["header_timeout", "slow_body", "slow_read"] {
            let cut = self.metric("seawall_gateway_rejections_total", &[("reason", reason)])?;
            eprintln!("{reason}: {cut} so far");
        }
        Ok(vec![
            Row::single("quiet_p99_us", quiet, "us", held),
            Row::beside("slow_1000_p99_us", slow, "us", quiet, held),
            Row::single("slow_1000_rss_mb", measure::median(rss_mb), "MB", held),
        ])
    }

    fn floods(&self, problems: &mut Vec<String>) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for flood in floods::ALL {
            let before = self.worker_mb()?;
            let quiet = self.p99_us(LENGTH / 2)?;
            let attack = flood.start(&self.world.host(SLOW.name).namespace, self.tls)?;
            let mut most = before;
            let outcome = thread::scope(|scope| {
                let measured = scope.spawn(|| self.p99_us(LENGTH));
                while !measured.is_finished() {
                    most = most.max(self.worker_mb().unwrap_or_default());
                    thread::sleep(Duration::from_millis(20));
                }
                measured.join()
            });
            let ended = attack.stop();
            let p99 = outcome.map_err(|_| anyhow::anyhow!("the client panicked"))?;
            let mut wrong = Vec::new();
            if let Err(error) = &p99 {
                wrong.push(format!("another client was not served: {error:#}"));
            }
            if most - before > FLOOD_GROWTH_MB_MAX {
                wrong.push(format!("the worker grew from {before:.1} to {most:.1} MB"));
            }
            let p99 = p99.unwrap_or_default();
            eprintln!(
                "{}: {ended} connections ended, p99 {quiet:.0} us before and {p99:.0} us during",
                flood.name
            );
            rows.push(Row::beside(
                format!("{}_rss_mb", flood.name),
                most,
                "MB",
                before,
                wrong.is_empty(),
            ));
            problems.extend(wrong.iter().map(|what| format!("{}: {what}", flood.name)));
            self.wait_until_quiet()?;
        }
        Ok(rows)
    }

    /// The 99th percentile of another client's requests, one after the other at an even pace.
    fn p99_us(&self, length: Duration) -> Result<f64> {
        self.world.host(CLIENT.name).namespace.run(|| {
            let mut client = Client::connect(self.tls)?;
            let mut took = client.paced(Instant::now() + length)?;
            took.sort_unstable();
            let at = took.len().saturating_mul(99) / 100;
            took.get(at).map(|took| took.as_secs_f64() * 1e6).context("no request was made")
        })?
    }

    fn worker_mb(&self) -> Result<f64> {
        let socket = seawall::socket(self.world.folder());
        let socket = socket.to_str().context("a path that is no text")?;
        let output = seawall::run(self.world, &["status", "--json", "--socket", socket])?;
        let status: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let pid = status["gateway"]["worker_pid"].as_u64().context("there is no worker")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kb = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
        Ok(kb.parse::<f64>()? / 1024.0)
    }

    fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Result<u64> {
        // Figures are up to a second old.
        thread::sleep(Duration::from_millis(1_100));
        Ok(self.daemon.metrics(self.world)?.sum(name, labels))
    }

    fn wait_until_quiet(&self) -> Result<()> {
        wait::until("end of the connections", || {
            let open = self.daemon.metrics(self.world).ok()?;
            (open.sum("seawall_gateway_connections_active", &[]) == 0).then_some(())
        })
    }
}
