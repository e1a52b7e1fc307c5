//! The handle on the kernel: a generation is a loaded program with its own tables, and a change of
//! policy is one link update an interface.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use crate::{config::InterfaceConfig, policy::compile::CompiledPolicy};

pub mod error;
mod pins;
mod options;
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
use pins::PinFolder;

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
        pins.prepare()?;
        match load_and_attach(options, packet, policy, &pins) {
            Ok((generation, attachments)) => {
                let bans = Bans::open(pins.path())?;
                Ok(Self { generation, before: None, attachments, bans, pins })
            }
            Err(error) => {
                // What an earlier daemon left in force stays; of this one nothing does.
                if pins.links().is_empty() {
                    let _ = pins.remove();
                }
                Err(error)
            }
        }
    }

    /// Puts a loaded generation in the old one's place, and returns the old one, which may be put back.
    /// Every packet is judged by one of them, whole.
    ///
    /// # Errors
    ///
    /// See [`DatapathError`]; the old generation stays in force.
    pub fn switch(&mut self, mut next: Generation) -> Result<Generation, DatapathError> {
        self.attachments.switch(&mut next, &mut self.generation)?;
        let before = std::mem::replace(&mut self.generation, next);
        self.before = Some((before.number(), before.names().clone()));
        Ok(before)
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

    /// Packets and bytes by rule, since the generation in force came into force.
    ///
    /// # Errors
    ///
    /// Where the kernel does not answer.
    pub fn rule_counts(&self) -> Result<Vec<RuleCount>, DatapathError> {
        self.generation.rule_counts()
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
) -> Result<(Generation, Attachments), DatapathError> {
    let mut generation = Generation::load(1, packet, policy, pins.path())?;
    let attachments = Attachments::attach(&options.interfaces, &mut generation, pins)?;
    Ok((generation, attachments))
}
