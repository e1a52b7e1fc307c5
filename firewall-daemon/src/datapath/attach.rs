//! Attaching, switching and detaching: one pinned link an interface.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aya::programs::{
    ProgramError, Xdp, XdpMode,
    links::{FdLink, PinnedLink},
    xdp::XdpLink,
};
use nix::{
    errno::Errno,
    net::if_::{if_nameindex, if_nametoindex},
};

use crate::{
    config::{AttachPolicy, InterfaceConfig},
    datapath::{attached, error::DatapathError, generation::Generation, pins::PinFolder},
};

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
    /// is replaced, so no packet goes unjudged in between. That comes last, as the program that was in it
    /// cannot be put back: where another interface refuses, the earlier daemon's filter stays in force.
    pub fn attach(
        interfaces: &[InterfaceConfig],
        generation: &mut Generation,
        pins: &PinFolder,
    ) -> Result<Self, DatapathError> {
        let mut anew = Self { interfaces: Vec::new(), pins: Vec::new() };
        let (mut left, mut taken) = (Vec::new(), Vec::new());
        for interface in interfaces {
            let index = index_of(&interface.name)?;
            match left_link(interface, index, pins) {
                Some(mode) => left.push((interface, index, mode)),
                None => anew.add(interface, index, generation.program()?, pins)?,
            }
        }
        for (interface, index, mode) in left {
            let (pin, program) = (pins.link(index, mode.label()), generation.program()?);
            if let Err(reason) = replace(&pin, program) {
                // Its interface is gone, or it is no link: it only bars the way.
                tracing::warn!(pin = %pin.display(), reason, "a pinned link of no use: removing it");
                let _ = unpin(&pin);
                anew.add(interface, index, program, pins)?;
                continue;
            }
            tracing::info!(interface = interface.name, "took over the link of an earlier daemon");
            taken.push((AttachedInterface { name: interface.name.clone(), index, mode }, pin));
        }
        for (interface, pin) in taken {
            anew.interfaces.push(interface);
            anew.pins.push(pin);
        }
        anew.remove_others(pins);
        Ok(anew)
    }

    /// Attaches to one more. Where that fails, what was attached so far comes off again.
    fn add(
        &mut self,
        interface: &InterfaceConfig,
        index: u32,
        program: &mut Xdp,
        pins: &PinFolder,
    ) -> Result<(), DatapathError> {
        let attached =
            make_room(interface, index).and_then(|()| attach_anew(interface, index, program, pins));
        let mode = attached.inspect_err(|_| {
            // The first error is the one to tell.
            let _ = self.detach();
        })?;
        self.interfaces.push(AttachedInterface { name: interface.name.clone(), index, mode });
        self.pins.push(pins.link(index, mode.label()));
        Ok(())
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

/// The link is held by its pin, so a refusal leaves the program in it that was there.
fn replace(pin: &Path, program: &mut Xdp) -> Result<(), String> {
    let link = PinnedLink::from_pin(pin).map_err(|error| error.to_string())?;
    let link = XdpLink::try_from(FdLink::from(link)).map_err(|error| error.to_string())?;
    let id = program.attach_to_link(link).map_err(|error| error.to_string())?;
    // The pin alone is to hold the link: held by the program too, it would stay when its pin goes.
    let link = program.take_link(id).map_err(|error| error.to_string())?;
    FdLink::try_from(link).map(drop).map_err(|error| error.to_string())
}

/// Removes a pin while the link is held, and lets go of the link last: then the kernel detaches before
/// this returns. A link whose pin is its last holder is detached by a worker of the kernel, later.
fn unpin(pin: &Path) -> io::Result<()> {
    match PinnedLink::from_pin(pin) {
        Ok(link) => link.unpin().map(drop),
        Err(_) => fs::remove_file(pin),
    }
}

/// How a link that an earlier daemon left is attached, where that is as the configuration wants it. One of
/// another mode bars the way.
fn left_link(interface: &InterfaceConfig, index: u32, pins: &PinFolder) -> Option<AttachMode> {
    let modes: &[AttachMode] = match interface.mode {
        AttachPolicy::Native => &[AttachMode::Native],
        AttachPolicy::NativeOrGeneric => &[AttachMode::Native, AttachMode::Generic],
        AttachPolicy::Generic => &[AttachMode::Generic],
    };
    let is_left = |mode: &AttachMode| pins.link(index, mode.label()).exists();
    let left = modes.iter().copied().find(is_left);
    for mode in [AttachMode::Native, AttachMode::Generic] {
        if left != Some(mode) && is_left(&mode) {
            let _ = unpin(&pins.link(index, mode.label()));
        }
    }
    left
}

/// Names a program of someone else, or removes it where the configuration says so. It is gone then, also
/// where a later interface fails.
fn make_room(interface: &InterfaceConfig, index: u32) -> Result<(), DatapathError> {
    let found = match attached::query(index) {
        // An offloaded program leaves room for another in the driver or the stack.
        Ok(Some(found)) if found.mode != attached::OFFLOAD => found,
        Ok(Some(_) | None) => return Ok(()),
        Err(error) => {
            // Attaching tells whether there is one.
            tracing::debug!(interface = interface.name, %error, "cannot ask for an XDP program");
            return Ok(());
        }
    };
    let name = interface.name.clone();
    if !interface.replace {
        let remedy = attached::remedy(&found, &name);
        return Err(DatapathError::Occupied { name, found, remedy });
    }
    tracing::warn!(
        interface = name,
        program = found.name,
        id = found.id,
        mode = found.mode,
        "replacing another XDP program: until ours is attached, every frame passes"
    );
    attached::detach(index, &found).map_err(|source| DatapathError::Replace { name, found, source })
}

fn attach_anew(
    interface: &InterfaceConfig,
    index: u32,
    program: &mut Xdp,
    pins: &PinFolder,
) -> Result<AttachMode, DatapathError> {
    let (link, mode) = match interface.mode {
        AttachPolicy::Native => attach_in(interface, index, program, AttachMode::Native)?,
        AttachPolicy::Generic => attach_in(interface, index, program, AttachMode::Generic)?,
        AttachPolicy::NativeOrGeneric => attach_in(interface, index, program, AttachMode::Native)
            .or_else(|error| {
            tracing::warn!(
                interface = interface.name,
                %error,
                "native mode refused, falling back to generic mode: expect a fraction of the speed"
            );
            attach_in(interface, index, program, AttachMode::Generic)
        })?,
    };
    let pin = pins.link(index, mode.label());
    link.pin(pin).map_err(|error| DatapathError::Attach {
        name: interface.name.clone(),
        mode: mode.label(),
        reason: format!("the link cannot be pinned: {error}"),
    })?;
    Ok(mode)
}

fn attach_in(
    interface: &InterfaceConfig,
    index: u32,
    program: &mut Xdp,
    mode: AttachMode,
) -> Result<(FdLink, AttachMode), DatapathError> {
    let failed =
        |reason| DatapathError::Attach { name: interface.name.clone(), mode: mode.label(), reason };
    let id = program
        .attach_to_if_index(index, mode.flags())
        .map_err(|error| failed(explain(&error, mode)))?;
    let link = program.take_link(id).map_err(|error| failed(error.to_string()))?;
    let link = FdLink::try_from(link)
        .map_err(|_| failed("this kernel has no XDP links; 5.9 or later is needed".to_owned()))?;
    Ok((link, mode))
}

/// The kernel's answer in words, with the remedy.
fn explain(error: &ProgramError, mode: AttachMode) -> String {
    let ProgramError::SyscallError(syscall) = error else {
        return error.to_string();
    };
    let errno = syscall.io_error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw);
    match errno {
        Errno::EBUSY | Errno::EEXIST => "another XDP program is attached; \
             `ip link show` names it, `ip link set dev INTERFACE xdp off` removes it"
            .to_owned(),
        Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ERANGE if mode == AttachMode::Native => format!(
            "the driver refuses ({errno}); its MTU may be too large for native mode, or it has none: \
             `mode: native_or_generic` allows the slower generic mode"
        ),
        errno => errno.to_string(),
    }
}
