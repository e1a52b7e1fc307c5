//! Attaching, switching and detaching: one pinned link an interface.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use aya::programs::{Xdp, XdpMode};
use nix::net::if_::{if_nameindex, if_nametoindex};

use crate::{
    config::{AttachPolicy, InterfaceConfig},
    datapath::{
        error::DatapathError,
        generation::Generation,
        pins::{PinFolder, program_in},
    },
};

mod link;
mod undo;

use link::{attach_anew, make_room, replace, unpin};
use undo::{Step, Undo};

/// How the program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachMode {
    /// In the driver, before the kernel makes anything of a frame.
    Native,
    /// In the network stack: any driver, at a fraction of the speed.
    Generic,
}

impl AttachMode {
    /// The word used in metrics, logs and the command line.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }

    fn flags(self) -> XdpMode {
        match self {
            Self::Native => XdpMode::Driver,
            Self::Generic => XdpMode::Skb,
        }
    }
}

/// An interface with the program on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedInterface {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// How the program is attached.
    pub mode: AttachMode,
    /// For how long no program was on it, where this daemon had to change the mode of an earlier one.
    pub unfiltered: Option<Duration>,
}

/// The interfaces with the program on them, and where their links are pinned.
pub struct Attachments {
    interfaces: Vec<AttachedInterface>,
    pins: Vec<PathBuf>,
}

/// Every interface exists.
pub fn check_interfaces(interfaces: &[InterfaceConfig]) -> Result<(), DatapathError> {
    interfaces.iter().try_for_each(|interface| index_of(&interface.name).map(|_| ()))
}

fn index_of(name: &str) -> Result<u32, DatapathError> {
    if_nametoindex(name).map_err(|_| DatapathError::NoInterface { name: name.to_owned() })
}

/// The name of an interface; its number where it is gone.
pub fn name_of(index: Option<u32>) -> String {
    let Some(index) = index else { return "unknown".to_owned() };
    let interfaces = if_nameindex().ok();
    let found = interfaces.as_ref().and_then(|all| all.iter().find(|one| one.index() == index));
    found.map_or_else(|| format!("#{index}"), |one| one.name().to_string_lossy().into_owned())
}

impl Attachments {
    /// Attaches to all interfaces or to none. A link that an earlier daemon left is taken over: its program
    /// is replaced, so no packet goes unjudged in between. Where an interface refuses, what was done before
    /// is undone: the earlier daemon's filter stays in force.
    pub fn attach(
        interfaces: &[InterfaceConfig],
        generation: &mut Generation,
        pins: &PinFolder,
    ) -> Result<Self, DatapathError> {
        let mut undo = Undo::default();
        match Self::attach_all(interfaces, generation.program()?, pins, &mut undo) {
            Ok(attachments) => {
                attachments.remove_others(pins);
                Ok(attachments)
            }
            Err(error) => {
                undo.undo();
                Err(error)
            }
        }
    }

    /// What is most likely to be refused comes first, and what was in force is touched last.
    fn attach_all(
        interfaces: &[InterfaceConfig],
        program: &mut Xdp,
        pins: &PinFolder,
        undo: &mut Undo,
    ) -> Result<Self, DatapathError> {
        let mut places = Vec::new();
        for interface in interfaces {
            let index = index_of(&interface.name)?;
            places.push((interface, index, Left::find(interface, index, pins)));
        }
        places.sort_by_key(|(.., left)| left.order());
        let mut attached = Vec::new();
        for (interface, index, left) in places {
            let (mode, unfiltered) = match left {
                Left::Nothing => (add(interface, index, program, pins, undo)?, None),
                Left::OtherMode(mode) => {
                    let changed = change_mode(interface, index, mode, program, pins, undo)?;
                    (changed.0, Some(changed.1))
                }
                Left::Alike(mode) => {
                    (take_over(interface, index, mode, program, pins, undo)?, None)
                }
            };
            let name = interface.name.clone();
            attached.push(AttachedInterface { name, index, mode, unfiltered });
        }
        let place = |one: &AttachedInterface| interfaces.iter().position(|it| it.name == one.name);
        attached.sort_by_key(place);
        let pins = attached.iter().map(|one| pins.link(one.index, one.mode.label())).collect();
        Ok(Self { interfaces: attached, pins })
    }

    /// An earlier daemon was on interfaces that this one is not to be on.
    fn remove_others(&self, pins: &PinFolder) {
        for (pin, _) in pins.links() {
            if !self.pins.contains(&pin) {
                tracing::warn!(pin = %pin.display(), "detaching from what is no longer configured");
                let _ = unpin(&pin);
            }
        }
    }

    /// The interfaces.
    pub fn interfaces(&self) -> &[AttachedInterface] {
        &self.interfaces
    }

    /// Puts `next` in the place of `current` on every interface, or on none.
    pub fn switch(
        &self,
        next: &mut Generation,
        current: &mut Generation,
    ) -> Result<(), DatapathError> {
        for (position, pin) in self.pins.iter().enumerate() {
            if let Err(reason) = replace(pin, next.program()?) {
                for switched in &self.pins[..position] {
                    // The old program was in this link a moment ago: the kernel takes it back.
                    let _ = replace(switched, current.program()?);
                }
                let name = self.interfaces[position].name.clone();
                return Err(DatapathError::Switch { name, reason });
            }
        }
        Ok(())
    }

    /// Takes the program off every interface.
    pub fn detach(&mut self) -> Result<(), DatapathError> {
        self.interfaces.clear();
        detach(self.pins.drain(..))
    }
}

/// Removes pinned links, and with them the program from their interfaces.
pub fn detach(pins: impl Iterator<Item = PathBuf>) -> Result<(), DatapathError> {
    let removed = pins.map(|path| {
        unpin(&path).map_err(|source| DatapathError::Pin { path, action: "remove", source })
    });
    // All of them, whatever becomes of one.
    removed.fold(Ok(()), Result::and)
}

/// What an earlier daemon left on an interface.
#[derive(Clone, Copy)]
enum Left {
    /// No link.
    Nothing,
    /// A link in another mode than the configuration wants.
    OtherMode(AttachMode),
    /// A link as the configuration wants it.
    Alike(AttachMode),
}

impl Left {
    fn find(interface: &InterfaceConfig, index: u32, pins: &PinFolder) -> Self {
        let wanted: &[AttachMode] = match interface.mode {
            AttachPolicy::Native => &[AttachMode::Native],
            AttachPolicy::NativeOrGeneric => &[AttachMode::Native, AttachMode::Generic],
            AttachPolicy::Generic => &[AttachMode::Generic],
        };
        let is_left = |mode: &&AttachMode| pins.link(index, mode.label()).exists();
        let all = [AttachMode::Native, AttachMode::Generic];
        match (wanted.iter().find(is_left), all.iter().find(is_left)) {
            (Some(mode), _) => Self::Alike(*mode),
            (None, Some(mode)) => Self::OtherMode(*mode),
            (None, None) => Self::Nothing,
        }
    }

    fn order(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::OtherMode(_) => 1,
            Self::Alike(_) => 2,
        }
    }
}

/// Attaches where none of ours is.
fn add(
    interface: &InterfaceConfig,
    index: u32,
    program: &mut Xdp,
    pins: &PinFolder,
    undo: &mut Undo,
) -> Result<AttachMode, DatapathError> {
    make_room(interface, index)?;
    let mode = attach_anew(interface, index, program, pins)?;
    undo.push(Step::Attached { pin: pins.link(index, mode.label()) });
    Ok(mode)
}

/// Puts the program in a link that is there.
fn take_over(
    interface: &InterfaceConfig,
    index: u32,
    mode: AttachMode,
    program: &mut Xdp,
    pins: &PinFolder,
    undo: &mut Undo,
) -> Result<AttachMode, DatapathError> {
    let pin = pins.link(index, mode.label());
    let before = pins.program_of(&pin);
    if let Err(reason) = replace(&pin, program) {
        // Its interface is gone, or it is no link: it only bars the way.
        tracing::warn!(pin = %pin.display(), reason, "a pinned link of no use: removing it");
        let _ = unpin(&pin);
        return add(interface, index, program, pins, undo);
    }
    tracing::info!(interface = interface.name, "took over the link of an earlier daemon");
    if let Some(program) = before {
        undo.push(Step::Replaced { pin, program });
    }
    Ok(mode)
}

/// Attaches in another mode than an earlier daemon. The kernel keeps one of the two modes out while the other
/// is there, so the old program comes off first: it is held, to be put back where the new mode is refused.
fn change_mode(
    interface: &InterfaceConfig,
    index: u32,
    from: AttachMode,
    program: &mut Xdp,
    pins: &PinFolder,
    undo: &mut Undo,
) -> Result<(AttachMode, Duration), DatapathError> {
    let pin = pins.link(index, from.label());
    if program_in(&pin).is_none() {
        tracing::warn!(pin = %pin.display(), "no link, where one was pinned: removing it");
        let _ = unpin(&pin);
        return Ok((add(interface, index, program, pins, undo)?, Duration::ZERO));
    }
    let Some(before) = pins.program_of(&pin) else {
        return Err(DatapathError::ModeHeld { name: interface.name.clone(), mode: from.label() });
    };
    let since = Instant::now();
    unpin(&pin).map_err(|source| DatapathError::Pin {
        path: pin.clone(),
        action: "remove",
        source,
    })?;
    let interface_of = interface.clone();
    undo.push(Step::TakenOff { interface: interface_of, index, mode: from, pin, program: before });
    let mode = attach_anew(interface, index, program, pins)?;
    let unfiltered = since.elapsed();
    undo.push(Step::Attached { pin: pins.link(index, mode.label()) });
    tracing::warn!(
        interface = interface.name,
        from = from.label(),
        to = mode.label(),
        unfiltered_us = unfiltered.as_micros() as u64,
        "changed the mode: every frame of that time passed"
    );
    Ok((mode, unfiltered))
}
