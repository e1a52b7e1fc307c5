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
use nix::{errno::Errno, net::if_::if_nametoindex};

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

impl Attachments {
    /// Attaches to all interfaces or to none. A link that a daemon left when it died is taken over:
    /// its program is replaced, so no packet goes unjudged in between.
    pub fn attach(
        interfaces: &[InterfaceConfig],
        generation: &mut Generation,
        pins: &PinFolder,
    ) -> Result<Self, DatapathError> {
        let mut attached = Self { interfaces: Vec::new(), pins: Vec::new() };
        for interface in interfaces {
            let index = index_of(&interface.name)?;
            let program = generation.program()?;
            let mode = match take_over(interface, index, program, pins) {
                Some(mode) => Ok(mode),
                None => make_room(interface, index)
                    .and_then(|()| attach_anew(interface, index, program, pins)),
            };
            match mode {
                Ok(mode) => {
                    let name = interface.name.clone();
                    attached.interfaces.push(AttachedInterface { name, index, mode });
                    attached.pins.push(pins.link(index, mode.label()));
                }
                Err(error) => {
                    // What was attached so far comes off again; the first error is the one to tell.
                    let _ = attached.detach();
                    return Err(error);
                }
            }
        }
        Ok(attached)
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
        let mut result = Ok(());
        for pin in self.pins.drain(..) {
            let removed = unpin(&pin).map_err(|source| DatapathError::Pin {
                path: pin.clone(),
                action: "remove",
                source,
            });
            result = result.and(removed);
        }
        result
    }
}

/// The link is held by its pin, so a refusal leaves the program in it that was there.
fn replace(pin: &Path, program: &mut Xdp) -> Result<(), String> {
    let link = PinnedLink::from_pin(pin).map_err(|error| error.to_string())?;
    let link = XdpLink::try_from(FdLink::from(link)).map_err(|error| error.to_string())?;
    program.attach_to_link(link).map(|_| ()).map_err(|error| error.to_string())
}

/// Removes a pin while the link is held, and lets go of the link last: then the kernel detaches before
/// this returns. A link whose pin is its last holder is detached by a worker of the kernel, later.
fn unpin(pin: &Path) -> io::Result<()> {
    match PinnedLink::from_pin(pin) {
        Ok(link) => link.unpin().map(drop),
        Err(_) => fs::remove_file(pin),
    }
}

fn take_over(
    interface: &InterfaceConfig,
    index: u32,
    program: &mut Xdp,
    pins: &PinFolder,
) -> Option<AttachMode> {
    let modes: &[AttachMode] = match interface.mode {
        AttachPolicy::Native => &[AttachMode::Native],
        AttachPolicy::NativeOrGeneric => &[AttachMode::Native, AttachMode::Generic],
        AttachPolicy::Generic => &[AttachMode::Generic],
    };
    for mode in [AttachMode::Native, AttachMode::Generic] {
        let pin = pins.link(index, mode.label());
        if !pin.exists() {
            continue;
        }
        if modes.contains(&mode) && replace(&pin, program).is_ok() {
            tracing::info!(interface = interface.name, "took over the link of an earlier daemon");
            return Some(mode);
        }
        // A link of another mode, or of an interface that is gone: it only bars the way.
        let _ = unpin(&pin);
    }
    None
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
