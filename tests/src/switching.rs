//! Changes of policy under traffic: every packet is judged, and by one whole policy.

pub mod sides;

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use firewall_common::{Verdict, event::Event};
use firewall_daemon::{
    config::{AttachPolicy, InterfaceConfig},
    datapath::{Datapath, DatapathOptions, EventSource, generation::Generation},
    policy::compile,
};

use crate::{
    bench::link::{self, Link, RECEIVER},
    engine::{Counts, labelled},
    namespace, snmp, wait,
};

use sides::{Group, Networks, Side, options};

/// All switches together take less.
const LONGEST: Duration = Duration::from_secs(900);

/// Who sends the frames.
pub trait Traffic: Sync {
    /// Sends until it is told to stop.
    fn send(&self) -> Result<()>;
    /// Ends [`Self::send`].
    fn stop(&self) -> Result<()>;
}

/// What was seen.
pub struct Outcome {
    /// How long each switch took: compiling, loading, and the change itself.
    pub switches: Vec<Duration>,
    /// Packets that arrived each second, from before the first switch until after the last.
    pub arrived_pps: f64,
    /// Packets that came out of the interface's queue, by its own count.
    pub arrived: u64,
    /// Packets that it saw an XDP program drop.
    pub dropped: u64,
    /// Packets that came to the network stack, by its own count.
    pub in_stack: u64,
    /// What Seawall counted.
    pub counts: Counts,
    /// Events of generations that took turns, and those of them that say what their policy does not.
    pub events: Events,
    /// The number of the generation in force at the end.
    pub generation: u32,
}

/// What the events of sampled packets say.
#[derive(Debug, Default)]
pub struct Events {
    /// How many there were.
    pub seen: u64,
    /// The generations that judged.
    pub generations: BTreeSet<u32>,
    /// What is wrong with some.
    pub wrong: Vec<String>,
}

impl Outcome {
    /// Packets that nobody judged, or that were counted twice.
    #[must_use]
    pub fn unjudged(&self) -> u64 {
        let judged: u64 = self.counts.values().sum();
        self.arrived.abs_diff(judged)
            + self.dropped.abs_diff(self.with(Verdict::Drop))
            + self.in_stack.abs_diff(self.with(Verdict::Pass))
    }

    /// Packets whose verdict or reason neither policy gives.
    #[must_use]
    pub fn mixed(&self) -> u64 {
        let whole = Group::labels();
        let mixed = self.counts.iter().filter(|(label, _)| !whole.contains(label));
        mixed.map(|(_, packets)| packets).sum::<u64>() + self.events.wrong.len() as u64
    }

    /// What does not hold.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.events.wrong.clone();
        let Self { arrived, dropped, in_stack, counts, .. } = self;
        if self.unjudged() != 0 {
            problems.push(format!(
                "{arrived} arrived, {dropped} were dropped, {in_stack} came to the network stack; counted: {counts:?}"
            ));
        }
        let whole = Group::labels();
        for (label, packets) in counts.iter().filter(|(label, _)| !whole.contains(label)) {
            problems.push(format!("{packets} that neither policy says: {label}"));
        }
        problems.extend(
            whole.iter().filter(|label| !counts.contains_key(*label)).map(|label| {
                format!("no packet ended as {label}: one of the policies was not met")
            }),
        );
        let expected = self.switches.len() as u32 + 1;
        if self.generation != expected {
            problems.push(format!("generation {}, expected {expected}", self.generation));
        }
        problems
    }

    fn with(&self, verdict: Verdict) -> u64 {
        let labelled = self
            .counts
            .iter()
            .filter(|(label, _)| label.split(' ').next() == Some(verdict.label()));
        labelled.map(|(_, packets)| packets).sum()
    }
}

/// Switches so many times from one policy to the other, under traffic; inside the link's namespace. Each
/// switch compiles and loads anew.
pub fn measure(
    link: &Link,
    networks: &Networks,
    traffic: &dyn Traffic,
    switches: u32,
    sample_one_in: u32,
) -> Result<Outcome> {
    // Frames for anyone else the network stack does not count.
    namespace::ip(&["link", "set", RECEIVER, "address", "02:00:00:00:00:01"])?;
    let policies = Side::BOTH.map(|side| networks.policy(side));
    let pins = link.pins().join("switching");
    let interface =
        InterfaceConfig { name: RECEIVER.to_owned(), mode: AttachPolicy::Native, replace: false };
    let datapath_options = DatapathOptions { interfaces: vec![interface], pin_path: pins.clone() };
    let first = compile::compile(&policies[Side::A as usize])?;
    let mut datapath =
        Datapath::start(&datapath_options, &options(Side::A, sample_one_in), &first)?;
    let mut events = datapath.event_source()?;
    let mut seen = Events::default();
    let (before, in_stack) = (link::arrivals()?, in_stack(link)?);
    let (took, arrived_pps) = thread::scope(|scope| {
        let sender = scope.spawn(|| traffic.send());
        let switched = link::leave_sending_cpu().and_then(|()| {
            wait::until("packet", || {
                link::statistics().ok().filter(|now| now.packets > before.packets)
            })?;
            let (start, first) = (Instant::now(), link::statistics()?);
            let mut took = Vec::new();
            for _ in 0..switches {
                let (done, elapsed) = (took.len(), start.elapsed());
                ensure!(elapsed < LONGEST, "{done} of {switches} switches within {elapsed:.0?}");
                let start = Instant::now();
                let number = datapath.generation() + 1;
                let side = Side::of(number);
                let policy = compile::compile(&policies[side as usize])?;
                let options = options(side, sample_one_in);
                datapath.switch(Generation::load(number, &options, &policy, &pins)?)?;
                took.push(start.elapsed());
                seen.read(&mut events, number);
            }
            let arrived = link::statistics()?.packets - first.packets;
            Ok((took, arrived as f64 / start.elapsed().as_secs_f64()))
        });
        let stopped = traffic.stop();
        let sent = sender.join().map_err(|_| anyhow!("the sender panicked"))?;
        sent.and(stopped).and(switched)
    })?;
    let after = link::arrivals()?;
    seen.read(&mut events, datapath.generation());
    let outcome = Outcome {
        switches: took,
        arrived_pps,
        arrived: after.packets - before.packets,
        dropped: after.drops - before.drops,
        in_stack: self::in_stack(link)? - in_stack,
        counts: labelled(&datapath.counters()?),
        events: seen,
        generation: datapath.generation(),
    };
    datapath.detach()?;
    ensure!(outcome.arrived != 0, "nothing arrived");
    Ok(outcome)
}

/// Packets that IPv4 or IPv6 was handed, right or wrong.
fn in_stack(link: &Link) -> Result<u64> {
    let counts = snmp::Counts::read(link.namespace()).context("no counts of the network stack")?;
    Ok(counts.get("Ip.InReceives") + counts.get("Ip6InReceives"))
}

impl Events {
    /// Reads what there is. Events are read after each switch, so they are of the generation in force or
    /// of the one before.
    fn read(&mut self, source: &mut EventSource, generation: u32) {
        const WRONG_MAX: usize = 10;
        while let Some(event) = source.next_event() {
            self.seen += 1;
            self.generations.insert(event.generation);
            if let Some(wrong) = wrong(&event, generation)
                && self.wrong.len() < WRONG_MAX
            {
                self.wrong.push(wrong);
            }
        }
    }
}

fn wrong(event: &Event, generation: u32) -> Option<String> {
    let says = (event.verdict, event.reason);
    let group = Group::of(&event.bytes);
    let expected = group.map(|group| group.under(Side::of(event.generation)));
    let is_late = !(generation.saturating_sub(1)..=generation).contains(&event.generation);
    (expected != Some(says) || is_late).then(|| {
        format!(
            "an event of generation {}, with {generation} in force, says {says:?} of {group:?}, expected {expected:?}",
            event.generation
        )
    })
}
