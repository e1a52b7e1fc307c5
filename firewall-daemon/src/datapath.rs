//! The handle on the kernel: a generation is a loaded program with its own tables, and a change of
//! policy is one link update an interface.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use firewall_common::maps;

use crate::{config::InterfaceConfig, policy::compile::CompiledPolicy};

pub mod error;
mod pins;
mod options;
mod rule_slots;
pub mod generation;
pub mod bans;
pub mod explain;
pub mod trial;
pub mod attached;
mod attach;
mod counters;
mod events;
mod kernel_log;

pub use attach::{AttachMode, AttachedInterface};
pub use counters::{CounterRow, Losses, RuleCount, counter_rows};
pub use error::DatapathError;
pub use events::EventSource;
pub use generation::PolicyNames;
pub use kernel_log::KernelLogSource;
pub use options::PacketOptions;

use attach::Attachments;
use bans::{Ban, Bans};
use generation::Generation;
use pins::{PinFolder, Staging};
use rule_slots::last_generation;

/// What stays the same for the life of a datapath.
#[derive(Clone, Debug)]
pub struct DatapathOptions {
    /// Where to attach.
    pub interfaces: Vec<InterfaceConfig>,
    /// A folder on a bpffs.
    pub pin_path: PathBuf,
}

/// The packet filter in force.
pub struct Datapath {
    generation: Generation,
    /// The number and the names of the generation before: some of its events are still to be read.
    before: Option<(u32, PolicyNames)>,
    /// The highest number of a generation that was in force.
    last: u32,
    attachments: Attachments,
    bans: Bans,
    pins: PinFolder,
}

impl Datapath {
    /// Loads the first generation and attaches it to every interface, or leaves everything as it was.
    ///
    /// # Errors
    ///
    /// See [`DatapathError`].
    pub fn start(
        options: &DatapathOptions,
        packet: &PacketOptions,
        policy: &CompiledPolicy,
    ) -> Result<Self, DatapathError> {
        attach::check_interfaces(&options.interfaces)?;
        let pins = PinFolder::claim(&options.pin_path)?;
        let staging = pins.prepare()?;
        // What an earlier daemon left in force stays where this fails; of this one nothing does.
        let (generation, attachments) = load_and_attach(options, packet, policy, &pins, &staging)
            .inspect_err(|_| pins.put_back(&staging))?;
        staging.commit()?;
        let bans = Bans::open(pins.path())?;
        let last = generation.number();
        Ok(Self { generation, before: None, last, attachments, bans, pins })
    }

    /// Puts a loaded generation in the old one's place, and returns the old one, which may be put back.
    /// Every packet is judged by one of them, whole.
    ///
    /// # Errors
    ///
    /// See [`DatapathError`]; the old generation stays in force.
    pub fn switch(&mut self, mut next: Generation) -> Result<Generation, DatapathError> {
        let staging = self.pins.stage(next.program()?)?;
        let entered = next.enter();
        let switched =
            entered.and_then(|()| self.attachments.switch(&mut next, &mut self.generation));
        if let Err(error) = switched {
            staging.discard();
            // Its rules are the last that were used: they keep their slots.
            self.generation.enter()?;
            return Err(error);
        }
        if let Err(error) = staging.commit() {
            // It is in force all the same; the next daemon finds its pins beside those of before.
            tracing::error!(%error, "the pin of the program is not that in force");
        }
        self.last = self.last.max(next.number());
        let before = std::mem::replace(&mut self.generation, next);
        self.before = Some((before.number(), before.names().clone()));
        Ok(before)
    }

    /// The number of the next generation: none has had it, also where one was taken back.
    #[must_use]
    pub fn next_number(&self) -> u32 {
        self.last.saturating_add(1)
    }

    /// The number of the generation in force.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation.number()
    }

    /// What the numbers of a generation mean: of the one in force, or of the one before.
    #[must_use]
    pub fn names(&self, generation: u32) -> Option<&PolicyNames> {
        if generation == self.generation.number() {
            return Some(self.generation.names());
        }
        self.before.as_ref().filter(|(number, _)| *number == generation).map(|(_, names)| names)
    }

    /// How many bans there are.
    ///
    /// # Errors
    ///
    /// Where the kernel does not answer.
    pub fn ban_count(&self) -> Result<u64, DatapathError> {
        self.bans.count()
    }

    /// The ban of a source, where it goes on.
    ///
    /// # Errors
    ///
    /// Where the kernel does not answer.
    pub fn ban(&self, source: IpAddr) -> Result<Option<Ban>, DatapathError> {
        self.bans.find(source)
    }

    /// What the program in force says of a frame, and what becomes of nothing.
    ///
    /// # Errors
    ///
    /// Where the kernel does not run it.
    pub fn explain(&mut self, frame: &[u8]) -> Result<explain::Explained, DatapathError> {
        self.generation.explain(frame, None)
    }

    /// Packets and bytes by rule in force, since its name was first counted.
    ///
    /// # Errors
    ///
    /// Where the kernel does not answer.
    pub fn rule_counts(&self) -> Result<Vec<RuleCount>, DatapathError> {
        self.generation.rule_counts()
    }

    /// Rules that are gone and had to give up their counters to others, since the pins were made.
    #[must_use]
    pub fn rule_counters_replaced(&self) -> u64 {
        self.generation.replaced
    }

    /// Where the program is attached, and how.
    #[must_use]
    pub fn interfaces(&self) -> &[AttachedInterface] {
        self.attachments.interfaces()
    }

    /// Packets and bytes by verdict, reason and protocol, over all CPUs; rows of zero are left out.
    ///
    /// # Errors
    ///
    /// Where the kernel does not answer.
    pub fn counters(&self) -> Result<Vec<CounterRow>, DatapathError> {
        self.generation.counters()
    }

    /// What the program could not do.
    ///
    /// # Errors
    ///
    /// Where the kernel does not answer.
    pub fn losses(&self) -> Result<Losses, DatapathError> {
        self.generation.losses()
    }

    /// The sampled drops. The ring buffer is shared by the generations, so it outlives a switch.
    ///
    /// # Errors
    ///
    /// Where the pinned ring buffer cannot be opened.
    pub fn event_source(&self) -> Result<EventSource, DatapathError> {
        EventSource::open(self.pins.path())
    }

    /// The log lines of this generation's program, where they are on. Each generation has its own.
    ///
    /// # Errors
    ///
    /// Where the ring buffer of the log cannot be opened.
    pub fn kernel_log_source(&mut self) -> Result<Option<KernelLogSource>, DatapathError> {
        KernelLogSource::open(&mut self.generation)
    }

    /// Takes the filter off, and removes every pin: bans, buckets and counters are gone. Without this all of
    /// it stays in force when the datapath is dropped.
    ///
    /// # Errors
    ///
    /// Where a pin cannot be removed; the rest is removed all the same.
    pub fn detach(&mut self) -> Result<(), DatapathError> {
        let detached = self.attachments.detach();
        let removed = self.pins.remove();
        detached.and(removed)
    }
}

/// The same where no daemon runs; answers the interfaces that the filter was on, by name, or by number where
/// one is gone.
///
/// # Errors
///
/// Where a daemon runs, or a pin cannot be removed; the rest is removed all the same.
pub fn detach(pin_path: &Path) -> Result<Vec<String>, DatapathError> {
    if !pin_path.exists() {
        return Ok(Vec::new());
    }
    let pins = PinFolder::claim(pin_path)?;
    let links = pins.links();
    let interfaces = links.iter().map(|(_, index)| attach::name_of(*index)).collect();
    let detached = attach::detach(links.into_iter().map(|(pin, _)| pin));
    detached.and(pins.remove())?;
    Ok(interfaces)
}

fn load_and_attach(
    options: &DatapathOptions,
    packet: &PacketOptions,
    policy: &CompiledPolicy,
    pins: &PinFolder,
    staging: &Staging,
) -> Result<(Generation, Attachments), DatapathError> {
    let number = last_generation(&staging.path(maps::GENERATION))?.saturating_add(1);
    let mut generation = Generation::load_staged(number, packet, policy, staging)?;
    // A count or a bit map that was made anew beside kept bans would keep packets from asking for them.
    Bans::open_staged(staging)?.sweep()?;
    generation.enter()?;
    staging.pin_program(generation.program()?)?;
    let attachments = Attachments::attach(&options.interfaces, &mut generation, pins)?;
    Ok((generation, attachments))
}
