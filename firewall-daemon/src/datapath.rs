//! The handle on the kernel: a generation is a loaded program with its own tables, and a change of
//! policy is one link update an interface.

use std::path::PathBuf;

use crate::{
    config::{EventsConfig, InterfaceConfig, KernelLog, NonIp, PacketConfig, RateLimitConfig},
    policy::compile::CompiledPolicy,
};

pub mod error;
mod pins;
pub mod generation;
mod attach;
mod counters;
mod events;
mod kernel_log;

pub use attach::{AttachMode, AttachedInterface};
pub use counters::{CounterRow, Losses};
pub use error::DatapathError;
pub use events::EventSource;
pub use kernel_log::KernelLogSource;

use attach::Attachments;
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

/// What a generation may change beside its tables.
#[derive(Clone, Debug)]
pub struct PacketOptions {
    /// Token bucket per source.
    pub rate_limit: Option<RateLimitConfig>,
    /// Frames that are neither IP, ARP nor link control.
    pub non_ip: NonIp,
    /// Sampling of drops.
    pub events: EventsConfig,
    /// Log lines of the program.
    pub kernel_log: KernelLog,
}

impl From<&PacketConfig> for PacketOptions {
    fn from(config: &PacketConfig) -> Self {
        Self {
            rate_limit: config.rate_limit.clone(),
            non_ip: config.non_ip,
            events: config.events.clone(),
            kernel_log: config.kernel_log,
        }
    }
}

/// The packet filter in force.
pub struct Datapath {
    number: u64,
    generation: Generation,
    attachments: Attachments,
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
        match load_and_attach(options, packet, policy, &pins) {
            Ok((generation, attachments)) => Ok(Self { number: 1, generation, attachments, pins }),
            Err(error) => {
                // What an earlier daemon left in force stays; of this one nothing does.
                if !pins.holds_links() {
                    let _ = pins.remove();
                }
                Err(error)
            }
        }
    }

    /// Puts a loaded generation in the old one's place. Every packet is judged by one of them, whole.
    ///
    /// # Errors
    ///
    /// See [`DatapathError`]; the old generation stays in force.
    pub fn switch(&mut self, mut next: Generation) -> Result<(), DatapathError> {
        self.attachments.switch(&mut next, &mut self.generation)?;
        self.generation = next;
        self.number += 1;
        Ok(())
    }

    /// 1 for the first, one more with every switch.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.number
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

    /// Detaches everything and removes every pin.
    ///
    /// # Errors
    ///
    /// Where a pin cannot be removed; the rest is removed all the same.
    pub fn stop(&mut self) -> Result<(), DatapathError> {
        let detached = self.attachments.detach();
        let removed = self.pins.remove();
        detached.and(removed)
    }
}

fn load_and_attach(
    options: &DatapathOptions,
    packet: &PacketOptions,
    policy: &CompiledPolicy,
    pins: &PinFolder,
) -> Result<(Generation, Attachments), DatapathError> {
    let mut generation = Generation::load(packet, policy, pins.path())?;
    let attachments = Attachments::attach(&options.interfaces, &mut generation, pins)?;
    Ok((generation, attachments))
}
