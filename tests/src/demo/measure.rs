//! Everything that is counted, by whom it is counted: the hosts' kernels, the links, and Seawall.

use std::{
    collections::BTreeMap,
    fs,
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::{cast, outcome::Figure, stage::Stage};
use crate::{metrics::Metrics, namespace::Namespace, snmp::Counts, world::Host};

/// Connections close after their last answer; this long at most is waited for the last packet.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);
const SETTLE_INTERVAL: Duration = Duration::from_millis(200);

/// All counts at one time, or between two.
#[derive(Clone, Debug)]
pub struct Measure {
    hosts: BTreeMap<&'static str, Counts>,
    server: Counts,
    /// Packets that the internet put on the server's uplink.
    uplink_packets: u64,
    /// Packets that a link lost, so that they were sent and never judged.
    lost: u64,
    verdicts: BTreeMap<(String, String), u64>,
}

impl Measure {
    /// Takes all of them now.
    pub fn take(stage: &Stage) -> Result<Self> {
        let world = &stage.world;
        let counts = |host: &Host| Ok((host.plan.name, Counts::read(&host.namespace)?));
        let mut lost = 0;
        for namespace in world.hosts.iter().map(|host| &host.namespace).chain([&world.internet]) {
            lost += links(namespace)?.values().map(|link| link.lost).sum::<u64>();
        }
        let uplink = links(&world.internet)?;
        let uplink = uplink.get("uplink").context("the internet has no uplink")?;
        Ok(Self {
            hosts: world.hosts.iter().map(counts).collect::<Result<_>>()?,
            server: Counts::read(&world.server)?,
            uplink_packets: uplink.sent,
            lost,
            verdicts: verdicts(&stage.seawall.metrics(world)?),
        })
    }

    /// Takes them once nothing moves any more.
    pub fn settled(stage: &Stage) -> Result<Self> {
        let deadline = Instant::now() + SETTLE_TIMEOUT;
        let mut last = Self::take(stage)?;
        loop {
            thread::sleep(SETTLE_INTERVAL);
            let now = Self::take(stage)?;
            if now.verdicts == last.verdicts && now.uplink_packets == last.uplink_packets {
                return Ok(now);
            }
            if Instant::now() > deadline {
                return Ok(now);
            }
            last = now;
        }
    }

    /// What was added since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let hosts = self.hosts.iter().map(|(name, now)| match before.hosts.get(name) {
            Some(then) => (*name, now.since(then)),
            None => (*name, now.clone()),
        });
        let verdicts = self.verdicts.iter().map(|(labels, now)| {
            (labels.clone(), now - before.verdicts.get(labels).copied().unwrap_or_default())
        });
        Self {
            hosts: hosts.collect(),
            server: self.server.since(&before.server),
            uplink_packets: self.uplink_packets - before.uplink_packets,
            lost: self.lost - before.lost,
            verdicts: verdicts.collect(),
        }
    }

    /// Datagrams of the floods that reached the server's own stack.
    pub fn arrived(&self, server: IpAddr) -> u64 {
        match server {
            IpAddr::V4(_) => self.server.udp_ipv4_unclaimed(),
            IpAddr::V6(_) => self.server.udp_ipv6_unclaimed(),
        }
    }

    /// What Seawall counted beside what was sent. Every one of them is exact.
    pub fn figures(&self) -> Vec<Figure> {
        let arrived = self.server.udp_ipv4_unclaimed() + self.server.udp_ipv6_unclaimed();
        let named = ["geo", "deny", "rate_source"];
        let other: u64 = self
            .verdicts
            .iter()
            .filter(|((verdict, reason), _)| verdict == "drop" && !named.contains(&reason.as_str()))
            .map(|(_, packets)| packets)
            .sum();
        vec![
            Figure::exact("lost by links on the way", 0, self.lost),
            Figure::exact(
                "all packets judged, of the uplink's",
                self.uplink_packets,
                self.verdicts.values().sum(),
            ),
            Figure::exact(
                "pass, allow: all that exempt sent",
                self.sent(cast::EXEMPT.name),
                self.packets("pass", "allow"),
            ),
            Figure::exact(
                "drop, deny: all that denied sent",
                self.sent(cast::DENIED.name),
                self.packets("drop", "deny"),
            ),
            Figure::exact(
                "drop, geo: all that blocked sent",
                self.sent(cast::BLOCKED.name),
                self.packets("drop", "geo"),
            ),
            Figure::exact(
                "drop, rate_source: flooder's that never arrived",
                self.sent(cast::FLOODER.name).saturating_sub(arrived),
                self.packets("drop", "rate_source"),
            ),
            Figure::exact("drop, any other reason", 0, other),
        ]
    }

    /// IP packets that a host's kernel sent towards the server.
    fn sent(&self, host: &str) -> u64 {
        self.hosts.get(host).map_or(0, |counts| counts.ipv4_sent() + counts.ipv6_sent())
    }

    fn packets(&self, verdict: &str, reason: &str) -> u64 {
        let labels = (verdict.to_owned(), reason.to_owned());
        self.verdicts.get(&labels).copied().unwrap_or_default()
    }
}

fn verdicts(metrics: &Metrics) -> BTreeMap<(String, String), u64> {
    let mut verdicts = BTreeMap::new();
    for sample in metrics.samples.iter().filter(|sample| sample.name == "seawall_packets_total") {
        let label = |name: &str| sample.labels.get(name).cloned().unwrap_or_default();
        *verdicts.entry((label("verdict"), label("reason"))).or_default() += sample.value as u64;
    }
    verdicts
}

struct Link {
    sent: u64,
    lost: u64,
}

/// `net/dev`: each link's packets out, and packets dropped in either direction.
fn links(namespace: &Namespace) -> Result<BTreeMap<String, Link>> {
    let text = namespace.run(|| fs::read_to_string("/proc/thread-self/net/dev"))?;
    let text = text.context("could not read net/dev")?;
    let mut links = BTreeMap::new();
    for line in text.lines().skip(2) {
        let Some((name, figures)) = line.split_once(':') else { continue };
        let figures: Vec<u64> =
            figures.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        if let [_, _, _, in_drop, _, _, _, _, _, sent, _, out_drop, ..] = figures[..] {
            links.insert(name.trim().to_owned(), Link { sent, lost: in_drop + out_drop });
        }
    }
    Ok(links)
}
