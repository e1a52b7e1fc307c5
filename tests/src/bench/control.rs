//! `cargo xtask bench control`: what a change takes from the start of the command to its end, with the real
//! daemon in a namespace, and whether the next packet meets it.

use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use ipnetwork::IpNetwork;

use crate::{
    bench::{
        lists, measure,
        report::{Report, Row},
    },
    seawall::{self, Seawall},
    wait,
    world::{HostPlan, SERVER_INTERFACE, SERVER_IPV4, World},
};

/// Prefixes of the deny list.
const PREFIXES: usize = 1_000_000;
const TURNS: usize = 11;
const DENY_ADD_MS_MAX: f64 = 300.0;
/// A file that changed within the last two seconds may change once more unseen, and is read again.
const SETTLE: Duration = Duration::from_secs(4);

const CLIENT: HostPlan =
    HostPlan { name: "client", ipv4: Ipv4Addr::new(198, 51, 100, 7), ipv6: &[] };

/// Measures.
pub fn run() -> Result<(Report, Vec<String>)> {
    let world = World::build(&[CLIENT])?;
    let mut list = String::new();
    let client = IpNetwork::from(std::net::IpAddr::V4(CLIENT.ipv4));
    let drawn = lists::random_v4(PREFIXES + 1);
    let others = drawn.iter().filter(|network| !network.contains(client.ip()));
    for network in others.take(PREFIXES) {
        writeln!(list, "{network}")?;
    }
    fs::write(world.folder().join("million.txt"), list)?;
    thread::sleep(SETTLE);
    let config = format!(
        "interfaces:\n  - name: {SERVER_INTERFACE}\npacket:\n  pin_path: {}\n  deny: {{ files: [million.txt] }}\n{}",
        world.pin_path().display(),
        seawall::places(&world)
    );
    let daemon = Seawall::start(&world, &config)?;
    let bench = Bench { world: &world, daemon: &daemon };
    let mut problems = Vec::new();
    let address = CLIENT.ipv4.to_string();
    let mut of = |verb: &[&str], end: &[&str], reason| -> Result<f64> {
        let mut took = Vec::new();
        for turn in 1..=TURNS {
            took.push(bench.run(&[verb, &[&address]].concat())?.as_secs_f64() * 1e3);
            if !bench.drops(reason)? {
                problems.push(format!("{}: the packet after turn {turn} passed", verb.join(" ")));
            }
            bench.run(&[end, &[&address]].concat())?;
            if bench.drops(reason)? {
                problems
                    .push(format!("{}: the packet after turn {turn} did not pass", end.join(" ")));
            }
        }
        eprintln!("{}: {took:.1?} ms", verb.join(" "));
        Ok(measure::median(took))
    };
    let deny = of(&["deny", "add"], &["deny", "remove"], "deny")?;
    let ban = of(&["ban"], &["unban"], "ban")?;
    if deny > DENY_ADD_MS_MAX {
        problems.push(format!("deny add took {deny:.0} ms, of {DENY_ADD_MS_MAX:.0} at most"));
    }
    daemon.detach()?;
    let row = |id, value| Row::single(id, value, "ms", problems.is_empty());
    Ok((Report::from_rows(vec![row("deny_add_1m_ms", deny), row("ban_ms", ban)]), problems))
}

struct Bench<'a> {
    world: &'a World,
    daemon: &'a Seawall,
}

impl Bench<'_> {
    /// Runs a verb, and says how long it took from its start to its end.
    fn run(&self, words: &[&str]) -> Result<Duration> {
        let socket = seawall::socket(self.world.folder());
        let socket = ["--socket", socket.to_str().context("a path that is no text")?];
        let arguments = [words, &socket].concat();
        let start = Instant::now();
        let output = seawall::run(self.world, &arguments)?;
        let took = start.elapsed();
        let side = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "seawall {}: {side}", words.join(" "));
        Ok(took)
    }

    /// Whether a datagram of the client's is dropped for a reason.
    fn drops(&self, reason: &str) -> Result<bool> {
        let count = |labels: &[(&str, &str)]| -> Result<u64> {
            Ok(self.daemon.metrics(self.world)?.sum("seawall_packets_total", labels))
        };
        let dropped = [("verdict", "drop"), ("reason", reason), ("protocol", "udp")];
        let (udp, before) = (count(&[("protocol", "udp")])?, count(&dropped)?);
        self.world.host(CLIENT.name).namespace.run(|| -> std::io::Result<usize> {
            let target = SocketAddr::new(SERVER_IPV4.into(), 9_999);
            UdpSocket::bind("0.0.0.0:0")?.send_to(b"seawall", target)
        })??;
        wait::until("datagram", || {
            count(&[("protocol", "udp")]).is_ok_and(|now| now > udp).then_some(())
        })?;
        Ok(count(&dropped)? > before)
    }
}
