//! The daemon dies, stops, is upgraded and reloads under traffic: the filter goes on. Every packet is judged,
//! no ban and no entry of a list is lost, no counter goes backwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use aya::programs::ProgramInfo;
use nix::{sys::signal::Signal, unistd::gettid};

use crate::{
    bench::link::{self, Link, RECEIVER},
    engine,
    frame::{TCP, UDP, ethernet, ipv4, tcp, udp},
    metrics::{self, Metrics},
    namespace,
    process::{self, Process},
    seawall::METRICS,
    switching::Traffic,
    wait,
};

/// Bytes of each frame.
pub const FRAME_BYTES: usize = 96;
/// Bans, and entries of the deny list that the command added.
pub const ENTRIES: u32 = 1_000;
/// In the order in which they take turns.
const BANNED: u32 = 0x0a01_0000;
const DENIED: u32 = 0x0a02_0000;
const LISTED: u32 = 0x0a03_0000;
const PASSED: u32 = 0x0a04_0000;
/// How those that are let in end: by a rule.
const PASS: &str = "pass rule tcp";
const RULE: &str = "web";
/// What is compared before and after a daemon.
const COUNTERS: [&str; 2] = ["seawall_packets_total", "seawall_rule_packets_total"];
/// A command may name so many addresses.
const BATCH: usize = 250;
const EXIT: Duration = Duration::from_secs(15);
const START: Duration = Duration::from_secs(30);
/// Between two looks at the counters.
const LOOK: Duration = Duration::from_millis(5);

/// How often what happens.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Reloads.
    pub reloads: u32,
    /// Each so many reloads the daemon dies or stops, in turn, and the next one takes over.
    pub reloads_a_life: u32,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Reloads that succeeded.
    pub reloads: u32,
    /// Daemons that were killed.
    pub kills: u32,
    /// Daemons that were stopped, and another file took over.
    pub upgrades: u32,
    /// Packets that came out of the interface's queue, by its own count.
    pub arrived: u64,
    /// Packets a second of these.
    pub arrived_pps: f64,
    /// Packets that it saw an XDP program drop.
    pub dropped: u64,
    /// What Seawall counted.
    pub counts: engine::Counts,
    /// What it counted for the rule that lets packets in.
    pub rule_packets: u64,
    /// XDP programs that were in force and differ in their instructions: the kernel's hashes of these.
    pub programs: BTreeSet<u64>,
    /// Bans and entries that the command showed no more, over all looks.
    pub lost_entries: u64,
    /// Counters that were seen to go backwards: in the kernel and in `/metrics`.
    pub backwards: Vec<String>,
    /// Looks at the kernel's counters.
    pub looks: u64,
}

impl Outcome {
    /// Packets that nobody judged, or that were counted twice.
    #[must_use]
    pub fn unjudged(&self) -> u64 {
        let drops = self.counts.iter().filter(|(label, _)| label.starts_with("drop "));
        self.arrived.abs_diff(self.counts.values().sum())
            + self.dropped.abs_diff(drops.map(|(_, packets)| packets).sum())
    }

    /// What is to be dropped is UDP, and what is to pass is TCP: packets of which that is not true.
    #[must_use]
    pub fn misjudged(&self) -> u64 {
        let wrong = |label: &str| label.starts_with("pass ") != label.ends_with(" tcp");
        self.counts.iter().filter(|(label, _)| wrong(label)).map(|(_, packets)| packets).sum()
    }

    /// What does not hold.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.backwards.clone();
        let Self { arrived, dropped, counts, .. } = self;
        if self.unjudged() != 0 || self.misjudged() != 0 {
            problems
                .push(format!("{arrived} arrived, {dropped} were dropped; counted: {counts:?}"));
        }
        if self.lost_entries != 0 {
            problems.push(format!("{} bans or entries were lost", self.lost_entries));
        }
        for label in ["drop ban udp", "drop deny udp", PASS] {
            if !counts.contains_key(label) {
                problems.push(format!("no packet ended as {label}"));
            }
        }
        if counts.get(PASS) != Some(&self.rule_packets) {
            problems.push(format!("the rule counted {}; counted: {counts:?}", self.rule_packets));
        }
        if self.kills == 0 || self.upgrades == 0 || self.looks == 0 {
            problems.push(format!(
                "{} kills, {} upgrades, {} looks at the counters",
                self.kills, self.upgrades, self.looks
            ));
        }
        problems
    }
}

/// The frames of the mix: banned, denied by the command, denied by a file, and let in.
#[must_use]
pub fn frames(count: usize) -> Vec<Vec<u8>> {
    let frame = |number: usize| {
        let (group, member) = (number % 4, number as u32 / 4 % ENTRIES);
        let source = |base: u32| Ipv4Addr::from_bits(base + member);
        let packet = match group {
            0 => ipv4(source(BANNED), UDP, &udp(40_000, 443, 54)),
            1 => ipv4(source(DENIED), UDP, &udp(40_000, 443, 54)),
            2 => ipv4(source(LISTED), UDP, &udp(40_000, 443, 54)),
            _ => ipv4(source(PASSED), TCP, &tcp(40_000, 443)),
        };
        let mut frame = ethernet(0x0800, &packet);
        frame.resize(FRAME_BYTES, 0);
        frame
    };
    (0..count).map(frame).collect()
}

/// The daemon that is to be replaced, and where everything of it is.
struct Life<'a> {
    link: &'a Link,
    folder: PathBuf,
    config: PathBuf,
    pins: PathBuf,
    programs: [PathBuf; 2],
    /// Of `programs`.
    current: usize,
    process: Process,
}

/// Does all of it; inside the link's namespace. `other` is another build of the daemon.
pub fn measure(link: &Link, traffic: &dyn Traffic, other: &Path, plan: Plan) -> Result<Outcome> {
    namespace::ip(&["link", "set", RECEIVER, "address", "02:00:00:00:00:01"])?;
    namespace::ip(&["link", "set", "lo", "up"])?;
    link::leave_sending_cpu()?;
    let mut life = Life::begin(link, other)?;
    let entries =
        |base: u32| (0..ENTRIES).map(move |one| Ipv4Addr::from_bits(base + one).to_string());
    life.command_in_batches(&["ban", "--for", "1d"], entries(BANNED))?;
    life.command_in_batches(&["deny", "add"], entries(DENIED))?;
    let mut outcome = Outcome::default();
    let before = link::arrivals()?;
    let ended = AtomicBool::new(false);
    let pins = life.pins.clone();
    let arrived_pps = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            link::own(gettid(), link::SENDING_CPU)?;
            traffic.send()
        });
        let watcher = scope.spawn(|| watch(&pins, &ended));
        let done = life.go_through(plan, &mut outcome);
        ended.store(true, Ordering::Relaxed);
        let stopped = traffic.stop();
        let sent = sender.join().map_err(|_| anyhow!("the sender panicked"))?;
        let watched = watcher.join().map_err(|_| anyhow!("who watches the counters panicked"))?;
        let pps = sent.and(stopped).and(done)?;
        let (looks, backwards) = watched?;
        outcome.looks = looks;
        outcome.backwards.extend(backwards);
        anyhow::Ok(pps)
    })?;
    let after = link::arrivals()?;
    outcome.arrived_pps = arrived_pps;
    (outcome.arrived, outcome.dropped) =
        (after.packets - before.packets, after.drops - before.drops);
    outcome.counts = engine::pinned_counts(&life.pins)?;
    let metrics = Metrics::scrape(link.namespace(), METRICS)?;
    outcome.rule_packets = metrics.sum("seawall_rule_packets_total", &[("rule", RULE)]);
    life.end()?;
    ensure!(outcome.arrived != 0, "nothing arrived");
    Ok(outcome)
}

impl<'a> Life<'a> {
    fn begin(link: &'a Link, other: &Path) -> Result<Self> {
        let pins = link.pins().join("takeover");
        let folder = link.pins().parent().context("the pins are in a folder")?.join("takeover");
        fs::create_dir_all(&folder)?;
        let listed: String =
            (0..ENTRIES).map(|one| format!("{}\n", Ipv4Addr::from_bits(LISTED + one))).collect();
        fs::write(folder.join("listed.txt"), listed)?;
        let config = folder.join("seawall.yaml");
        let text = format!(
            "interfaces: [{{ name: {RECEIVER} }}]\n\
             packet:\n  pin_path: {}\n  deny: {{ files: [listed.txt] }}\n  events: {{ events_per_s_max: 0 }}\n  \
             rules: [{{ name: {RULE}, protocol: tcp, ports: [443], verdict: pass }}]\n\
             control: {{ socket: {} }}\nstate: {{ path: {} }}\nmetrics: {{ listen: {METRICS} }}\n",
            pins.display(),
            folder.join("control.sock").display(),
            folder.join("state").display(),
        );
        fs::write(&config, text)?;
        let programs = [process::program("seawall")?, other.to_path_buf()];
        let process = started(link, &programs[0], &config, &folder)?;
        let mut life = Self { link, folder, config, pins, programs, current: 0, process };
        life.wait_until_it_serves()?;
        Ok(life)
    }

    /// Reloads, kills and upgrades as the plan says; answers the packets that arrived each second.
    fn go_through(&mut self, plan: Plan, outcome: &mut Outcome) -> Result<f64> {
        let first = link::statistics()?.packets;
        wait::until("packet", || link::statistics().ok().filter(|now| now.packets > first))?;
        let (start, first) = (Instant::now(), link::statistics()?.packets);
        let mut last = Metrics::scrape(self.link.namespace(), METRICS)?;
        for reload in 1..=plan.reloads {
            let reloaded = last.sum("seawall_reloads_total", &[("result", "ok")]);
            self.process.signal(Signal::SIGHUP)?;
            let namespace = self.link.namespace();
            last = wait::until("reload", || {
                let now = Metrics::scrape(namespace, METRICS).ok()?;
                (now.sum("seawall_reloads_total", &[("result", "ok")]) > reloaded).then_some(now)
            })?;
            outcome.reloads += 1;
            if !reload.is_multiple_of(plan.reloads_a_life) {
                continue;
            }
            let judged = COUNTERS.map(|counter| last.sum(counter, &[]));
            if (reload / plan.reloads_a_life).is_multiple_of(2) {
                self.process.signal(Signal::SIGKILL)?;
                outcome.kills += 1;
            } else {
                self.process.signal(Signal::SIGTERM)?;
                self.current = 1 - self.current;
                outcome.upgrades += 1;
            }
            self.process.wait_for_exit(EXIT)?;
            let program = &self.programs[self.current];
            self.process = started(self.link, program, &self.config, &self.folder)?;
            self.wait_until_it_serves()?;
            last = Metrics::scrape(self.link.namespace(), METRICS)?;
            for (counter, judged) in COUNTERS.into_iter().zip(judged) {
                let since = last.sum(counter, &[]);
                if since < judged {
                    outcome.backwards.push(format!("{counter}: {judged}, then {since}"));
                }
            }
            outcome.programs.insert(ProgramInfo::from_pin(self.pins.join("program"))?.tag());
            outcome.lost_entries += self.missing()?;
        }
        let arrived = link::statistics()?.packets - first;
        Ok(arrived as f64 / start.elapsed().as_secs_f64())
    }

    fn wait_until_it_serves(&mut self) -> Result<()> {
        let namespace = self.link.namespace();
        self.process.wait_until("/healthz", START, || {
            let (status, _) = metrics::get(namespace, METRICS, "/healthz").ok()?;
            (status == 200).then_some(())
        })
    }

    /// Bans and entries that are not shown.
    fn missing(&self) -> Result<u64> {
        let bans = self.shown(&["bans"], "/bans", "source", BANNED)?;
        let entries = self.shown(&["deny", "list"], "/entries", "prefix", DENIED)?;
        Ok(2 * u64::from(ENTRIES) - bans - entries)
    }

    /// How many of the addresses from `base` on a verb shows.
    fn shown(&self, verb: &[&str], array: &str, field: &str, base: u32) -> Result<u64> {
        let output = self.command(&[verb, &["--json"]].concat())?;
        let shown: serde_json::Value = serde_json::from_str(&output)?;
        let rows = shown.pointer(array).and_then(|rows| rows.as_array());
        let rows = rows.with_context(|| format!("{verb:?} shows no {array}: {output:.200}"))?;
        let address = |row: &serde_json::Value| -> Option<IpAddr> {
            row[field].as_str()?.split('/').next()?.parse().ok()
        };
        let expected = |address: &IpAddr| match address {
            IpAddr::V4(address) => (base..base + ENTRIES).contains(&address.to_bits()),
            IpAddr::V6(_) => false,
        };
        Ok(rows.iter().filter_map(address).filter(expected).count() as u64)
    }

    fn command_in_batches(&self, verb: &[&str], all: impl Iterator<Item = String>) -> Result<()> {
        let all: Vec<String> = all.collect();
        for batch in all.chunks(BATCH) {
            let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
            self.command(&[verb, &batch].concat())?;
        }
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.programs[self.current]);
        command.args(arguments).arg("--socket").arg(self.folder.join("control.sock"));
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:.3?} ended with {}: {said}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    }

    fn end(mut self) -> Result<()> {
        self.command(&["detach"])?;
        self.process.wait_for_exit(EXIT)?;
        ensure!(!self.pins.exists(), "{} is left", self.pins.display());
        Ok(())
    }
}

fn started(link: &Link, program: &Path, config: &Path, folder: &Path) -> Result<Process> {
    let mut command = Command::new(program);
    command.args(["run", "--config"]).arg(config);
    Process::start(link.namespace(), &mut command, "seawall", folder)
}

/// Looks at the pinned counters until it ended, opening them anew each time, as whoever comes next does;
/// answers how often, and which went backwards.
fn watch(pins: &Path, ended: &AtomicBool) -> Result<(u64, Vec<String>)> {
    let (mut looks, mut backwards) = (0, Vec::new());
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    while !ended.load(Ordering::Relaxed) {
        let now = engine::pinned_counts(pins)?;
        for (label, before) in &last {
            let since = now.get(label).copied().unwrap_or(0);
            if since < *before {
                backwards.push(format!("{label}: {before}, then {since}"));
            }
        }
        last = now;
        looks += 1;
        thread::sleep(LOOK);
    }
    Ok((looks, backwards))
}
